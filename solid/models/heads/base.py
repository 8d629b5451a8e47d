"""What an adaptive head is.

Legend: B users, L history positions, R rows, D width, S levels of classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from torch import Tensor, nn

from solid.models.backbones.base import Backbone
from solid.models.config import ModelConfig
from solid.models.layers import Rows
from solid.models.protocols import Encoded


@dataclass(frozen=True)
class Reading:
    """Histories as the model reads them, and where it is asked something."""

    real_BL: Tensor
    hidden_BLD: Tensor
    classes_BLS: Tensor | None
    rows: Rows


@dataclass(frozen=True)
class Adapted:
    """The layers to apply to vectors [R, n, I] of each row, and the head's own terms of the loss, already weighted."""

    layers: Callable[[Tensor], Tensor]
    losses: dict[str, Tensor] = field(default_factory=dict)


class Scorer(Protocol):
    """What a head may ask of the model around it."""

    @property
    def backbone(self) -> Backbone:
        """Its backbone."""
        ...

    def read(self, items_BL: Tensor, rows: Rows) -> Encoded:
        """Histories as they are before :meth:`Head.adapt`."""
        ...

    def items(self, items: Tensor) -> Tensor:
        """The representation, with a last dimension D, of items of any shape."""
        ...

    def target(self, embedded: Tensor) -> Tensor:
        """What the target transform makes of representations."""
        ...

    def logits(self, user: Encoded, embedded_RCD: Tensor, target_RCD: Tensor) -> Tensor:
        """The logits [R, C] of candidates."""
        ...


class Head(nn.Module):
    """Gives each row its layers, from what stands before it in the history and nothing behind it.

    In the released form these layers lead from the state to the user's vector; else their result is added to the
    state, and starts as zero, so that the head starts as the trunk without it.
    """

    def __init__(self, widths: Sequence[int], config: ModelConfig, classes: Tensor | None) -> None:
        """Build with fresh weights.

        Args:
            widths: of the layers.
            config: of the model.
            classes: of every item at each level [N + 1, S], where the model knows them.
        """
        super().__init__()
        self.residual = config.model.form != "released"

    def forward(self, reading: Reading) -> Adapted:
        """The layers for these rows."""
        raise NotImplementedError

    def adapt(self, user: Encoded, items_BL: Tensor, model: Scorer) -> Encoded:
        """The users after what the head does to each of them before it scores, outside training."""
        return user

    def code_use(self, user: Encoded) -> Tensor | None:
        """How often each code of a codebook [K] was the nearest in these histories; None without one."""
        return None

    def figures(self) -> dict[str, float]:
        """What it says of the epoch just trained, for the history of the training."""
        return {}


def added(layers: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Layers whose result is added to what they are applied to."""
    return lambda x_RnI: x_RnI + layers(x_RnI)
