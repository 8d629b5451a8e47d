"""Building blocks that every model shares.

Legend of shape suffixes: B users, L history positions, D width, C candidates, N items, K classes or codes,
I and O inputs and outputs of a layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn


class MLP(nn.Sequential):
    """Linear-Tanh-Linear, the form of target transform, static head and generator input (method section 1)."""

    def __init__(self, dim: int) -> None:
        super().__init__(nn.Linear(dim, dim), nn.Tanh(), nn.Linear(dim, dim))


class HistoryEncoder(nn.Module):
    """Ids to hidden states: h = Tanh(Linear(E[s] + P)), with as many positions as a history has."""

    def __init__(self, n_ids: int, dim: int, length: int, dropout: float) -> None:
        super().__init__()
        self.embedding = nn.Embedding(n_ids + 1, dim, padding_idx=0)
        self.position = nn.Parameter(torch.empty(length, dim))
        self.project = nn.Linear(dim, dim)
        self.dropout = nn.Dropout(dropout)
        # Embeddings of unit expected norm: scores start in the linear range of the sigmoid.
        nn.init.normal_(self.embedding.weight, std=dim**-0.5)
        nn.init.normal_(self.position, std=dim**-0.5)
        with torch.no_grad():
            self.embedding.weight[0].zero_()

    def forward(self, ids_BL: Tensor) -> Tensor:
        """Return hidden states [B, L, D]; padded positions hold values that callers mask."""
        x_BLD = self.embedding(ids_BL) + self.position[: ids_BL.shape[1]]
        hidden_BLD: Tensor = self.dropout(torch.tanh(self.project(x_BLD)))
        return hidden_BLD


@dataclass(frozen=True)
class AdaptiveLayers:
    """The weights of the adaptive head, one set a user: per layer W [B, I, O] and b [B, O]."""

    weights: Sequence[Tensor]
    biases: Sequence[Tensor]

    def __call__(self, x_BD: Tensor) -> Tensor:
        """Apply the layers with Tanh between them (method section 2)."""
        last = len(self.weights) - 1
        for n, (weight_BIO, bias_BO) in enumerate(zip(self.weights, self.biases, strict=True)):
            x_BD = torch.baddbmm(bias_BO.unsqueeze(1), x_BD.unsqueeze(1), weight_BIO).squeeze(1)
            if n < last:
                x_BD = torch.tanh(x_BD)
        return x_BD


def lengths_of(ids_BL: Tensor) -> Tensor:
    """Number of real positions [B] of right-padded histories, at least 1.

    An empty history counts its first (padding) position as real, so that it has a state: the same for all such users.
    """
    return ids_BL.ne(0).sum(1).clamp(min=1)


def mask_of(ids_BL: Tensor) -> Tensor:
    """True [B, L] where a position is real, see :func:`lengths_of`."""
    return torch.arange(ids_BL.shape[1], device=ids_BL.device) < lengths_of(ids_BL).unsqueeze(1)


def last_real(x_BLD: Tensor, ids_BL: Tensor) -> Tensor:
    """The state [B, D] at each history's last real position."""
    return x_BLD[torch.arange(len(x_BLD), device=x_BLD.device), lengths_of(ids_BL) - 1]
