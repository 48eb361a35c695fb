"""Own history and others' sessions, weighed together: each is heard where it knows more."""

from typing import Any

import numpy as np
import pytest

from app.ml.own_and_others import NOBODY, OWN, TOGETHER, joined
from app.ml.own_history import OwnHistory
from app.ml.session_model import SessionModel
from app.ml.session_scoring import PARTS, SessionTable
from app.ml.session_tables import SessionTables, arrays_of, opened
from app.ml.sessions import Play

LISTENERS, ROUNDS = 24, 30
HABIT = 0  # what each plays before a favourite of their own
CHAIN = [1, 2, 3, 4]  # what everybody plays in this order
FAVOURITE = 5  # and the next ones: of the first listener, the second …
ITEMS = FAVOURITE + LISTENERS + 1
HOUR_S = 3600


def world(listeners: int = LISTENERS) -> tuple[SessionTable, list[int], np.ndarray[Any, Any]]:
    """Return sessions of a habit and of the chain in turns, whose they are, and when each play was."""
    chance = np.random.default_rng(5)
    sessions, whose = [], []
    for number in range(ROUNDS * listeners):
        person = number % listeners
        other = int(chance.integers(FAVOURITE, ITEMS))
        sessions.append([HABIT, FAVOURITE + person, other] if chance.random() < 0.5 else CHAIN)
        whose.append(person)
    starts = np.cumsum([0, *map(len, sessions)])
    times = np.concatenate([10 * HOUR_S * n + 200 * np.arange(len(each)) for n, each in enumerate(sessions)])
    items = np.concatenate(sessions).astype(np.int32)
    return SessionTable(starts, items, np.arange(ITEMS, dtype=np.int32)), whose, times


@pytest.fixture(scope="module")
def served() -> SessionTables:
    table, whose, times = world()
    model = SessionModel(positions=300).fit(table, whose, times=times)
    found = opened(arrays_of(model.scorer_), model.chosen_)
    assert found is not None
    return found


def somebody(favourite: int, session: list[int]) -> OwnHistory:
    """Return the memory of a listener who isn't in the model."""
    history = OwnHistory()
    for number, items in enumerate([*[[HABIT, favourite]] * 5, session]):
        for place, item in enumerate(items):
            history.add(Play(0, 0, number, 10 * HOUR_S * number + 200 * place, item, item))
    return history


def first_of(served: SessionTables, history: OwnHistory, session: list[int]) -> int:
    own = history.parts(history.session[-1].ts + 60, NOBODY)
    before = [play.track for earlier in history.sessions[:-1] for play in earlier if play.track < ITEMS]
    items, odds = served.scores_together(session, before, own)
    assert odds[0] == 1
    assert np.all(np.diff(odds) <= 0)
    return int(next(item for item in items if item not in session))


def test_a_habit_that_nobody_shares_comes_before_what_others_do(served: SessionTables) -> None:
    favourite = ITEMS - 1  # nobody's in the model, though all play it at times
    assert first_of(served, somebody(favourite, [HABIT]), [HABIT]) == favourite
    assert served.scores([HABIT], [])[0][0] != favourite


def test_what_one_never_played_comes_as_others_play_it(served: SessionTables) -> None:
    assert first_of(served, somebody(ITEMS - 1, CHAIN[:2]), CHAIN[:2]) == CHAIN[2]


def test_what_the_model_does_not_know_is_listed_by_the_own_history(served: SessionTables) -> None:
    unknown = ITEMS + 7
    assert first_of(served, somebody(unknown, [HABIT]), [HABIT]) == unknown


def test_it_is_weighed_where_times_are_known_and_enough_listeners_tell() -> None:
    table, whose, times = world()
    without = SessionModel(positions=300).fit(table, whose)
    assert not set(without.chosen_) & set(TOGETHER)
    assert opened(arrays_of(without.scorer_), without.chosen_).together is None  # type: ignore[union-attr]
    table, whose, times = world(listeners=3)
    assert not set(SessionModel(positions=300).fit(table, whose, times=times).chosen_) & set(TOGETHER)


def test_a_model_that_was_not_weighed_for_it_says_so(served: SessionTables) -> None:
    with pytest.raises(ValueError, match="does not say"):
        SessionTables(served.scorer, served.weights).scores_together([HABIT], [], {})


def test_each_part_is_in_its_column() -> None:
    own = {name: {7 + place: float(place + 1)} for place, name in enumerate(OWN)}
    said = np.arange(2.0 * len(PARTS)).reshape(2, -1)
    items, parts = joined(own, np.array([3, 7]), said)
    assert items.tolist() == [3, *range(7, 7 + len(OWN))]
    assert parts.shape == (len(items), len(TOGETHER))
    assert parts[0, len(OWN) :].tolist() == said[0].tolist()
    assert parts[1, len(OWN) :].tolist() == said[1].tolist()
    assert np.array_equal(parts[1:, : len(OWN)], np.diag(np.arange(1.0, len(OWN) + 1)))
    assert not parts[0, : len(OWN)].any()
    assert not parts[2:, len(OWN) :].any()


def test_nobody_else_need_have_played_before() -> None:
    """All that is early is of one listener: at their positions nobody else says anything."""
    early = [[HABIT, FAVOURITE, FAVOURITE + 1]] * 80
    late = [[HABIT, FAVOURITE, FAVOURITE + 1 + n % 3] for n in range(20)]
    whose = [*[0] * 80, *[n % 8 for n in range(20)]]
    items = np.array([item for each in early + late for item in each], dtype=np.int32)
    table = SessionTable(np.arange(0, 301, 3), items, np.arange(ITEMS, dtype=np.int32))
    model = SessionModel(positions=300).fit(table, whose, times=200 * np.arange(300))
    assert all(np.isfinite(value) for value in model.chosen_.values())
