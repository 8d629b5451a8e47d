"""SOLID's head: a semantic branch and an item branch that corrects it (method section 3).

Legend: B users, L history positions, D width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from solid.kinds import HEADS
from solid.models.config import ModelConfig
from solid.models.heads.base import Adapted, Head, Reading, added
from solid.models.heads.codebook import Codebook
from solid.models.heads.generator import WeightGenerator
from solid.models.heads.vae import VariationalAutoencoder
from solid.models.history import HistoryEncoder
from solid.models.items import ClassTable
from solid.models.layers import Generated, GeneratedLayers, Rows, first_std
from solid.models.protocols import Encoded


class SolidHead(Head):
    """SOLID: W = W_semantic + bound(W_item), with a codebook on the way to the item branch.

    The semantic branch reads the classes of the history and gives the trunk of the weights; the item branch reads
    the (coded) hidden states of the items and adds a bounded personal correction. On APG the sum is that of the
    cores, and both share the trunk's U and V. For ablations either branch can stand alone; the item branch then is
    the trunk, unbounded.
    """

    def __init__(self, widths: Sequence[int], config: ModelConfig, classes: Tensor | None) -> None:
        super().__init__(widths, config, classes)
        model, fusion = config.model, config.fusion
        assert classes is not None
        layers = HEADS[fusion.generator].load().layers(widths, config)
        self.fusion = fusion
        self.classes = self.history = self.semantic = self.item = self.codebook = None
        if fusion.branches != "item":
            self.classes = ClassTable(classes, model.dim, first_std(model))
            self.history = HistoryEncoder(model)
            self.semantic = WeightGenerator(model.dim, layers, from_zero=self.residual)
        if fusion.branches != "semantic":
            correction = fusion.branches == "both"
            self.item = WeightGenerator(model.dim, layers, correction=correction, from_zero=self.residual)
            self.codebook = _codebook(fusion.codebook, config.n_classes, model.dim)

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

    def forward(self, reading: Reading) -> Adapted:
        """Generate both branches' layers and fuse them."""
        losses: dict[str, Tensor] = {}
        hidden_BLD, real_BL, rows = reading.hidden_BLD, reading.real_BL, reading.rows
        semantic_BLD = None
        if self.classes is not None and self.history is not None:
            assert reading.classes_BLS is not None
            semantic_BLD = self.history(self.classes(reading.classes_BLS))
        if self.codebook is not None:
            coded = self.codebook(hidden_BLD, real_BL)
            hidden_BLD = coded.hidden_BLD
            if self.training:
                losses["codebook"] = coded.loss
                if semantic_BLD is not None:
                    alignment = functional.mse_loss(semantic_BLD[real_BL], coded.code_BLD[real_BL])
                    losses["alignment"] = self.fusion.alignment * alignment
        layers, generated = self._fused(semantic_BLD, hidden_BLD, rows)
        fused = layers(generated)
        return Adapted(added(fused) if self.residual else fused, losses)

    def _fused(self, semantic_BLD: Tensor | None, hidden_BLD: Tensor, rows: Rows) -> tuple[GeneratedLayers, Generated]:
        """What the branches generate together, and for which layers."""
        if self.semantic is None:
            assert self.item is not None
            return self.item.layers, self.item(hidden_BLD, rows)
        assert semantic_BLD is not None
        trunk = self.semantic(semantic_BLD, rows)
        if self.item is not None:
            correction = self.item(hidden_BLD, rows)
            trunk = Generated(
                weights=[w + self.bound(c) for w, c in zip(trunk.weights, correction.weights, strict=True)],
                biases=[b + self.bound(c) for b, c in zip(trunk.biases, correction.biases, strict=True)],
            )
        return self.semantic.layers, trunk

    def code_use(self, user: Encoded) -> Tensor | None:
        """Counts [K] over the real positions of these histories."""
        if not isinstance(self.codebook, Codebook):
            return None
        nearest_R = self.codebook.nearest(user.hidden_BLD[user.real_BL])
        return torch.bincount(nearest_R, minlength=len(self.codebook.codes))

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
