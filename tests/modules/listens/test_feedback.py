"""Love and hide: said, changed, taken back, and shown with names where they were heard."""

from uuid import UUID, uuid4

import pytest

from app.contracts.identity import artist_key, identify
from app.contracts.listens import FeedbackSet, Listens, NewPlaycount
from app.kernel.contract import InvalidRequest
from tests.modules.listens.conftest import Instance
from tests.modules.listens.plays import play


def said(listens: Listens, listener_id: UUID, **only: object) -> list[tuple[UUID, int]]:
    return [(each.key, each.value) for each in listens.get_feedback(listener_id, **only)]  # type: ignore[arg-type]


def test_the_newest_opinion_comes_first_and_can_be_taken_back(listens: Listens, listener: UUID) -> None:
    first, second = uuid4(), uuid4()
    listens.set_feedback(listener, "recordings", first, 1)
    listens.set_feedback(listener, "artists", second, -1)
    assert said(listens, listener) == [(second, -1), (first, 1)]
    listens.set_feedback(listener, "recordings", first, -1)
    assert said(listens, listener) == [(first, -1), (second, -1)]
    listens.set_feedback(listener, "recordings", first, 0)
    assert said(listens, listener) == [(second, -1)]


def test_it_can_be_asked_by_kind_and_value(listens: Listens, listener: UUID) -> None:
    keys = [uuid4() for _ in range(4)]
    for key, kind, value in zip(keys, ("recordings", "artists") * 2, (1, 1, -1, -1), strict=True):
        listens.set_feedback(listener, kind, key, value)  # type: ignore[arg-type]
    assert {key for key, _ in said(listens, listener, kind="artists")} == {keys[1], keys[3]}
    assert {key for key, _ in said(listens, listener, value=1)} == {keys[0], keys[1]}
    assert said(listens, listener, kind="recordings", value=-1) == [(keys[2], -1)]
    assert said(listens, uuid4()) == []


@pytest.mark.parametrize("value", [2, -2, 10**30])
def test_there_is_no_stronger_opinion(listens: Listens, listener: UUID, value: int) -> None:
    with pytest.raises(InvalidRequest):
        listens.set_feedback(listener, "recordings", uuid4(), value)


def test_names_come_from_what_was_played_or_counted(listens: Listens, listener: UUID) -> None:
    listens.submit(listener, [play(0, "Song", "ADA"), play(40 * 86_400, "SONG", "Ada")])
    listens.set_playcounts([NewPlaycount(listener, "Grace", None, 3), NewPlaycount(listener, "Emmy", "Air", 3)], "x")
    listens.set_feedback(listener, "recordings", identify("Ada", "Song").recording_key, 1)
    listens.set_feedback(listener, "artists", artist_key("Ada"), 1)
    listens.set_feedback(listener, "artists", artist_key("Grace"), 1)
    listens.set_feedback(listener, "recordings", identify("Emmy", "Air").recording_key, 1)
    listens.set_feedback(listener, "artists", artist_key("Nobody"), 1)
    names = {(each.kind, each.title, each.artist) for each in listens.get_feedback(listener)}
    assert names == {
        ("recordings", "SONG", "Ada"),
        ("artists", "Ada", "Ada"),
        ("artists", "Grace", "Grace"),
        ("recordings", "Air", "Emmy"),
        ("artists", "", ""),
    }


def test_only_a_change_is_told(own: Instance, listener: UUID) -> None:
    key = uuid4()
    for value in (0, 1, 1, -1, 0, 0):
        own.listens.set_feedback(listener, "artists", key, value)
    assert own.told(listener) == [FeedbackSet(listener, "artists", key, value) for value in (1, -1, 0)]
