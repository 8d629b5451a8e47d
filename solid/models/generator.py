"""The weight generator of DUET (Lv et al., WWW 2023): a history becomes the weights of the adaptive head.

Legend: B users, L history positions, D width, I and O inputs and outputs of a generated layer.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from solid.models.layers import MLP, AdaptiveLayers, last_real


class WeightGenerator(nn.Module):
    """z = Linear-Tanh-Linear(GRU(h)[last]); per layer W = reshape(z A + a) and b = z B + beta (method section 2)."""

    def __init__(self, dim: int, sizes: tuple[int, ...], *, correction: bool = False) -> None:
        """Build with fresh weights.

        Args:
            dim: D.
            sizes: widths of the generated layers, input first.
            correction: whether the layers are added to others: they then start near zero, so that a small bound
                does not cut them off (in the released code it cuts over 99 % of the entries).
        """
        super().__init__()
        self.gru = nn.GRU(dim, dim, batch_first=True)
        self.mlp = MLP(dim)
        self.shapes = list(itertools.pairwise(sizes))
        self.weights = nn.ModuleList(nn.Linear(dim, i * o) for i, o in self.shapes)
        self.biases = nn.ModuleList(nn.Linear(dim, o) for _, o in self.shapes)
        self._initialise(correction)

    def _initialise(self, correction: bool) -> None:
        # W starts as a Xavier-initialised matrix (its a) that z hardly changes (its A): anything larger saturates Tanh.
        for (i, o), weight, bias in zip(self.shapes, self.weights, self.biases, strict=True):
            assert isinstance(weight, nn.Linear) and isinstance(bias, nn.Linear)
            nn.init.normal_(
                weight.weight, std=(0.01 if correction else 0.1) * (2 / (i + o)) ** 0.5 * weight.in_features**-0.5
            )
            with torch.no_grad():
                weight.bias.copy_(
                    torch.zeros(i * o) if correction else nn.init.xavier_normal_(torch.empty(i, o)).flatten()
                )
            nn.init.normal_(bias.weight, std=0.001 if correction else 0.01)
            nn.init.zeros_(bias.bias)

    def forward(self, hidden_BLD: Tensor, ids_BL: Tensor) -> AdaptiveLayers:
        """Generate one set of layers a user from hidden states [B, L, D] of right-padded histories."""
        z_BD = self.mlp(last_real(self.gru(hidden_BLD)[0], ids_BL))
        return AdaptiveLayers(
            weights=[weight(z_BD).view(-1, i, o) for weight, (i, o) in zip(self.weights, self.shapes, strict=True)],
            biases=[bias(z_BD) for bias in self.biases],
        )
