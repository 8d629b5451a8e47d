"""The weight generator of DUET (Lv et al., WWW 2023): a history becomes the weights of the adaptive head.

Legend: B users, L history positions, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from solid.models.layers import MLP, AdaptiveLayers, last_real

LAYERS = 2  # of the adaptive head, as in an MLP


class WeightGenerator(nn.Module):
    """z = Linear-Tanh-Linear(GRU(h)[last]); per layer W = reshape(z A + a) and b = z B + beta (method section 2)."""

    def __init__(self, dim: int, *, correction: bool = False) -> None:
        """Build with fresh weights.

        Args:
            dim: D; the two generated layers are D x D.
            correction: whether the layers are added to others: they then start near zero, so that a small bound
                does not cut them off (in the released code it cuts over 99 % of the entries).
        """
        super().__init__()
        self.gru = nn.GRU(dim, dim, batch_first=True)
        self.mlp = MLP(dim)
        self.weights = nn.ModuleList(nn.Linear(dim, dim * dim) for _ in range(LAYERS))
        self.biases = nn.ModuleList(nn.Linear(dim, dim) for _ in range(LAYERS))
        # W starts as a Xavier-initialised matrix (its a) that z hardly changes (its A): anything larger saturates Tanh.
        # A correction starts without that matrix.
        scale = 0.01 if correction else 0.1
        for weight, bias in zip(self.weights, self.biases, strict=True):
            assert isinstance(weight, nn.Linear) and isinstance(bias, nn.Linear)
            nn.init.normal_(weight.weight, std=scale / dim)
            with torch.no_grad():
                start = torch.zeros(dim, dim) if correction else nn.init.xavier_normal_(torch.empty(dim, dim))
                weight.bias.copy_(start.flatten())
            nn.init.normal_(bias.weight, std=scale / 10)
            nn.init.zeros_(bias.bias)

    def forward(self, hidden_BLD: Tensor, ids_BL: Tensor) -> AdaptiveLayers:
        """Generate one set of layers a user from hidden states [B, L, D] of right-padded histories."""
        D = hidden_BLD.shape[2]
        z_BD = self.mlp(last_real(self.gru(hidden_BLD)[0], ids_BL))
        return AdaptiveLayers(
            weights=[weight(z_BD).view(-1, D, D) for weight in self.weights],
            biases=[bias(z_BD) for bias in self.biases],
        )
