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
from typing import Any, Literal

from solid import __version__
from solid.compare.grid import Row, Source, Table
from solid.errors import SettingsError
from solid.kinds import HEADS, Ids
from solid.settings.schema import Backbone, Settings
from solid.storage.local import file_md5, folder_digest

Step = Literal["ingest", "prepare", "features", "train", "embed", "assign", "score"]


@dataclass(frozen=True)
class Job:
    """One call of a step.

    Attributes:
        step: which.
        name: for people.
        settings: of the whole chain.
        options: arguments of the step that are neither settings nor folders.
        inputs: argument of the step -> the job that writes it; None where the step does without.
        digest: of all that decides the output.
    """

    step: Step
    name: str
    settings: Settings
    options: Mapping[str, Any]
    inputs: Mapping[str, Job | None]
    digest: str

    @property
    def folder(self) -> Path:
        """Of its output, below the work folder."""
        return Path(self.step) / f"{re.sub(r'[^A-Za-z0-9_.]+', '-', self.name)}-{self.digest[:12]}"

    @property
    def needs(self) -> list[Job]:
        """The jobs that must be done before."""
        return [job for job in self.inputs.values() if job]


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
        self, step: Step, name: str, settings: Settings, options: Mapping[str, Any], decides: Any, **inputs: Job | None
    ) -> Job:
        """The job of these inputs, options and settings: the one that is there already, or a new one.

        Args:
            step: which step.
            name: for people, and in the folder's name.
            settings: of the whole chain.
            options: arguments of the step.
            decides: that of settings and options on which the output depends.
            inputs: argument of the step -> job.
        """
        read = {key: job.digest for key, job in inputs.items() if job}
        text = json.dumps([step, name, decides, read, __version__], sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()
        return self.jobs.setdefault(digest, Job(step, name, settings, options, inputs, digest))

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
    """The steps behind one model of a table."""

    def __init__(self, plan: Plan, table: Table, source: Source, row: Row, backbone: Backbone, seed: int) -> None:
        self.plan, self.source, self.row, self.backbone, self.seed = plan, source, row, backbone, seed
        self.modalities = table.grid.modalities
        address = source.source
        if "://" not in address:
            address = str(plan.data_root / Path(address).expanduser())
        settings = row.settings_of(backbone, seed)
        data = settings.data.model_copy(update={"source": address, "format": source.format})
        self.settings = settings.model_copy(update={"data": data})

    def score(self) -> Job:
        row, evaluation = self.row, self.settings.evaluation
        start = None
        if HEADS[row.head].starts_from_semantic_model(self.settings):
            start = self.train(self.settings.fusion.generator, "semantic", row.modality)
        model = self.train(row.head, row.ids, row.modality, start)
        decides = evaluation.model_dump(mode="json", include={"full", "batch_size"})
        return self._add("score", model.name, {}, decides, prepared=self.prepared(), model=model)

    def train(self, head: str, ids: Ids, modality: str | None, semantic_model: Job | None = None) -> Job:
        options = {"head": head, "ids": ids}
        name = [
            self.source.name,
            self.backbone,
            head,
            *([ids] if ids != "item" else []),
            *([modality] if modality else []),
        ]
        return self._add(
            "train", f"{' '.join(name)} seed {self.seed}", options, [options, HEADS[head].decides(self.settings)],
            prepared=self.prepared(), semantics=self.assign(modality) if modality else None,
            semantic_model=semantic_model,
            features=self.features() if HEADS[head].reads_features(ids, self.settings) else None,
        )  # fmt: skip

    def assign(self, modality: str) -> Job:
        parts = modality.split("_")
        embeddings = self.embed() if "id" in parts else None
        features = self.features() if {"text", "image"} & set(parts) else None
        name = [self.source.name, *([self.backbone] if embeddings else []), modality, f"seed {self.seed}"]
        semantics = self.settings.semantics.model_dump(mode="json", include={"classes", "seed"})
        return self._add(
            "assign", " ".join(name), {"modality": modality}, [modality, semantics],
            prepared=self.prepared(), features=features, embeddings=embeddings,
        )  # fmt: skip

    def embed(self) -> Job:
        model = self.train(self.settings.fusion.generator, "item", None)
        return self._add("embed", model.name, {}, None, prepared=self.prepared(), model=model)

    def features(self) -> Job:
        # The modalities are checked against the data before anything trains; they decide no vector.
        decides = self.settings.features.model_dump(mode="json")
        options = {"modalities": self.modalities}
        return self._add("features", self.source.name, options, decides, raw=self.ingest(), prepared=self.prepared())

    def prepared(self) -> Job:
        return self._add(
            "prepare", self.source.name, {}, self.settings.prepare.model_dump(mode="json"), raw=self.ingest()
        )

    def ingest(self) -> Job:
        data = self.settings.data
        place = data.source if "://" in data.source else Path(data.source).name
        return self._add("ingest", self.source.name, {}, [place, self.plan.content(data.source), data.format])

    def _add(self, step: Step, name: str, options: Mapping[str, Any], decides: Any, **inputs: Job | None) -> Job:
        return self.plan.add(step, name, self.settings, options, decides, **inputs)
