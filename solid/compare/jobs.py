"""From grids to jobs: which steps are needed, what each reads, and which of them are one and the same.

A job's folder is named by what its step is, a readable description, and a hash of all that decides its files: the
step, the settings it reads, its options, the hashes of its inputs, and the version of this code. Two models that share
a beginning (an item model, classes) share its jobs, within a grid and between grids, today and tomorrow.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from solid import __version__, steps
from solid.chain import CHOICES, EACH
from solid.compare.grid import Row, Source, Table
from solid.errors import SettingsError
from solid.kinds import HEADS
from solid.plan import Call, ModelPlan
from solid.settings.fields import Backbone
from solid.settings.schema import Settings
from solid.steps import Step
from solid.storage.local import file_md5, folder_digest

_ON_THEIR_OWN = {section: {key} for section, key in (place.split(".") for place in (*EACH, *CHOICES))}


@dataclass(frozen=True)
class Job:
    """One call of a step.

    Attributes:
        step: which.
        name: for people.
        settings: of the whole chain.
        options: arguments of the step that are neither settings nor folders.
        inputs: argument of the step -> the job that writes it; None where the step does without.
        parts: name -> the job that trains a part of a mixture.
        digest: of all that decides the output.
    """

    step: str
    name: str
    settings: Settings
    options: Mapping[str, Any]
    inputs: Mapping[str, Job | None]
    parts: Mapping[str, Job]
    digest: str

    @property
    def folder(self) -> Path:
        """Of its output, below the work folder."""
        return Path(self.step) / f"{re.sub(r'[^A-Za-z0-9_.]+', '-', self.name)}-{self.digest[:12]}"

    @property
    def needs(self) -> list[Job]:
        """The jobs that must be done before."""
        return [job for job in (*self.inputs.values(), *self.parts.values()) if job]


@dataclass(frozen=True)
class Cell:
    """One trained model of a table."""

    data: str
    backbone: Backbone
    seed: int
    row: str


@dataclass
class Plan:
    """All jobs by their digest, each after those that it needs."""

    data_root: Path
    jobs: dict[str, Job] = field(default_factory=dict)
    _sources: dict[str, str] = field(default_factory=dict)

    def cells(self, table: Table) -> dict[Cell, Job]:
        """Add the jobs of a table; return the job that scores each of its models.

        Raises:
            SettingsError: a source does not exist, or two rows are one and the same model.
        """
        cells = {}
        for source in table.grid.data:
            for backbone in table.grid.backbones:
                for seed in table.grid.seeds:
                    owners: dict[str, Row] = {}
                    for row in table.rows:
                        try:
                            job = _Chain(self, table, source, row, backbone, seed).score()
                        except SettingsError as error:
                            raise SettingsError(f"{table.path}: {error}") from None
                        # Two curves may cross where both have the usual value; other rows are there to differ.
                        other = owners.setdefault(job.digest, row)
                        if other is not row and other.varied == row.varied:
                            raise SettingsError(
                                f"{table.path}: {other.name!r} and {row.name!r} are the same model; their settings "
                                "differ in nothing that it reads"
                            )
                        cells[Cell(source.name, backbone, seed, row.name)] = job
        return cells

    def add(
        self,
        step: str,
        name: str,
        settings: Settings,
        options: Mapping[str, Any],
        decides: Any,
        parts: Mapping[str, Job] | None = None,
        **inputs: Job | None,
    ) -> Job:
        """The job of these inputs, options and settings: the one that is there already, or a new one.

        Args:
            step: which step.
            name: for people, and in the folder's name.
            settings: of the whole chain.
            options: arguments of the step.
            decides: that of settings and options on which the output depends.
            parts: name -> the job of a part of a mixture.
            inputs: argument of the step -> job.
        """
        parts = parts or {}
        read = {key: job.digest for key, job in inputs.items() if job}
        read |= {f"part {part}": job.digest for part, job in parts.items()}
        text = json.dumps([step, name, decides, read, __version__], sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()
        return self.jobs.setdefault(digest, Job(step, name, settings, options, inputs, parts, digest))

    def content(self, source: str) -> str:
        """What tells a source from others: the digest of a local one, else the address.

        Raises:
            SettingsError: there is no such file or folder.
        """
        if "://" in source:
            return source
        if source not in self._sources:
            path = Path(source)
            if not path.exists():
                raise SettingsError(
                    f"data: no {source}; --data-root or SOLID_REAL_DATA says where relative sources lie"
                )
            self._sources[source] = folder_digest(path) if path.is_dir() else file_md5(path)
        return self._sources[source]


class _Chain:
    """The jobs behind one model of a table."""

    def __init__(self, plan: Plan, table: Table, source: Source, row: Row, backbone: Backbone, seed: int) -> None:
        self.plan, self.table, self.source = plan, table, source
        self.row, self.backbone, self.seed = row, backbone, seed
        self.modality = row.modality
        address = source.source
        if "://" not in address:
            address = str(plan.data_root / Path(address).expanduser())
        settings = row.settings_of(backbone, seed)
        data = settings.data.model_copy(update={"source": address, "format": source.format, "order": source.order})
        # All modalities of the grid are checked against the data before anything trains.
        semantics = settings.semantics.model_copy(update={"modalities": table.grid.modalities})
        self.settings = settings.model_copy(update={"data": data, "semantics": semantics})
        self.calls = ModelPlan(self.settings, self.modality)

    def score(self) -> Job:
        """The job that scores the model."""
        evaluation = self.settings.evaluation.model_dump(mode="json", include={"full", "cutoffs", "batch_size"})
        inputs = {"prepared": self._prepared(), "model": self.model()}
        return self._add(steps.SCORE, inputs["model"].name, {}, evaluation, inputs)

    def model(self) -> Job:
        """The job that trains it."""
        return self._mix() if self.row.parts else self._job(self.calls.model(self.row.head, self.row.ids))

    def _prepared(self) -> Job:
        return self._job(self.calls.stage("prepare"))

    def _mix(self) -> Job:
        """The job that mixes other rows of the table, those of the same modality."""
        rows = [row for row in self.table.rows if row.model in self.row.parts]
        parts = {
            row.model: _Chain(self.plan, self.table, self.source, row, self.backbone, self.seed).model()
            for row in rows
            if row.modality in (None, self.modality)
        }
        name = f"{self.source.name} {self.backbone} {self.row.name} seed {self.seed}"
        options = {"head": self.row.head, "ids": self.row.ids}
        decides = [options, HEADS[self.row.head].decides(self.settings)]
        return self._add(steps.TRAIN, name, options, decides, {"prepared": self._prepared()}, parts)

    def _job(self, call: Call) -> Job:
        """The job of a call, and before it those of all that it reads."""
        stage, inputs = call.stage, {name: self._job(source) for name, source in call.inputs.items()}
        if stage.step is steps.TRAIN:
            return self._train(call, inputs)
        if stage.step is steps.INGEST:
            data = self.settings.data
            place = data.source if "://" in data.source else Path(data.source).name
            decides = [place, self.plan.content(data.source), data.format, data.order]
            return self._add(stage.step, self.source.name, {}, decides, {})
        # Keys on their own are what a grid has a place for, and they decide nothing of one job.
        sections = self.settings.model_dump(mode="json", exclude=_ON_THEIR_OWN)
        decides = [*call.options.values(), *(sections[place] for place in stage.settings if place in sections)]
        if model := inputs.get("model"):
            name = model.name
        elif stage.each:
            parts = [self.source.name, *([self.backbone] if "embeddings" in inputs else []), self.modality]
            name = f"{' '.join(map(str, parts))} seed {self.seed}"
        else:
            name = self.source.name
        return self._add(stage.step, name, call.options, decides if len(decides) > 1 else [*decides, None][0], inputs)

    def _train(self, call: Call, inputs: Mapping[str, Job]) -> Job:
        head, ids = call.options["head"], call.options["ids"]
        kind = HEADS[head]
        # What counts reads neither a backbone nor a seed, and is counted once.
        name = [self.source.name, *([self.backbone] if kind.by_gradients else []), head]
        name += [*([ids] if ids != "item" else []), *([str(self.modality)] if kind.reads_classes(ids) else [])]
        name += [f"seed {self.seed}"] if kind.by_gradients else []
        return self._add(steps.TRAIN, " ".join(name), call.options, [call.options, kind.decides(self.settings)], inputs)

    def _add(
        self,
        step: Step,
        name: str,
        options: Mapping[str, Any],
        decides: Any,
        inputs: Mapping[str, Job],
        parts: Mapping[str, Job] | None = None,
    ) -> Job:
        every = {folder.name: inputs.get(folder.name) for folder in step.inputs if not folder.many}
        return self.plan.add(step.name, name, self.settings, options, decides, parts, **every)
