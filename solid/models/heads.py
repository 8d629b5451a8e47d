"""Adaptive heads: where the weights between user state and user vector come from (method sections 2 and 3).

Legend: B users, L history positions, D width, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from solid.config import FusionSettings, ModelSettings
from solid.models.codebook import Codebook
from solid.models.generator import WeightGenerator
from solid.models.layers import MLP, AdaptiveLayers, HistoryEncoder, mask_of


@dataclass(frozen=True)
class Adapted:
    """A user vector [B, D] and the head's own terms of the loss, already weighted."""

    vector_BD: Tensor
    losses: dict[str, Tensor] = field(default_factory=dict)


class StaticHead(nn.Module):
    """An ordinary learned MLP, the same for every user."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.mlp = MLP(dim)

    def forward(self, state_BD: Tensor, hidden_BLD: Tensor, items_BL: Tensor) -> Adapted:
        """Apply the MLP to the user state; the history plays no further part."""
        return Adapted(self.mlp(state_BD))


class DuetHead(nn.Module):
    """DUET: the MLP's weights are generated from the hidden states of the same history."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.generator = WeightGenerator(dim)

    def forward(self, state_BD: Tensor, hidden_BLD: Tensor, items_BL: Tensor) -> Adapted:
        """Generate the layers from ``hidden_BLD`` and apply them to the user state."""
        return Adapted(self.generator(hidden_BLD, items_BL)(state_BD))


class SolidHead(nn.Module):
    """SOLID: W = W_semantic + bound(W_item), with a codebook on the way to the item branch.

    The semantic branch reads the classes of the history and gives the trunk of the weights; the item branch reads
    the (coded) hidden states of the items and adds a bounded personal correction.
    """

    class_of_item: Tensor

    def __init__(self, class_of_item: Tensor, n_classes: int, model: ModelSettings, fusion: FusionSettings) -> None:
        super().__init__()
        dim = model.dim
        self.fusion = fusion
        self.register_buffer("class_of_item", class_of_item)
        self.history = HistoryEncoder(n_classes, dim, model.length, model.dropout)
        self.semantic = WeightGenerator(dim)
        self.item = WeightGenerator(dim, correction=True)
        self.codebook = None if fusion.codebook == "none" else Codebook(n_classes, dim, fusion.codebook)

    def bound(self, x: Tensor) -> Tensor:
        """Bound the item branch's correction to the scale t; the same in training and evaluation."""
        t = self.fusion.t
        match self.fusion.bound:
            case "clip":
                return x.clamp(-t, t)
            case "tanh":
                return t * torch.tanh(x / t)
            case "none":
                return x

    def forward(self, state_BD: Tensor, hidden_BLD: Tensor, items_BL: Tensor) -> Adapted:
        """Fuse both branches' layers and apply them to the user state."""
        semantic_BLD = self.history(self.class_of_item[items_BL])
        losses = {}
        if self.codebook is not None:
            mask_BL = mask_of(items_BL)
            coded = self.codebook(hidden_BLD, mask_BL)
            hidden_BLD = coded.hidden_BLD
            if self.training:
                alignment = functional.mse_loss(semantic_BLD[mask_BL], coded.code_BLD[mask_BL])
                losses = {"alignment": self.fusion.alignment * alignment, "codebook": coded.loss}
        trunk = self.semantic(semantic_BLD, items_BL)
        correction = self.item(hidden_BLD, items_BL)
        layers = AdaptiveLayers(
            weights=[w + self.bound(c) for w, c in zip(trunk.weights, correction.weights, strict=True)],
            biases=[b + self.bound(c) for b, c in zip(trunk.biases, correction.biases, strict=True)],
        )
        return Adapted(layers(state_BD), losses)
