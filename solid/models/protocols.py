"""What a model is to the rest of the project, and what an encoded user is inside one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

import torch
from torch import Tensor

from solid.models.config import BaseConfig
from solid.models.layers import Rows

LOGITS_AT_ONCE = 1 << 24
"""Bounds the memory of scores of all items: 64 MiB, however many users and items."""


class Scorer(Protocol):
    """Scores items for histories, whatever it is made of; everything outside speaks item ids 1..N.

    A user is encoded once, and all of that user's candidates are scored against the encoding. Scores are logits:
    higher is better, and equal scores are ties.
    """

    @property
    def config(self) -> BaseConfig:
        """What it is."""
        ...

    @property
    def device(self) -> torch.device:
        """Where it wants its tensors."""
        ...

    def encode(self, items_BL: Tensor) -> Any:
        """Encode right-padded histories of item ids [B, L], oldest first, L at most ``config.length``."""
        ...

    def score(self, user: Any, candidates_BC: Tensor) -> Tensor:
        """The scores [B, C] of each user's candidates (item ids)."""
        ...

    def score_all(self, user: Any) -> Tensor:
        """The scores [B, N] of all items; column j belongs to item j + 1. The caller may write into them."""
        ...


class Model(Scorer, Protocol):
    """A scorer that can be stored and looked into."""

    def item_embeddings(self) -> Tensor | None:
        """The representation of every item [N, D]; None where it has none."""
        ...

    def item_classes(self) -> Tensor | None:
        """The classes of every item at each level [N, S]; None where it reads items alone."""
        ...

    def code_use(self, items_BL: Tensor) -> Tensor | None:
        """How often each code of its codebook [K] was the nearest in these histories; None without one."""
        ...

    def state_dict(self) -> Mapping[str, Tensor]:
        """Its tensors, as they are stored."""
        ...

    @classmethod
    def restore(cls, config: Mapping[str, Any], state: Mapping[str, Tensor], *, fold: bool = True) -> Self:
        """Build it from what :mod:`solid.models.storage` read, on the CPU and ready to score.

        Args:
            config: as JSON.
            state: its tensors by name.
            fold: whether to multiply out over-parameterised factors, which only training and storing need apart.
        """
        ...


class Opaque:
    """What a model answers that has neither embeddings nor classes nor codes."""

    def item_embeddings(self) -> Tensor | None:
        """None."""
        return None

    def item_classes(self) -> Tensor | None:
        """None."""
        return None

    def code_use(self, items_BL: Tensor) -> Tensor | None:
        """None."""
        return None


@dataclass(frozen=True)
class Encoded:
    """Histories, encoded once for all candidates: a row for each place of them that is asked what comes next.

    Legend: B users, L history positions, R rows, D width; outside training R = B and row b is user b.
    """

    hidden_BLD: Tensor
    real_BL: Tensor
    rows: Rows
    state_RD: Tensor | None
    """What the backbone read; None where that depends on the candidate."""
    layers: Callable[[Tensor], Tensor]
    """The adaptive layers, for vectors [R, n, I] of each row."""
    losses: dict[str, Tensor]
    """Terms of the loss beside that of the candidates, already weighted; empty in evaluation."""

    def vectors(self) -> Tensor:
        """What items are multiplied by, [R, D]."""
        assert self.state_RD is not None
        return self.layers(self.state_RD.unsqueeze(1)).squeeze(1)
