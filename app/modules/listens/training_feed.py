"""The log as training may see it: keyed pseudonyms, no names."""

import hashlib
from uuid import UUID

from app.contracts.listens import (
    FeedbackSet,
    Listened,
    ListenerForgotten,
    ListensEvent,
    PlaycountSet,
    TrainingEvent,
    Unlistened,
)


class Pseudonyms:
    """Maps listeners to pseudonyms with a key that only this module can read."""

    def __init__(self, key: str) -> None:
        self._key = hashlib.sha256(key.encode()).digest()

    def of(self, listener_id: UUID) -> UUID:
        return UUID(bytes=hashlib.blake2b(listener_id.bytes, key=self._key, digest_size=16).digest())

    def translate(self, event: ListensEvent) -> TrainingEvent:
        """Return the event without the person and without names."""
        who = self.of(event.listener_id)
        match event:
            case Listened():
                return TrainingEvent("listened", who, _seconds(event), event.recording_key, event.artist_key)
            case Unlistened():
                return TrainingEvent("unlistened", who, _seconds(event), event.recording_key, event.artist_key)
            case PlaycountSet():
                return TrainingEvent("playcount_set", who, 0, event.recording_key, event.artist_key, event.plays)
            case FeedbackSet():
                recording = event.key if event.kind == "recordings" else None
                artist = event.key if event.kind == "artists" else None
                return TrainingEvent("feedback_set", who, 0, recording, artist, event.value)
            case ListenerForgotten():
                return TrainingEvent("forgotten", who)


def _seconds(event: Listened | Unlistened) -> int:
    return int(event.listened_at.timestamp())
