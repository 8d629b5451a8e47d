"""BERT4Rec (Sun et al., CIKM 2019) as the method uses it: one bidirectional transformer layer and a mask token.

The mask stands at the position after the last item, and the user state is read there: the paper's own way to predict
the next item. Training hides some items of the history, too, and asks for them (the Cloze task): without it the
layer would only ever learn what the last position needs, and looking in both directions would mean nothing.

Legend: B users, L history positions, D width, M hidden positions of a batch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from solid.models.backbones.base import Reading, Score
from solid.models.backbones.transformer import TransformerLayer
from solid.models.layers import HistoryEncoder
from solid.settings.schema import ModelSettings

_NEGATIVES = 4  # drawn over all items for each hidden position


class BERT4Rec(TransformerLayer):
    """Hidden states to user state: bidirectional attention read at the masked next position.

    The mask takes one of the L positions, as in the paper, so a full history goes without its oldest item.
    """

    def __init__(self, model: ModelSettings, n_items: int) -> None:
        super().__init__(model, n_items)
        self.mask = nn.Parameter(torch.randn(model.dim) * model.dim**-0.5)
        self.length, self.share = model.length, model.cloze

    def trim(self, items_BL: Tensor) -> Tensor:
        """The histories with at least one position left for the mask: full ones of length L lose their oldest."""
        if items_BL.shape[1] < self.length:
            return items_BL
        full_B1 = items_BL[:, -1:].ne(0)
        return torch.where(full_B1, items_BL[:, 1:], items_BL[:, :-1])

    def begin(self, reading: Reading, encoder: HistoryEncoder) -> Reading:
        """Hide a share of the positions in training.

        They are hidden from all that reads the history: a generator that saw the answer would only learn to copy it.
        """
        if not (self.training and self.share):
            return reading
        items_BL, classes_BL = reading.items_BL, reading.classes_BL
        hide_BL = items_BL.ne(0) & (torch.rand(items_BL.shape, device=items_BL.device) < self.share)
        masks_LD = encoder.hidden(self.mask + encoder.position[: items_BL.shape[1]])
        return Reading(
            items_BL,
            torch.where(hide_BL.unsqueeze(2), masks_LD, reading.hidden_BLD),
            None if classes_BL is None else classes_BL.masked_fill(hide_BL, 0),
            hide_BL,
        )

    def read(self, reading: Reading, encoder: HistoryEncoder, score: Score) -> tuple[Tensor, dict[str, Tensor]]:
        """The user states [B, D], and in training the loss of the hidden positions, which see what was not hidden."""
        hidden_BLD, items_BL, hide_BL = reading.hidden_BLD, reading.items_BL, reading.hide_BL
        x_BLD, mask_B1D, real_BL = self._with_mask(hidden_BLD, items_BL, encoder)
        if hide_BL is None:
            return self.attend(mask_B1D, x_BLD, real_BL).squeeze(1), {}
        states_BLD = self.attend(torch.cat([mask_B1D, hidden_BLD], dim=1), x_BLD, real_BL)
        return states_BLD[:, 0], {"cloze": self._cloze_loss(states_BLD[:, 1:], hide_BL, items_BL, score)}

    def _with_mask(
        self, hidden_BLD: Tensor, items_BL: Tensor, encoder: HistoryEncoder
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Hidden states with the mask's appended, that state [B, 1, D], and which of all are real.

        Attention knows no order but that of the positions in the states, so the mask may stand at the end.
        """
        mask_B1D = encoder.hidden(self.mask + encoder.position[items_BL.ne(0).sum(1)]).unsqueeze(1)
        real_BL = torch.cat([items_BL.ne(0), torch.ones_like(items_BL[:, :1], dtype=torch.bool)], dim=1)
        return torch.cat([hidden_BLD, mask_B1D], dim=1), mask_B1D, real_BL

    def _cloze_loss(self, states_BLD: Tensor, hide_BL: Tensor, items_BL: Tensor, score: Score) -> Tensor:
        """Binary cross-entropy of the hidden items and items drawn at random, scored as candidates are."""
        if not hide_BL.any():
            return states_BLD[hide_BL].sum()
        drawn_BLC = torch.randint(1, self.n_items + 1, (*items_BL.shape, _NEGATIVES)).to(items_BL.device)
        candidates_MC = torch.cat([items_BL.unsqueeze(2), drawn_BLC], dim=2)[hide_BL]
        logits_MC = score(states_BLD, hide_BL, candidates_MC)
        labels_MC = torch.zeros_like(logits_MC)
        labels_MC[:, 0] = 1.0
        return functional.binary_cross_entropy_with_logits(logits_MC, labels_MC)
