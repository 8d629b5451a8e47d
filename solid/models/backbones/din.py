"""DIN (Zhou et al., KDD 2018) as the method uses it: the candidate decides what counts in the history.

Attention compares the history with E[j], the candidate's embedding; the classifier behind it reads T(E[j]).

Legend: B users, L history positions, D width, C candidates, A width of the activation unit.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from solid.models.backbones.base import Backbone, Reading, Score
from solid.models.layers import HistoryEncoder
from solid.models.protocols import Encoded
from solid.settings.schema import ModelSettings


class DIN(Backbone):
    """The paper's activation unit: an MLP on state, candidate and their product gives the weight of each position.

    The weights are not normalised, so that they keep the strength of an interest (the paper's section 4.3). The first
    layer is applied to its three inputs apart: what only the state or only the candidate needs is computed once.
    """

    width: ClassVar[int] = 36  # of the activation unit, as in the paper

    def __init__(self, model: ModelSettings, n_items: int) -> None:
        super().__init__(model, n_items)
        dim = model.dim
        self.of_state = nn.Linear(dim, self.width)
        self.of_candidate = nn.Linear(dim, self.width, bias=False)
        self.of_product = nn.Linear(dim, self.width, bias=False)
        self.activation = nn.PReLU()
        self.out = nn.Linear(self.width, 1)

    @property
    def widths(self) -> tuple[int, ...]:
        """Of the adaptive layers: they classify the pair of a target and the history as it sees it."""
        return (2 * self.dim, self.dim, 1)

    def cells(self, length: int) -> int:
        """Numbers to hold for one user and one candidate: the activation unit of every position."""
        return length * max(self.dim, self.width)

    def read(self, reading: Reading, encoder: HistoryEncoder, score: Score) -> tuple[None, dict[str, Tensor]]:
        """No state: that depends on the candidate."""
        return None, {}

    def logits(self, user: Encoded, embedded_BCD: Tensor, target_BCD: Tensor) -> Tensor:
        """The logits [B, C] of candidates: embeddings and what the target transform makes of them."""
        seen_BCD = self(embedded_BCD, user.hidden_BLD, user.real_BL)
        pairs = torch.cat([target_BCD.expand_as(seen_BCD), seen_BCD], dim=2)
        return user.layers(pairs).squeeze(2)

    def forward(self, embedded_BCD: Tensor, hidden_BLD: Tensor, real_BL: Tensor) -> Tensor:
        """The history as each candidate [B, C, D] sees it, [B, C, D]; candidates of all users come as [1, C, D]."""
        product_BCLD = embedded_BCD.unsqueeze(2) * hidden_BLD.unsqueeze(1)
        unit_BCLA = self.of_product(product_BCLD) + self.of_candidate(embedded_BCD).unsqueeze(2)
        unit_BCLA = self.activation(unit_BCLA + self.of_state(hidden_BLD).unsqueeze(1))
        weight_BCL = self.out(unit_BCLA).squeeze(3) * real_BL.unsqueeze(1)
        return torch.bmm(weight_BCL, hidden_BLD)
