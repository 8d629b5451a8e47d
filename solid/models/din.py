"""DIN (Zhou et al., KDD 2018) as the method uses it: the candidate decides what counts in the history.

Attention compares the history with E[j], the candidate's embedding; the classifier behind it reads T(E[j]).

Legend: B users, L history positions, D width, C candidates, A width of the activation unit.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn


class DIN(nn.Module):
    """The paper's activation unit: an MLP on state, candidate and their product gives the weight of each position.

    The weights are not normalised, so that they keep the strength of an interest (the paper's section 4.3). The first
    layer is applied to its three inputs apart: what only the state or only the candidate needs is computed once.
    """

    width: ClassVar[int] = 36  # of the activation unit, as in the paper

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.of_state = nn.Linear(dim, self.width)
        self.of_candidate = nn.Linear(dim, self.width, bias=False)
        self.of_product = nn.Linear(dim, self.width, bias=False)
        self.activation = nn.PReLU()
        self.out = nn.Linear(self.width, 1)

    def forward(self, embedded_BCD: Tensor, hidden_BLD: Tensor, real_BL: Tensor) -> Tensor:
        """The history as each candidate [B, C, D] sees it, [B, C, D]; candidates of all users come as [1, C, D]."""
        product_BCLD = embedded_BCD.unsqueeze(2) * hidden_BLD.unsqueeze(1)
        unit_BCLA = self.of_product(product_BCLD) + self.of_candidate(embedded_BCD).unsqueeze(2)
        unit_BCLA = self.activation(unit_BCLA + self.of_state(hidden_BLD).unsqueeze(1))
        weight_BCL = self.out(unit_BCLA).squeeze(3) * real_BL.unsqueeze(1)
        return torch.bmm(weight_BCL, hidden_BLD)
