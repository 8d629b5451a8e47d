"""A chain for the lists at hand: where a stage runs for each entry of a list there is one turn for each.

The lists are known when a pipeline is compiled. Loops would be drawn badly by Kubeflow, and cost a pod each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from solid.chain import EACH, Chain, From, Stage
from solid.settings.schema import Settings
from solid.steps import value_of


@dataclass(frozen=True)
class Turn:
    """A stage, for one entry of its list where it has one."""

    stage: Stage
    entry: str = ""


@dataclass(frozen=True)
class Unrolled:
    """A chain for the lists at hand.

    Attributes:
        chain: what follows what.
        lists: setting that stages run for each entry of -> its entries.
        backbone: the one that all is made with, where a pipeline has several of these; else empty.
    """

    chain: Chain
    lists: Mapping[str, tuple[str, ...]]
    backbone: str = ""

    @classmethod
    def of(cls, chain: Chain, settings: Settings, backbone: str = "") -> Unrolled:
        """The chain for the lists of these settings."""
        return cls(chain, {place: value_of(settings, place) for place in EACH}, backbone)

    def turns(self, stage: Stage) -> list[Turn]:
        """All turns of a stage, in the order of its list."""
        return [Turn(stage, entry) for entry in self.lists[stage.each]] if stage.each else [Turn(stage)]

    def sources(self, turn: Turn) -> Iterator[tuple[From, Turn]]:
        """What a turn reads: the entry that is named; of a stage with the same list its own, of another one all."""
        for source in turn.stage.inputs:
            maker = self.chain[source.stage]
            one = source.entry or (turn.entry if maker.each == turn.stage.each else "")
            for made in [Turn(maker, one)] if one else self.turns(maker):
                yield source, made

    def component(self, turn: Turn) -> str:
        """The component of a turn, of which the task takes its name; no other of the pipeline is called so."""
        stage = turn.stage
        what = turn.entry if stage.name == stage.step.name else self._name(turn)
        return _joined(stage.step.name, what, self.backbone if stage.name in self.chain.of_backbone else "")

    def title(self, turn: Turn) -> str:
        """What people call a turn: "train SOLID text_image", as tables call its model; "assign text_image"."""
        stage, label = turn.stage, self._label(turn)
        what = label or f"{stage.name} model" if stage.step.kind == "Model" else ""
        return _joined(stage.step.name, what, "" if label else turn.entry, by=" ")

    def folder(self, turn: Turn) -> str:
        """What the folder of a turn is called where it is written and where it is read."""
        if turn.stage.step.kind == "Model":
            return f"{self._name(turn)}_model"
        return _joined(turn.stage.output, turn.entry)

    def _name(self, turn: Turn) -> str:
        return re.sub(r"\W+", "_", self._label(turn).lower()) or _joined(turn.stage.name, turn.entry)

    def _label(self, turn: Turn) -> str:
        """What tables call the model of a turn; empty where no table has it, or settings of a run decide."""
        inputs = (source for stage in self.chain.stages for source in stage.inputs)
        labels = (source.label for source in inputs if source.stage == turn.stage.name and source.label)
        return next((labelled(label, turn) for label in labels if "$" not in label), "")


def labelled(label: str, turn: Turn) -> str:
    """A label with the entry of a turn."""
    return label.replace(f"{{{EACH[turn.stage.each]}}}", turn.entry) if turn.stage.each else label


def _joined(*words: str, by: str = "_") -> str:
    return by.join(filter(None, words))
