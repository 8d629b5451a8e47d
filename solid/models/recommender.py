"""The recommender: embeddings and backbone of one branch, an adaptive head, and the score of candidates.

Any backbone goes with any head: the backbone says which widths the adaptive layers have, the head where they come from.

Legend: B users, L history positions, D width, C candidates, N items, K classes, M hidden positions of a batch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from solid.kinds import BACKBONES, HEADS
from solid.models.backbones.base import Backbone, Reading
from solid.models.config import ModelConfig
from solid.models.heads.base import Head
from solid.models.layers import MLP, HistoryEncoder, LowRank, embedding, mask_of
from solid.models.protocols import Encoded
from solid.models.storage import read_model, reading_model, write_model

# Largest table of what candidates cost held at once in evaluation, in floats: 8 MiB. Allocators give tables of 32 MiB
# back to the system after each use, and evaluation takes twice as long.
_CELLS = 1 << 21


class Recommender(nn.Module):
    """Scores items for histories; speaks item ids whatever it reads inside.

    A user is encoded once (:meth:`encode`), and all of that user's candidates are scored against the encoding.
    """

    class_of_item: Tensor | None

    def __init__(self, config: ModelConfig, class_of_item: Tensor | None = None) -> None:
        """Build with fresh weights.

        Args:
            config: what to build.
            class_of_item: class of every item [N + 1], 0 for padding; for models that read classes.
        """
        super().__init__()
        self.config = config
        model = config.model
        dim, length = model.dim, model.length
        self.register_buffer("class_of_item", class_of_item)
        n_ids = config.n_classes if config.ids == "semantic" else config.n_items
        self.history = HistoryEncoder(n_ids, dim, length, model.dropout)
        self.class_embedding = embedding(config.n_classes, dim) if config.ids == "both" else None
        self.backbone: Backbone = BACKBONES[model.backbone].load()(model, config.n_items)
        self.target = MLP(dim, dim, dim)
        self.head: Head = HEADS[config.head].load()(self.backbone.widths, config)

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return self.history.position.device

    def encode(self, items_BL: Tensor) -> Encoded:
        """Encode right-padded histories of item ids [B, L]."""
        user = self.read(items_BL)
        return user if self.training else self.head.adapt(user, items_BL, self)

    def read(self, items_BL: Tensor) -> Encoded:
        """Encode as :meth:`encode` does, without what the head does to single users before it scores."""
        items_BL = self.backbone.trim(items_BL)
        embedded_BLD = self.embed(items_BL)
        hidden_BLD = self.history.hidden(embedded_BLD + self.history.position[: items_BL.shape[1]])
        classes_BL = None if self.class_of_item is None else self._classes(items_BL)
        reading = self.backbone.begin(Reading(items_BL, hidden_BLD, classes_BL), self.history)
        adapted = self.head(reading.hidden_BLD, items_BL, reading.classes_BL)

        def score(states_BLD: Tensor, where_BL: Tensor, candidates_MC: Tensor) -> Tensor:
            # The layers belong to users, so they are applied to all positions of each.
            vectors_MD = adapted.layers(states_BLD)[where_BL]
            return torch.bmm(self.target(self.embed(candidates_MC)), vectors_MD.unsqueeze(2)).squeeze(2)

        state_BD, losses = self.backbone.read(reading, self.history, score)
        return Encoded(reading.hidden_BLD, mask_of(items_BL), state_BD, adapted.layers, adapted.losses | losses)

    def score(self, user: Encoded, candidates_BC: Tensor) -> Tensor:
        """Return the logits [B, C] of each user's candidates (item ids)."""
        return self._score_embedded(user, self.embed(candidates_BC))

    def score_all(self, user: Encoded) -> Tensor:
        """Return the logits [B, N] of all items; column j belongs to item j + 1."""
        if self.config.ids != "semantic":
            return self._score_embedded(user, self.embed(self._all_items()).unsqueeze(0))
        # Every class once, so that the items of a class have exactly equal scores.
        logits_BK = self._score_embedded(user, self.history.embedding.weight[1:].unsqueeze(0))
        return logits_BK[:, self._classes(self._all_items()) - 1]

    def _score_embedded(self, user: Encoded, embedded_BCD: Tensor) -> Tensor:
        """Logits [B, C] of embeddings [B, C, D], or [1, C, D] where all users have the same candidates."""
        B, L = user.real_BL.shape
        # Where only logits are wanted, candidates that cost much come in parts: memory does not grow with their number.
        cells = 0 if torch.is_grad_enabled() else self.backbone.cells(L)
        at_once = max(1, _CELLS // (B * cells)) if cells else embedded_BCD.shape[1]
        logits = [self.logits(user, part, self.target(part)) for part in torch.split(embedded_BCD, at_once, dim=1)]
        return torch.cat(logits, dim=1)

    def logits(self, user: Encoded, embedded_BCD: Tensor, target_BCD: Tensor) -> Tensor:
        """The logits [B, C] of candidates: embeddings and what the target transform makes of them.

        Both are [B, C, D], or [1, C, D] for candidates of all users.
        """
        return self.backbone.logits(user, embedded_BCD, target_BCD)

    def embed(self, items: Tensor) -> Tensor:
        """The embedding, with a last dimension D, of items of any shape."""
        ids = items if self.config.ids != "semantic" else self._classes(items)
        embedded: Tensor = self.history.embedding(ids)
        if self.class_embedding is not None:
            embedded = embedded + self.class_embedding(self._classes(items))
        return embedded

    def item_embeddings(self) -> Tensor:
        """The embedding of every item [N, D], without padding: the `id` part of semantic ids."""
        return self.embed(self._all_items()).detach()

    def save(self, folder: Path) -> None:
        """Write model.safetensors and config.json into an existing folder."""
        write_model(folder, self.config, self.state_dict())

    @classmethod
    def load(cls, folder: Path, *, fold: bool = True) -> Self:
        """Read what :meth:`save` wrote, in evaluation mode, on the CPU.

        Args:
            folder: the model's.
            fold: whether to multiply out over-parameterised factors, which only training needs apart.

        Raises:
            DataError: a file is missing, broken or of another version of the model.
        """
        with reading_model(folder):
            config, state = read_model(folder, ModelConfig)
            model = cls(config, state.get("class_of_item"))
            model.load_state_dict(state)
        if fold:
            model.fold()
        return model.eval()

    def fold(self) -> None:
        """Multiply out what was over-parameterised for training; scores stay the same."""
        for module in self.modules():
            if isinstance(module, LowRank):
                module.fold()

    def _all_items(self) -> Tensor:
        return torch.arange(1, self.config.n_items + 1, device=self.history.position.device)

    def _classes(self, items: Tensor) -> Tensor:
        assert self.class_of_item is not None
        return self.class_of_item[items]
