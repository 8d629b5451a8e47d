"""Adaptive heads: where the weights between what the backbone read and the score come from (method sections 2 and 3).

Legend: B users, L history positions, D width, K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from solid.models.codebook import Codebook
from solid.models.generator import WeightGenerator
from solid.models.layers import MLP, AdaptiveLayers, FullRank, Generated, HistoryEncoder, LowRank, mask_of
from solid.models.vae import VariationalAutoencoder
from solid.settings.schema import ApgSettings, FusionSettings, ModelSettings


@dataclass(frozen=True)
class Adapted:
    """The layers to apply to rows [B, n, I] of each user, and the head's own terms of the loss, already weighted."""

    layers: Callable[[Tensor], Tensor]
    losses: dict[str, Tensor] = field(default_factory=dict)


class StaticHead(nn.Module):
    """An ordinary learned MLP, the same for every user; finetune adapts a copy of it to each user."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.mlp = MLP(*widths)

    def forward(self, hidden_BLD: Tensor, items_BL: Tensor, classes_BL: Tensor | None) -> Adapted:
        """Give the MLP; the history plays no part."""
        return Adapted(self.mlp)

    def copies(self, n: int) -> AdaptiveLayers:
        """The MLP as ``n`` equal sets of layers that can be changed apart."""
        linears = [layer for layer in self.mlp if isinstance(layer, nn.Linear)]
        return AdaptiveLayers(
            [[layer.weight.detach().T.expand(n, -1, -1).clone()] for layer in linears],
            [layer.bias.detach().expand(n, -1).clone() for layer in linears],
        )


class GeneratedHead(nn.Module):
    """DUET or APG: the layers are generated from the hidden states of the same history."""

    def __init__(self, layers: FullRank | LowRank, dim: int) -> None:
        super().__init__()
        self.generator = WeightGenerator(dim, layers)

    def forward(self, hidden_BLD: Tensor, items_BL: Tensor, classes_BL: Tensor | None) -> Adapted:
        """Generate the layers from ``hidden_BLD``."""
        return Adapted(self.generator.layers(self.generator(hidden_BLD, items_BL)))


class SolidHead(nn.Module):
    """SOLID: W = W_semantic + bound(W_item), with a codebook on the way to the item branch.

    The semantic branch reads the classes of the history and gives the trunk of the weights; the item branch reads
    the (coded) hidden states of the items and adds a bounded personal correction. On APG the sum is that of the
    cores, and both share the trunk's U and V. For ablations either branch can stand alone; the item branch then is
    the trunk, unbounded.
    """

    def __init__(
        self, layers: FullRank | LowRank, n_classes: int, model: ModelSettings, fusion: FusionSettings
    ) -> None:
        super().__init__()
        dim = model.dim
        self.fusion = fusion
        self.history = self.semantic = self.item = self.codebook = None
        if fusion.branches != "item":
            self.history = HistoryEncoder(n_classes, dim, model.length, model.dropout)
            self.semantic = WeightGenerator(dim, layers)
        if fusion.branches != "semantic":
            self.item = WeightGenerator(dim, layers, correction=fusion.branches == "both")
            self.codebook = _codebook(fusion.codebook, n_classes, dim)

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

    def forward(self, hidden_BLD: Tensor, items_BL: Tensor, classes_BL: Tensor | None) -> Adapted:
        """Generate both branches' layers and fuse them."""
        losses: dict[str, Tensor] = {}
        semantic_BLD = None
        if self.history is not None:
            assert classes_BL is not None
            semantic_BLD = self.history(classes_BL)
        if self.codebook is not None:
            mask_BL = mask_of(items_BL)
            coded = self.codebook(hidden_BLD, mask_BL)
            hidden_BLD = coded.hidden_BLD
            if self.training:
                losses["codebook"] = coded.loss
                if semantic_BLD is not None:
                    alignment = functional.mse_loss(semantic_BLD[mask_BL], coded.code_BLD[mask_BL])
                    losses["alignment"] = self.fusion.alignment * alignment
        if self.semantic is None:
            assert self.item is not None
            return Adapted(self.item.layers(self.item(hidden_BLD, items_BL)), losses)
        assert semantic_BLD is not None
        trunk = self.semantic(semantic_BLD, items_BL)
        if self.item is not None:
            correction = self.item(hidden_BLD, items_BL)
            trunk = Generated(
                weights=[w + self.bound(c) for w, c in zip(trunk.weights, correction.weights, strict=True)],
                biases=[b + self.bound(c) for b, c in zip(trunk.biases, correction.biases, strict=True)],
            )
        return Adapted(self.semantic.layers(trunk), losses)


def generated_layers(kind: Literal["duet", "apg"], widths: Sequence[int], apg: ApgSettings) -> FullRank | LowRank:
    """What the weight generator of DUET or APG makes, for layers of these widths."""
    return FullRank(widths) if kind == "duet" else LowRank(widths, apg.rank, apg.expansion)


def _codebook(kind: str, n_codes: int, dim: int) -> Codebook | VariationalAutoencoder | None:
    match kind:
        case "none":
            return None
        case "vae":
            return VariationalAutoencoder(dim)
        case "frozen" | "loss" | "ema":
            return Codebook(n_codes, dim, kind)
        case _:
            raise ValueError(kind)
