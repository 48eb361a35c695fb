"""What may come next by a listener's own history and by others' sessions, weighed together. numpy only: this is served.

One conditional logit over the parts of both, see `conditional_logit`; the weights are in the artefact.
"""

from collections.abc import Mapping

import numpy as np

from app.ml.own_history import WEIGHTS, Crowd, Others
from app.ml.part_features import Doubles, Floats, Ints, table
from app.ml.session_scoring import PARTS

OWN = tuple(name for name in WEIGHTS if not name.startswith("others"))
TOGETHER = (*(f"together/own/{name}" for name in OWN), *(f"together/{name}" for name in PARTS))
NOBODY = Others(Crowd(), ())  # others' sessions are asked by their own scorer here


def joined(own: Mapping[str, Mapping[int, float]], listed: Ints, said: Doubles) -> tuple[Ints, Floats]:
    """Return the items that anything speaks for, and what each of `TOGETHER` says of them (items, parts).

    `own` are the parts of an `OwnHistory` by item, `listed` and `said` what `SessionScorer.parts` returned.
    """
    items, mine = table([own[name] for name in OWN], listed)
    others = np.zeros((len(items), len(PARTS)), dtype=np.float32)
    others[np.searchsorted(items, listed)] = said
    return items, np.concatenate([mine, others], axis=1)
