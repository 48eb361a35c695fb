"""What may come next by a listener's own history and by others' sessions, weighed together. numpy only: this is served.

One conditional logit over the parts of both, see `conditional_logit`; the weights are in the artefact.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from app.ml.own_history import WEIGHTS, Crowd, Others
from app.ml.part_features import Doubles, Floats
from app.ml.session_scoring import PARTS

OWN = tuple(name for name in WEIGHTS if not name.startswith("others"))
TOGETHER = (*(f"together/own/{name}" for name in OWN), *(f"together/{name}" for name in PARTS))
NOBODY = Others(Crowd(), ())  # others' sessions are asked by their own scorer here


def joined(
    own: Mapping[str, Mapping[int, float]], listed: NDArray[np.int64], said: Doubles
) -> tuple[NDArray[np.int64], Floats]:
    """Return the items that anything speaks for, and what each of `TOGETHER` says of them (items, parts).

    `own` are the parts of an `OwnHistory` by item, `listed` and `said` what `SessionScorer.parts` returned.
    """
    columns = [own[name] for name in OWN]
    keys = [np.fromiter(part, np.int64, len(part)) for part in columns]
    items = np.unique(np.concatenate([listed, *keys]))
    found = np.zeros((len(items), len(TOGETHER)), dtype=np.float32)
    for number, (part, of) in enumerate(zip(columns, keys, strict=True)):
        found[np.searchsorted(items, of), number] = np.fromiter(part.values(), np.float32, len(part))
    found[np.searchsorted(items, listed), len(OWN) :] = said
    return items, found
