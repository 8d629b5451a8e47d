"""Items or classes to the hidden states that backbones and generators read.

Legend: B users, L history positions, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from solid.models.layers import Dropout, first_std
from solid.settings.schema import ModelSettings


class HistoryEncoder(nn.Module):
    """Hidden states of embeddings: h = E + P, or in the released form h = Tanh(Linear(E + P)); then dropout.

    There are as many positions as a history has, counted from its oldest item.
    """

    def __init__(self, model: ModelSettings) -> None:
        super().__init__()
        self.position = nn.Parameter(torch.empty(model.length, model.dim))
        self.project = nn.Linear(model.dim, model.dim) if model.form == "released" else None
        self.dropout = Dropout(model.dropout)
        nn.init.normal_(self.position, std=first_std(model))

    def forward(self, embedded_BLD: Tensor) -> Tensor:
        """Return hidden states [B, L, D]; padded positions hold values that callers mask."""
        x_BLD = embedded_BLD + self.position[: embedded_BLD.shape[1]]
        if self.project is not None:
            x_BLD = torch.tanh(self.project(x_BLD))
        hidden_BLD: Tensor = self.dropout(x_BLD)
        return hidden_BLD
