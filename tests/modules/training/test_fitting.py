"""From plays to a model, without a database."""

from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest

from app.contracts.listens import Kind, TrainingEvent
from app.contracts.training import NothingToTrain
from app.ml.artefact import open_artefact
from app.ml.blend import Blend
from app.modules.training import fitting
from app.modules.training.plays import Plays
from app.modules.training.totals import totals
from tests.support.events import EventTable


def silent(_fraction: float, _step: str) -> None:
    """Report to nobody."""


def plays_of(listeners: int, *, seed: int = 3) -> Plays:
    """Each listener plays three recordings of one artist in a sitting, and the next artist's on another day."""
    rng = np.random.default_rng(seed)
    keys = [[uuid4() for _ in range(6)] for _ in range(5)]
    artists = [uuid4() for _ in range(5)]
    table = EventTable()
    for _ in range(listeners):
        person = uuid4()
        for day in range(3):
            artist = int(rng.integers(5))
            for step, song in enumerate(rng.permutation(6)[:4]):
                at = day * 86_400 + 200 * step
                table.add([TrainingEvent("listened", person, at, keys[artist][song], artists[artist])])
    return table.plays()


def test_a_run_may_only_set_parameters_that_the_model_has() -> None:
    assert set(fitting.PARAMETERS) <= set(Blend().get_params())


@pytest.mark.parametrize("kind", ["recordings", "artists"])
def test_the_same_input_gives_the_same_bytes(tmp_path: Path, kind: Kind) -> None:
    plays = plays_of(60)
    made = [fitting.fit(plays, kind, {}, "x", tmp_path / str(n), silent) for n in range(2)]
    assert made[0] == made[1]
    other = fitting.fit(plays, kind, {"neighbours": 2}, "x", tmp_path / "other", silent)
    assert other.sha256 != made[0].sha256


@pytest.mark.parametrize("listeners", [1, 2])
def test_with_one_or_two_listeners_what_is_played_together_belongs_together(tmp_path: Path, listeners: int) -> None:
    plays = plays_of(listeners)
    fitted = fitting.fit(plays, "recordings", {}, "x", tmp_path, silent)
    opened = open_artefact(tmp_path / fitted.sha256)
    sitting = [opened.place[plays.keys[key]] for key in plays.listens[:4, 2]]
    near, scores = opened.scorer.similar(sitting[0], 3)
    assert set(near.tolist()) & set(sitting[1:])
    assert (scores > 0).all()


def test_progress_rises_to_the_end_and_may_stop_the_fit(tmp_path: Path) -> None:
    told: list[float] = []
    fitting.fit(plays_of(60), "recordings", {}, "x", tmp_path, lambda fraction, _step: told.append(fraction))
    assert told == sorted(told)
    assert told[-1] > 0.9

    class Cancelled(Exception):
        """What a cancelled run raises."""

    def stop(fraction: float, _step: str) -> None:
        if fraction > 0.2:
            raise Cancelled

    with pytest.raises(Cancelled):
        fitting.fit(plays_of(60), "recordings", {}, "x", tmp_path / "cancelled", stop)
    assert not list((tmp_path / "cancelled").glob("*"))


def test_a_loved_item_counts_and_a_hidden_one_does_not() -> None:
    person, played, loved, hidden = (uuid4() for _ in range(4))
    table = EventTable()
    table.add(
        [
            TrainingEvent("listened", person, 1, played, uuid4()),
            TrainingEvent("listened", person, 2, hidden, uuid4()),
            TrainingEvent("feedback_set", person, 0, hidden, None, -1),
            TrainingEvent("feedback_set", person, 0, loved, None, 1),
        ]
    )
    plays = table.plays()
    _, items, counts = totals(plays, "recordings")
    assert {plays.keys[item]: int(count) for item, count in zip(items, counts, strict=True)} == {
        played.bytes: 1,
        loved.bytes: 1,
    }


def test_nothing_to_train_on_is_said(tmp_path: Path) -> None:
    with pytest.raises(NothingToTrain, match="nobody"):
        fitting.fit(EventTable().plays(), "recordings", {}, "x", tmp_path, silent)


def test_figures_are_reported_by_taste_and_the_model_carries_the_groups(tmp_path: Path) -> None:
    rng = np.random.default_rng(11)
    artists = [[UUID(bytes=rng.bytes(16)) for _ in range(30)] for _ in range(2)]
    table = EventTable()
    for number in range(80):
        person = UUID(bytes=rng.bytes(16))
        for day, artist in enumerate(rng.permutation(30)[:12].tolist()):
            key = artists[number % 2][artist]
            table.add([TrainingEvent("listened", person, day * 86_400 + number, UUID(bytes=rng.bytes(16)), key)])
    found = fitting.fit(table.plays(), "artists", {}, "x", tmp_path, silent)
    opened = open_artefact(tmp_path / found.sha256)
    group = np.array([[opened.tables["taste"][opened.place[key.bytes]] for key in of_it] for of_it in artists])
    most = [int(np.bincount(of_it).argmax()) for of_it in group]
    assert ((group == np.array(most)[:, None]).mean(axis=1) > 0.8).all()
    assert most[0] != most[1]
    names = opened.manifest["taste"]["names"]
    assert {str(key) for key in artists[0]} >= set(names[most[0]])
    assert {f.cohort for f in found.figures} >= {f"taste {number + 1}" for number in most}
