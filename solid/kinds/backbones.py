"""Backbones by name: what each needs, and where its code is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from solid.kinds.code import imported


@dataclass(frozen=True)
class BackboneKind:
    """A backbone as those see it who only name it.

    Attributes:
        name: as ``model.backbone`` takes it.
        code: of its class, a :class:`~solid.models.backbones.base.Backbone`, as module:name.
        attends: whether ``model.attention_heads`` says how.
        shortest: history length that it needs.
        loss: what ``training.loss: auto`` means for it.
    """

    name: str
    code: str
    attends: bool = False
    shortest: int = 1
    loss: str = "softmax"

    def load(self) -> Any:
        """Its class."""
        return imported(self.code)


BACKBONES: dict[str, BackboneKind] = {
    kind.name: kind
    for kind in (
        BackboneKind("sasrec", "solid.models.backbones.sasrec:SASRec", attends=True),
        BackboneKind("gru4rec", "solid.models.backbones.gru4rec:GRU4Rec"),
        # its mask takes one of the positions
        BackboneKind("bert4rec", "solid.models.backbones.bert4rec:BERT4Rec", attends=True, shortest=2),
        # every candidate costs what a user costs elsewhere
        BackboneKind("din", "solid.models.backbones.din:DIN", loss="sampled_softmax"),
    )
}
