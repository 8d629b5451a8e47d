"""The variational variant of the codebook, for the ablations: a latent distribution in place of discrete codes.

Legend: B users, L history positions, R real positions of a batch, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from solid.models.heads.codebook import Coded, decoder

_KL = 0.01  # weight of the divergence, a mean over latent dimensions, beside the reconstruction's mean square


class VariationalAutoencoder(nn.Module):
    """h' = decode(z), z ~ N(mu(h), sigma(h)) while training and mu(h) in evaluation (Kingma and Welling, 2014)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.mean = nn.Linear(dim, dim)
        self.log_variance = nn.Linear(dim, dim)
        nn.init.normal_(self.log_variance.weight, std=0.1 / dim)
        nn.init.constant_(self.log_variance.bias, -4.0)  # little noise at first, so that there is something to learn
        self.decode = decoder(dim)

    def forward(self, hidden_BLD: Tensor, mask_BL: Tensor) -> Coded:
        """Replace hidden states by decoded latents; the loss is reconstruction plus divergence from N(0, 1)."""
        mean_BLD = self.mean(hidden_BLD)
        if not self.training:
            return Coded(self.decode(mean_BLD), mean_BLD, None, mean_BLD.new_zeros(()))
        log_variance_BLD = self.log_variance(hidden_BLD)
        z_BLD = mean_BLD + torch.randn_like(mean_BLD) * (log_variance_BLD / 2).exp()
        decoded_BLD = self.decode(z_BLD)
        reconstruction = functional.mse_loss(decoded_BLD[mask_BL], hidden_BLD[mask_BL].detach())
        divergence_BLD = (mean_BLD.square() + log_variance_BLD.exp() - log_variance_BLD - 1) / 2
        return Coded(decoded_BLD, mean_BLD.detach(), None, reconstruction + _KL * divergence_BLD[mask_BL].mean())
