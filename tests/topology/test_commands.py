"""The forms of commands that others rely on: JSON keys, exit codes, one line for a mistake."""

import json
import zipfile
from pathlib import Path

import pytest

from app.bench.system import System
from tests.support.commands import manage, manage_json
from tests.support.people import fresh_name


def test_status_names_every_part(system: System) -> None:
    status = manage_json(system, "status")
    parts = {part["name"]: part for part in status["parts"]}
    assert {"gateway", "accounts", "catalog", "listens", "recommendations", "training", "playlists"} <= set(parts)
    assert set(parts["gateway"]) == {"name", "kind", "state", "where", "pid", "since", "version"}
    assert {part["state"] for part in parts.values()} == {"up"}
    assert status["search"] in {"trigram", "prefix"}


def test_a_user_is_created_given_a_token_listed_and_deleted(system: System) -> None:
    name = fresh_name()
    created = manage(system, "users", "create", name, "--admin", "--password-stdin", stdin="a fine long password\n")
    assert created.returncode == 0, created.stderr
    assert "fine long" not in created.stdout + created.stderr
    token = manage_json(system, "users", "token", name)["token"]
    assert system.request("GET", "/api/v1/me", headers={"Authorization": f"Bearer {token}"}).json["name"] == name
    again = manage(system, "users", "create", name, "--password-stdin", stdin="a fine long password\n")
    assert (again.returncode, len(again.stderr.splitlines())) == (1, 1)
    assert name in [user["name"] for user in manage_json(system, "users", "list")["users"]]


@pytest.mark.extended
def test_a_model_that_is_not_there_is_said_in_a_line(system: System, tmp_path: Path) -> None:
    nobody = "00000000-0000-0000-0000-000000000000"
    (tmp_path / "junk.tar").write_bytes(b"junk")
    for arguments in (
        ("canary", nobody, "--share", "0.1"),
        ("export", nobody, str(tmp_path / "model.tar")),
        ("import", str(tmp_path / "junk.tar")),
        ("card", nobody),
    ):
        result = manage(system, "models", *arguments)
        assert (result.returncode, len(result.stderr.splitlines())) == (1, 1), result.stderr


@pytest.mark.extended
def test_a_history_goes_in_and_out(system: System, tmp_path: Path) -> None:
    name, source, target = fresh_name(), tmp_path / "history.tsv", tmp_path / "export.zip"
    assert manage(system, "users", "create", name).returncode == 0
    rows = "".join(f"{1_600_000_000 + n * 300}\tArtist {n % 3}\tSong {n}\tRelease\n" for n in range(20))
    source.write_text("time\tartist\ttitle\trelease\n" + rows + "soon\tArtist\tSong\tRelease\n")
    first = manage_json(system, "import", str(source), "--user", name)
    assert (first["format"], first["listens"], first["skipped"]) == ("tsv", 20, 1)
    again = manage_json(system, "import", str(source), "--user", name)
    assert (again["listens"], again["duplicates"]) == (0, 20)
    assert manage(system, "export", "--user", name, str(target)).returncode == 0
    with zipfile.ZipFile(target) as archive:
        assert len(archive.read("listens/2020/9.jsonl").splitlines()) == 20


@pytest.mark.extended
@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("import", "nothing-here.zip", "--user", "demo"), "No such file"),
        (("import", "manage.py", "--user", "nobody-of-this-name"), "nobody-of-this-name"),
        (("import", "manage.py", "--user", "demo"), "manage.py"),
        (("export", "--user", "nobody-of-this-name", "out.zip"), "nobody-of-this-name"),
        (("export", "--user", "demo", "no/such/folder/out.zip"), "No such file"),
    ],
)
def test_a_history_that_can_not_go_says_why_in_one_line(system: System, arguments: tuple[str, ...], part: str) -> None:
    manage(system, "users", "create", "demo")
    result = manage(system, *arguments)
    assert result.returncode == 1
    last = [line for line in result.stderr.splitlines() if line.startswith("segue: ")]
    assert len(last) == 1
    assert part in last[0]
    assert "Traceback" not in result.stderr


def test_the_settings_shown_hold_no_secret(system: System) -> None:
    shown = manage(system, "config", "show", "--json").stdout
    assert json.loads(shown)["secrets"]["secret_key"] == "[masked]"
    password = system.environment["DATABASE_URL"].split(":", 2)[2].split("@")[0]
    assert password not in shown


def test_a_mistake_is_one_line_and_an_exit_code(system: System, tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text("[processes.gateway]\nmodules = []\n")
    result = manage(system, "topology", "check", str(broken))
    assert (result.returncode, len(result.stderr.splitlines())) == (1, 1)
    assert "no process runs module" in result.stderr
    assert manage(system, "recommend", "nobody-of-this-name").returncode == 1
