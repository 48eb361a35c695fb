"""Two parts of a fit at once: both come back, either ends the other, and the bits are those of one thread."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.ml.als import AlsParameters, factorise
from app.ml.interactions import weighted
from app.ml.progress import Progress, no_progress
from app.ml.side_by_side import THREADS, side_by_side
from tests.ml.group_tastes import group_tastes


class Cancel(Exception):
    """What a cancelled run raises."""


def test_both_come_back_and_were_at_work_at_once() -> None:
    both = threading.Barrier(2, timeout=5)
    found = side_by_side(lambda _told, _threads: (both.wait(), "first")[1], lambda _told: both.wait() >= 0, no_progress)
    assert found == ("first", True)


def test_the_first_waits_for_the_second_and_can_be_cancelled_meanwhile() -> None:
    told: list[float] = []

    def second(progress: Progress) -> None:
        while True:
            time.sleep(0.01)
            progress(0.5, "going on")

    def cancel(done: float, _step: str) -> None:
        told.append(done)
        raise Cancel

    with pytest.raises(Cancel):
        side_by_side(lambda _told, _threads: None, second, cancel)
    assert told == [1.0]


def test_what_the_second_raises_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        side_by_side(lambda _told, _threads: None, lambda _told: 1 / 0, no_progress)


def test_threads_change_no_bit_of_the_factors() -> None:
    W, chosen = weighted(group_tastes()), AlsParameters(factors=16, iterations=2)
    with ThreadPoolExecutor(THREADS) as threads:
        found = factorise(W, chosen, no_progress, threads)
    alone = factorise(W, chosen, no_progress)
    assert found.vectors.tobytes() == alone.vectors.tobytes()
    assert found.dense.tobytes() == alone.dense.tobytes()
