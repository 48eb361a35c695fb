"""The main job on real data, by the command line as a person would: load, train, recommend with reasons, the page."""

import gzip
import json
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from app.bench.system import Servers, System, running_system
from app.kernel.context import SYSTEM, acting_as
from tests.support.commands import manage, manage_json
from tests.support.people import PASSWORD
from tests.support.waiting import eventually


def recommended(system: System, name: str, kind: str) -> Any:
    """Return personal recommendations, once the followers have read what was loaded."""

    def personal() -> Any:
        found = manage_json(system, "recommend", name, "--kind", kind, "--explain", "-n", "10")
        return found if not found["degraded"] else None

    return eventually(personal, within_s=90, every_s=0.5)


def beginning(folder: Path, into: Path, name: str, lines: int) -> Path:
    """Return a copy of a data set with only the first lines of one file: the whole would train for minutes."""
    for file in folder.iterdir():
        with gzip.open(file, "rt") as text, gzip.open(into / file.name, "wt") as copy:
            copy.writelines(islice(text, lines if file.name == name else None))
    return into


def page(system: System, name: str) -> str:
    with acting_as(SYSTEM):
        accounts = system.services.accounts
        listener = accounts.find_listener(name)
        accounts.reset_password(accounts.create_reset(listener.listener_id), PASSWORD)
    signed_in = system.request(
        "POST", "/api/v1/auth/login", body=json.dumps({"name": name, "password": PASSWORD}).encode()
    )
    return system.request("GET", "/", headers={"Authorization": f"Bearer {signed_in.json['access_token']}"}).text


def names(system: System) -> list[str]:
    with acting_as(SYSTEM):
        return [listener.name for listener in system.services.accounts.list_listeners("", 1000)]


def check_reasons(found: Any) -> None:
    assert found["items"]
    for item in found["items"]:
        shares = [reason["share"] for reason in item["because"]]
        assert shares, item
        assert abs(sum(shares) + item["other"] - 1) < 1e-6
        assert item["title"]


def test_timestamped_listens(system: System, data_dir: Path, tmp_path: Path) -> None:
    path = beginning(data_dir / "30music_events", tmp_path, "events.tsv.gz", 6_001)
    loaded = manage_json(system, "datasets", "load", "30music", "--path", str(path))
    assert (loaded["listeners"], loaded["listens"]) == (314, 5_909)
    again = manage_json(system, "datasets", "load", "30music", "--path", str(path))
    assert again["listens"] == 0
    trained = manage_json(system, "train", "recordings", "--wait")
    assert trained["state"] == "done"
    assert trained["model"]
    name = "30music-33693"
    found = recommended(system, name, "recordings")
    check_reasons(found)
    assert found["items"][0]["title"] in page(system, name)


@pytest.mark.extended
def test_play_counts_of_artists(system: System, data_dir: Path, tmp_path: Path) -> None:
    path = beginning(data_dir / "hetrec_lastfm2k", tmp_path, "user_artists.tsv.gz", 10_001)
    loaded = manage_json(system, "datasets", "load", "hetrec-lastfm2k", "--path", str(path))
    assert (loaded["listeners"], loaded["playcounts"]) == (204, 9_995)
    assert manage_json(system, "train", "artists", "--wait")["state"] == "done"
    found = recommended(system, "hetrec-lastfm2k-2", "artists")
    check_reasons(found)
    models = {model["kind"]: model for model in manage_json(system, "models", "list")["models"]}
    metrics = models["artists"]["metrics"]
    assert metrics["ndcg"] > 2 * metrics["popularity_ndcg"]


@pytest.mark.parametrize(
    ("name", "files", "said"),
    [
        ("30music", {"events.tsv": "user\tts\n1\t2\n"}, "no column track, artist"),
        ("30music", {"events.tsv": "user\tts\ttrack\tartist\n1\tnoon\t3\t4\n"}, "line 2: ts is 'noon'"),
        ("30music", {}, "no file events.tsv"),
        ("hetrec-lastfm2k", {"artists.tsv": "artistID\tname\n1\tA\n"}, "no file user_artists.tsv"),
        ("nothing", {}, "no data set 'nothing'"),
    ],
)
def test_files_that_are_wrong_give_one_line(
    system: System, tmp_path: Path, name: str, files: dict[str, str], said: str
) -> None:
    for file, text in files.items():
        (tmp_path / file).write_text(text)
    before = names(system)
    result = manage(system, "datasets", "load", name, "--path", str(tmp_path), "--json")
    assert result.returncode == 1
    assert said in result.stderr
    assert len([line for line in result.stderr.splitlines() if line.startswith("segue:")]) == 1
    assert names(system) == before


@pytest.mark.extended
def test_artists_only_cannot_train_recordings(servers: Servers, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "artists.tsv").write_text("artistID\tname\n1\tA\n2\tB\n")
    (tmp_path / "user_artists.tsv").write_text("userID\tartistID\tplays\n1\t1\t5\n1\t2\t3\n2\t1\t1\n")
    with running_system(servers, folder / "artists-only", "monolith", has_worker=True) as system:
        manage_json(system, "datasets", "load", "hetrec-lastfm2k", "--path", str(tmp_path))
        result = manage(system, "train", "recordings", "--wait")
        assert result.returncode == 1
        assert "nothing" in result.stderr.lower()
