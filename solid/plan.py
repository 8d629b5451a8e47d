"""One model out of the chain: which of its stages make the model, and what each of them reads.

A comparison and the interface for notebooks make models one at a time; both take their plan from here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from solid.chain import EACH, TRAINING, Stage
from solid.kinds import HEADS, Ids
from solid.settings.fields import PARTS, Modality
from solid.settings.schema import Settings
from solid.steps import SCORE, TRAIN, value_of

_SCORE = Stage("evaluate", SCORE, SCORE.about, folder="score", output="scores")


@dataclass(frozen=True)
class Call:
    """A stage of the chain, for one model.

    Attributes:
        stage: which; of a model, the one that trains its like.
        folder: that it writes, below the work folder; no other call of the plan writes there.
        options: arguments of the step that are neither settings nor folders.
        inputs: argument of the step -> the call that writes it.
        parts: name -> the call that trains a part of a mixture.
    """

    stage: Stage
    folder: str
    options: Mapping[str, Any]
    inputs: Mapping[str, Call]
    parts: Mapping[str, Call] = field(default_factory=dict)

    def in_order(self) -> list[Call]:
        """All that it needs, each once, and itself last."""
        needed = (call for source in (*self.inputs.values(), *self.parts.values()) for call in source.in_order())
        return list({call.folder: call for call in (*needed, self)}.values())


@dataclass(frozen=True)
class ModelPlan:
    """The calls behind models that are made with the same settings.

    Attributes:
        settings: of the whole chain.
        modality: what classes are made from; None where no model reads any.
    """

    settings: Settings
    modality: Modality | None

    def model(self, head: str, ids: Ids, folder: str = "model") -> Call:
        """The call that trains a model.

        Args:
            head: of the model; a mixture is of what the chain mixes.
            ids: what its embeddings are of.
            folder: that it writes.
        """
        kind, options = HEADS[head], {"head": head, "ids": ids}
        if kind.by == "mixing":
            return Call(TRAINING["mixture"], folder, options, {"prepared": self.stage("prepare")}, dict(self._mixed()))
        # What a model reads is what the stage of the chain reads that trains its like, as far as it needs that.
        starts_from, reads_classes = kind.starts_from(ids, self.settings), kind.reads_classes(ids)
        like = TRAINING["item" if not reads_classes else "solid" if starts_from else "semantic"]
        needed = kind.inputs(ids, self.settings)
        sources = (source for source in like.inputs if source.input in needed)
        return Call(like, folder, options, {source.input: self.stage(source.stage, source.entry) for source in sources})

    def score(self, head: str, ids: Ids) -> Call:
        """The call that scores a model on the test users."""
        return Call(_SCORE, _SCORE.folder, {}, {"prepared": self.stage("prepare"), "model": self.model(head, ids)})

    def stage(self, name: str, entry: str = "") -> Call:
        """The call of a stage of the chain.

        Args:
            name: of the stage.
            entry: of the setting that it runs for each entry of, where the plan has several.
        """
        stage = TRAINING[name]
        folder = f"{stage.folder}/{entry}" if entry else stage.folder
        if stage.step is TRAIN:
            head = stage.options["head"]
            head = {"${item}": entry, "${fusion.generator}": self.settings.fusion.generator}.get(head, head)
            ids: Any = stage.options.get("ids") or HEADS[head].default_ids(self.settings)
            return self.model(head, ids, folder)
        inputs = {source.input: self.stage(source.stage) for source in stage.inputs if self._needs(source.input)}
        return Call(stage, folder, dict.fromkeys(stage.options, self.modality), inputs)

    def _needs(self, name: str) -> bool:
        """Whether the modality at hand is made from this input; others than of vectors are needed always."""
        return name not in PARTS.values() or name in {PARTS.get(part) for part in str(self.modality).split("_")}

    def _mixed(self) -> Iterator[tuple[str, Call]]:
        """What the chain mixes, by the names that it gives."""
        for source in TRAINING["mixture"].inputs:
            if not source.label:
                continue
            each = TRAINING[source.stage].each
            for entry in value_of(self.settings, each) if each else [""]:
                name = source.label.replace("${fusion.generator}", self.settings.fusion.generator)
                yield name.replace(f"{{{EACH.get(each)}}}", entry), self.stage(source.stage, entry)
