"""Texts by their words: TF-IDF, reduced by a truncated SVD (latent semantic analysis)."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from threadpoolctl import threadpool_limits

from solid.errors import DataError
from solid.settings.schema import FeatureSettings

WORD = re.compile(r"\b\w\w+\b")
# Thai, Lao, Tibetan, Burmese, Khmer, Japanese, Chinese; marks that belong to a letter among them
UNSPACED = re.compile(
    "[\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u3005\u3040-\u30ff\u31f0-\u31ff\u3400-\u9fff"
    "\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff]+"
)
DECIMALS = 5  # the last digits of a float32 depend on the machine's linear algebra


def words_of(text: str) -> list[str]:
    """Words of two letters or more; where a script puts no spaces between words, every letter and pair of letters.

    Pairs do nearly as well as a dictionary in search (Nie and others, On the use of words and n-grams for Chinese
    information retrieval, IRAL 2000).
    """
    runs = UNSPACED.findall(text)
    pairs = [run[n : n + size] for run in runs for size in (1, 2) for n in range(len(run) - size + 1)]
    return WORD.findall(UNSPACED.sub(" ", text) if runs else text) + pairs


class Tfidf:
    """Rows are TF-IDF weights, projected on the corpus' first ``dim`` singular vectors, or as many as it has."""

    name = "tfidf"

    def __init__(self, settings: FeatureSettings) -> None:
        self.dim = settings.dim

    def encode(self, items: pd.DataFrame) -> NDArray[np.float32]:
        """Encode the column ``text``; the vocabulary is made of these texts alone."""
        words = TfidfVectorizer(sublinear_tf=True, tokenizer=words_of, token_pattern=None)
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
