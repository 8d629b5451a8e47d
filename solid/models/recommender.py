"""The recommender: embeddings and backbone of one branch, an adaptive head, and the score of candidates.

Legend: B users, L history positions, D width, C candidates, N items, K classes.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from solid.config import FusionSettings, ModelSettings, Section
from solid.models.heads import Adapted, DuetHead, SolidHead, StaticHead
from solid.models.layers import MLP, HistoryEncoder
from solid.models.sasrec import SASRec


class ModelConfig(Section):
    """All that is needed to build a model again; stored beside its weights."""

    head: Literal["static", "duet", "solid"]
    ids: Literal["item", "semantic", "both"]
    modality: str | None
    """Where the classes come from; None for models that read items alone."""
    n_items: int
    n_classes: int
    """0 for models that read items alone."""
    model: ModelSettings
    fusion: FusionSettings | None
    digest: str
    """Of the raw data, as DVC names it."""


class Recommender(nn.Module):
    """Scores items for histories; speaks item ids whatever it reads inside.

    A user is encoded once (:meth:`encode`), and all of that user's candidates are scored against the encoding.
    """

    reads: Tensor

    def __init__(self, config: ModelConfig, class_of_item: Tensor | None = None) -> None:
        """Build with fresh weights.

        Args:
            config: what to build.
            class_of_item: class of every item [N + 1], 0 for padding; for models that read classes.
        """
        super().__init__()
        self.config = config
        dim, length, dropout = config.model.dim, config.model.length, config.model.dropout
        classes = torch.zeros(config.n_items + 1, dtype=torch.long) if class_of_item is None else class_of_item
        # What the branch reads for each item: the item itself, or its class.
        reads = classes if config.ids == "semantic" else torch.arange(config.n_items + 1)
        self.register_buffer("reads", reads)
        n_ids = config.n_classes if config.ids == "semantic" else config.n_items
        self.history = HistoryEncoder(n_ids, dim, length, dropout)
        self.backbone = SASRec(dim, config.model.attention_heads, dropout)
        self.target = MLP(dim)
        self.head: nn.Module
        match config.head:
            case "static":
                self.head = StaticHead(dim)
            case "duet":
                self.head = DuetHead(dim)
            case "solid":
                assert config.fusion is not None
                self.head = SolidHead(classes, config.n_classes, config.model, config.fusion)

    def encode(self, items_BL: Tensor) -> Adapted:
        """Encode right-padded histories of item ids [B, L] into user vectors [B, D]."""
        ids_BL = self.reads[items_BL]
        hidden_BLD = self.history(ids_BL)
        state_BD = self.backbone(hidden_BLD, ids_BL)
        adapted: Adapted = self.head(state_BD, hidden_BLD, items_BL)
        return adapted

    def score(self, user: Adapted, candidates_BC: Tensor) -> Tensor:
        """Return the logits [B, C] of each user's candidates (item ids)."""
        target_BCD = self.target(self.history.embedding(self.reads[candidates_BC]))
        return torch.bmm(target_BCD, user.vector_BD.unsqueeze(2)).squeeze(2)

    def score_all(self, user: Adapted) -> Tensor:
        """Return the logits [B, N] of all items; column j belongs to item j + 1."""
        target_ND: Tensor = self.target(self.history.embedding(self.reads[1:]))
        return torch.mm(user.vector_BD, target_ND.T)

    def item_embeddings(self) -> Tensor:
        """The embedding of every item [N, D], without padding: the `id` part of semantic ids."""
        table_ND: Tensor = self.history.embedding.weight[self.reads[1:]]
        return table_ND.detach()
