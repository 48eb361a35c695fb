"""Models tried beside the champion: who sees which, what is counted, and what fails is taken out by itself."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from app.contracts.identity import artist_key
from app.contracts.listens import ListenerListens, NewListen
from app.contracts.recommendations import Recommendations, Shown
from app.contracts.training import Model
from app.ml.arms import is_treated
from tests.support.line import Line
from tests.support.planted_models import Harm, plant
from tests.support.waiting import eventually


@pytest.fixture
def people(line: Line) -> list[UUID]:
    """Listeners with a profile, for whom a champion answers."""
    rock, jazz = line.two_tastes(20)
    assert line.train("artists").state == "done"
    line.follow()
    eventually(lambda: answer(line, rock[0]).model == champion(line).sha256)
    return rock + jazz


def champion(line: Line) -> Model:
    return next(model for model in line.services.training.champions() if model.kind == "artists")


def answer(line: Line, listener_id: UUID) -> Recommendations:
    return line.services.recommendations.recommend(listener_id, "artists", 5)


def is_seen(line: Line, model: Model, people: list[UUID]) -> bool:
    return model.sha256 in {answer(line, person).model for person in people}


def test_a_canary_is_shown_to_its_share_and_to_them_always(line: Line, people: list[UUID]) -> None:
    served, model = champion(line), plant(line.services, line.settings, champion(line), "none")
    running = line.services.training.start_experiment(model.model_id, share=0.3)
    line.settle()
    trial = line.services.training.feed("", 1000).events[-1].trial
    assert trial is not None
    line.follow()
    eventually(lambda: is_seen(line, model, people))
    for _ in range(2):
        for person in people:
            expected = model if is_treated(trial.salt, person, 0.3) else served
            assert answer(line, person).model == expected.sha256
    line.services.training.stop_experiment(running.experiment_id)
    line.follow()
    eventually(lambda: not is_seen(line, model, people))


def test_a_shadow_is_asked_and_never_shown(line: Line, people: list[UUID]) -> None:
    model = plant(line.services, line.settings, champion(line), "none")
    running = line.services.training.start_experiment(model.model_id, "shadow", 1.0)
    line.follow()

    def overlap() -> float | None:
        assert not is_seen(line, model, people[:5])
        since = datetime.now(UTC) - timedelta(minutes=5)
        found = line.services.recommendations.model_health([model.sha256], since)
        return found[0].overlap if found else None

    assert eventually(overlap) == pytest.approx(1.0, abs=0.2)
    line.services.training.stop_experiment(running.experiment_id)


@pytest.mark.parametrize("harm", ["no links", "unknown items"])
def test_a_broken_champion_harms_no_answer_and_is_rolled_back_by_itself(
    line: Line, people: list[UUID], harm: Harm
) -> None:
    before = champion(line)
    broken = plant(line.services, line.settings, before, harm)
    line.services.training.promote(broken.model_id, "planted")
    line.follow()

    def is_taken_out() -> bool:
        for person in people:
            assert not answer(line, person).degraded
        line.training.watch.look()
        return line.services.training.get_model(broken.model_id).state == "rolled_back"

    eventually(is_taken_out, within_s=15)
    assert champion(line).model_id == before.model_id
    assert "by itself" in line.services.training.transitions(broken.model_id)[-1].reason
    line.follow()


def test_a_broken_canary_is_rolled_back_by_itself(line: Line, people: list[UUID]) -> None:
    broken = plant(line.services, line.settings, champion(line), "no links")
    running = line.services.training.start_experiment(broken.model_id, share=1.0)
    line.follow()

    def state() -> str:
        for person in people:
            assert not answer(line, person).degraded
        line.training.watch.look()
        return line.services.training.get_experiment(running.experiment_id).experiment.state

    eventually(lambda: state() == "rolled_back", within_s=15)
    assert line.services.training.get_experiment(running.experiment_id).experiment.verdict == "failing"
    line.follow()


def test_what_is_played_clicked_loved_and_hidden_after_it_was_shown_counts_for_its_model(
    line: Line, people: list[UUID]
) -> None:
    model, since = champion(line).sha256, datetime.now(UTC) - timedelta(seconds=1)
    bands = ["Polka 1", "Polka 2", "Polka 3", "Polka 4"]
    keys = [artist_key(band) for band in bands]
    other = uuid4().hex * 2
    for person, shown_by in ((people[0], model), (people[1], other)):
        shown = [Shown("artists", key, "for-you", shown_by) for key in keys]
        line.services.recommendations.record_impressions(person, shown)
    played = ListenerListens(people[0], [NewListen(datetime.now(UTC) + timedelta(seconds=1), bands[0], "One")])
    old = ListenerListens(people[0], [NewListen(datetime.now(UTC) - timedelta(days=2), bands[1], "One")])
    line.services.listens.load([played, old], "tests")
    line.services.recommendations.record_click(people[0], "artists", keys[1])
    line.services.listens.set_feedback(people[0], "artists", keys[2], 1)
    line.services.listens.set_feedback(people[0], "artists", keys[3], -1)
    line.follow()
    sums = line.services.recommendations.outcome_sums("artists", model, other, since)
    arm = sums.control
    assert (arm.listeners, arm.impressions, arm.plays, arm.clicks, arm.loves, arm.hides) == (1, 4, 1, 1, 1, 1)
    assert (sums.treatment.listeners, sums.treatment.impressions, sums.treatment.plays) == (1, 4, 0)
    assert arm.y > 0 > sums.treatment.y
    assert arm.weight == pytest.approx(4 / 24)


def shelf_models(line: Line, people: list[UUID]) -> dict[UUID, str | None]:
    return {person: line.services.recommendations.shelves(person).models.get("artists") for person in people}


def test_shelves_and_answers_that_were_kept_are_those_of_the_arm(line: Line, people: list[UUID]) -> None:
    served, model = champion(line), plant(line.services, line.settings, champion(line), "none")
    before = {person: answer(line, person).model for person in people}  # kept from now on
    running = line.services.training.start_experiment(model.model_id, share=0.5)
    line.settle()
    trial = line.services.training.feed("", 1000).events[-1].trial
    assert trial is not None
    line.follow()
    arms = {person: (model if is_treated(trial.salt, person, 0.5) else served).sha256 for person in people}
    eventually(lambda: shelf_models(line, people) == arms)
    assert {person: answer(line, person).model for person in people} == arms != before
    line.services.training.stop_experiment(running.experiment_id)
    line.follow()
    eventually(lambda: shelf_models(line, people) == before)
    assert {person: answer(line, person).model for person in people} == before


def test_a_shadow_fills_shelves_that_nobody_sees(line: Line, people: list[UUID]) -> None:
    model, since = plant(line.services, line.settings, champion(line), "none"), datetime.now(UTC)
    running = line.services.training.start_experiment(model.model_id, "shadow", 1.0)
    line.follow()

    def overlap() -> float | None:
        assert model.sha256 not in shelf_models(line, people[:5]).values()
        found = line.services.recommendations.model_health([model.sha256], since)
        return found[0].overlap if found else None

    assert 0.5 <= eventually(overlap) <= 1.0  # it has the champion's links, without its factors
    line.services.training.stop_experiment(running.experiment_id)
    line.follow()
