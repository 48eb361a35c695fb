"""Models: the same bytes are one model, one of a kind serves, and the way back is open."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID, uuid4

import pytest
from sqlalchemy.orm import Session

from app.contracts.listens import Kind
from app.contracts.training import ChampionChanged, Figure, IllegalMove, Model, ModelNotFound, NothingToRollBackTo
from app.modules.training import gate, registry
from tests.support.line import Line

RULES = gate.load(None)


@contextmanager
def transaction(line: Line) -> Iterator[Session]:
    with line.database("training").begin() as session:
        yield session


def judged(line: Line, kind: Kind = "artists", ndcg: float | None = 0.5, popularity: float | None = 0.1) -> Model:
    """Register a model with these measures and let the gate decide."""
    metrics = {"ndcg": ndcg, "popularity_ndcg": popularity}
    figures = [
        Figure(subject, "all", "ndcg", value, None, None, 50)
        for subject, value in (("model", ndcg), ("popularity", popularity))
        if value is not None
    ]
    with transaction(line) as session:
        has_champion = registry.champion(session, kind) is not None
        model, _ = registry.register(session, kind, f"{uuid4().hex}{uuid4().hex}", 1, metrics, uuid4(), "x")
        if registry.judge(session, model, gate.decide(RULES, gate.Candidate(figures, 1, 1.0, has_champion))):
            registry.promote(session, model.model_id, "")
    return line.services.training.get_model(model.model_id)


def told(line: Line, kind: Kind) -> list[UUID | None]:
    """The models that followers were told of, in order."""
    line.settle()
    page = line.services.training.feed("", 1000)
    assert all(isinstance(event, ChampionChanged) for event in page.events)
    return [event.model_id for event in page.events if event.kind == kind]


def champion(line: Line, kind: Kind) -> Model:
    (found,) = [model for model in line.services.training.champions() if model.kind == kind]
    return found


@pytest.mark.parametrize("kind", ["recordings", "artists"])
def test_training_twice_on_the_same_data_is_one_model(line: Line, kind: Kind) -> None:
    line.two_tastes(4)
    first = line.train(kind)
    models = line.services.training.list_models(kind)
    second = line.train(kind, first.snapshot_id)
    assert (first.state, second.state) == ("done", "done")
    assert second.model_id == first.model_id
    assert line.services.training.list_models(kind) == models


def test_a_model_says_how_it_compares_with_popularity(empty_line: Line) -> None:
    empty_line.two_tastes(30)
    model = empty_line.services.training.get_model(empty_line.train("recordings").model_id or uuid4())
    assert (model.metrics["ndcg"] or 0) > (model.metrics["popularity_ndcg"] or 0)
    assert (model.state, model.number) == ("champion", 1)


def test_a_better_model_serves_at_once_and_the_old_one_retires(line: Line) -> None:
    old, new = judged(line), judged(line)
    assert champion(line, "artists").model_id == new.model_id
    assert line.services.training.get_model(old.model_id).state == "retired"
    assert new.number == old.number + 1
    assert told(line, "artists")[-2:] == [old.model_id, new.model_id]


def test_a_model_worse_than_popularity_is_rejected_while_another_serves(line: Line) -> None:
    serving = judged(line)
    rejected = judged(line, ndcg=0.1, popularity=0.2)
    assert rejected.state == "rejected"
    assert champion(line, "artists").model_id == serving.model_id
    with pytest.raises(IllegalMove):
        line.services.training.promote(rejected.model_id)


def test_a_first_model_serves_whatever_its_measures(empty_line: Line) -> None:
    assert judged(empty_line, ndcg=0.1, popularity=0.2).state == "champion"
    assert judged(empty_line, ndcg=None, popularity=None).state == "champion"


def test_promoting_and_rolling_back(line: Line) -> None:
    first, second = judged(line), judged(line)
    assert line.services.training.roll_back("artists", "worse").model_id == first.model_id
    assert line.services.training.get_model(second.model_id).state == "rolled_back"
    assert line.services.training.promote(second.model_id, "it was not").state == "champion"
    assert line.services.training.promote(second.model_id).model_id == second.model_id
    assert told(line, "artists")[-4:] == [first.model_id, second.model_id, first.model_id, second.model_id]


def test_kinds_have_champions_of_their_own(line: Line) -> None:
    artists, recordings = judged(line, "artists"), judged(line, "recordings")
    assert champion(line, "artists").model_id == artists.model_id
    assert champion(line, "recordings").model_id == recordings.model_id
    assert [m.kind for m in line.services.training.list_models("artists")].count("recordings") == 0


def test_without_an_earlier_model_there_is_no_way_back(empty_line: Line) -> None:
    with pytest.raises(NothingToRollBackTo):
        empty_line.services.training.roll_back("artists")
    judged(empty_line)
    with pytest.raises(NothingToRollBackTo):
        empty_line.services.training.roll_back("artists")


def test_an_unknown_model_is_not_found(line: Line) -> None:
    with pytest.raises(ModelNotFound):
        line.services.training.get_model(uuid4())
    with pytest.raises(ModelNotFound):
        line.services.training.promote(uuid4())


def test_the_files_of_a_model_are_read_in_pieces(line: Line) -> None:
    line.two_tastes(4)
    model = line.services.training.get_model(line.train("artists").model_id or uuid4())
    folder = line.settings.data_dir / "models" / model.sha256
    files = line.services.training.artefact_files(model.sha256)
    assert {file.name for file in files} == {file.name for file in folder.iterdir()}
    for file in files:
        content, size = b"", 1000
        while piece := line.services.training.read_artefact(model.sha256, file.name, len(content), size):
            content += piece
        assert content == (folder / file.name).read_bytes()


@pytest.mark.parametrize("name", ["../../secrets/db_training_app", "..", "", "/etc/passwd", "manifest.json/../x", "\0"])
def test_nothing_but_the_files_of_a_model_can_be_read(line: Line, name: str) -> None:
    line.two_tastes(4)
    model = line.services.training.get_model(line.train("artists").model_id or uuid4())
    with pytest.raises(ModelNotFound):
        line.services.training.read_artefact(model.sha256, name, 0, 100)
    for unknown in ("../secrets", "0" * 64, ""):
        with pytest.raises(ModelNotFound):
            line.services.training.artefact_files(unknown)
