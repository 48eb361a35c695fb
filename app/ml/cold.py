"""Items that nobody has played yet: likeness by content carries scores to them. Fitting side, scikit-learn."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, QuantileTransformer

Floats = NDArray[np.float32]

QUANTILES = 200


class ContentNeighbours(BaseEstimator):  # type: ignore[misc]
    """Nearest items by audio features (missing ones are NaN) and by words such as artist and tags.

    Audio features become ranks on a normal scale, so that loudness in decibels and tempo count alike, then all of an
    item's have length 1; words are weighed by rarity. `words_weight` is what both share out between them.
    """

    def __init__(self, *, neighbours: int = 50, words_weight: float = 0.5) -> None:
        self.neighbours = neighbours
        self.words_weight = words_weight

    def fit(self, audio: NDArray[np.floating], words: Sequence[Sequence[str]] | None = None) -> Self:
        """Fit on the content of items that have listeners: (items, features) audio, and each one's words."""
        self.audio_ = make_pipeline(
            SimpleImputer(keep_empty_features=True),
            QuantileTransformer(
                n_quantiles=min(QUANTILES, len(audio)), output_distribution="normal", subsample=None, random_state=0
            ),
            Normalizer(),
        ).fit(audio)
        self.words_ = TfidfVectorizer(analyzer=list, sublinear_tf=True).fit(words) if words is not None else None
        self.content_ = self._content(audio, words)
        count = min(self.neighbours, len(audio))
        self.nearest_ = NearestNeighbors(n_neighbors=count, metric="cosine", algorithm="brute").fit(self.content_)
        return self

    def links(self, audio: NDArray[np.floating], words: Sequence[Sequence[str]] | None = None) -> sp.csr_matrix:
        """Return (known items, new items): how alike a new item is to each of its nearest known ones.

        A profile's scores of the new items are the weighted sum of its rows, as those of an operator between items.
        """
        distances, nearest = self.nearest_.kneighbors(self._content(audio, words))
        alike = np.maximum(1 - distances, 0).astype(np.float32)
        new = np.repeat(np.arange(len(audio)), nearest.shape[1])
        shape = (self.content_.shape[0], len(audio))
        return sp.csr_matrix((alike.ravel(), (nearest.ravel(), new)), shape=shape)

    def likeness(
        self, profile: NDArray[np.int64], audio: NDArray[np.floating], words: Sequence[Sequence[str]] | None = None
    ) -> Floats:
        """Return (new items,) the likeness of new items to a profile's own: to its nearest one, and to the mean."""
        products = self._content(audio, words) @ self.content_[profile].T
        dense = products.toarray() if sp.issparse(products) else np.asarray(products)
        found: Floats = (dense.max(axis=1) + dense.mean(axis=1)).astype(np.float32)
        return found

    def _content(self, audio: NDArray[np.floating], words: Sequence[Sequence[str]] | None) -> Any:
        """Return (items, content), sparse where words are in it."""
        heard = self.audio_.transform(audio)
        heard[np.isnan(audio).all(axis=1)] = 0  # of which nothing was heard, that is like nothing
        if self.words_ is None or words is None:
            return heard
        share = self.words_weight
        parts = [sp.csr_matrix(heard) * (1 - share) ** 0.5, self.words_.transform(words) * share**0.5]
        return sp.hstack(parts).tocsr()
