"""DIN (Zhou et al., KDD 2018) as the method uses it: the candidate decides what counts in the history.

Legend: B users, L history positions, D width, C candidates, A width of the activation unit.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn


class DIN(nn.Module):
    """The paper's activation unit: an MLP on state, candidate and their product gives the weight of each position.

    The weights are not normalised, so that they keep the strength of an interest (the paper's section 4.3). The first
    layer is applied to its three inputs one by one, so that no [B, C, L, 3 D] is formed.
    """

    width: ClassVar[int] = 36  # of the activation unit, as in the paper

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.of_state = nn.Linear(dim, self.width)
        self.of_target = nn.Linear(dim, self.width, bias=False)
        self.of_product = nn.Linear(dim, self.width, bias=False)
        self.activation = nn.PReLU()
        self.out = nn.Linear(self.width, 1)

    def forward(self, target_BCD: Tensor, hidden_BLD: Tensor, real_BL: Tensor) -> Tensor:
        """The history as each candidate sees it [B, C, D]; targets that all users share come as [1, C, D]."""
        # sum over d of P[a, d] h[l, d] e[c, d], as a product of matrices [L A, D] and [D, C]
        keys_BXD = (hidden_BLD.unsqueeze(2) * self.of_product.weight).flatten(1, 2)
        product_BXC = torch.matmul(keys_BXD, target_BCD.transpose(1, 2))
        product_BLAC = product_BXC.view(*hidden_BLD.shape[:2], self.width, -1)
        of_target_BAC = self.of_target(target_BCD).transpose(1, 2)
        unit_BLAC = self.activation(product_BLAC + self.of_state(hidden_BLD).unsqueeze(3) + of_target_BAC.unsqueeze(1))
        weight_BLC = torch.einsum("blac,a->blc", unit_BLAC, self.out.weight[0]) + self.out.bias
        weight_BLC = weight_BLC * real_BL.unsqueeze(2)
        return torch.bmm(weight_BLC.transpose(1, 2), hidden_BLD)
