"""Answers that are kept: under the same stamps, for a while, and made anew by one who asks and not by all."""

import pytest

from app.kernel import kept
from app.kernel.kept import KEPT_S, MAKING_S, Kept


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(kept, "monotonic", lambda: now[0])
    return now


def test_an_answer_is_given_while_its_stamps_are_the_same(clock: list[float]) -> None:
    answers = Kept[str](2)
    answers.keep("asked", 1, "answer")
    assert answers.get("asked", 1) == "answer"
    assert answers.get("asked", 2) is None
    clock[0] += KEPT_S + 1
    assert answers.get("asked", 1) is None


def test_the_oldest_goes_when_there_are_too_many() -> None:
    answers = Kept[str](2)
    for asked in ("a", "b", "c"):
        answers.keep(asked, 1, asked)
    assert [answers.get(asked, 1) for asked in ("a", "b", "c")] == [None, "b", "c"]


def test_what_another_makes_now_is_made_by_the_first_who_asks(clock: list[float]) -> None:
    answers = Kept[str](2)
    answers.keep("asked", 1, "old", by="old model")
    assert answers.get("asked", 1, by="new model") is None
    assert answers.get("asked", 1, by="new model") == "old"  # while the first makes it
    assert answers.get("asked", 2, by="new model") is None  # something was played: nothing old is given
    answers.keep("asked", 1, "new", by="new model")
    assert answers.get("asked", 1, by="new model") == "new"


def test_where_the_first_fails_the_next_makes_it(clock: list[float]) -> None:
    answers = Kept[str](2)
    answers.keep("asked", 1, "old", by="old model")
    assert answers.get("asked", 1, by="new model") is None
    clock[0] += MAKING_S
    assert answers.get("asked", 1, by="new model") is None
    assert answers.get("asked", 1, by="new model") == "old"
