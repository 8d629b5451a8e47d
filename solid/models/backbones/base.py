"""What a backbone is: how it reads a history, what it learns beside the next item, and how it scores a candidate.

Legend: B users, L history positions, D width, C candidates, M hidden positions of a batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from solid.models.layers import HistoryEncoder
from solid.models.protocols import Encoded
from solid.settings.schema import ModelSettings

Score = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Logits [M, C] of candidates [M, C] for the states [B, L, D] at the M positions that a mask [B, L] marks."""


@dataclass(frozen=True)
class Reading:
    """Histories as the model reads them."""

    items_BL: Tensor
    hidden_BLD: Tensor
    classes_BL: Tensor | None
    hide_BL: Tensor | None = None
    """Positions that training hides from all that reads the history."""


class Backbone(nn.Module):
    """From hidden states to a user state. A backbone overrides what it does otherwise."""

    def __init__(self, model: ModelSettings, n_items: int) -> None:
        super().__init__()
        self.dim, self.n_items = model.dim, n_items

    @property
    def widths(self) -> tuple[int, ...]:
        """Of the adaptive layers: they make a vector that targets are multiplied by."""
        return (self.dim, self.dim, self.dim)

    def cells(self, length: int) -> int:
        """Numbers to hold for one user and one candidate in evaluation; 0 where the state needs no candidate."""
        return 0

    def trim(self, items_BL: Tensor) -> Tensor:
        """The histories as it can read them."""
        return items_BL

    def begin(self, reading: Reading, encoder: HistoryEncoder) -> Reading:
        """What the head and the backbone read: in training a backbone may hide some of it, to ask for it."""
        return reading

    def read(self, reading: Reading, encoder: HistoryEncoder, score: Score) -> tuple[Tensor | None, dict[str, Tensor]]:
        """The user states [B, D], or None where they depend on the candidate; and its own terms of the loss."""
        raise NotImplementedError

    def logits(self, user: Encoded, embedded_BCD: Tensor, target_BCD: Tensor) -> Tensor:
        """The logits [B, C] of candidates: embeddings and what the target transform makes of them.

        Both are [B, C, D], or [1, C, D] for candidates of all users.
        """
        assert user.state_BD is not None
        vector_BD = user.layers(user.state_BD.unsqueeze(1)).squeeze(1)
        if len(target_BCD) == 1:
            return torch.mm(vector_BD, target_BCD[0].T)
        return torch.bmm(target_BCD, vector_BD.unsqueeze(2)).squeeze(2)
