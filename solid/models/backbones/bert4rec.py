"""BERT4Rec (Sun et al., CIKM 2019): bidirectional attention and a mask token.

The mask stands at the position after the last item, and the user state is read there: the paper's own way to predict
the next item. Training hides some items of the history, too, and asks for them (the Cloze task): without it the
blocks would only ever learn what the last position needs, and looking in both directions would mean nothing.

Legend: B users, L history positions, R rows, D width.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from solid.models.backbones.base import Task
from solid.models.backbones.transformer import Transformer
from solid.models.layers import Rows
from solid.settings.schema import ModelSettings


class BERT4Rec(Transformer):
    """Hidden states to user states: full attention, read where the mask stands.

    The mask takes one of the L positions, as in the paper, so a full history goes without its oldest item.
    """

    causal: ClassVar[bool] = False
    answers: ClassVar[int] = 0

    def __init__(self, model: ModelSettings, n_items: int) -> None:
        super().__init__(model, n_items)
        self.mask = nn.Parameter(torch.randn(model.dim) * model.dim**-0.5)
        self.length, self.share = model.length, model.cloze
        self.hidden_item = n_items + 1

    def task(self, sequences_BL: Tensor, asked_BL: Tensor) -> Task:
        """The last item that is asked for and a share of all others: hidden, and asked for.

        What is hidden is hidden from all that reads the history: a generator that saw the answer would only learn to
        copy it.
        """
        places_L = torch.arange(sequences_BL.shape[1], device=sequences_BL.device)
        last_BL = asked_BL & (places_L == (asked_BL * places_L).amax(1, keepdim=True))
        drawn_BL = torch.rand(sequences_BL.shape, device=sequences_BL.device) < self.share
        hide_BL = sequences_BL.ne(0) & (last_BL | drawn_BL)
        return Task(sequences_BL.masked_fill(hide_BL, self.hidden_item), Rows.where(hide_BL), sequences_BL[hide_BL])

    def question(self, items_BL: Tensor) -> tuple[Tensor, Rows]:
        """The histories with the mask behind their last item; full ones lose their oldest."""
        if items_BL.shape[1] < self.length:
            items_BL = nn.functional.pad(items_BL, (0, 1))
        else:
            full_B1 = items_BL[:, -1:].ne(0)
            items_BL = torch.where(full_B1, nn.functional.pad(items_BL[:, 1:], (0, 1)), items_BL)
        place_B = items_BL.ne(0).sum(1)
        rows = Rows(torch.arange(items_BL.shape[0], device=items_BL.device), place_B)
        return items_BL.scatter(1, place_B.unsqueeze(1), self.hidden_item), rows

    def prefixes(self, items_BL: Tensor) -> tuple[Tensor, Rows]:
        """Each prefix as a history of its own, with the mask behind it."""
        L = items_BL.shape[1]
        prefixes_BPL = items_BL.unsqueeze(1) * torch.ones(L - 1, L, dtype=torch.long).tril().to(items_BL)
        return self.question(prefixes_BPL.flatten(0, 1))

    def fill(self, embedded_BLD: Tensor, items_BL: Tensor) -> Tensor:
        """The embeddings with the mask's where an item is hidden."""
        return torch.where(items_BL.eq(self.hidden_item).unsqueeze(2), self.mask, embedded_BLD)
