"""Figures on public splits that say whether a change made the links between items worse.

The default takes minutes to choose its parameters: it is measured on one split, in test_evaluate.
"""

from pathlib import Path

import pytest

from app.ml.data_files import BadDataFile
from app.ml.evaluate import evaluate


@pytest.mark.extended
def test_many_listeners_of_few_artists(data_dir: Path) -> None:
    """Measured .357 and .242, binary; the bound is two standard errors (.0030, .0020) below."""
    folder = data_dir / "lastfm15k"
    found = evaluate("ranking", train=[folder / "train.tsv.gz"], test=folder / "test.tsv.gz", model="item-item")
    assert found["users"] == 11_219
    assert found["recall"] >= 0.351
    assert found["ndcg"] >= 0.238


@pytest.mark.extended
def test_more_artists_than_a_dense_matrix_takes(data_dir: Path) -> None:
    """Measured .2805 and .2834, by ridge on neighbours; the bound is two standard errors (.0045, .0054) below."""
    folder = data_dir / "lastfm_lightgcnpp"
    train = [folder / "train.tsv.gz", folder / "valid.tsv.gz"]
    found = evaluate("ranking", train=train, test=folder / "test.tsv.gz", model="item-item")
    assert found["items"] > found["parameters"]["dense_items"]
    assert found["recall"] >= 0.271
    assert found["ndcg"] >= 0.272


def test_only_what_there_is_can_be_left_out(tmp_path: Path) -> None:
    with pytest.raises(BadDataFile, match="--without takes plays, friends, artist, not tags"):
        evaluate("ranking", train=[tmp_path / "a"], test=tmp_path / "b", without=["tags"])
