"""What others played next: the session model that is written beside a model's links."""

from collections.abc import Sequence
from uuid import UUID

from app.ml.session_tables import HISTORY, SessionTables
from app.modules.recommendations.latest import Play
from app.modules.recommendations.serving import Serving


def next_up(serving: Serving | None, session: Sequence[Play], before: Sequence[Play]) -> dict[UUID, float]:
    """Return the odds of what may come next by what others played, none where the model has no sessions."""
    tables = serving.sessions if serving is not None else None
    if serving is None or tables is None:
        return {}
    find = serving.artefact.find
    so_far = [place for play in session if (place := find(play.recording_key)) is not None]
    history = [place for play in before[-HISTORY:] if (place := find(play.recording_key)) is not None]
    if not so_far:
        return {}
    listed, scores = tables.scores(so_far, history)
    return {serving.artefact.key(int(place)): float(score) for place, score in zip(listed, scores, strict=True)}


__all__ = ["SessionTables", "next_up"]
