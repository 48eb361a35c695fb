"""iALS alone, with given parameters."""

from typing import Self

import numpy as np
import scipy.sparse as sp

from app.ml.als import AlsParameters, factorise
from app.ml.base import Recommender, listeners_of
from app.ml.interactions import weighted
from app.ml.progress import Progress, no_progress


class IALS(Recommender):
    """Factors of items; listeners are folded in. For the parameters see `AlsParameters`."""

    def __init__(
        self,
        *,
        factors: int = 64,
        iterations: int = 6,
        unobserved: float = 0.03,
        ridge: float = 2.5,
        listener_power: float = 0.2,
        item_power: float = 0.2,
        plays_power: float = 1.0,
        obscurity: float = 0.1,
        seed: int = 0,
    ) -> None:
        self.factors = factors
        self.iterations = iterations
        self.unobserved = unobserved
        self.ridge = ridge
        self.listener_power = listener_power
        self.item_power = item_power
        self.plays_power = plays_power
        self.obscurity = obscurity
        self.seed = seed

    def fit(self, X: sp.csr_matrix, progress: Progress = no_progress) -> Self:
        """Fit on (listeners, items) plays."""
        X = sp.csr_matrix(X, dtype=np.float32)
        X.sort_indices()
        factors = factorise(weighted(X), AlsParameters(**self.get_params()), progress)
        progress(1.0, "fitted")
        return self._fitted(sp.csr_matrix((X.shape[1], X.shape[1]), dtype=np.float32), listeners_of(X), factors)
