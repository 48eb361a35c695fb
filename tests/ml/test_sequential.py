"""Arms by hash, and the interval that holds at every look."""

from typing import Any
from uuid import UUID

import numpy as np
import pytest

from app.ml.arms import is_controlled, is_treated, point
from app.ml.sequential import Moments, difference, half_width, listeners_needed, mismatch_p

rng = np.random.default_rng(7)
PEOPLE = [UUID(bytes=rng.bytes(16)) for _ in range(100_000)]


def test_listeners_spread_evenly_and_anew_with_another_salt() -> None:
    first = np.array([point("a", person) for person in PEOPLE])
    second = np.array([point("b", person) for person in PEOPLE])
    counts, _ = np.histogram(first, bins=20, range=(0, 1))
    assert ((counts - 5000) ** 2 / 5000).sum() < 43.8  # chi-square, 19 degrees of freedom, p = 0.001
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.015


def test_who_sees_the_treatment_goes_on_seeing_it_while_the_share_grows() -> None:
    small = {person for person in PEOPLE[:5000] if is_treated("s", person, 0.05)}
    large = {person for person in PEOPLE[:5000] if is_treated("s", person, 0.2)}
    assert small < large
    assert not large & {person for person in PEOPLE[:5000] if is_controlled("s", person, 0.5)}


def moments(x: "np.ndarray[Any, Any]", y: "np.ndarray[Any, Any]") -> Moments:
    return Moments(len(y), y.sum(), float(y @ y), x.sum(), float(x @ x), float(x @ y))


def test_what_their_past_explains_makes_the_difference_surer() -> None:
    past = rng.normal(size=(2, 500))
    now = past + rng.normal(scale=0.3, size=(2, 500))
    now[1] += 0.1
    blind = difference(moments(0 * past[0], now[0]), moments(0 * past[1], now[1]))
    told = difference(moments(past[0], now[0]), moments(past[1], now[1]))
    assert blind is not None
    assert told is not None
    assert told.variance < 0.2 * blind.variance
    assert told.effect == pytest.approx(0.1, abs=4 * told.variance**0.5)


def test_the_interval_holds_at_all_looks_at_once() -> None:
    walks = np.cumsum(rng.normal(size=(2000, 1000)), axis=1)
    n = np.arange(1, 1001)
    widths = np.array([half_width(1 / k, 0.05, 0.2) for k in n])
    assert (np.abs(walks / n) > widths).any(axis=1).mean() <= 0.05


def test_how_many_listeners_an_effect_needs() -> None:
    assert listeners_needed(100, 0.01, 0.05, 0.2, 0.5) == 0
    more = listeners_needed(100, 0.01, 0.05, 0.2, 0.1)
    assert more is not None
    assert half_width(0.01 * 100 / (100 + more), 0.05, 0.2) <= 0.1
    assert listeners_needed(100, 0.01, 0.05, 0.2, 0.0) is None


def test_arms_of_unequal_sizes_are_told_from_chance() -> None:
    assert mismatch_p((510, 490), (0.5, 0.5)) > 0.3
    assert mismatch_p((1000, 800), (0.5, 0.5)) < 0.001
    assert mismatch_p((900, 105), (0.9, 0.1)) > 0.3
