"""Random faults under load, on both ends of the topologies: nothing acknowledged is lost or doubled, and it recovers.

`SEGUE_TEST_FAULTS=5` inflicts a few on split, `SEGUE_TEST_LONG=1` 200 on either topology. `SEGUE_TEST_SEED` and
`SEGUE_TEST_FAULTS` repeat a run, whose seed is printed (`-s` shows each fault as it happens); `SEGUE_TEST_MINUTES`
ends it early.
"""

import os
import random
import re
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import datetime

import psycopg2
import pytest

from app.kernel.db import module_url
from app.settings import load as load_settings
from app.topology import load
from tests.support.chaos import HEALTHY_WITHIN_S, SHARES, Chaos, plan
from tests.support.small_disk import keep_database_inside, small_disk
from tests.support.stepped_clock import SteppedClock
from tests.support.waiting import eventually
from tests.support.whole import Patient, Whole, listened

IS_LONG = os.environ.get("SEGUE_TEST_LONG") == "1"
SEED = int(os.environ.get("SEGUE_TEST_SEED") or random.randrange(10**6))
COUNT = int(os.environ.get("SEGUE_TEST_FAULTS") or (200 if IS_LONG else 5))
MINUTES = float(os.environ.get("SEGUE_TEST_MINUTES") or 600)
TOPOLOGIES = os.environ.get("SEGUE_TEST_TOPOLOGIES", "split,monolith" if IS_LONG else "split").split(",")
ANSWERED = 0.999
IS_ASKED = IS_LONG or "SEGUE_TEST_FAULTS" in os.environ
pytestmark = [
    pytest.mark.split,
    pytest.mark.skipif(not IS_ASKED, reason="takes minutes: SEGUE_TEST_FAULTS=5, or SEGUE_TEST_LONG=1 for 200"),
]


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


@pytest.fixture(params=TOPOLOGIES)
def chaos(request: pytest.FixtureRequest) -> Iterator[Chaos]:
    with small_disk() as (disk, is_own):
        clock = SteppedClock(disk)
        whole = Whole(disk / "d")
        keep_database_inside(whole.data_dir, disk / "pg")
        kinds = dict(SHARES)
        if not is_own:
            say("no full disk: only root can mount a small one")
            del kinds["disk"]
        whole.environment |= clock.environment
        if not clock.is_here:
            say("no clock steps: there is no C compiler")
            del kinds["clock"]
        try:
            whole.start("--topology", request.param)
            topology = load(request.param)
            found = Chaos(whole, disk, clock, topology, plan(SEED, COUNT, topology, kinds))
            with found.proxied():
                yield found
        finally:
            whole.stop()


def test_nothing_is_lost_or_doubled_by_random_faults(chaos: Chaos) -> None:
    say(f"\nSEGUE_TEST_SEED={SEED} SEGUE_TEST_FAULTS={COUNT}")
    whole = chaos.whole
    whole.done("users", "create", "ann")
    token = whole.done("users", "token", "ann")
    with Patient(whole.base_url, token, count=2) as people:
        eventually(lambda: len(people.acknowledged) > 5, within_s=30)
        chaos.inflict(say, MINUTES * 60)
    said = f"seed {SEED}; " + people.told()
    say(chaos.told() + "\n" + said)
    kept = Counter(int(datetime.fromisoformat(at).timestamp()) for at in listened(whole.base_url, token))
    lost = people.acknowledged - kept.keys()
    say(f"{len(lost)} lost, {kept.total() - len(kept)} doubled; answers {dict(people.tries)}")
    for trace in re.findall('"request_id":"([0-9a-f]+)"', " ".join(people.wrong))[:3]:
        say(whole.manage("logs", "--trace", trace).stdout)
    assert not lost, said
    assert max(kept.values()) == 1, f"{said}: doubled"
    assert len(people.failed) <= (1 - ANSWERED) * people.answers.total(), (said, people.failed[:5])
    assert not people.tries.keys() - {0, 200, 503}, f"{said}: {people.wrong[:5]}"
    late = [str(outcome.fault) for outcome in chaos.outcomes if outcome.healthy_after_s is None]
    assert not late, f"{said}: not healthy within {HEALTHY_WITHIN_S:.0f} s of {late}"
    # each listen counts once in what follows the feed, too
    eventually(lambda: plays_in_profiles(whole) == len(kept), within_s=60)


def plays_in_profiles(whole: Whole) -> int:
    settings = load_settings({**whole.environment, **whole.noted})
    url = module_url(settings, "recommendations", "migrate").set(drivername="postgresql")
    connection = psycopg2.connect(url.render_as_string(hide_password=False))
    with connection, connection.cursor() as cursor:
        cursor.execute("select coalesce(sum(plays), 0) from profile_item where kind = 'recordings'")
        [(plays,)] = cursor.fetchall()
    connection.close()
    return int(plays)
