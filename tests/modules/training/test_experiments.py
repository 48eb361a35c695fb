"""Experiments: one of a kind at a time, what they do to the states of models, and what followers are told."""

import pytest

from app.contracts.experiments import Trial
from app.contracts.training import ExperimentRuns, IllegalMove, Model
from app.kernel.contract import InvalidRequest
from app.modules.training import registry
from tests.modules.training.test_registry import champion, judged, transaction
from tests.support.line import Line


def candidate(line: Line) -> Model:
    """A model that could serve, and one that does."""
    judged(line)
    model = judged(line)
    line.services.training.roll_back("artists", "to have one more")
    return line.services.training.get_model(model.model_id)


def state(line: Line, model: Model) -> str:
    return line.services.training.get_model(model.model_id).state


def told(line: Line) -> Trial | None:
    line.settle()
    return line.services.training.feed("", 1000).events[-1].trial


def test_a_canary_is_told_to_followers_and_ends_with_its_promotion(line: Line) -> None:
    training, model = line.services.training, candidate(line)
    running = training.start_experiment(model.model_id, share=0.05)
    assert (state(line, model), running.mode, running.state) == ("canary", "canary", "running")
    first = told(line)
    assert first is not None
    assert (first.share, first.treatment.sha256, first.control) == (0.05, model.sha256, None)
    training.set_share(running.experiment_id, 0.2)
    second = told(line)
    assert second is not None
    assert (second.share, second.salt) == (0.2, first.salt)
    with pytest.raises(ExperimentRuns):
        training.start_experiment(model.model_id)
    training.promote(model.model_id, "it is better")
    assert training.get_experiment(running.experiment_id).experiment.state == "promoted"
    assert told(line) is None
    with pytest.raises(IllegalMove):
        training.set_share(running.experiment_id, 0.5)


def test_another_champion_ends_an_experiment(line: Line) -> None:
    training, model = line.services.training, candidate(line)
    running = training.start_experiment(model.model_id, mode="shadow")
    assert state(line, model) == "shadow"
    judged(line)
    assert training.get_experiment(running.experiment_id).experiment.state == "stopped"
    assert state(line, model) == "candidate"


def test_two_models_that_do_not_serve_are_compared(line: Line) -> None:
    training, one, two = line.services.training, candidate(line), candidate(line)
    running = training.start_experiment(two.model_id, "ab", 0.3, one.model_id)
    trial = told(line)
    assert trial is not None
    assert trial.control is not None
    assert (trial.control.model_id, trial.treatment.model_id) == (one.model_id, two.model_id)
    assert training.stop_experiment(running.experiment_id, "enough").state == "stopped"
    assert training.stop_experiment(running.experiment_id).reason == "enough"
    assert {state(line, one), state(line, two)} == {"candidate"}


def test_what_cannot_be_compared_is_refused(line: Line) -> None:
    training, model = line.services.training, candidate(line)
    for arguments in (
        {"share": 0.0},
        {"share": 1.1},
        {"share": 0.6, "mode": "ab"},
        {"alpha": 0.5},
        {"control_id": model.model_id},
        {"control_id": judged(line, "recordings").model_id},
    ):
        with pytest.raises(InvalidRequest):
            training.start_experiment(model.model_id, **arguments)
    with pytest.raises((InvalidRequest, IllegalMove)):
        training.start_experiment(champion(line, "artists").model_id)
    assert state(line, model) == "rolled_back"


def test_a_quarantined_champion_gives_way_to_the_one_before(line: Line) -> None:
    before, broken = judged(line), judged(line)
    with transaction(line) as session:
        registry.quarantine(session, broken, "planted")
    assert champion(line, "artists").model_id == before.model_id
    assert state(line, broken) == "quarantined"
