"""Spotify: the extended streaming history, the account data of the last year, liked songs and playlists.

The time in the files is that of the end of a play. Plays under 30 seconds count only where they were not cut short;
what is private (incognito) is left out, and so are podcasts and videos. Addresses, devices and countries never leave
this file.
"""

import re
from collections.abc import Iterator

from app.contracts.listens import NewListen
from app.modules.listens.formats.archive import Member
from app.modules.listens.formats.items import Item, Mix, MixEntry, Opinion, Play, Skipped
from app.modules.listens.formats.json_records import Broken, Record
from app.modules.listens.formats.reading import Bad, Reading, name, number, optional
from app.modules.listens.formats.seen import Seen

SHORT_MS = 30_000
LONGEST_PLAYLIST = 8 << 20  # characters: Spotify allows 10,000 tracks
CUT_SHORT = {
    *("fwdbtn", "backbtn", "clickrow", "clickside", "endplay", "playbtn", "remote", "logout", "popup", "trackerror"),
    *("unexpected-exit", "unexpected-exit-while-paused", "unknown", "", None),
}
EXTENDED_WITHIN_S = 30
ACCOUNT_WITHIN_S = 90  # minutes there, seconds here

_VIDEO = re.compile(r"Streaming_History_Video_[^/]*$", re.IGNORECASE)
_DIGITS = re.compile(r"(\d+)")


def part(path: str, head: str) -> str:
    """Return which part of Spotify's files this is."""
    if '"ms_played"' in head and '"ts"' in head:
        return "video" if _VIDEO.search(path) else "extended"
    if '"msPlayed"' in head and '"endTime"' in head:
        return "account"
    if '"playlists"' in head and ('"trackName"' in head or '"lastModifiedDate"' in head):
        return "playlists"
    return "library" if '"tracks"' in head and '"spotify:track:' in head and '"artist"' in head else ""


def read(reading: Reading, members: list[tuple[Member, str]]) -> Iterator[Item]:
    """Yield the extended history, then what the account data has beyond it, liked songs, playlists."""
    seen = Seen()
    has_both = {"extended", "account"} <= {what for _, what in members}
    for member, what in sorted(members, key=lambda of: (_ORDER.index(of[1]), _natural(of[0].name))):
        if what == "video":
            yield Skipped(member.name, "it holds videos", "file")
        elif what in ("extended", "account"):
            yield from _plays(reading, member, what == "extended", seen, has_both)
        elif what == "library":
            yield from _liked(reading, member)
        else:
            yield from _playlists(reading, member)


_ORDER = ("extended", "account", "video", "library", "playlists")


def _natural(path: str) -> list[tuple[int, str]]:
    return [(int(piece), "") if piece.isdecimal() else (0, piece) for piece in _DIGITS.split(path)]


def _plays(reading: Reading, member: Member, is_extended: bool, seen: Seen, has_both: bool) -> Iterator[Item]:
    looks_right = _looks_extended if is_extended else _looks_account
    for count, record in reading.records(member, looks_right):
        place = f"{member.name}:{count}"
        try:
            if isinstance(record, Broken):
                raise Bad(str(record))
            if is_extended:
                listen = _extended(reading, record, seen, has_both)
            else:
                listen = _account(reading, record, seen, has_both)
            yield Play(place, listen)
        except Bad as bad:
            yield Skipped(place, str(bad))


def _looks_extended(record: Record) -> bool:
    return "ms_played" in record


def _looks_account(record: Record) -> bool:
    return "msPlayed" in record


def _extended(reading: Reading, record: Record, seen: Seen, has_both: bool) -> NewListen:
    get = record.get
    title, artist, uri = (
        get("master_metadata_track_name"),
        get("master_metadata_album_artist_name"),
        get("spotify_track_uri"),
    )
    if not title or not artist:
        if get("episode_name") or get("spotify_episode_uri"):
            raise Bad("it is a podcast")
        raise Bad("it is an audiobook" if get("audiobook_title") or get("audiobook_uri") else "it names no recording")
    if get("incognito_mode") is True:
        raise Bad("it was played in a private session")
    played_ms = _played_ms(get("ms_played"))
    if played_ms < SHORT_MS:
        reason = get("reason_end")
        if get("skipped") is True or reason is None or (isinstance(reason, str) and reason in CUT_SHORT):
            raise Bad("it was skipped within 30 seconds")
    artist, title = name(artist, "artist"), name(title, "recording")
    end_s = reading.iso(get("ts")).timestamp()
    track = uri if isinstance(uri, str) and uri else f"{artist}\0{title}"
    if seen.before((track, played_ms), int(end_s), EXTENDED_WITHIN_S):
        raise Bad("it is a duplicate: the same play is in the files twice")
    if has_both:
        seen.before((artist, title, played_ms), int(end_s), 0)
    return NewListen(
        reading.moment(end_s - played_ms / 1000),
        artist,
        title,
        optional(get("master_metadata_album_album_name")),
        None,
        None,
        None,
        _extra(uri, played_ms),
    )


def _account(reading: Reading, record: Record, seen: Seen, has_both: bool) -> NewListen:
    artist, title = name(record.get("artistName"), "artist"), name(record.get("trackName"), "recording")
    played_ms = _played_ms(record.get("msPlayed"))
    if played_ms < SHORT_MS:
        raise Bad("it was played for less than 30 seconds")
    end_s = reading.iso(record.get("endTime")).timestamp()
    if has_both and seen.before((artist, title, played_ms), int(end_s), ACCOUNT_WITHIN_S):
        raise Bad("it is a duplicate: the extended history has the same play")
    return NewListen(reading.moment(end_s - played_ms / 1000), artist, title, extra=_extra(None, played_ms))


def _played_ms(value: object) -> int:
    found = value if type(value) is int else number(value)
    if found is None or found < 0:
        raise Bad("it doesn't say how long it was played")
    if found == 0:
        raise Bad("it was skipped at once")
    if found > 86_400_000:
        raise Bad("it claims to have been played for more than a day")
    return int(found)


def _extra(uri: object, played_ms: int) -> dict[str, object]:
    extra: dict[str, object] = {"duration_played": played_ms // 1000}
    if isinstance(uri, str) and uri.startswith("spotify:track:") and uri[14:].isalnum() and len(uri) < 60:
        extra["spotify_id"] = "https://open.spotify.com/track/" + uri[14:]
    return extra


def _liked(reading: Reading, member: Member) -> Iterator[Item]:
    for count, record in reading.records(member, lambda record: "track" in record, "tracks"):
        place = f"{member.name}:{count}"
        try:
            if isinstance(record, Broken):
                raise Bad(str(record))
            yield Opinion(place, name(record.get("artist"), "artist"), name(record.get("track"), "recording"), 1, None)
        except Bad as bad:
            yield Skipped(place, str(bad), "feedback")


def _playlists(reading: Reading, member: Member) -> Iterator[Item]:
    for count, record in reading.records(
        member, lambda record: "items" in record, "playlists", longest=LONGEST_PLAYLIST
    ):
        place = f"{member.name}:{count}"
        items = record.get("items") if not isinstance(record, Broken) else None
        if isinstance(record, Broken) or not isinstance(items, list):
            yield Skipped(place, str(record) if isinstance(record, Broken) else "it is no playlist", "playlist")
            continue
        entries = [entry for item in items if (entry := _entry(item))]
        title, description = optional(record.get("name")), optional(record.get("description"))
        yield Mix(place, title or "Playlist", description or "", False, entries)


def _entry(item: object) -> MixEntry | None:
    track = item.get("track") if isinstance(item, dict) else None
    if not isinstance(track, dict):
        return None
    artist, title = optional(track.get("artistName")), optional(track.get("trackName"))
    return MixEntry(artist, title, optional(track.get("albumName")), None) if artist and title else None
