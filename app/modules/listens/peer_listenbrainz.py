"""ListenBrainz, or another Segue, by the ListenBrainz API.

Source: https://listenbrainz.readthedocs.io/en/latest/users/api/core.html
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote
from uuid import UUID

import msgspec

from app import __version__
from app.contracts.listens import NewListen
from app.kernel.outgoing import Outgoing, Reply
from app.modules.listens.peers import (
    PeerAway,
    PeerRefused,
    PeerUnauthorised,
    Play,
    Taken,
    asked,
    brief,
    decoded,
    wait_of,
)

MAX_LISTEN_BYTES = 10_000  # 10240 of the service, less what is around it
PAGE = 500
# Words of Segue about a listen that mean nothing elsewhere, or that are said by others.
OWN_WORDS = {"listened_at_is", "duration", "duration_ms", "recording_msid", "submission_client"}


class ListenBrainz:
    max_batch = 100
    recognises_repeats = True

    def __init__(
        self, outgoing: Outgoing, address: str, user_name: str, token: str, timeout_s: Callable[[], float]
    ) -> None:
        self.outgoing = outgoing
        self.base = address.rstrip("/").removesuffix("/1") + "/1"
        self.user_name = user_name
        self.headers = {"Authorization": f"Token {token}"}
        self.timeout_s = timeout_s

    def check(self) -> str:
        said = self._ask("GET", "/validate-token")
        if not isinstance(said, dict) or said.get("valid") is not True or not said.get("user_name"):
            raise PeerUnauthorised("the token is not valid there")
        return str(said["user_name"])

    def push(self, plays: Sequence[Play]) -> Taken:
        body = {"listen_type": "single" if len(plays) == 1 else "import", "payload": [payload(play) for play in plays]}
        said = self._ask("POST", "/submit-listens", msgspec.json.encode(body))
        if not isinstance(said, dict) or said.get("status") != "ok":
            raise PeerAway("the answer is not one of ListenBrainz; is the address right?", may_have_arrived=True)
        return Taken()

    def arrived(self, plays: Sequence[Play]) -> set[int]:
        return set()

    def pull(self, after: datetime, until: datetime) -> Iterator[list[NewListen]]:
        name = quote(self.user_name or self.check(), safe="")
        after_ts = int(after.timestamp()) - 1
        while True:
            said = self._ask("GET", f"/user/{name}/listens?min_ts={after_ts}&count={PAGE}")
            try:
                listens = said["payload"]["listens"]
                times = [int(each["listened_at"]) for each in listens]
            except (KeyError, TypeError, ValueError):
                raise PeerAway("the answer is not one of ListenBrainz; is the address right?") from None
            if not listens:
                return
            yield [found for each in listens if (found := listen_of(each)) is not None]
            if len(listens) < PAGE or max(times) <= after_ts:
                return
            # the second of the newest may go on in the next page, unless it filled this one
            after_ts = max(times) - 1 if max(times) - 1 > after_ts else max(times)

    def _ask(self, method: str, path: str, body: bytes | None = None) -> Any:
        reply = asked(
            self.outgoing, method, self.base + path, headers=self.headers, body=body, timeout_s=self.timeout_s()
        )
        if reply.status in {200, 204}:
            return decoded(reply)
        raise failure_of(reply)


def failure_of(reply: Reply) -> Exception:
    """Return what an answer other than 200 means."""
    said = decoded(reply)
    words = brief(said.get("error") if isinstance(said, dict) else "", f"it answers with status {reply.status}")
    if reply.status in {401, 403}:
        return PeerUnauthorised(words)
    if reply.status in {400, 413, 422} and isinstance(said, dict):
        return PeerRefused(words)
    if reply.status == 429:
        return PeerAway("it asks to wait", wait_s=wait_of(reply.headers) or 60)
    # what is in front of a service (502, 504) does not know whether the service heard
    return PeerAway(words, may_have_arrived=reply.status >= 500, wait_s=wait_of(reply.headers))


def payload(play: Play) -> dict[str, Any]:
    """Return a listen as the API takes it; what else its client told is left out where that is too much."""
    info: dict[str, Any] = {"submission_client": "Segue", "submission_client_version": __version__}
    if play.client:
        info["original_submission_client"] = play.client
    if play.duration_ms:
        info["duration_ms"] = play.duration_ms
    named: dict[str, Any] = {"artist_name": play.artist, "track_name": play.title}
    if play.release:
        named["release_name"] = play.release
    more = {key: value for key, value in play.extra.items() if key not in OWN_WORDS}
    full = _listen(play, named, {**more, **info})
    return full if len(msgspec.json.encode(full)) <= MAX_LISTEN_BYTES else _listen(play, named, info)


def _listen(play: Play, named: dict[str, Any], info: dict[str, Any]) -> dict[str, Any]:
    return {
        "listened_at": int(play.listened_at.timestamp()),
        "track_metadata": {**named, "additional_info": info},
    }


def listen_of(raw: Any) -> NewListen | None:
    """Return a listen of theirs as one of ours, None where it is not one."""
    try:
        named = raw["track_metadata"]
        info = dict(named.get("additional_info") or {})
        duration_ms = info.pop("duration_ms", None) or 1000 * int(info.pop("duration", None) or 0)
        return NewListen(
            listened_at=datetime.fromtimestamp(int(raw["listened_at"]), UTC),
            artist=str(named["artist_name"]),
            title=str(named["track_name"]),
            release=str(named.get("release_name") or "") or None,
            duration_ms=int(duration_ms) or None,
            recording_mbid=_uuid(info.pop("recording_mbid", None)),
            extra={key: value for key, value in info.items() if key != "recording_msid"} or None,
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError):
        return None


def _uuid(said: Any) -> UUID | None:
    try:
        return UUID(said) if said else None
    except (ValueError, AttributeError, TypeError):
        return None
