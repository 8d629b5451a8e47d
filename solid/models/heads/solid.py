"""SOLID's head: a semantic branch and an item branch that corrects it (method section 3).

Legend: B users, L history positions, D width, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from solid.models.config import ModelConfig
from solid.models.heads.base import Adapted, Head
from solid.models.heads.codebook import Codebook
from solid.models.heads.generated import generated_layers
from solid.models.heads.generator import WeightGenerator
from solid.models.heads.vae import VariationalAutoencoder
from solid.models.layers import Generated, HistoryEncoder, mask_of


class SolidHead(Head):
    """SOLID: W = W_semantic + bound(W_item), with a codebook on the way to the item branch.

    The semantic branch reads the classes of the history and gives the trunk of the weights; the item branch reads
    the (coded) hidden states of the items and adds a bounded personal correction. On APG the sum is that of the
    cores, and both share the trunk's U and V. For ablations either branch can stand alone; the item branch then is
    the trunk, unbounded.
    """

    def __init__(self, widths: Sequence[int], config: ModelConfig) -> None:
        super().__init__(widths, config)
        model, fusion = config.model, config.fusion
        assert fusion is not None
        n_classes, layers = config.n_classes, generated_layers(fusion.generator, widths, config)
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

    def figures(self) -> dict[str, float]:
        """How many codes were used, were they used equally often."""
        return {"codes_used": self.codebook.take_use()} if isinstance(self.codebook, Codebook) else {}


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
