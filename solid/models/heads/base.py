"""What an adaptive head is.

Legend: B users, L history positions, D width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from torch import Tensor, nn

from solid.models.config import ModelConfig
from solid.models.protocols import Encoded


@dataclass(frozen=True)
class Adapted:
    """The layers to apply to rows [B, n, I] of each user, and the head's own terms of the loss, already weighted."""

    layers: Callable[[Tensor], Tensor]
    losses: dict[str, Tensor] = field(default_factory=dict)


class Scorer(Protocol):
    """What a head may ask of the model around it."""

    config: ModelConfig

    def read(self, items_BL: Tensor) -> Encoded:
        """Histories as they are before :meth:`Head.adapt`."""
        ...

    def embed(self, items: Tensor) -> Tensor:
        """The embedding, with a last dimension D, of items of any shape."""
        ...

    def target(self, embedded: Tensor) -> Tensor:
        """What the target transform makes of embeddings."""
        ...

    def logits(self, user: Encoded, embedded_BCD: Tensor, target_BCD: Tensor) -> Tensor:
        """The logits [B, C] of candidates."""
        ...


class Head(nn.Module):
    """Gives each user its layers. Built from their widths and the configuration of the model."""

    def __init__(self, widths: Sequence[int], config: ModelConfig) -> None:
        super().__init__()

    def forward(self, hidden_BLD: Tensor, items_BL: Tensor, classes_BL: Tensor | None) -> Adapted:
        """The layers for these histories."""
        raise NotImplementedError

    def adapt(self, user: Encoded, items_BL: Tensor, model: Scorer) -> Encoded:
        """The users after what the head does to each of them before it scores, outside training."""
        return user

    def figures(self) -> dict[str, float]:
        """What it says of the epoch just trained, for the history of the training."""
        return {}
