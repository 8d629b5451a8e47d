"""Texts by their words: TF-IDF, reduced by a truncated SVD (latent semantic analysis)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from threadpoolctl import threadpool_limits

from solid.errors import DataError
from solid.settings.schema import FeatureSettings

DECIMALS = 5  # the last digits of a float32 depend on the machine's linear algebra


class Tfidf:
    """Rows are TF-IDF weights, projected on the corpus' first ``dim`` singular vectors, or as many as it has."""

    name = "tfidf"

    def __init__(self, settings: FeatureSettings) -> None:
        self.dim = settings.dim

    def encode(self, items: pd.DataFrame) -> NDArray[np.float32]:
        """Encode the column ``text``; the vocabulary is made of these texts alone."""
        words = TfidfVectorizer(sublinear_tf=True)
        try:
            weights = words.fit_transform(items["text"])
        except ValueError:  # no text has any word
            weights = np.zeros((len(items), 0))
        dim = min(self.dim, min(weights.shape) - 1)
        if dim < 1:
            raise DataError("the texts hold too few different words to tell items apart; set features.text: none")
        # ARPACK iterates to machine precision from a fixed start, the randomised algorithm stops short of it.
        svd = TruncatedSVD(dim, algorithm="arpack", random_state=0)
        with threadpool_limits(1):  # several threads add in no fixed order
            vectors = svd.fit_transform(weights)
        rounded: NDArray[np.float64] = vectors.round(DECIMALS) + 0.0  # + 0.0 turns -0.0 into 0.0
        return rounded.astype(np.float32)
