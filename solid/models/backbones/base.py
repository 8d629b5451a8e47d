"""What a backbone is: what it is asked in training, how it reads a history, and how it scores a candidate.

Legend: B users, L history positions, R rows, D width, C candidates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from solid.models.layers import Rows
from solid.models.protocols import Encoded
from solid.settings.schema import ModelSettings


@dataclass(frozen=True)
class Task:
    """What a batch of sequences asks in training."""

    items_BL: Tensor
    """What is read."""
    rows: Rows
    """Where something is asked."""
    targets_R: Tensor
    """The items that are the answers."""


class Backbone(nn.Module):
    """From hidden states to user states. A backbone overrides what it does otherwise."""

    depends_on_candidate: ClassVar[bool] = False
    """Whether the user state does, so that every candidate costs what a user costs elsewhere."""
    answers: ClassVar[int] = 1
    """Items that training needs behind those that are read: the answer, unless it is hidden among them."""

    def __init__(self, model: ModelSettings, n_items: int) -> None:
        super().__init__()
        self.dim, self.n_items, self.released = model.dim, n_items, model.form == "released"

    @property
    def widths(self) -> tuple[int, ...]:
        """Of the adaptive layers: they make, or correct, the vector that items are multiplied by."""
        return (self.dim, self.dim, self.dim)

    def task(self, sequences_BL: Tensor, asked_BL: Tensor) -> Task:
        """What it is asked in training: at each position, the item behind it.

        Args:
            sequences_BL: items, right-padded; at most a history's length and ``answers``.
            asked_BL: which of them are to be predicted from those before; never the first.
        """
        return Task(sequences_BL[:, :-1], Rows.where(asked_BL[:, 1:]), sequences_BL[:, 1:][asked_BL[:, 1:]])

    def question(self, items_BL: Tensor) -> tuple[Tensor, Rows]:
        """What is read of histories, and where, to know what comes next."""
        return items_BL, Rows.last(items_BL)

    def prefixes(self, items_BL: Tensor) -> tuple[Tensor, Rows]:
        """What is read of histories, and where, to know what comes after each item but the last.

        Row b (L - 1) + p stands for the first p + 1 items of user b.
        """
        B, L = items_BL.shape
        rows = torch.arange(B * (L - 1), device=items_BL.device)
        return items_BL, Rows(rows // (L - 1), rows % (L - 1))

    def fill(self, embedded_BLD: Tensor, items_BL: Tensor) -> Tensor:
        """The embeddings of what is read, with its own in the places of ids that are no items."""
        return embedded_BLD

    def states(self, hidden_BLD: Tensor, items_BL: Tensor, rows: Rows) -> Tensor | None:
        """The user states [R, D], or None where they depend on the candidate."""
        raise NotImplementedError

    def cells(self, length: int) -> int:
        """Numbers to hold for one row and one candidate; 0 where the state needs no candidate."""
        return 0

    def logits(self, user: Encoded, embedded_RCD: Tensor, target_RCD: Tensor) -> Tensor:
        """The logits [R, C] of candidates: their embeddings, and what the target transform makes of them.

        Both are [R, C, D], or [1, C, D] for candidates of all rows.
        """
        vector_RD = user.vectors()
        if len(target_RCD) == 1:
            return torch.mm(vector_RD, target_RCD[0].T)
        return torch.bmm(target_RCD, vector_RD.unsqueeze(2)).squeeze(2)
