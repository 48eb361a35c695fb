"""Passwords and the pace of guessing them, through the public door (lines 12 to 16)."""

import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.composition import Container
from app.modules.accounts import passwords
from tests.conftest import PublicApi
from tests.support.people import fresh_name, new_person

RSS_UNIT = 1 if sys.platform == "darwin" else 1024


def test_hashing_many_passwords_at_once_takes_the_memory_of_four() -> None:
    passwords.hash_password("warm up")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT
    with ThreadPoolExecutor(50) as pool:
        list(pool.map(lambda n: passwords.verify_password(None, f"guess {n}"), range(50)))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT - before
    # four hashes of 19 MiB and the stacks of 50 threads; fifty hashes would be 950 MiB
    assert grown < 250 * 1024 * 1024


def test_an_unknown_name_costs_as_much_time_as_a_known_one() -> None:
    stored = passwords.hash_password("correct horse battery staple")

    def fastest(password_hash: str | None) -> float:
        times = []
        for _ in range(5):
            started = time.perf_counter()
            assert not passwords.verify_password(password_hash, "wrong password")
            times.append(time.perf_counter() - started)
        return min(times)

    fastest(None)
    assert 0.3 < fastest(None) / fastest(stored) < 3  # the fastest of five, on a busy machine


@pytest.mark.parametrize("name", ["admin", "root", "segue", "demo", "test"])
def test_there_is_no_default_account(api: PublicApi, name: str) -> None:
    for password in ("admin", "password", name):
        refused = api.post("/api/v1/auth/login", json={"name": name, "password": password})
        assert refused.status in {401, 429}


def test_known_and_unknown_names_cannot_be_told_apart(api: PublicApi, services: Container) -> None:
    person = new_person(services)
    answers = []
    for name in (person.name, fresh_name()):
        # up to the first wait: from there on, both wait alike
        attempts = [api.post("/api/v1/auth/login", json={"name": name, "password": "wrong password"}) for _ in range(7)]
        answers.append([(a.status, a.json["code"], a.json["title"], a.json.get("details")) for a in attempts])
    assert answers[0] == answers[1]
    assert answers[0][-1][0] == 429


def test_registration_without_a_code_does_not_say_which_names_are_taken(api: PublicApi, services: Container) -> None:
    person = new_person(services)
    form = {"password": "correct horse battery staple", "invitation": "made up"}
    answers = [api.post("/api/v1/auth/register", json={"name": n, **form}) for n in (person.name, fresh_name())]
    assert [a.status for a in answers] == [403, 403]
    assert answers[0].json["title"] == answers[1].json["title"]
