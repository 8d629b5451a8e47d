"""Per-user adaptation of a static model before it scores: the baseline that DUET is compared with (method section 2).

Every user gets a copy of the head, which takes a few gradient steps on that user's own history: each item is to be
predicted from those before it, against a few items that are the same for everybody. All users of a batch take their
steps together, and nothing depends on who else is in the batch.

Legend: B users, L history positions, P prefixes, C candidates, D width.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from solid.models.layers import AdaptiveLayers
from solid.settings.schema import FinetuneSettings

if TYPE_CHECKING:
    from solid.models.recommender import Recommender

_NEGATIVES = 4  # a position
_SEED = 0
_CELLS = 1 << 23  # largest table of states by prefixes, positions and candidates held at once, in floats: 32 MiB


def opponents(n_items: int, length: int) -> Tensor:
    """The items [L - 1, 4] that the positions of every history are told from, drawn once."""
    return torch.randint(1, n_items + 1, (length - 1, _NEGATIVES), generator=torch.Generator().manual_seed(_SEED))


def finetuned(model: Recommender, items_BL: Tensor, opponents_PC: Tensor, settings: FinetuneSettings) -> AdaptiveLayers:
    """The head of each user after its steps of gradient descent; a history of one item leaves it as it is.

    Users are taken in parts, so that memory does not grow with the square of the history length times their number.
    """
    length = items_BL.shape[1]
    at_once = max(1, _CELLS // (length**2 * (1 + _NEGATIVES) * model.config.model.dim))
    parts = [_finetuned(model, part, opponents_PC, settings) for part in torch.split(items_BL, at_once)]
    return AdaptiveLayers(
        [
            [torch.cat(matrices)]
            for matrices in zip(*([matrix for [matrix] in part.factors] for part in parts), strict=True)
        ],
        [torch.cat(biases) for biases in zip(*(part.biases for part in parts), strict=True)],
    )


def _finetuned(
    model: Recommender, items_BL: Tensor, opponents_PC: Tensor, settings: FinetuneSettings
) -> AdaptiveLayers:
    with torch.inference_mode(False), torch.enable_grad():
        items_BL = items_BL.clone()
        B, L = items_BL.shape
        layers = model.head.copies(B)  # type: ignore[operator]
        if L < 2:
            return layers
        with torch.no_grad():
            # Prefix p holds the first p + 1 items, and the item behind them is its positive.
            prefixes_BPL = items_BL.unsqueeze(1) * torch.ones(L - 1, L, dtype=torch.long).tril().to(items_BL)
            positives_BP = items_BL[:, 1:]
            negatives_BPC = opponents_PC[: L - 1].expand(B, -1, -1)
            candidates_BPC = torch.cat([positives_BP.unsqueeze(2), negatives_BPC], dim=2)
            user = model.read(prefixes_BPL.flatten(0, 1))
            embedded = model.embed(candidates_BPC.flatten(0, 1))
            target = model.target(embedded)
            # A negative that the user touched tells it nothing.
            touched_BPC = (negatives_BPC.unsqueeze(3) == items_BL[:, None, None, :]).any(3)
            weight_BPC = torch.cat([positives_BP.ne(0).unsqueeze(2), ~touched_BPC], dim=2).float()
            weight_BPC *= positives_BP.ne(0).unsqueeze(2)
            weight_BPC /= weight_BPC.sum((1, 2), keepdim=True).clamp(min=1)
            labels_BPC = torch.zeros_like(weight_BPC)
            labels_BPC[..., 0] = 1.0
        changing = [*(factor for [factor] in layers.factors), *layers.biases]
        for _ in range(settings.steps):
            for tensor in changing:
                tensor.requires_grad_()

            def apply(rows: Tensor) -> Tensor:
                """Each user's layers on the rows of all its prefixes."""
                return layers(rows.reshape(B, -1, rows.shape[2])).reshape(*rows.shape[:2], -1)

            logits = model.logits(replace(user, layers=apply), embedded, target).view_as(labels_BPC)
            # A sum over users, so that each user's gradient is that of its own mean.
            loss = functional.binary_cross_entropy_with_logits(logits, labels_BPC, weight_BPC, reduction="sum")
            gradients = torch.autograd.grad(loss, changing)
            with torch.no_grad():
                for tensor, gradient in zip(changing, gradients, strict=True):
                    tensor.detach_().sub_(settings.rate * gradient)
        return layers
