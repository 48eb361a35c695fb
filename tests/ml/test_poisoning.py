"""Fake listeners who push an item do not get it into the lists of real ones."""

from pathlib import Path

import numpy as np
import pytest

from app.ml.blend import START, Blend
from app.ml.poisoning import ATTACKS, PUSHED_PLAYS, Attack, poisoned, reach
from app.ml.ranking import read_split
from tests.ml.group_tastes import group_tastes


@pytest.mark.parametrize("attack", ATTACKS)
def test_fakes_are_few_and_all_play_the_target_most(attack: Attack) -> None:
    X = group_tastes()
    case = poisoned(X, 29, attack, share=0.05)
    fakes = case.plays[case.real :]
    assert (case.real, fakes.shape[0]) == (X.shape[0], 12)
    assert (case.plays[: case.real] != X).nnz == 0
    assert (fakes[:, 29].toarray() == PUSHED_PLAYS).all()
    assert fakes.max() == PUSHED_PLAYS


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.extended
def test_one_in_a_hundred_does_not_reach_one_in_a_hundred_lists(data_dir: Path, attack: Attack) -> None:
    """Measured .000 (random), .005 (popular), .008 (copy) for an item of three listeners."""
    folder = data_dir / "lastfm_lightgcn"
    X = read_split([folder / "train.tsv.gz"], folder / "test.tsv.gz", None, has_plays=True).train
    degrees = np.bincount(X.indices, minlength=X.shape[1])
    case = poisoned(X, int(np.flatnonzero(degrees == 3)[0]), attack)
    assert reach(lambda plays: Blend(chosen=START, factors=64).fit(plays).scorer_, case, every=3) <= 0.01
