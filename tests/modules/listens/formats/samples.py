"""Small files as the services export them."""

import csv
import io
import json
import plistlib
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from app.contracts.listens import NewListen
from app.modules.listens.formats import History, Item, Play, Skipped, open_history

START = datetime(2023, 1, 31, 17, 5, 22, tzinfo=UTC)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def at(number: int) -> datetime:
    return START + timedelta(minutes=7 * number)


def history(path: Path, **given: Any) -> History:
    return open_history(path, **{"now": NOW, **given})


def read(
    folder: Path, content: str | bytes | Mapping[str, str | bytes], filename: str = "file", **given: Any
) -> list[Item]:
    """Return what is read from a file, or from a zip of several."""
    return list(history(written(folder, content, filename), **given))


def written(folder: Path, content: str | bytes | Mapping[str, str | bytes], filename: str = "file") -> Path:
    path = folder / filename
    if isinstance(content, Mapping):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in content.items():
                archive.writestr(name, data)
    else:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def plays(items: list[Item]) -> list[NewListen]:
    return [item.listen for item in items if isinstance(item, Play)]


def reasons(items: list[Item]) -> list[tuple[str, str]]:
    return [(item.place, item.reason) for item in items if isinstance(item, Skipped)]


def lines(records: list[Any]) -> str:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def listenbrainz(number: int = 0, info: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    metadata = {"artist_name": "Björk", "track_name": f"Jóga {number}", "release_name": "Homogenic"}
    record = {
        "listened_at": int(at(number).timestamp()),
        "inserted_at": 1_700_000_000.5,
        "track_metadata": {
            **metadata,
            "additional_info": info or {},
            "recording_msid": msid(number),
            "mbid_mapping": None,
        },
    }
    return {**record, **fields}


def msid(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012}"


def spotify(number: int = 0, **fields: Any) -> dict[str, Any]:
    """A play of three minutes that begins at the time of the number."""
    record = {
        "ts": (at(number) + timedelta(minutes=3)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "username": "alice",
        "platform": "Android OS 11 API 30 (samsung, SM-G991B)",
        "ms_played": 180_000,
        "conn_country": "FR",
        "ip_addr_decrypted": "203.0.113.7",
        "user_agent_decrypted": "unknown",
        "master_metadata_track_name": f"Jóga {number}",
        "master_metadata_album_artist_name": "Björk",
        "master_metadata_album_album_name": "Homogenic",
        "spotify_track_uri": f"spotify:track:{number:022}",
        "episode_name": None,
        "reason_end": "trackdone",
        "skipped": None,
        "offline_timestamp": 0,
        "incognito_mode": False,
    }
    return {**record, **fields}


def account(number: int = 0, **fields: Any) -> dict[str, Any]:
    end = (at(number) + timedelta(minutes=3)).strftime("%Y-%m-%d %H:%M")
    return {"endTime": end, "artistName": "Björk", "trackName": f"Jóga {number}", "msPlayed": 180_000, **fields}


def maloja(number: int = 0, **fields: Any) -> dict[str, Any]:
    album = {"albumtitle": "Homogenic", "artists": ["Björk"]}
    track = {"artists": ["Björk"], "title": f"Jóga {number}", "album": album, "length": 305}
    record = {"time": int(at(number).timestamp()), "track": {**track, **fields}, "duration": 300, "origin": "client:x"}
    return record


def koito(number: int = 0, **fields: Any) -> dict[str, Any]:
    record = {
        "listened_at": at(number).isoformat().replace("+00:00", "Z"),
        "track": {
            "mbid": None,
            "duration": 305,
            "aliases": [aliased("wrong", primary=False), aliased(f"Jóga {number}")],
        },
        "album": {"mbid": None, "aliases": [aliased("Homogenic")], "various_artists": False},
        "artists": [{"mbid": None, "is_primary": True, "aliases": [aliased("Björk")]}],
    }
    return {**record, **fields}


def aliased(name: str, *, primary: bool = True) -> dict[str, Any]:
    return {"alias": name, "source": "Canonical", "is_primary": primary}


def youtube(number: int = 0, verb: str = "Watched {}", **fields: Any) -> dict[str, Any]:
    record = {
        "header": "YouTube Music",
        "title": verb.format(f"Jóga {number}"),
        "titleUrl": "https://music.youtube.com/watch?v=Tic-1NV2bBs&list=x",
        "subtitles": [{"name": "Björk - Topic", "url": "https://www.youtube.com/channel/UC1"}],
        "time": at(number).isoformat().replace("+00:00", ".123Z"),
        "products": ["YouTube"],
        "activityControls": ["YouTube watch history"],
    }
    return {key: value for key, value in {**record, **fields}.items() if value is not None}


def lastfm_page(numbers: range) -> dict[str, Any]:
    return {"@attr": {"page": "1"}, "track": [lastfm(number) for number in numbers]}


def lastfm(number: int = 0, **fields: Any) -> dict[str, Any]:
    record = {
        "artist": {"mbid": msid(9), "#text": "Björk"},
        "name": f"Jóga {number}",
        "mbid": "",
        "image": [{"size": "small", "#text": "https://example.org/a.png"}],
        "album": {"mbid": "", "#text": "Homogenic"},
        "date": {"uts": str(int(at(number).timestamp())), "#text": "x"},
    }
    return {**record, **fields}


def table(rows: list[list[Any]], delimiter: str = ",") -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows(rows)
    return out.getvalue()


def rockbox(number: int = 0, rating: str = "L") -> str:
    return f"Björk\tHomogenic\tJóga {number}\t2\t305\t{rating}\t{int(at(number).timestamp())}\t{msid(number)}\n"


def itunes(*tracks: dict[str, Any]) -> bytes:
    library = {
        "Major Version": 1,
        "Tracks": {str(number): {"Track ID": number, **track} for number, track in enumerate(tracks, 1)},
        "Playlists": [{"Name": "Library", "Playlist Items": [{"Track ID": 1}]}],
    }
    return plistlib.dumps(library, sort_keys=False)


def every_format(count: int = 20) -> dict[str, str | bytes | dict[str, str | bytes]]:
    """A file of each kind with so many listens in it, by the name of the format and kind."""
    numbers = range(count)
    times = [int(at(number).timestamp()) for number in numbers]
    written = [at(number).strftime("%d %b %Y %H:%M") for number in numbers]
    names = [("Björk", "Homogenic", f"Jóga, {number}") for number in numbers]
    return {
        "listenbrainz lines": lines([listenbrainz(number) for number in numbers]),
        "listenbrainz array": json.dumps([listenbrainz(number) for number in numbers]),
        "listenbrainz zip": {
            "user.json": '{"user_id": 1}',
            "listens/2023/1.jsonl": lines([listenbrainz(number) for number in numbers]),
            "feedback.jsonl": lines([{"recording_msid": msid(1), "score": 1, "created": times[0]}]),
        },
        "spotify extended": json.dumps([spotify(number) for number in numbers], indent=2),
        "spotify account": json.dumps([account(number) for number in numbers]),
        "lastfm plain": table([[*names[number], written[number]] for number in numbers]),
        "lastfm table": table(
            [["uts", "utc_time", "artist", "artist_mbid", "album", "album_mbid", "track", "track_mbid"]]
            + [[times[n], "x", names[n][0], "", names[n][1], "", names[n][2], ""] for n in numbers]
        ),
        "lastfm pages": json.dumps([lastfm_page(range(count // 2)), lastfm_page(range(count // 2, count))]),
        "maloja": json.dumps({"maloja": {"export_time": 1}, "scrobbles": [maloja(number) for number in numbers]}),
        "koito": json.dumps({"version": "1", "user": "a", "listens": [koito(number) for number in numbers]}),
        "youtube": json.dumps([youtube(number) for number in numbers]),
        "rockbox": "#AUDIOSCROBBLER/1.1\n#TZ/UTC\n#CLIENT/x\n" + "".join(rockbox(number) for number in numbers),
        "itunes": itunes(*({"Name": names[n][2], "Artist": "Björk", "Play Count": n + 1} for n in numbers)),
        "tsv": table([["time", "artist", "title"], *([times[n], "Björk", names[n][2]] for n in numbers)], "\t"),
    }
