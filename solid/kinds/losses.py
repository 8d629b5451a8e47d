"""Losses by name, and where their code is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from solid.kinds.code import imported


@dataclass(frozen=True)
class LossKind:
    """A loss as those see it who only name it.

    Attributes:
        name: as ``training.loss`` takes it.
        about: one line for people.
        code: of its class, a :class:`~solid.training.losses.base.Loss`, as module:name.
    """

    name: str
    about: str
    code: str

    def load(self) -> Any:
        """Its class."""
        return imported(self.code)


LOSSES: dict[str, LossKind] = {
    kind.name: kind
    for kind in (
        LossKind("softmax", "cross-entropy over all items", "solid.training.losses.softmax:Softmax"),
        LossKind(
            "sampled_softmax",
            "cross-entropy over the answer and drawn items, corrected for how they were drawn",
            "solid.training.losses.sampled_softmax:SampledSoftmax",
        ),
        LossKind(
            "gbce",
            "binary cross-entropy with drawn items, calibrated for how few they are",
            "solid.training.losses.gbce:GeneralisedBinaryCrossEntropy",
        ),
        LossKind("bce", "binary cross-entropy with drawn items", "solid.training.losses.bce:BinaryCrossEntropy"),
    )
}
