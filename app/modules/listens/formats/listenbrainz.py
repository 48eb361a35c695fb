"""ListenBrainz: the zip of today (and Segue's own, the same with names in the feedback), one JSON array of before."""

import re
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache, partial
from typing import Annotated, Any

import msgspec

from app.contracts.catalog import KeptCorrection
from app.contracts.listens import NewListen
from app.modules.listens.formats import jspf
from app.modules.listens.formats.adding_up import MAX_PLAYS, added_up
from app.modules.listens.formats.archive import Member
from app.modules.listens.formats.items import Count, Fix, Item, Opinion, Play, Skipped
from app.modules.listens.formats.json_records import Broken, Record
from app.modules.listens.formats.reading import (
    Bad,
    Reading,
    mbid,
    milliseconds,
    name,
    names_of,
    number,
    optional,
    seconds_of,
)

LONGEST_KEY = 100
MAX_FEEDBACK = 200_000  # held in memory until the listens that name it have been seen

NAMED = {
    ".jspf": "playlist",
    "playcounts.jsonl": "playcounts",
    "feedback.jsonl": "feedback",
    "corrections.jsonl": "corrections",
}

_INSIDE = re.compile(r'\s*\{.{0,200}?"(payload|listens)"\s*:\s*\[', re.DOTALL)
_MONTH = re.compile(r"(?:^|/)listens/(\d{4})/(\d{1,2})\.jsonl$")
# What says who or where somebody is; an additional_info may hold anything.
_PERSONAL = re.compile(
    r"(client|remote|listener)?ip(v[46]|add?r|address)?(decrypted)?|useragent.*|user|userid|username|e?mail|emailaddress"
    r"|.*device.*|(conn)?country(code)?|city|region|lat(itude)?|lon(gitude)?|geo.*|location|platform|host(name)?|phone.*"
)
_RELEASE_ARTIST = frozenset({"release_artist_name", "albumartist", "release_artist_names"})
_NESTING = frozenset({dict, list})
_NOT_WANTED = {"recording_msid", "artist_msid", "release_msid", "duration", "duration_ms", "recording_mbid"}


class _Mapping(msgspec.Struct):
    recording_mbid: str | None = None


class _Metadata(msgspec.Struct):
    artist_name: str | None = None
    track_name: str | None = None
    release_name: str | None = None
    additional_info: dict[str, Any] | None = None
    recording_msid: str | None = None
    mbid_mapping: msgspec.Raw = msgspec.Raw(b"null")


class _Line(msgspec.Struct):
    track_metadata: _Metadata
    listened_at: int | float | str | None = None
    recording_msid: str | None = None


class _Feedback(msgspec.Struct):
    score: int
    recording_msid: str | None = None
    recording_mbid: str | None = None
    created: int | float | None = None
    artist_name: str | None = None
    track_name: str | None = None
    kind: str | None = None


class _Playcount(msgspec.Struct):
    """A line of playcounts.jsonl, of Segue's own export; without a title it is of an artist."""

    artist: str
    plays: Annotated[int, msgspec.Meta(ge=1, le=MAX_PLAYS)]
    title: str | None = None


_decode_playcount = msgspec.json.Decoder(_Playcount).decode
_decode_correction = msgspec.json.Decoder(KeptCorrection).decode
_decode_line = msgspec.json.Decoder(_Line).decode
_decode_feedback = msgspec.json.Decoder(_Feedback).decode
_decode_mapping = msgspec.json.Decoder(_Mapping | None).decode


def part(path: str, head: str) -> str:
    """Return which part of an export this file is."""
    for ending, what in NAMED.items():
        if path.endswith(ending):
            return what
    if '"track_metadata"' in head and '"listened_at"' in head:
        is_array = head.lstrip().startswith("[") or _INSIDE.match(head)
        return "array" if is_array else "lines"
    if _MONTH.search(path):
        return "lines"
    has_id = '"recording_msid"' in head or '"recording_mbid"' in head
    return "feedback" if has_id and '"score"' in head and head.lstrip().startswith("{") else ""


def read(reading: Reading, members: list[tuple[Member, str]]) -> Iterator[Item]:
    """Yield listens from old to new as far as the names of files tell, then what else there is."""
    feedback = _FeedbackOf(reading)
    for member, what in members:
        if what == "feedback":
            yield from feedback.collect(member)
    for member, what in sorted(members, key=_by_month):
        if what == "lines":
            yield from _lines(reading, member, feedback)
        elif what == "array":
            yield from _array(reading, member, feedback)
    yield from feedback.resolved()
    for member, what in members:
        if what == "playcounts":
            yield from added_up(reading, partial(_playcounts, member=member))
        elif what == "playlist":
            yield from jspf.read(reading, member)
        elif what == "corrections":
            yield from _corrections(reading, member)


def _by_month(of: tuple[Member, str]) -> tuple[int, int, str]:
    found = _MONTH.search(of[0].name)
    return (int(found[1]), int(found[2]), of[0].name) if found else (0, 0, of[0].name)


def _lines(reading: Reading, member: Member, feedback: "_FeedbackOf") -> Iterator[Item]:
    for count, line in reading.raw_lines(member):
        place = f"{member.name}:{count}"
        if line is None:
            yield Skipped(place, "the line is too long")
            continue
        try:
            yield Play(place, _listen(reading, _decoded(reading, line), feedback))
        except Bad as bad:
            yield Skipped(place, str(bad))


def _array(reading: Reading, member: Member, feedback: "_FeedbackOf") -> Iterator[Item]:
    inside = _INSIDE.match(reading.head(member))
    for count, record in reading.records(member, _looks_right, inside and inside[1]):
        place = f"{member.name}:{count}"
        try:
            if isinstance(record, Broken):
                raise Bad(str(record))
            yield Play(place, _listen(reading, _decoded(reading, _encoded(record)), feedback))
        except Bad as bad:
            yield Skipped(place, str(bad))


def _playcounts(reading: Reading, member: Member) -> Iterator[Item]:
    for count, line in reading.raw_lines(member):
        place = f"{member.name}:{count}"
        try:
            found = _decode_playcount(line or b"")
            yield Count(place, name(found.artist, "artist"), optional(found.title) or "", found.plays)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            yield Skipped(place, "it is no play count as Segue writes it")
        except Bad as bad:
            yield Skipped(place, str(bad))


def _corrections(reading: Reading, member: Member) -> Iterator[Item]:
    for count, line in reading.raw_lines(member):
        place = f"{member.name}:{count}"
        try:
            yield Fix(place, _decode_correction(line or b""))
        except (msgspec.MsgspecError, ValueError, RecursionError):
            yield Skipped(place, "it is no correction as Segue writes it")


def _looks_right(record: Record) -> bool:
    return "track_metadata" in record


def _encoded(record: Record) -> bytes:
    try:
        return msgspec.json.encode(record)
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise Bad("its text is not valid Unicode") from None


def _decoded(reading: Reading, line: bytes) -> _Line:
    try:
        return _decode_line(line)
    except msgspec.ValidationError as error:
        raise Bad(f"it is not as ListenBrainz writes it: {error}") from None
    except UnicodeDecodeError:
        return _decoded(reading, reading.text(line).encode("utf-8", "replace"))
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise Bad("it is not valid JSON") from None


def _listen(reading: Reading, line: _Line, feedback: "_FeedbackOf") -> NewListen:
    metadata = line.track_metadata
    info = metadata.additional_info or {}
    recording_mbid = info.get("recording_mbid")
    duration_ms = milliseconds(info.get("duration_ms")) or milliseconds(info.get("duration"), 1000)
    listened_at = line.listened_at
    at = reading.moment(listened_at if type(listened_at) is int else seconds_of(listened_at))
    artist, title = name(metadata.artist_name, "artist"), name(metadata.track_name, "recording")
    if feedback.is_waiting:
        msids = (metadata.recording_msid, line.recording_msid, info.get("recording_msid"))
        feedback.saw(artist, title, (*msids, recording_mbid), metadata.mbid_mapping)
    return NewListen(
        at,
        artist,
        title,
        optional(metadata.release_name),
        _release_artist(info) if info else None,
        duration_ms,
        mbid(recording_mbid) if recording_mbid else None,
        _useful(info) if info else None,
    )


def _release_artist(info: dict[str, Any]) -> str | None:
    if _RELEASE_ARTIST.isdisjoint(info):
        return None
    found = optional(info.get("release_artist_name")) or optional(info.get("albumartist"))
    return found or ", ".join(names_of(info.get("release_artist_names"))) or None


def _useful(info: dict[str, Any]) -> dict[str, Any] | None:
    """Return an additional_info without what is empty, kept elsewhere or personal."""
    kept = {
        key: value for key, value in info.items() if (value or value == 0) and len(key) <= LONGEST_KEY and _is_kept(key)
    }
    for key, value in kept.items():
        if type(value) is dict or (type(value) is list and not _NESTING.isdisjoint(map(type, value))):
            kept[key] = _without_personal(value)
    return kept or None


def _without_personal(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_personal(inner) for key, inner in value.items() if not is_personal(key)}
    return [_without_personal(inner) for inner in value] if isinstance(value, list) else value


@lru_cache(4096)
def _is_kept(key: str) -> bool:
    return key not in _NOT_WANTED and not is_personal(key)


def is_personal(key: str) -> bool:
    """Say whether a field of this name tells who or where somebody is."""
    return _PERSONAL.fullmatch(re.sub(r"[^a-z0-9]", "", key.lower())) is not None


class _FeedbackOf:
    """Love and hate, which ListenBrainz exports without names: they are taken from the listens of the same export."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.lines: list[tuple[str, _Feedback]] = []
        self.names: dict[str, tuple[str, str] | None] = {}  # by MSID or MBID, None until one is seen
        self.is_waiting = False

    def collect(self, member: Member) -> Iterator[Skipped]:
        for count, line in self.reading.raw_lines(member):
            place = f"{member.name}:{count}"
            if line is None or len(self.lines) >= MAX_FEEDBACK:
                yield Skipped(place, "there is too much feedback" if line else "the line is too long", "feedback")
                continue
            try:
                found = _decode_feedback(line)
            except (msgspec.MsgspecError, ValueError, RecursionError):
                yield Skipped(place, "it is not feedback as ListenBrainz writes it", "feedback")
                continue
            self.lines.append((place, found))
            if not found.artist_name:
                ids = [key for key in (found.recording_msid, found.recording_mbid) if key]
                self.names.update(dict.fromkeys(ids))
                self.is_waiting = self.is_waiting or bool(ids)

    def saw(self, artist: str, title: str, ids: tuple[object, ...], mapping: msgspec.Raw) -> None:
        for key in ids:
            if isinstance(key, str) and key in self.names:
                self.names[key] = artist, title
        if len(mapping) > 4:
            try:
                found = _decode_mapping(mapping)
            except (msgspec.MsgspecError, ValueError, RecursionError):
                return
            if found and found.recording_mbid in self.names:
                self.names[found.recording_mbid] = artist, title

    def resolved(self) -> Iterator[Opinion | Skipped]:
        for place, line in self.lines:
            try:
                yield self._opinion(place, line)
            except Bad as bad:
                yield Skipped(place, str(bad), "feedback")

    def _opinion(self, place: str, line: _Feedback) -> Opinion:
        if line.score not in (1, -1):
            raise Bad("it is neither love nor hate")
        if artist := optional(line.artist_name):
            is_artist = line.kind in ("artist", "artists")
            title = "" if is_artist else name(line.track_name, "recording")
        else:
            known = self.names.get(line.recording_msid or "") or self.names.get(line.recording_mbid or "")
            if not known:
                raise Bad("it names no recording, and no listen of the export tells which one it means")
            artist, title = known
        return Opinion(place, artist, title, line.score, self._at(line.created))

    def _at(self, created: float | None) -> datetime | None:
        try:
            return self.reading.moment(number(created) or 0)
        except Bad:
            return None
