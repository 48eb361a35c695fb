"""One listener as answers are made from them: profiles, latest plays, what they ignored, folded into the models."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import log1p
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from app.contracts.listens import Kind
from app.contracts.recommendations import Steering
from app.kernel.db import Database
from app.ml.scoring import Scorer
from app.modules.recommendations import impressions, latest, personal, reading
from app.modules.recommendations.candidates import Day
from app.modules.recommendations.latest import Play
from app.modules.recommendations.personal import Folded
from app.modules.recommendations.reading import Names, Profile
from app.modules.recommendations.serving import Serving

KINDS: tuple[Kind, ...] = ("recordings", "artists")


@dataclass(frozen=True)
class Listener:
    """All that shelves are made from, read once."""

    listener_id: UUID
    now: datetime
    recordings: Profile
    artists: Profile
    plays: list[Play]
    ignored: Mapping[Kind, Mapping[UUID, int]]
    folded: Mapping[Kind, Folded]
    models: Mapping[Kind, Serving]
    steering: Steering
    taken: set[UUID] = field(default_factory=set)

    @property
    def day(self) -> Day:
        return Day(self.now.toordinal(), self.listener_id)

    def profile(self, kind: Kind) -> Profile:
        return self.recordings if kind == "recordings" else self.artists

    def scorer(self, kind: Kind) -> Scorer | None:
        serving = self.models.get(kind)
        return serving.artefact.scorer if serving is not None else None

    def familiar(self) -> dict[UUID, float]:
        """Return by artist how well the listener knows them, 0 to 1."""
        most = log1p(max((each.plays for each in self.artists.weighed), default=1))
        return {key: log1p(each.plays) / most for each in self.artists.weighed for key in (each.key, *each.keys)}

    def scores(self, kind: Kind) -> NDArray[np.float64] | None:
        """Return (items,) scores of a model, the best 1; None where it knows nothing that the listener plays."""
        folded = self.folded.get(kind)
        if folded is None:
            return None
        scores = folded.scores()
        return scores / max(float(scores.max()), 1e-12)

    def place(self, kind: Kind, key: UUID) -> int | None:
        """Return where the model of a kind has an item."""
        serving = self.models.get(kind)
        return serving.artefact.find(key) if serving is not None else None

    def is_hidden(self, names: Names, kind: Kind) -> bool:
        hidden = names.key in self.profile(kind).hidden
        return hidden or names.artist_key in self.artists.hidden


def read(
    database: Database, models: Callable[[Kind], Serving | None], listener_id: UUID, now: datetime, steering: Steering
) -> Listener:
    """Read what shelves of a listener are made from."""
    serving = {kind: found for kind in KINDS if (found := models(kind)) is not None}
    with database.begin() as session:
        profiles = {kind: reading.profile(session, listener_id, kind) for kind in KINDS}
        ignored = {kind: impressions.ignored(session, listener_id, kind, now) for kind in KINDS}
        plays = latest.plays(session, listener_id)
    folded = {
        kind: own for kind, model in serving.items() if (own := personal.folded(model, profiles[kind])) is not None
    }
    return Listener(
        listener_id, now, profiles["recordings"], profiles["artists"], plays, ignored, folded, serving, steering
    )
