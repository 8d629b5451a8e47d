"""The recommender: embeddings and backbone of one branch, an adaptive head, and the score of candidates.

Any backbone goes with any head: the backbone says which widths the adaptive layers have, the head where they come from.

Legend: B users, L history positions, D width, C candidates, N items, K classes, M hidden positions of a batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from solid.models.bert4rec import BERT4Rec
from solid.models.din import DIN
from solid.models.finetune import finetuned, opponents
from solid.models.gru4rec import GRU4Rec
from solid.models.heads import GeneratedHead, SolidHead, StaticHead, generated_layers
from solid.models.layers import MLP, HistoryEncoder, LowRank, embedding, mask_of
from solid.models.sasrec import SASRec
from solid.settings.schema import ApgSettings, FinetuneSettings, FusionSettings, Head, Ids, ModelSettings, Section

# Largest table of DIN's activation unit held at once in evaluation, in floats: 8 MiB. Allocators give tables of 32 MiB
# back to the system after each use, and evaluation takes twice as long.
_CELLS = 1 << 21
_CLOZE_NEGATIVES = 4  # drawn over all items for each hidden position


class ModelConfig(Section):
    """All that is needed to build a model again; stored beside its weights."""

    head: Head
    ids: Ids
    """What history and target embeddings are: of the item, of its class, or the sum of both."""
    modality: str | None
    """Where the classes come from; None for models that read items alone."""
    n_items: int
    n_classes: int
    """0 for models that read items alone."""
    model: ModelSettings
    finetune: FinetuneSettings | None = None
    apg: ApgSettings | None = None
    fusion: FusionSettings | None = None
    digest: str
    """Of the raw data, as DVC names it."""


@dataclass(frozen=True)
class Encoded:
    """Users, encoded once for all their candidates."""

    hidden_BLD: Tensor
    real_BL: Tensor
    state_BD: Tensor | None
    """What the backbone read; None where that depends on the candidate."""
    layers: Callable[[Tensor], Tensor]
    """The adaptive layers, for rows [B, n, I] of each user."""
    losses: dict[str, Tensor]
    """Terms of the loss beside that of the candidates, already weighted; empty in evaluation."""


class Recommender(nn.Module):
    """Scores items for histories; speaks item ids whatever it reads inside.

    A user is encoded once (:meth:`encode`), and all of that user's candidates are scored against the encoding.
    """

    class_of_item: Tensor | None
    opponents: Tensor

    def __init__(self, config: ModelConfig, class_of_item: Tensor | None = None) -> None:
        """Build with fresh weights.

        Args:
            config: what to build.
            class_of_item: class of every item [N + 1], 0 for padding; for models that read classes.
        """
        super().__init__()
        self.config = config
        model, apg = config.model, config.apg or ApgSettings()
        dim, length = model.dim, model.length
        self.register_buffer("class_of_item", class_of_item)
        n_ids = config.n_classes if config.ids == "semantic" else config.n_items
        self.history = HistoryEncoder(n_ids, dim, length, model.dropout)
        self.class_embedding = embedding(config.n_classes, dim) if config.ids == "both" else None
        self.backbone = _backbone(model)
        self.target = MLP(dim, dim, dim)
        # DIN's head classifies [target, attention]; the others' makes a vector that targets are multiplied by.
        widths = (2 * dim, dim, 1) if model.backbone == "din" else (dim, dim, dim)
        self.head: StaticHead | GeneratedHead | SolidHead
        match config.head:
            case "static" | "finetune":
                self.head = StaticHead(widths)
            case "duet" | "apg":
                self.head = GeneratedHead(generated_layers(config.head, widths, apg), dim)
            case "solid":
                assert config.fusion is not None
                layers = generated_layers(config.fusion.generator, widths, apg)
                self.head = SolidHead(layers, config.n_classes, model, config.fusion)
        if config.head == "finetune":
            self.register_buffer("opponents", opponents(config.n_items, length))

    def encode(self, items_BL: Tensor) -> Encoded:
        """Encode right-padded histories of item ids [B, L]."""
        user = self.read(items_BL)
        if self.config.head == "finetune" and not self.training:
            assert self.config.finetune is not None
            return replace(user, layers=finetuned(self, items_BL, self.opponents, self.config.finetune))
        return user

    def read(self, items_BL: Tensor) -> Encoded:
        """Encode as :meth:`encode` does, without adapting anything to single users by gradient steps."""
        if isinstance(self.backbone, BERT4Rec):
            items_BL = self.backbone.make_room(items_BL, self.config.model.length)
        embedded_BLD = self.embed(items_BL)
        hidden_BLD = self.history.hidden(embedded_BLD + self.history.position[: items_BL.shape[1]])
        classes_BL = None if self.class_of_item is None else self._classes(items_BL)
        hide_BL = None
        if isinstance(self.backbone, BERT4Rec) and self.training and self.config.model.cloze:
            # Hidden from all that reads the history: a generator that saw the answer would only learn to copy it.
            hide_BL = items_BL.ne(0) & (torch.rand(items_BL.shape, device=items_BL.device) < self.config.model.cloze)
            hidden_BLD = self.backbone.hide(hidden_BLD, hide_BL, self.history)
            classes_BL = None if classes_BL is None else classes_BL.masked_fill(hide_BL, 0)
        adapted = self.head(hidden_BLD, items_BL, classes_BL)
        losses = dict(adapted.losses)
        state_BD = None
        if isinstance(self.backbone, BERT4Rec):
            if hide_BL is None:
                state_BD = self.backbone(hidden_BLD, items_BL, self.history)
            else:
                state_BD, states_MD = self.backbone.cloze(hidden_BLD, items_BL, hide_BL, self.history)
                losses["cloze"] = self._cloze_loss(adapted.layers, states_MD, hide_BL, items_BL)
        elif not isinstance(self.backbone, DIN):
            state_BD = self.backbone(hidden_BLD, items_BL)
        return Encoded(hidden_BLD, mask_of(items_BL), state_BD, adapted.layers, losses)

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
        # Where only logits are wanted, DIN takes the candidates in parts: memory does not grow with their number.
        in_parts = user.state_BD is None and not torch.is_grad_enabled()
        width = max(self.config.model.dim, DIN.width)
        at_once = max(1, _CELLS // (B * L * width)) if in_parts else embedded_BCD.shape[1]
        logits = [self.logits(user, part, self.target(part)) for part in torch.split(embedded_BCD, at_once, dim=1)]
        return torch.cat(logits, dim=1)

    def logits(self, user: Encoded, embedded_BCD: Tensor, target_BCD: Tensor) -> Tensor:
        """Return the logits [B, C] of candidates: embeddings and what the target transform makes of them.

        Both are [B, C, D], or [1, C, D] for candidates of all users.
        """
        if isinstance(self.backbone, DIN):
            seen_BCD = self.backbone(embedded_BCD, user.hidden_BLD, user.real_BL)
            pairs = torch.cat([target_BCD.expand_as(seen_BCD), seen_BCD], dim=2)
            return user.layers(pairs).squeeze(2)
        assert user.state_BD is not None
        vector_BD = user.layers(user.state_BD.unsqueeze(1)).squeeze(1)
        if len(target_BCD) == 1:
            return torch.mm(vector_BD, target_BCD[0].T)
        return torch.bmm(target_BCD, vector_BD.unsqueeze(2)).squeeze(2)

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

    def _cloze_loss(
        self, layers: Callable[[Tensor], Tensor], states_MD: Tensor, hide_BL: Tensor, items_BL: Tensor
    ) -> Tensor:
        """Binary cross-entropy of the hidden items and items drawn at random, scored as candidates are."""
        if not len(states_MD):
            return states_MD.sum()
        drawn_BLC = torch.randint(1, self.config.n_items + 1, (*items_BL.shape, _CLOZE_NEGATIVES)).to(items_BL.device)
        candidates_MC = torch.cat([items_BL.unsqueeze(2), drawn_BLC], dim=2)[hide_BL]
        # The layers belong to users, so the states go back to their places among each user's positions.
        states_BLD = states_MD.new_zeros(*items_BL.shape, states_MD.shape[1]).masked_scatter(
            hide_BL.unsqueeze(2), states_MD
        )
        vectors_MD = layers(states_BLD)[hide_BL]
        logits_MC = torch.bmm(self.target(self.embed(candidates_MC)), vectors_MD.unsqueeze(2)).squeeze(2)
        labels_MC = torch.zeros_like(logits_MC)
        labels_MC[:, 0] = 1.0
        return functional.binary_cross_entropy_with_logits(logits_MC, labels_MC)


def _backbone(model: ModelSettings) -> SASRec | GRU4Rec | BERT4Rec | DIN:
    match model.backbone:
        case "sasrec":
            return SASRec(model.dim, model.attention_heads, model.dropout)
        case "gru4rec":
            return GRU4Rec(model.dim)
        case "bert4rec":
            return BERT4Rec(model.dim, model.attention_heads, model.dropout)
        case "din":
            return DIN(model.dim)
