"""Semantic codebook learning (SCL): hidden states are replaced by their nearest code (method section 3.3).

The released code passes no gradient through the look-up and never trains the codes. Here the gradient passes
straight through (van den Oord et al., NeurIPS 2017) and the codes learn by a loss or by moving averages.

Legend: B users, L history positions, R real positions of a batch, D width, K codes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

_CELLS = 1 << 22  # largest table of distances held at once, in floats: 16 MiB
_DECAY = 0.99  # of the moving averages
_COMMITMENT = 0.25  # weight of the commitment term (van den Oord et al.)
_DEAD = 0.05  # a code used less often than this share of the average is revived


@dataclass(frozen=True)
class Coded:
    """What the codebook makes of hidden states."""

    hidden_BLD: Tensor
    """The decoded codes that take the place of the hidden states."""
    code_BLD: Tensor
    """The nearest codes themselves, without gradient: the target of the alignment loss."""
    nearest_BL: Tensor | None
    """Index of the nearest code, where there are codes."""
    loss: Tensor
    """The codebook's own terms over real positions; 0 while nothing learns from them."""


def decoder(dim: int) -> nn.Sequential:
    """From a code back to a hidden state."""
    return nn.Sequential(nn.Linear(dim, 64), nn.LeakyReLU(0.1), nn.Linear(64, dim))


class Codebook(nn.Module):
    """A table of codes [K, D], a nearest-code look-up and the decoder Linear-LeakyReLU-Linear."""

    codes: Tensor
    count: Tensor
    total: Tensor
    used: Tensor

    def __init__(self, n_codes: int, dim: int, learning: Literal["frozen", "loss", "ema"]) -> None:
        super().__init__()
        self.learning = learning
        start = torch.randn(n_codes, dim) * dim**-0.5
        if learning == "loss":
            self.codes = nn.Parameter(start)
        else:
            self.register_buffer("codes", start)
        if learning != "frozen":
            self.register_buffer("count", torch.ones(n_codes))
        if learning == "ema":
            self.register_buffer("total", start.clone())
        self.register_buffer("used", torch.zeros(n_codes), persistent=False)
        self.decode = decoder(dim)

    @torch.no_grad()
    def start_from(self, codes_KD: Tensor) -> None:
        """Take ``codes_KD`` as the codes, and as the state of their moving averages."""
        self.codes.copy_(codes_KD)
        if self.learning != "frozen":
            self.count.fill_(1.0)
        if self.learning == "ema":
            self.total.copy_(codes_KD)

    @torch.no_grad()
    def nearest(self, x_RD: Tensor) -> Tensor:
        """Index [R] of the code with the smallest Euclidean distance to each row, in bounded memory."""
        half_norm_K = self.codes.square().sum(1) / 2
        rows = max(1, _CELLS // len(self.codes))
        # min() finds the index about three times as fast as argmin() on a CPU.
        parts = torch.split(x_RD, rows) if len(x_RD) > rows else [x_RD]
        return torch.cat([torch.addmm(half_norm_K, x, self.codes.T, alpha=-1).min(1).indices for x in parts])

    def forward(self, hidden_BLD: Tensor, mask_BL: Tensor) -> Coded:
        """Replace hidden states by decoded codes; while training, the codes learn from the real positions."""
        nearest_BL = self.nearest(hidden_BLD.flatten(0, 1)).view(mask_BL.shape)
        code_BLD = self.codes[nearest_BL]
        loss = hidden_BLD.new_zeros(())
        if self.training:
            self.used += torch.bincount(nearest_BL[mask_BL], minlength=len(self.codes))
        if self.training and self.learning != "frozen":
            hidden_RD, code_RD = hidden_BLD[mask_BL], code_BLD[mask_BL]
            loss = _COMMITMENT * functional.mse_loss(hidden_RD, code_RD.detach())
            if self.learning == "loss":
                loss = loss + functional.mse_loss(code_RD, hidden_RD.detach())
            self._move(hidden_RD.detach(), nearest_BL[mask_BL])
        code_BLD = code_BLD.detach()
        straight_BLD = hidden_BLD + (code_BLD - hidden_BLD).detach()
        return Coded(self.decode(straight_BLD), code_BLD, nearest_BL, loss)

    def take_use(self) -> float:
        """The perplexity of the codes used in training since the last call: how many, were they used equally often."""
        share = self.used / self.used.sum()
        self.used.zero_()
        return float(torch.exp(-torch.xlogy(share, share).sum()))

    @torch.no_grad()
    def _move(self, hidden_RD: Tensor, nearest_R: Tensor) -> None:
        """Move codes by their averages (ema), and revive those that are dead, however they learn."""
        count_K = torch.bincount(nearest_R, minlength=len(self.codes)).to(self.count)
        self.count.lerp_(count_K, 1 - _DECAY)
        mean = self.count.mean()
        dead_K = self.count < _DEAD * mean
        # A dead code restarts at a random hidden state of this batch, with the weight of an average code.
        chosen_KD = hidden_RD[torch.randint(len(hidden_RD), (len(self.codes),), device=hidden_RD.device)]
        self.count.copy_(torch.where(dead_K, mean, self.count))
        if self.learning == "ema":
            total_KD = torch.zeros_like(self.total).index_add_(0, nearest_R, hidden_RD)
            self.total.lerp_(total_KD, 1 - _DECAY)
            self.total.copy_(torch.where(dead_K.unsqueeze(1), chosen_KD * mean, self.total))
            self.codes.copy_(self.total / self.count.unsqueeze(1))
        else:
            self.codes.copy_(torch.where(dead_K.unsqueeze(1), chosen_KD, self.codes))
