"""What a model says to one listener: scores of all items, and which of the listener's own items spoke for one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from app.contracts.recommendations import Because
from app.ml.interactions import profile_weights
from app.modules.recommendations import reasons
from app.modules.recommendations.reading import Names, Profile, Weighed
from app.modules.recommendations.serving import Serving


@dataclass(frozen=True)
class Folded:
    """A profile, folded into a model: `own` are the items that speak, `places` and `weights` what the model takes."""

    serving: Serving
    own: list[Weighed]
    places: NDArray[np.int64]
    weights: NDArray[Any]

    def scores(self) -> NDArray[np.float64]:
        """Return (items,) scores."""
        return self.serving.artefact.scorer.scores(self.places, self.weights)

    def excluded(self, keys: set[UUID]) -> list[int]:
        """Return the places of keys that the model knows."""
        find = self.serving.artefact.find
        return [place for key in keys if (place := find(key)) is not None]

    def contributions(self, targets: Sequence[int]) -> NDArray[np.float64]:
        """Return (targets, own): the signed parts of each target's score."""
        wanted = np.array(targets, dtype=np.int64)
        return self.serving.artefact.scorer.contributions(self.places, self.weights, wanted)


def folded(serving: Serving, profile: Profile) -> Folded | None:
    """Return a listener's profile as the model takes it, None where it knows nothing of it."""
    own = placed(serving, profile.weighed)
    if not own:
        return None
    weights = profile_weights([each.plays for each in own.values()], [each.is_loved for each in own.values()])
    return Folded(serving, list(own.values()), np.array(list(own), dtype=np.int64), weights)


def placed(serving: Serving, weighed: Sequence[Weighed]) -> dict[int, Weighed]:
    """Return the items of a profile that the model knows, under the name they are shown by or one they were played by.

    A model is made of what was sent: an item that was corrected since may have only its older names in it.
    """
    found: dict[int, Weighed] = {}
    for each in weighed:
        for key in (each.key, *each.keys):
            place = serving.artefact.find(key)
            if place is not None:
                found.setdefault(place, each)
                break
    return found


def because(
    row: NDArray[np.float64], own: Sequence[Weighed], names: Mapping[UUID, Names]
) -> tuple[list[Because], float]:
    """Return the greatest shares of a row of contributions in words, and the share of the rest."""
    shown, other = reasons.greatest(row)
    found = []
    for place, share in shown:
        named = names.get(own[place].keys[0])
        if named is None:  # loved, never played by anybody here: it has no name to show
            other += share
        else:
            found.append(Because(own[place].key, named.title, named.artist, share, own[place].plays))
    return found, other
