"""What others played next, alone and beside the listener's own history: the session model that is beside the links."""

from collections.abc import Sequence
from uuid import UUID

from app.ml.own_and_others import NOBODY
from app.ml.session_tables import HISTORY
from app.modules.recommendations.latest import Play
from app.modules.recommendations.memories import Memory
from app.modules.recommendations.serving import Serving


def of_others(serving: Serving | None, session: Sequence[Play], before: Sequence[Play]) -> dict[UUID, float]:
    """Return the odds of what may come next by what others played, none where the model has no sessions."""
    tables = serving.sessions if serving is not None else None
    if serving is None or tables is None:
        return {}
    so_far = _places(serving, session)
    if not so_far:
        return {}
    listed, scores = tables.scores(so_far, _places(serving, before[-HISTORY:]))
    return {serving.artefact.key(int(place)): float(score) for place, score in zip(listed, scores, strict=True)}


def together(serving: Serving | None, memory: Memory, session: Sequence[Play], now: int) -> dict[UUID, float]:
    """Return what may come next by that and the listener's own history: square roots of odds against the first.

    Odds themselves are so steep that whatever is mixed in would stand before the third. None where the model did not
    learn what each weighs, or knows nothing of the session that is running.
    """
    tables = serving.sessions if serving is not None else None
    if serving is None or tables is None or tables.together is None:
        return {}
    so_far = _places(serving, session)
    if not so_far:
        return {}
    find, items = serving.artefact.find, tables.scorer.items
    # what the model does not know is numbered behind what it does
    places = [items + track if (place := find(key)) is None else place for track, key in enumerate(memory.keys)]
    own = {
        name: {places[track]: value for track, value in part.items()}
        for name, part in memory.history.parts(now, NOBODY).items()
    }
    listed, scores = tables.scores_together(so_far, _places(serving, memory.of[: -len(session)][-HISTORY:]), own)
    key = serving.artefact.key
    return {
        key(int(place)) if place < items else memory.keys[int(place) - items]: float(score) ** 0.5
        for place, score in zip(listed, scores, strict=True)
    }


def _places(serving: Serving, plays: Sequence[Play]) -> list[int]:
    """Return the model's numbers of what was played and it knows."""
    return [place for play in plays if (place := serving.artefact.find(play.recording_key)) is not None]
