"""Data sets are read whole; what is wrong with a file is said in one line that names the file and the line."""

import gzip
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.contracts.catalog import Sound
from app.contracts.listens import NewListen
from app.datasets.readers import READERS, Content, read_30music, read_hetrec, read_hit_predictor, read_lightgcn
from app.datasets.registry import DATASETS, BadDataset

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EVENTS = "window\tuser\tsession\tts\ttrack\tartist\n"
GOOD = EVENTS + "0\t7\t1\t1397965917\t11\t22\n"

BROKEN: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "events.tsv: the file is empty"),
    "no rows": (EVENTS.encode(), "events.tsv: there are no rows"),
    "wrong columns": (b"user\tts\n1\t2\n", "events.tsv, line 1: no column track, artist (found 'user, ts')"),
    "commas": (GOOD.replace("\t", ",").encode(), "events.tsv, line 1: no column user, ts, track, artist"),
    "short row": (GOOD.encode() + b"0\t7\t1\n", "events.tsv, line 3: 3 columns instead of 6"),
    "empty line": (GOOD.encode() + b"\n", "events.tsv, line 3: 1 columns instead of 6"),
    "a word for a number": (GOOD.encode() + b"0\tx\t1\t1397965917\t1\t1\n", "events.tsv, line 3: user is 'x'"),
    "milliseconds": (GOOD.encode() + b"0\t7\t1\t1397965917000\t1\t1\n", "events.tsv, line 3: ts is '1397965917000'"),
    "the future": (GOOD.encode() + b"0\t7\t1\t1798761600\t1\t1\n", "events.tsv, line 3: ts is '1798761600'"),
    "too long ago": (GOOD.encode() + b"0\t7\t1\t5\t1\t1\n", "events.tsv, line 3: ts is '5'"),
    "no last line end": (GOOD.encode() + b"0\t7\t1\t1397965917\t1\t1", "events.tsv, line 3: the file is cut short"),
    "latin-1": (GOOD.encode() + "0\t7\t1\t1397965917\té\t1\n".encode("latin-1"), "events.tsv, line 3: not UTF-8"),
    "utf-16": (GOOD.encode("utf-16"), "events.tsv, line 1: not UTF-8"),
    "a packed file cut short": (gzip.compress(GOOD.encode())[:-9], "events.tsv, after line"),
    "a packed file with a wrong bit": (
        gzip.compress(GOOD.encode())[:-6] + b"\0" * 6,
        "events.tsv, after line 2: damaged",
    ),
    "no text": (bytes(range(255, 0, -1)) * 400, "events.tsv, line 1: not UTF-8"),
    "no line ends": (b"x" * 100_000, "events.tsv, line 1: the file is cut short, or this is no text"),
}


@pytest.mark.parametrize(("content", "said"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_refused_in_one_line(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "events.tsv").write_bytes(content)
    with pytest.raises(BadDataset) as refused:
        read_30music(tmp_path, NOW)
    assert str(refused.value).startswith(said)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 400


def test_a_file_that_is_not_packed_though_it_says_so_is_refused(tmp_path: Path) -> None:
    (tmp_path / "events.tsv.gz").write_text(GOOD)
    with pytest.raises(BadDataset, match=r"events.tsv.gz: not a gzip file"):
        read_30music(tmp_path, NOW)


def test_a_folder_without_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadDataset, match=r"no file events.tsv.gz or events.tsv"):
        read_30music(tmp_path, NOW)


@pytest.mark.parametrize("pack", [lambda text: text.encode(), lambda text: gzip.compress(text.encode())])
@pytest.mark.parametrize("text", [GOOD, "\ufeff" + GOOD, GOOD.replace("\n", "\r\n")], ids=["plain", "bom", "crlf"])
def test_folder_and_file_packed_or_not_are_read_alike(tmp_path: Path, text: str, pack: Callable[[str], bytes]) -> None:
    file = tmp_path / "events.tsv"
    file.write_bytes(pack(text))
    expected = {"30music-7": [NewListen(datetime.fromtimestamp(1397965917, UTC), "Artist 22", "Track 11")]}
    assert read_30music(tmp_path, NOW).listens == read_30music(file, NOW).listens == expected


ARTISTS = "artistID\tname\n1\tSigur Rós\n2\tB\n"


def hetrec(
    folder: Path, artists: str = ARTISTS, plays: str = "userID\tartistID\tplays\n5\t1\t30\n5\t2\t4\n"
) -> Content:
    (folder / "artists.tsv").write_text(artists)
    (folder / "user_artists.tsv").write_text(plays)
    return read_hetrec(folder, NOW)


def test_play_counts_get_the_names_of_their_artists(tmp_path: Path) -> None:
    assert hetrec(tmp_path).playcounts == {"hetrec-lastfm2k-5": [("Sigur Rós", None, 30), ("B", None, 4)]}
    assert read_hetrec(tmp_path / "user_artists.tsv", NOW) == read_hetrec(tmp_path, NOW)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"artists": "artistID\tname\n1\t \u200b\n"}, r"artists.tsv, line 2: ' .*' can't be a name"),
        ({"artists": "artistID\tname\n1\ta\0b\n"}, r"artists.tsv, line 2: 'a.*b' can't be a name"),
        ({"artists": "artistID\tname\n1\tA\n1\tB\n"}, r"artists.tsv, line 3: artistID 1 has a name already"),
        ({"plays": "userID\tartistID\tplays\n5\t3\t1\n"}, r"user_artists.tsv, line 2: artistID '3' has no name"),
        ({"plays": "userID\tartistID\tplays\n5\t1\t0\n"}, r"user_artists.tsv, line 2: plays is '0'"),
        ({"plays": "userID\tartistID\tplays\n5\t1\t200000000\n"}, r"user_artists.tsv, line 2: plays is '200000000'"),
        ({"plays": "userID\tartistID\tplays\n5\t1\t-3\n"}, r"user_artists.tsv, line 2: plays is '-3'"),
    ],
)
def test_broken_play_counts_are_refused(tmp_path: Path, changed: dict[str, str], said: str) -> None:
    with pytest.raises(BadDataset, match=said):
        hetrec(tmp_path, **changed)


TRACKS = (
    "track\tartist\turi\tdanceability\tenergy\tkey\tloudness\tspeechiness\tacousticness\tinstrumentalness\tliveness"
    "\tvalence\ttempo\n"
)
FELLA = "Fella\tGarland\tx\t0.417\t0.62\t3\t-7.727\t0.0403\t0.49\t0.0\t0.0779\t0.845\t185.655\n"


def test_audio_features_are_read_in_their_order_and_wholly_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "tracks.tsv").write_text(
        TRACKS + FELLA + FELLA.replace("0.49", "") + FELLA.replace("-7.727", "nan") + FELLA.replace("185.655", "1e9")
    )
    audio = [0.417, -7.727, 0.0403, 0.49, 0.0, 0.0779, 0.845, 185.655]
    sounds = read_hit_predictor(tmp_path, NOW).sounds
    assert sounds == [Sound("Garland", "Fella", 0.62, each) for each in (audio, [], [], [])]


def test_an_energy_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tracks.tsv").write_text(TRACKS + FELLA.replace("0.62", "loud"))
    with pytest.raises(BadDataset, match=r"tracks.tsv, line 2: energy is 'loud'"):
        read_hit_predictor(tmp_path, NOW)


def test_each_data_set_says_where_it_comes_from() -> None:
    assert set(DATASETS) == {"demo", *READERS}
    assert all(d.title and d.holds and d.origin and d.licence for d in DATASETS.values())


def test_30music_as_it_was_published(data_dir: Path) -> None:
    content = read_30music(data_dir / "30music_events", NOW)
    assert sum(map(len, content.listens.values())) == 88_761
    assert content.listens["30music-33693"][0].title == "Track 2673734"


def test_hetrec_as_it_was_published(data_dir: Path) -> None:
    content = read_hetrec(data_dir / "hetrec_lastfm2k", NOW)
    assert len(content.playcounts) == 1892
    assert sum(map(len, content.playcounts.values())) == 92_834


def test_of_lightgcn_only_the_training_part_is_read(data_dir: Path) -> None:
    content = read_lightgcn(data_dir / "lastfm_lightgcn", NOW)
    assert sum(map(len, content.playcounts.values())) == 42_135
