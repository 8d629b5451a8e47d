"""DIN (Zhou et al., KDD 2018): the candidate decides what counts in the history.

Attention compares the history with E[j], the candidate's representation. In the released form the head classifies the
pair of what it found and T(E[j]); else what it found is the user's vector for this candidate, corrected by the head.

Legend: B users, L history positions, R rows, D width, C candidates, A width of the activation unit.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from solid.models.backbones.base import Backbone
from solid.models.layers import Rows
from solid.models.protocols import Encoded
from solid.settings.schema import ModelSettings


class DIN(Backbone):
    """The paper's activation unit: an MLP on state, candidate and their product gives the weight of each position.

    The weights are not normalised, so that they keep the strength of an interest (the paper's section 4.3). The first
    layer is applied to its three inputs apart: what only the state or only the candidate needs is computed once.
    """

    depends_on_candidate: ClassVar[bool] = True
    width: ClassVar[int] = 36  # of the activation unit, as in the paper

    def __init__(self, model: ModelSettings, n_items: int) -> None:
        super().__init__(model, n_items)
        dim = model.dim
        self.of_state = nn.Linear(dim, self.width)
        self.of_candidate = nn.Linear(dim, self.width, bias=False)
        self.of_product = nn.Linear(dim, self.width, bias=False)
        # How long ago it was: the paper's histories have no order, and without one the last item is lost among others.
        self.of_age = None if self.released else nn.Parameter(torch.zeros(model.length, self.width))
        self.activation = nn.PReLU()
        self.out = nn.Linear(self.width, 1)

    @property
    def widths(self) -> tuple[int, ...]:
        """Of the adaptive layers: in the released form they classify the pair of a target and what it found."""
        return (2 * self.dim, self.dim, 1) if self.released else super().widths

    def cells(self, length: int) -> int:
        """Numbers to hold for one row and one candidate: the activation unit of every position."""
        return length * max(self.dim, self.width)

    def states(self, hidden_BLD: Tensor, items_BL: Tensor, rows: Rows) -> None:
        """No state: that depends on the candidate."""
        return

    def logits(self, user: Encoded, embedded_RCD: Tensor, target_RCD: Tensor) -> Tensor:
        """The logits [R, C] of candidates: their embeddings, and what the target transform makes of them."""
        found_RCD = self._find(user, embedded_RCD)
        if self.released:
            return user.layers(torch.cat([target_RCD.expand_as(found_RCD), found_RCD], dim=2)).squeeze(2)
        return (user.layers(found_RCD) * target_RCD).sum(2)

    def _find(self, user: Encoded, embedded_RCD: Tensor) -> Tensor:
        """The history before each row as each candidate sees it, [R, C, D]."""
        hidden_RLD = user.hidden_BLD[user.rows.user_R]
        age_RL = user.rows.position_R.unsqueeze(1) - torch.arange(hidden_RLD.shape[1], device=hidden_RLD.device)
        before_RL = age_RL.ge(0) & user.real_BL[user.rows.user_R]
        of_state_RLA = self.of_state(hidden_RLD)
        if self.of_age is not None:
            of_state_RLA = of_state_RLA + self.of_age[age_RL.clamp(min=0)]
        product_RCLD = embedded_RCD.unsqueeze(2) * hidden_RLD.unsqueeze(1)
        unit_RCLA = self.of_product(product_RCLD) + self.of_candidate(embedded_RCD).unsqueeze(2)
        unit_RCLA = self.activation(unit_RCLA + of_state_RLA.unsqueeze(1))
        weight_RCL = self.out(unit_RCLA).squeeze(3) * before_RL.unsqueeze(1)
        return torch.bmm(weight_RCL, hidden_RLD)
