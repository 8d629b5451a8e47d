"""The weight generator: a history becomes the weights of the adaptive head (method section 2).

Legend: B users, L history positions, R rows, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from solid.models.layers import MLP, Generated, GeneratedLayers, Rows


class WeightGenerator(nn.Module):
    """z = Linear-Tanh-Linear(GRU(h)[last]); per layer W = reshape(z A + a) and b = z B + beta (method section 2)."""

    def __init__(self, dim: int, layers: GeneratedLayers, *, correction: bool = False, from_zero: bool = False) -> None:
        """Build with fresh weights.

        Args:
            dim: D.
            layers: what is generated: whole matrices (DUET) or cores (APG).
            correction: whether the result is added to another generator's: it then starts near zero, so that a small
                bound does not cut it off (in the released code it cuts over 99 % of the entries), and has no
                shared factors of its own.
            from_zero: whether the layers start as zero whatever they are applied to, for a residual.
        """
        super().__init__()
        self.gru = nn.GRU(dim, dim, batch_first=True)
        self.mlp = MLP(dim, dim, dim)
        self.shapes = layers.shapes
        self.weights = nn.ModuleList(nn.Linear(dim, rows * columns) for rows, columns in layers.shapes)
        self.biases = nn.ModuleList(nn.Linear(dim, width) for width in layers.outputs)
        # W starts as a matrix of Xavier's scale (its a) that z hardly changes (its A): anything larger saturates Tanh.
        # A correction starts without that matrix.
        scale = 0.01 if correction else 0.1
        last = len(self.weights) - 1
        for n, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            assert isinstance(weight, nn.Linear) and isinstance(bias, nn.Linear)
            nn.init.normal_(weight.weight, std=0.0 if from_zero and n == last else scale / dim)
            with torch.no_grad():
                start = torch.zeros(layers.shapes[n]) if correction or (from_zero and n == last) else layers.start(n)
                weight.bias.copy_(start.flatten())
            nn.init.normal_(bias.weight, std=0.0 if from_zero and n == last else scale / 10)
            nn.init.zeros_(bias.bias)
        if not correction:
            self.layers = layers

    def forward(self, hidden_BLD: Tensor, rows: Rows) -> Generated:
        """Generate what each row's layers need from the hidden states [B, L, D] up to it."""
        z_RD = self.mlp(rows.of(self.gru(hidden_BLD)[0]))
        return Generated(
            weights=[weight(z_RD).view(-1, *shape) for weight, shape in zip(self.weights, self.shapes, strict=True)],
            biases=[bias(z_RD) for bias in self.biases],
        )
