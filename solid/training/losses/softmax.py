"""Softmax over all items, in parts of bounded memory.

The gradient of cross-entropy is known as soon as its logits are, so it is made while they are there: no logits are kept
for the way back, and none are computed twice (Hsu et al., "Liger Kernel", 2024, do the same for language models).

Legend: R rows, r rows of a part, N items, D width.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from solid.errors import SettingsError
from solid.settings.schema import TrainingSettings
from solid.training.learned import Learned
from solid.training.losses.base import Asked, Loss

_MIB = 1 << 20
_CACHED = 400_000  # logits that stay in a core's cache while they are worked on


class Softmax(Loss):
    """-x+ + log of the sum over all items of e^x, a mean over rows."""

    scores_all: ClassVar[bool] = True

    def __init__(self, settings: TrainingSettings, learned: Learned) -> None:
        super().__init__(settings, learned)
        self.rows = int(settings.softmax_memory * _MIB / (4 * learned.n_items))
        self.rows_on_cpu = min(self.rows, max(32, _CACHED // learned.n_items))
        if not self.rows:
            raise SettingsError(
                f"softmax over {learned.n_items:,} items needs {4 * learned.n_items / _MIB:.0f} MiB for a single "
                f"row, but training.softmax_memory is {settings.softmax_memory:g}; raise it, or set "
                "training.loss=sampled_softmax"
            )

    def __call__(self, asked: Asked, rng: np.random.Generator) -> Tensor:
        """The loss of these rows."""
        model, answers_R = asked.model, asked.targets_R - 1
        if model.backbone.depends_on_candidate:
            return functional.cross_entropy(model.score_all(asked.encoded), answers_R)
        vectors_RD, items_ND = asked.encoded.vectors(), model.target(model.items.all())
        rows = self.rows_on_cpu if vectors_RD.device.type == "cpu" else self.rows
        loss: Tensor = SoftmaxInParts.apply(vectors_RD, items_ND, answers_R, rows)  # type: ignore[no-untyped-call]
        return loss


class SoftmaxInParts(torch.autograd.Function):
    """Mean cross-entropy of logits V I^T, some rows of V at a time."""

    @staticmethod
    def forward(ctx: Any, vectors_RD: Tensor, items_ND: Tensor, answers_R: Tensor, rows: int) -> Tensor:
        """The loss; its gradients are made on the way.

        Args:
            ctx: what the way back gets.
            vectors_RD: V.
            items_ND: I.
            answers_R: column of each row's answer.
            rows: most rows of logits at once.
        """
        of_vectors, of_items = torch.empty_like(vectors_RD), torch.zeros_like(items_ND)
        loss = vectors_RD.new_zeros(())
        for start in range(0, len(vectors_RD), rows):
            part = slice(start, start + rows)
            vectors_rD, answers_r = vectors_RD[part], answers_R[part]
            exp_rN = vectors_rD @ items_ND.T  # logits, until they are exponentiated in place
            answer_r1 = exp_rN.gather(1, answers_r.unsqueeze(1))
            highest_r1 = exp_rN.amax(1, keepdim=True)
            exp_rN.sub_(highest_r1).exp_()
            sum_r1 = exp_rN.sum(1, keepdim=True)
            loss += (sum_r1.log() + highest_r1 - answer_r1).sum()
            # Probabilities are exp / sum, minus 1 where the answer is; neither is applied to the large matrix.
            torch.mm(exp_rN, items_ND, out=of_vectors[part])
            of_vectors[part].div_(sum_r1).sub_(items_ND[answers_r])
            if ctx.needs_input_grad[1]:  # not where items stay as they are, on a trunk
                of_items.addmm_(exp_rN.T, vectors_rD / sum_r1).index_add_(0, answers_r, vectors_rD, alpha=-1)
        ctx.save_for_backward(of_vectors, of_items)
        ctx.n_rows = len(vectors_RD)
        return loss / len(vectors_RD)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None]:
        """Their products with the gradient of the loss."""
        of_vectors, of_items = ctx.saved_tensors
        share = gradient / ctx.n_rows
        return of_vectors * share, of_items * share, None, None
