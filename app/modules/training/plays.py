"""What was played, as arrays."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

LISTENED, UNLISTENED, PLAYCOUNT, FEEDBACK, FORGOTTEN = range(5)
CODES = {
    "listened": LISTENED,
    "unlistened": UNLISTENED,
    "playcount_set": PLAYCOUNT,
    "feedback_set": FEEDBACK,
    "forgotten": FORGOTTEN,
}


@dataclass(frozen=True)
class Plays:
    """What holds, sorted. `people` and `keys` are the bytes of UUIDs, sorted too; columns hold places in them.

    listens (n, 4): person, at, recording, artist. playcounts (n, 5): person, is_artist, key, artist, plays.
    feedback (n, 4): person, is_artist, key, value.
    """

    people: list[bytes]
    keys: list[bytes]
    listens: Ints
    playcounts: Ints
    feedback: Ints
