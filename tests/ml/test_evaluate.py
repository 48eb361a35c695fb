"""`evaluate`: each protocol as it is written down, on small files and on real data, and files that are none."""

import gzip
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.ml.data_files import BadDataFile
from app.ml.evaluate import KEYS, evaluate
from app.ml.sessions import COLUMNS, Play, cut, fit_rules, read_plays, sessions_of
from tests.ml.group_tastes import group_tastes


def table(path: Path, header: Iterable[str], rows: Iterable[Iterable[int]]) -> Path:
    lines = ["\t".join(header), *("\t".join(map(str, row)) for row in rows)]
    content = ("\n".join(lines) + "\n").encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.fixture
def split(tmp_path: Path) -> dict[str, Any]:
    """Plays of listeners in groups; every fourth one is hidden."""
    plays = group_tastes().tocoo()
    rows = list(zip(plays.row.tolist(), plays.col.tolist(), plays.data.astype(int).tolist(), strict=True))
    return {
        "train": [table(tmp_path / "train.tsv", ("user", "item", "plays"), [r for n, r in enumerate(rows) if n % 4])],
        "test": table(tmp_path / "test.tsv.gz", ("user", "item"), [r[:2] for n, r in enumerate(rows) if not n % 4]),
    }


def sessions_file(path: Path, seed: int = 0) -> Path:
    """Listeners who go through albums in order, with some noise."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(12):
        at = 1_000_000
        for session in range(12):
            at += 86_400
            album = int(rng.integers(6))
            for place in range(8):
                track = album * 8 + place if rng.random() < 0.8 else int(rng.integers(48))
                rows.append((1, user, user * 100 + session, at + 200 * place, track, track // 8))
    return table(path, COLUMNS, rows)


def hidden(path: Path) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {}
    for line in gzip.decompress(path.read_bytes()).decode().splitlines()[1:]:
        user, item = map(int, line.split("\t"))
        found.setdefault(user, set()).add(item)
    return found


def test_ranking_agrees_with_its_definition(split: dict[str, Any]) -> None:
    """Popularity by hand: all items but those of training, the first ten, means over listeners with hidden items."""
    plays = [tuple(map(int, line.split("\t"))) for line in split["train"][0].read_text().splitlines()[1:]]
    listeners: dict[int, int] = {}
    own: dict[int, set[int]] = {}
    for user, item, _ in plays:
        listeners[item] = listeners.get(item, 0) + 1
        own.setdefault(user, set()).add(item)
    recalls, ndcgs = [], []
    for user, wanted in hidden(split["test"]).items():
        ranked = sorted((i for i in listeners if i not in own.get(user, ())), key=lambda i: (-listeners[i], i))[:10]
        recalls.append(len(wanted & set(ranked)) / len(wanted))
        gain = sum(1 / math.log2(place + 2) for place, item in enumerate(ranked) if item in wanted)
        ndcgs.append(gain / sum(1 / math.log2(place + 2) for place in range(min(10, len(wanted)))))
    found = evaluate("ranking", **split, model="popularity", k=10)
    assert found["recall"] == pytest.approx(np.mean(recalls))
    assert found["ndcg"] == pytest.approx(np.mean(ndcgs))
    assert (found["users"], found["k"]) == (len(recalls), 10)


def test_ranking_tells_every_key_and_null_where_it_does_not_apply(split: dict[str, Any]) -> None:
    found = evaluate("ranking", **split)
    assert tuple(found) == KEYS
    assert {key for key, value in found.items() if value is None} == {"hit_rate", "mrr", "hit_rate_all", "mrr_all"}
    assert (found["model"], found["protocol"], found["k"], found["items"]) == ("blend", "ranking", 20, 120)
    assert min(found["fit_seconds"], found["score_seconds"], found["peak_rss_mb"], found["model_mb"]) > 0
    assert 0 < found["coverage"] <= 1


def test_the_same_files_give_the_same_figures(split: dict[str, Any]) -> None:
    told = [evaluate("ranking", **split) for _ in range(2)]
    for figure in ("recall", "ndcg", "coverage", "model_mb"):
        assert told[0][figure] == told[1][figure]


def test_the_model_beats_popularity_on_tastes_in_groups(split: dict[str, Any]) -> None:
    own, popular = evaluate("ranking", **split), evaluate("ranking", **split, model="popularity")
    assert own["recall"] > 1.3 * popular["recall"]
    assert own["ndcg"] > 1.3 * popular["ndcg"]


def test_plays_can_be_left_out_and_several_files_add_up(split: dict[str, Any], tmp_path: Path) -> None:
    lines = split["train"][0].read_text().splitlines()
    halves = [tmp_path / "a.tsv", tmp_path / "b.tsv"]
    for half, rows in zip(halves, (lines[1:700], lines[700:]), strict=True):
        half.write_text("\n".join([lines[0], *rows]) + "\n")
    whole, both = evaluate("ranking", **split), evaluate("ranking", train=halves, test=split["test"])
    assert (whole["recall"], whole["ndcg"]) == (both["recall"], both["ndcg"])
    assert evaluate("ranking", **split, without=["plays"])["ndcg"] != whole["ndcg"]


def test_foldin_represents_listeners_by_what_is_given_of_them_only(split: dict[str, Any], tmp_path: Path) -> None:
    lines = [line.split("\t") for line in split["train"][0].read_text().splitlines()[1:]]
    train = table(tmp_path / "others.tsv", ("user", "item", "plays"), [r for r in lines if int(r[0]) >= 60])
    given = table(tmp_path / "given.tsv", ("user", "item", "plays"), [r for r in lines if int(r[0]) < 60])
    test = [(user, item) for user, items in hidden(split["test"]).items() for item in items if user < 60]
    held = table(tmp_path / "held.tsv", ("user", "item"), test)
    found = evaluate("foldin", train=[train], foldin=given, test=held)
    popular = evaluate("foldin", train=[train], foldin=given, test=held, model="popularity")
    assert found["users"] == popular["users"] <= 60
    assert found["recall"] > 1.3 * popular["recall"]


def test_who_has_no_training_items_gets_the_popular_ones(split: dict[str, Any], tmp_path: Path) -> None:
    most = [(999, int(item)) for item in (0, 30, 60, 90)]
    stranger = {**split, "test": table(tmp_path / "stranger.tsv", ("user", "item"), most)}
    found, popular = evaluate("ranking", **stranger), evaluate("ranking", **stranger, model="popularity")
    assert found["users"] == 1
    assert found["recall"] == popular["recall"] > 0


def test_sessions_lose_exact_duplicates_and_immediate_replays(tmp_path: Path) -> None:
    rows = [(1, 7, 1, 10, 5, 0), (1, 7, 1, 10, 5, 0), (1, 7, 1, 20, 5, 0), (1, 7, 1, 30, 6, 0), (1, 7, 1, 40, 5, 0)]
    rows += [(1, 8, 2, 5, 5, 0), (1, 7, 3, 1, 9, 0)]
    sessions = sessions_of(read_plays([table(tmp_path / "a.tsv", COLUMNS, rows)]))
    assert [[play.track for play in session] for session in sessions] == [[9], [5], [5, 6, 5]]


def test_windows_are_cut_at_four_fifths_of_their_span_or_at_their_beginning() -> None:
    plays = [Play(1, 0, n, 1000 + 10 * n, n, 0) for n in range(11)]
    plays += [Play(2, 0, 20 + n, 5000 + 10 * n, n, 0) for n in range(3)]
    train, test = cut(plays, "within:1")
    assert [session[0].ts for session in train] == list(range(1000, 1080, 10))
    assert [session[0].ts for session in test] == [1080, 1090, 1100]
    train, test = cut(plays, "cross:2")
    assert (len(train), len(test)) == (11, 3)


def test_rules_weigh_a_step_by_its_distance() -> None:
    session = [Play(1, 0, 1, at, track, 0) for at, track in enumerate((10, 20, 30, 20))]
    rules, tracks = fit_rules([session])
    assert tracks == [10, 20, 30]
    expected = [[0, 1 + 1 / 3, 1 / 2], [0, 0, 1], [0, 1, 0]]
    assert rules.toarray() == pytest.approx(np.array(expected))


def test_next_counts_what_is_unknown_as_missed_only_in_all(tmp_path: Path) -> None:
    train = table(tmp_path / "a.tsv", COLUMNS, [(1, u, u, t, t, 0) for u in range(3) for t in range(4)])
    # 0→1 and 1→2 are known; 99 was never seen in training
    test = table(tmp_path / "b.tsv", COLUMNS, [(2, 9, 9, 50 + n, t, 0) for n, t in enumerate((0, 1, 99, 2))])
    found = evaluate("next", train=[train], test=test)
    assert (found["hit_rate"], found["mrr"]) == (1.0, 1.0)
    assert found["hit_rate_all"] == found["mrr_all"] == pytest.approx(2 / 3)
    assert found["users"] == 1


@pytest.mark.parametrize(("protocol", "options"), [("next", {"window": "within:1"}), ("alone", {})])
def test_next_and_alone_tell_hits_and_null_for_the_rest(tmp_path: Path, protocol: str, options: Any) -> None:
    found = evaluate(protocol, train=[sessions_file(tmp_path / "events.tsv.gz")], **options)
    assert tuple(found) == KEYS
    assert found["recall"] is found["ndcg"] is found["coverage"] is None
    assert 0.3 < found["mrr"] <= found["hit_rate"] <= 1  # in order, but for a fifth
    assert found["items"] == 48


# what is in a file: what is said of it
BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "line 1: no column user, item"),
    "other columns": (b"who\titem\n1\t2\n", "line 1: no column user"),
    "no rows": (b"user\titem\n", "there are no rows"),
    "not a number": (b"user\titem\n1\t2\n1\tx\n", "line 3: not a row of whole numbers"),
    "a fraction": (b"user\titem\n1\t2.5\n", "line 2"),
    "too short": (b"user\titem\n1\t2\n3\n", "line 3"),
    "not UTF-8": (b"user\titem\n1\t2\n\xff\xfe\t1\n", "not a row of whole numbers"),
    "negative": (b"user\titem\n-1\t2\n", "numbered from 0"),
    "beyond measure": (b"user\titem\n1\t999999999999\n", "numbered from 0 to 9,999,999"),
    "beyond any number": (b"user\titem\n1\t" + b"9" * 40 + b"\n", "numbered from 0"),
    "more digits than Python reads": (b"user\titem\n1\t" + b"9" * 5000 + b"\n", "line 2"),
}


@pytest.mark.parametrize(("content", "said"), BAD.values(), ids=BAD)
@pytest.mark.parametrize("place", ["train", "test"])
def test_a_bad_file_gives_one_line_that_says_what_is_wrong(
    split: dict[str, Any], tmp_path: Path, place: str, content: bytes, said: str
) -> None:
    bad = tmp_path / "bad.tsv"
    bad.write_bytes(content)
    with pytest.raises(BadDataFile) as raised:
        evaluate("ranking", **{**split, place: [bad] if place == "train" else bad})
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "damage",
    [lambda packed: packed[: len(packed) // 2], lambda packed: b"user\titem\n1\t2\n", lambda packed: packed[:5]],
    ids=["cut short", "not gzip", "next to nothing"],
)
def test_a_damaged_archive_is_named(split: dict[str, Any], damage: Callable[[bytes], bytes]) -> None:
    split["test"].write_bytes(damage(split["test"].read_bytes()))
    with pytest.raises(BadDataFile, match=r"test\.tsv\.gz"):
        evaluate("ranking", **split)


def test_a_file_that_is_not_there_is_named(split: dict[str, Any], tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere.tsv", tmp_path):
        with pytest.raises(BadDataFile, match=path.name):
            evaluate("ranking", **{**split, "train": [path]})


@pytest.mark.parametrize(
    ("protocol", "changes"),
    [
        ("ranking", {"test": None}),
        ("ranking", {"model": "oracle"}),
        ("ranking", {"foldin": "test"}),
        ("ranking", {"friends": "test", "model": "ease"}),
        ("foldin", {"foldin": "test", "friends": "test"}),
        ("ranking", {"community": True}),
        ("foldin", {}),
        ("next", {"test": None}),
        ("next", {"window": "within:1"}),
    ],
)
def test_options_that_do_not_fit_are_refused(split: dict[str, Any], protocol: str, changes: dict[str, Any]) -> None:
    given = {name: split["test"] if value == "test" else value for name, value in changes.items()}
    with pytest.raises(BadDataFile):
        evaluate(protocol, **{**split, **given})


@pytest.mark.parametrize("window", ["", "within", "within:", "within:x", "about:1", "within:9", "cross:1", "cross:-1"])
def test_a_window_that_is_none_or_holds_nothing_is_refused(tmp_path: Path, window: str) -> None:
    with pytest.raises(BadDataFile):
        evaluate("next", train=[sessions_file(tmp_path / "events.tsv")], window=window)


@pytest.mark.parametrize("track", [-1, 1 << 63, 1 << 200])
@pytest.mark.parametrize(("protocol", "options"), [("next", {"window": "within:1"}), ("alone", {})])
def test_a_track_by_an_impossible_number_is_refused(tmp_path: Path, track: int, protocol: str, options: Any) -> None:
    bad = table(tmp_path / "bad.tsv", COLUMNS, [(1, 1, n // 30, n, track, 0) for n in range(90)])
    with pytest.raises(BadDataFile, match=r"bad\.tsv: tracks are numbered"):
        evaluate(protocol, train=[bad], **options)


def test_histories_too_short_to_predict_are_refused(tmp_path: Path) -> None:
    short = table(tmp_path / "short.tsv", COLUMNS, [(1, 1, 1, n, n, 0) for n in range(59)])
    with pytest.raises(BadDataFile, match="no position"):
        evaluate("alone", train=[short])


@pytest.mark.extended
def test_ranking_on_real_data(data_dir: Path) -> None:
    """Measured .300 and .239, about a minute; the bound is two standard errors (.0054, .0047) below."""
    folder = data_dir / "lastfm_lightgcn"
    found = evaluate("ranking", train=[folder / "train.tsv.gz"], test=folder / "test.tsv.gz")
    assert found["recall"] >= 0.289
    assert found["ndcg"] >= 0.229
    assert found["users"] == 1858


@pytest.mark.extended
def test_popularity_on_real_data(data_dir: Path) -> None:
    """Nothing is chosen here, so only ties may move it: .0365 and .0210 are the published procedure's."""
    folder = data_dir / "lastfm_lightgcn"
    found = evaluate("ranking", train=[folder / "train.tsv.gz"], test=folder / "test.tsv.gz", model="popularity")
    assert found["recall"] == pytest.approx(0.0365, abs=0.0005)
    assert found["ndcg"] == pytest.approx(0.0210, abs=0.0005)


@pytest.mark.extended
def test_next_within_the_windows_of_real_data(data_dir: Path) -> None:
    """Sequential rules have no parameter chosen here: the mean of the four windows is known to .005."""
    events = data_dir / "30music_events" / "events.tsv.gz"
    found = [
        evaluate("next", train=[events], window=f"within:{window}", model="sequential-rules") for window in range(4)
    ]
    assert np.mean([each["hit_rate"] for each in found]) == pytest.approx(0.353, abs=0.005)
    assert np.mean([each["mrr"] for each in found]) == pytest.approx(0.247, abs=0.005)


@pytest.mark.extended
def test_sessions_within_the_windows_of_real_data(data_dir: Path) -> None:
    """Measured .509 and .286, the weights chosen on the training sessions of each window."""
    events = data_dir / "30music_events" / "events.tsv.gz"
    found = [evaluate("next", train=[events], window=f"within:{window}") for window in range(4)]
    assert np.mean([each["hit_rate"] for each in found]) >= 0.499
    assert np.mean([each["mrr"] for each in found]) >= 0.279


@pytest.mark.extended
def test_alone_on_real_data(data_dir: Path) -> None:
    found = evaluate("alone", train=[data_dir / "30music_events" / "events.tsv.gz"])
    assert found["hit_rate"] >= 0.188
    assert found["mrr"] >= 0.133
