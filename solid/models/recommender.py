"""The recommender: what items are, a backbone that reads histories of them, an adaptive head, the score of candidates.

Any backbone goes with any head: the backbone says which widths the adaptive layers have, the head where they come from.

Legend: B users, L history positions, R rows, D width, C candidates, N items, S levels of classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from solid.kinds import BACKBONES, HEADS
from solid.models.backbones.base import Backbone
from solid.models.config import ModelConfig
from solid.models.heads.base import Head, Reading
from solid.models.history import HistoryEncoder
from solid.models.items import ItemTable
from solid.models.layers import MLP, GeneratedLayers, Rows, first_std, real_of
from solid.models.protocols import Encoded

# Largest table of what candidates cost held at once, in floats: 8 MiB. Allocators give tables of 32 MiB back to the
# system after each use, and evaluation takes twice as long.
_CELLS = 1 << 21


class Recommender(nn.Module):
    """Scores items for histories; speaks item ids whatever it reads inside.

    A user is encoded once (:meth:`encode`), and all of that user's candidates are scored against the encoding.
    """

    def __init__(
        self, config: ModelConfig, classes: Tensor | None = None, vectors: Mapping[str, Tensor] | None = None
    ) -> None:
        """Build with fresh weights.

        Args:
            config: what to build.
            classes: class of every item at each level [N + 1, S] (or [N + 1] where there is one), 0 for padding; for
                models that read classes.
            vectors: kind -> a vector of every item [N + 1, F], zero for padding and for items without; for models
                whose items have projections of them.
        """
        super().__init__()
        self.config = config
        model, ids = config.model, config.ids
        if classes is not None and classes.dim() == 1:
            classes = classes.unsqueeze(1)
        self.items = ItemTable(
            config.n_items, model.dim, first_std(model), ids=ids != "semantic",
            classes=classes, adds_classes=ids != "item", vectors=vectors,
        )  # fmt: skip
        self.history = HistoryEncoder(model)
        self.backbone: Backbone = BACKBONES[model.backbone].load()(model, config.n_items)
        self.target = MLP(model.dim, model.dim, model.dim) if model.form == "released" else nn.Identity()
        self.head: Head = HEADS[config.head].load()(self.backbone.widths, config, classes)

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return self.history.position.device

    def encode(self, items_BL: Tensor) -> Encoded:
        """Encode right-padded histories of item ids [B, L], to know what comes next."""
        items_BL = items_BL[:, : max(1, int(items_BL.ne(0).sum(1).max()))]
        return self.head.adapt(self.read(*self.backbone.question(items_BL)), items_BL, self)

    def read(self, items_BL: Tensor, rows: Rows) -> Encoded:
        """Encode what stands in histories up to each row, without what the head does to single users."""
        known_BL = items_BL.masked_fill(items_BL > self.config.n_items, 0)  # the rest is the backbone's own
        hidden_BLD = self.history(self.backbone.fill(self.items(known_BL), items_BL))
        real_BL = real_of(items_BL)
        adapted = self.head(Reading(real_BL, hidden_BLD, self.items.classes_of(known_BL), rows))
        state_RD = self.backbone.states(hidden_BLD, items_BL, rows)
        return Encoded(hidden_BLD, real_BL, rows, state_RD, adapted.layers, adapted.losses)

    def score(self, user: Encoded, candidates_RC: Tensor) -> Tensor:
        """Return the logits [R, C] of each row's candidates (item ids)."""
        return self._score(user, self.items(candidates_RC))

    def score_same(self, user: Encoded, candidates_C: Tensor) -> Tensor:
        """Return the logits [R, C] of candidates (item ids) of all rows."""
        return self._score(user, self.items(candidates_C).unsqueeze(0))

    def score_all(self, user: Encoded) -> Tensor:
        """Return the logits [R, N] of all items; column j belongs to item j + 1."""
        if self.config.ids != "semantic" or self.items.classes is None or self.items.projections:
            return self._score(user, self.items.all().unsqueeze(0))
        # Every combination of classes once, so that the items that share it have exactly equal scores.
        distinct_KS, of_item = torch.unique(self.items.classes[1:], dim=0, return_inverse=True)
        first_K = torch.full((len(distinct_KS),), len(of_item), device=of_item.device)
        first_K.scatter_reduce_(0, of_item, torch.arange(len(of_item), device=of_item.device), "amin")
        return self.score_same(user, first_K + 1)[:, of_item]

    def logits(self, user: Encoded, embedded_RCD: Tensor, target_RCD: Tensor) -> Tensor:
        """The logits [R, C] of candidates: representations and what the target transform makes of them.

        Both are [R, C, D], or [1, C, D] for candidates of all rows.
        """
        return self.backbone.logits(user, embedded_RCD, target_RCD)

    def item_embeddings(self) -> Tensor:
        """The representation of every item [N, D], without padding: the `id` part of semantic ids."""
        return self.items.all().detach()

    def item_classes(self) -> Tensor | None:
        """The classes of every item at each level [N, S], without padding."""
        return None if self.items.classes is None else self.items.classes[1:]

    def code_use(self, items_BL: Tensor) -> Tensor | None:
        """What its head says of these histories."""
        return self.head.code_use(self.read(*self.backbone.question(items_BL)))

    @classmethod
    def restore(cls, config: Mapping[str, Any], state: Mapping[str, Tensor], *, fold: bool = True) -> Self:
        """Build it from what its folder holds, in evaluation mode.

        Args:
            config: as JSON.
            state: its tensors by name.
            fold: whether to multiply out over-parameterised factors, which only training needs apart.
        """
        prefix = "items.vectors_"
        vectors = {name.removeprefix(prefix): matrix for name, matrix in state.items() if name.startswith(prefix)}
        model = cls(ModelConfig.model_validate(config), state.get("items.classes"), vectors)
        model.load_state_dict(state)
        if fold:
            model.fold()
        return model.eval()

    def fold(self) -> None:
        """Multiply out what was over-parameterised for training; scores stay the same."""
        for module in self.modules():
            if isinstance(module, GeneratedLayers):
                module.fold()

    def _score(self, user: Encoded, embedded_RCD: Tensor) -> Tensor:
        """Logits [R, C] of representations [R, C, D], or [1, C, D] where all rows have the same candidates."""

        def score(part: Tensor) -> Tensor:
            return self.logits(user, part, self.target(part))

        cells = len(user.rows.user_R) * self.backbone.cells(user.real_BL.shape[1])
        at_once = max(1, _CELLS // cells) if cells else embedded_RCD.shape[1]
        if at_once >= embedded_RCD.shape[1]:
            return score(embedded_RCD)
        # Candidates that cost much come in parts, so that memory does not grow with their number; for gradients they
        # are scored again.
        parts = torch.split(embedded_RCD, at_once, dim=1)
        if torch.is_grad_enabled():
            return torch.cat([checkpoint(score, part, use_reentrant=False) for part in parts], dim=1)
        return torch.cat([score(part) for part in parts], dim=1)
