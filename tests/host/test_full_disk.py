"""A disk that is really full: a small one of its own, which only root can mount."""

import sys
import time

import pytest

from app.host.processes import Program
from app.host.supervisor import Supervisor
from tests.support.small_disk import full, small_disk
from tests.support.waiting import eventually

TALKS = "import itertools, time\nfor line in itertools.count(): print(line, flush=True); time.sleep(0.01)"


def test_a_full_disk_ends_neither_the_process_manager_nor_what_it_runs() -> None:
    with small_disk() as (disk, is_own):
        if not is_own:
            pytest.skip("only root can mount a small disk")
        log = disk / "d" / "log" / "talker.log"
        with Supervisor(disk / "d", [Program("talker", [sys.executable, "-c", TALKS])]) as supervisor:
            eventually(lambda: log.stat().st_size > 100, within_s=20)
            [before] = supervisor.state()
            with full(disk):
                time.sleep(1)
            kept = log.stat().st_size
            assert supervisor.is_running()
            eventually(lambda: log.stat().st_size > kept, within_s=10)
            [after] = supervisor.state()
            assert (after["state"], after["pid"]) == ("up", before["pid"])
