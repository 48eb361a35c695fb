"""A person's export: a zip in the layout of ListenBrainz, made while it is read, through the contracts.

Other services read its listens and feedback; playlists, totals without timestamps and the account lie beside them, so
that another Segue takes over everything.
"""

import json
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import groupby
from typing import Any
from uuid import UUID

import msgspec

from app.contracts.listens import Listen
from app.contracts.services import Services

PAGE = 1000
CHUNK_BYTES = 65_536
OWN_KEYS = ("release_artist", "listened_at_is")


class _Pipe:
    """What the zip is written into; read out as it grows, so that no more than a part of it is in memory."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.size = 0

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        self.size += len(data)
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def take(self) -> bytes:
        taken = b"".join(self._parts)
        self._parts.clear()
        self.size = 0
        return taken


def chunks(services: Services, listener_id: UUID) -> Iterator[bytes]:
    """Yield the bytes of the zip."""
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[call-overload]
        for _ in _written(archive, services, listener_id):
            if pipe.size >= CHUNK_BYTES:
                yield pipe.take()
    yield pipe.take()


def _written(archive: zipfile.ZipFile, services: Services, listener_id: UUID) -> Iterator[None]:
    """Write the files one after the other, yielding now and then."""
    account = services.accounts.export_listener(listener_id)
    heard = services.listens.export_listener(listener_id)
    name = account["listener"]["name"]
    _write(archive, "user.json", _json({"user_id": 1, "username": name}))
    yield
    yield from _write_listens(archive, services, listener_id)
    _write(archive, "feedback.jsonl", _lines(_feedback(each) for each in heard["feedback"]))
    _write(archive, "pinned_recording.jsonl", b"")
    _write(archive, "playcounts.jsonl", _lines(heard["playcounts"]))
    _write(archive, "corrections.jsonl", _lines(services.catalog.export_listener(listener_id)["corrections"]))
    yield
    made = services.playlists.export_listener(listener_id)
    for playlist in made["playlists"]:
        known = playlist["playlist"]
        _write(archive, f"playlists/{known['playlist_id']}.jspf", _json(_jspf(known, playlist["entries"], name)))
        yield
    others = {
        "accounts": account,
        "listens": heard["listens"],
        "imports": heard["imports"],
        "relays": heard["relays"],
        "library": made["library"],
        "recommendations": services.recommendations.export_listener(listener_id),
    }
    _write(archive, "account.json", msgspec.json.format(msgspec.json.encode(others)))
    yield


def _write_listens(archive: zipfile.ZipFile, services: Services, listener_id: UUID) -> Iterator[None]:
    """Write a file for each month, newest first, as the history is paged through."""
    for (year, month), listens in groupby(_history(services, listener_id), lambda each: _month(each.listened_at)):
        with archive.open(_info(f"listens/{year}/{month}.jsonl"), "w", force_zip64=True) as file:
            for number, listen in enumerate(listens):
                file.write(_json(_listen(listen)))
                if number % PAGE == 0:
                    yield
        yield


def _history(services: Services, listener_id: UUID) -> Iterator[Listen]:
    before: str | None = None
    while True:  # a page a call, as many as the listener has
        page = services.listens.history(listener_id, before=before, limit=PAGE)
        yield from page.listens
        before = page.next
        if before is None:
            return


def _month(at: datetime) -> tuple[int, int]:
    local = at.astimezone(UTC)
    return local.year, local.month


def _listen(listen: Listen) -> dict[str, Any]:
    sent = listen.sent or listen  # as it came, whatever corrections show it as
    extra = listen.extra or {}
    info = {key: value for key, value in extra.items() if key not in OWN_KEYS}
    if listen.duration_ms:
        info["duration_ms"] = listen.duration_ms
        info.pop("duration", None)
    if release_artist := extra.get("release_artist"):
        info["release_artist_name"] = release_artist
    if listen.client:
        info.setdefault("submission_client", listen.client)
    return {
        "listened_at": int(listen.listened_at.timestamp()),
        "inserted_at": listen.inserted_at.timestamp() if listen.inserted_at else None,
        "track_metadata": {
            "artist_name": sent.artist,
            "track_name": sent.title,
            "release_name": listen.release,
            "additional_info": info,
            "recording_msid": str(sent.recording_key),
            "mbid_mapping": None,
        },
    }


def _feedback(said: dict[str, Any]) -> dict[str, Any]:
    return {
        "recording_msid": said["key"],
        "recording_mbid": None,
        "score": said["value"],
        "created": int(datetime.fromisoformat(said["at"]).timestamp()),
        "kind": said["kind"],
        "artist_name": said["artist"],
        "track_name": said["title"] if said["kind"] == "recordings" else "",
    }


def _jspf(playlist: dict[str, Any], entries: list[dict[str, Any]], name: str) -> dict[str, Any]:
    tracks = [
        {
            "title": each["title"],
            "creator": each["artist"],
            "album": each["release"],
            "duration": each["duration_ms"],
        }
        for each in entries
    ]
    extension = {"public": playlist["is_public"], "creator": name, "last_modified_at": playlist["updated_at"]}
    return {
        "playlist": {
            "title": playlist["name"],
            "creator": name,
            "annotation": playlist["description"],
            "date": playlist["created_at"],
            "extension": {"https://musicbrainz.org/doc/jspf#playlist": extension},
            "track": [{key: value for key, value in track.items() if value} for track in tracks],
        }
    }


def _lines(values: Any) -> bytes:
    return b"".join(_json(value) for value in values)


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str).encode("utf-8", "replace") + b"\n"


def _write(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    archive.writestr(_info(name), data)


def _info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, datetime.now(UTC).timetuple()[:6])
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o600 << 16
    return info
