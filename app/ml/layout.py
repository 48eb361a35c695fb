"""Places on a plane for items that are more or less alike. numpy only."""

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

STEPS = 150
GRAVITY = 0.03
NAME = np.array([0.15, 0.06])  # room of an artist's name, in parts of the plane


def places(likeness: Doubles) -> Doubles:
    """Return (n, 2) places from 0 to 1: what is alike is near, and nothing lies on anything else.

    `likeness` (n, n) is symmetric, from 0 to 1. Springs between those alike, repulsion between all, from a circle in
    the order given; the same input gives the same places. Source: Fruchterman & Reingold 1991.
    """
    n = len(likeness)
    if n == 1:
        return np.full((1, 2), 0.5)
    angle = np.arange(n) * 2.399963  # the golden angle: neighbours in the list begin apart
    at = np.stack([np.cos(angle), np.sin(angle)], axis=1) * np.sqrt(np.arange(n) + 0.5)[:, None] / np.sqrt(n)
    length = 1.0 / np.sqrt(n)
    for step in range(STEPS):
        apart = at[:, None, :] - at[None, :, :]
        distance = np.maximum(np.sqrt((apart**2).sum(axis=2)), 0.01)
        push = length**2 / distance
        pull = likeness * distance**2 / length
        move = (apart / distance[:, :, None] * (push - pull)[:, :, None]).sum(axis=1) - GRAVITY * at
        far = np.maximum(np.linalg.norm(move, axis=1, keepdims=True), 1e-9)
        at += move / far * np.minimum(far, 0.1 * (1 - step / STEPS) + 0.002)
    return np.round(_fitted(_apart(_fitted(at))), 4)


def _fitted(at: Doubles) -> Doubles:
    low, high = at.min(axis=0), at.max(axis=0)
    found: Doubles = (at - low) / np.maximum(high - low, 1e-9)
    return found


def _apart(at: Doubles) -> Doubles:
    """Return places at which names can be written: clusters are widened, and what overlaps is moved apart.

    Half of each coordinate becomes its rank, so that the plane is used; then two whose boxes of `NAME` overlap push
    each other along the axis on which they do so least.
    """
    ranks = np.argsort(np.argsort(at, axis=0, kind="stable"), axis=0, kind="stable") / max(1, len(at) - 1)
    found: Doubles = (at + ranks) / 2
    for _ in range(STEPS):
        apart = found[:, None, :] - found[None, :, :]
        over = np.maximum(NAME - np.abs(apart), 0)
        is_over = (over > 0).all(axis=2)
        np.fill_diagonal(is_over, val=False)
        if not is_over.any():
            break
        is_flat = over[:, :, 1] / NAME[1] <= over[:, :, 0] / NAME[0]
        push = np.where(np.stack([~is_flat, is_flat], axis=2), over, 0) * is_over[:, :, None]
        # of two at one place the first goes up
        order = np.sign(np.arange(len(at))[:, None] - np.arange(len(at))[None, :])[:, :, None]
        side = np.where(apart == 0, order, np.sign(apart))
        found = found + (push * side).sum(axis=1) * 0.3
    return found


def links(likeness: Doubles, each: int, least: float) -> list[tuple[int, int, float]]:
    """Return the pairs that are most alike: for each its `each` nearest ones that are alike by at least `least`."""
    found: dict[tuple[int, int], float] = {}
    for one in range(len(likeness)):
        order = np.argsort(-likeness[one], kind="stable")
        near = [int(other) for other in order if other != one and likeness[one, other] >= least][:each]
        found |= {(min(one, other), max(one, other)): float(likeness[one, other]) for other in near}
    return [(*pair, found[pair]) for pair in sorted(found)]
