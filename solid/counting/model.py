"""A counted model, for whoever scores, ranks, registers or serves one: the same face as a trained model's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from solid.counting.reading import NO_VECTORS, Table, count_for
from solid.counting.search import Picked
from solid.models.config import BaseConfig
from solid.models.protocols import Opaque

_LEAST = 1e-12  # share of an item that nobody touched; its logarithm has to be finite


class CountedConfig(BaseConfig):
    """What was picked on validation; the counts themselves stand beside it."""

    picked: dict[str, int | float | str | None]
    """One value of each setting that was tried, ``items``, ``decay`` and ``share`` among them."""

    @property
    def length(self) -> int:
        """How many items of a history, the last ones, it reads."""
        return int(self.picked["items"] or 1)

    @property
    def modality(self) -> str | None:
        """The vectors that say which items are alike; None where none do."""
        vectors = self.picked.get("vectors", NO_VECTORS)
        return None if vectors == NO_VECTORS else str(vectors)

    @property
    def about(self) -> dict[str, str]:
        """What it was made from."""
        return {"modality": self.modality or "none"}


class CountedModel(Opaque):
    """Scores are logarithms of shares, (1 - p) counted + p popular; so softmax gives the shares back."""

    def __init__(self, config: CountedConfig, table: Table) -> None:
        self.config, self.table = config, table
        self._base = config_share(config) * table.popularity

    @property
    def device(self) -> torch.device:
        """Always the CPU: sparse products are quicker there."""
        return torch.device("cpu")

    def encode(self, items_BL: Tensor) -> Any:
        """What is counted for right-padded histories [B, L]: sparse shares [B, N]."""
        picked: Picked = self.config.picked
        items = items_BL.numpy().astype(np.int64)
        return (1 - config_share(self.config)) * count_for(
            items, self.table.matrix, picked["decay"], picked.get("sessions")
        )

    def score(self, user: Any, candidates_BC: Tensor) -> Tensor:
        """The scores [B, C] of each user's candidates (item ids)."""
        columns = candidates_BC.numpy() - 1
        rows = np.broadcast_to(np.arange(len(columns))[:, None], columns.shape)
        counted = np.asarray(user[rows.ravel(), columns.ravel()]).reshape(columns.shape)
        return _logarithm(counted + self._base[columns])

    def score_all(self, user: Any) -> Tensor:
        """The scores [B, N] of all items; column j belongs to item j + 1."""
        return _logarithm(user.toarray() + self._base)

    def state_dict(self) -> dict[str, Tensor]:
        """The counts, as they are stored."""
        matrix = self.table.matrix
        return {
            "pointers": torch.from_numpy(matrix.indptr.astype(np.int64)),
            "columns": torch.from_numpy(matrix.indices.astype(np.int32)),
            "counts": torch.from_numpy(matrix.data),
            "popularity": torch.from_numpy(self.table.popularity),
        }

    @classmethod
    def restore(cls, config: Mapping[str, Any], state: Mapping[str, Tensor], *, fold: bool = True) -> Self:  # noqa: ARG003
        """Build it from what its folder holds; there is nothing to fold."""
        known = CountedConfig.model_validate(config)
        pointers, columns, counts, popularity = (
            state[name].numpy() for name in ("pointers", "columns", "counts", "popularity")
        )
        matrix = sp.csr_array((counts, columns, pointers), shape=(len(pointers) - 1, known.n_items))
        return cls(known, Table(matrix, popularity))


def config_share(config: CountedConfig) -> float:
    """Of popularity."""
    return float(config.picked["share"] or 0)


def _logarithm(shares: Any) -> Tensor:
    return torch.from_numpy(np.log(np.maximum(shares, _LEAST)).astype(np.float32))
