"""Per-user adaptation of a static model before it scores: the baseline that DUET is compared with (method section 2).

Every user gets a copy of the head, which takes a few updates by gradient on that user's own history: each item is to be
predicted from those before it, against a few items that are the same for everybody. All users of a batch take their
updates together, and nothing depends on who else is in the batch.

Legend: B users, L history positions, P prefixes, C candidates, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from solid.models.config import ModelConfig
from solid.models.heads.base import Scorer, added
from solid.models.heads.static import StaticHead
from solid.models.layers import AdaptiveLayers
from solid.models.protocols import Encoded

_NEGATIVES = 4  # a position
_SEED = 0
_CELLS = 1 << 23  # largest table of states by prefixes, positions and candidates held at once, in floats: 32 MiB


class FinetuneHead(StaticHead):
    """A trunk of which every user gets layers of its own, adapted to its own history before it scores.

    In the released form these are copies of the static MLP, and a step follows binary cross-entropy; else a linear
    layer that is added and starts as zero, and cross-entropy.
    """

    opponents: Tensor

    def __init__(self, widths: Sequence[int], config: ModelConfig, classes: Tensor | None) -> None:
        super().__init__(widths, config, classes)
        self.settings, self.dim = config.finetune, config.model.dim
        # The items [L - 1, 4] that the positions of every history are told from, drawn once.
        shape, generator = (config.length - 1, _NEGATIVES), torch.Generator().manual_seed(_SEED)
        self.register_buffer("opponents", torch.randint(1, config.n_items + 1, shape, generator=generator))

    def adapt(self, user: Encoded, items_BL: Tensor, model: Scorer) -> Encoded:
        """The users with layers of their own, after steps of gradient descent.

        A history of one item leaves the layers as they are. Users are taken in parts, so that memory does not grow
        with the square of the history length times their number.
        """
        at_once = max(1, _CELLS // (max(1, items_BL.shape[1]) ** 2 * (1 + _NEGATIVES) * self.dim))
        parts = [self._finetuned(part, model) for part in torch.split(items_BL, at_once)]
        layers = AdaptiveLayers(
            [
                [torch.cat(matrices)]
                for matrices in zip(*([matrix for [matrix] in part.factors] for part in parts), strict=True)
            ],
            [torch.cat(biases) for biases in zip(*(part.biases for part in parts), strict=True)],
        )
        return replace(user, layers=added(layers) if self.residual else layers)

    def copies(self, n: int) -> AdaptiveLayers:
        """``n`` equal sets of layers that can be changed apart."""
        if self.mlp is None:
            zero = self.opponents.new_zeros(n, self.dim, dtype=torch.float32)
            return AdaptiveLayers([[zero.unsqueeze(2).repeat(1, 1, self.dim)]], [zero])
        linears = [layer for layer in self.mlp if isinstance(layer, nn.Linear)]
        return AdaptiveLayers(
            [[layer.weight.detach().T.expand(n, -1, -1).clone()] for layer in linears],
            [layer.bias.detach().expand(n, -1).clone() for layer in linears],
        )

    def _finetuned(self, items_BL: Tensor, model: Scorer) -> AdaptiveLayers:
        with torch.inference_mode(False), torch.enable_grad():
            items_BL = items_BL.clone()
            B, L = items_BL.shape
            layers = self.copies(B)
            if L < 2:
                return layers
            with torch.no_grad():
                user = model.read(*model.backbone.prefixes(items_BL))
                positives_BP = items_BL[:, 1:]
                negatives_BPC = self.opponents[: L - 1].expand(B, -1, -1)
                embedded = model.items(torch.cat([positives_BP.unsqueeze(2), negatives_BPC], dim=2).flatten(0, 1))
                target = model.target(embedded)
                # A negative that the user touched tells it nothing.
                touched_BPC = (negatives_BPC.unsqueeze(3) == items_BL[:, None, None, :]).any(3)
                told_BPC = torch.cat([positives_BP.ne(0).unsqueeze(2), ~touched_BPC], dim=2)
                told_BPC &= positives_BP.ne(0).unsqueeze(2)
            changing = [*(factor for [factor] in layers.factors), *layers.biases]
            for _ in range(self.settings.steps):
                for tensor in changing:
                    tensor.requires_grad_()

                def apply(vectors: Tensor) -> Tensor:
                    """Each user's layers on the vectors of all its prefixes."""
                    mine = layers(vectors.reshape(B, -1, vectors.shape[2])).reshape(*vectors.shape[:2], -1)
                    return vectors + mine if self.residual else mine

                logits = model.logits(replace(user, layers=apply), embedded, target).view(told_BPC.shape)
                gradients = torch.autograd.grad(self._loss(logits, told_BPC), changing)
                with torch.no_grad():
                    for tensor, gradient in zip(changing, gradients, strict=True):
                        tensor.detach_().sub_(self.settings.rate * gradient)
            return layers

    def _loss(self, logits_BPC: Tensor, told_BPC: Tensor) -> Tensor:
        """A sum over users, so that each user's gradient is that of its own mean; column 0 is the positive."""
        if self.residual:
            logits_BPC = logits_BPC.masked_fill(~told_BPC, -1e9)
            loss_BP = (logits_BPC.logsumexp(2) - logits_BPC[..., 0]) * told_BPC[..., 0]
            return (loss_BP.sum(1) / told_BPC[..., 0].sum(1).clamp(min=1)).sum()
        weight_BPC = told_BPC / told_BPC.sum((1, 2), keepdim=True).clamp(min=1)
        labels_BPC = torch.zeros_like(weight_BPC)
        labels_BPC[..., 0] = 1.0
        return functional.binary_cross_entropy_with_logits(logits_BPC, labels_BPC, weight_BPC, reduction="sum")
