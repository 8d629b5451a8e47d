"""The lines of a table: what was scored for each row and backbone, and how it compares with the baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from solid.compare.grid import Row, Table
from solid.compare.jobs import Cell, Job
from solid.compare.statistics import Difference, holm, paired_difference
from solid.errors import DataError
from solid.evaluation.score import Score
from solid.metrics.catalogue import COMPARED, MAIN, main_of, metric
from solid.settings.fields import Backbone


@dataclass(frozen=True)
class Gain:
    """A difference to the baseline, and its p-value corrected for all comparisons of the table."""

    difference: Difference
    corrected: float


@dataclass(frozen=True)
class Line:
    """A row of the table for one data set and backbone.

    Attributes:
        data: name of the data set.
        backbone: of the models.
        row: of the grid.
        wanted: seeds of the grid.
        scores: by seed; those that are there.
        gains: by metric, against the baseline; none for the baseline itself or without common seeds.
    """

    data: str
    backbone: Backbone
    row: Row
    wanted: int
    scores: Mapping[int, Score]
    gains: Mapping[str, Gain] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every seed is there."""
        return len(self.scores) == self.wanted

    @property
    def metrics(self) -> list[str]:
        """Names of the numbers in the summaries."""
        return list(next(iter(self.scores.values())).summary) if self.scores else []

    def over_seeds(self, metric: str) -> NDArray[np.float64]:
        """The metric [S] for each seed."""
        return np.array([score.summary[metric] for score in self.scores.values()], np.float64)

    def mean(self, metric: str) -> float:
        """Over the seeds that are there."""
        return float(self.over_seeds(metric).mean())

    def deviation(self, metric: str) -> float:
        """Standard deviation over seeds, with n - 1; NaN for one seed."""
        values = self.over_seeds(metric)
        return float(values.std(ddof=1)) if len(values) > 1 else float("nan")


def lines_of(table: Table, cells: Mapping[Cell, Job], work: Path) -> list[Line]:
    """Read the scores that are there, and compare every row with the baseline of the same data, backbone and seeds.

    Raises:
        DataError: a file is broken, or models were scored on different users.
    """
    lines = []
    for source in table.grid.data:
        for backbone in table.grid.backbones:
            scored = {}
            for row in table.rows:
                jobs = {seed: cells[Cell(source.name, backbone, seed, row.name)] for seed in table.grid.seeds}
                folders = {seed: work / job.folder for seed, job in jobs.items()}
                scored[row.name] = {seed: Score.read(folder) for seed, folder in folders.items() if folder.is_dir()}
            baseline = scored[table.baseline.name]
            for row in table.rows:
                scores = scored[row.name]
                line = Line(source.name, backbone, row, len(table.grid.seeds), scores)
                if row is not table.baseline:
                    line = replace(line, gains=_gains(scores, baseline))
                lines.append(line)
    return _corrected(lines)


def main_figure(lines: Sequence[Line]) -> str:
    """The metric that figures show: the main one, or what stands in for it where all items were not ranked."""
    compared = {name for line in lines for name in line.gains}
    return main_of(compared) if compared else MAIN


def _gains(scores: Mapping[int, Score], baseline: Mapping[int, Score]) -> dict[str, Gain]:
    """Uncorrected gains over the seeds that both have."""
    seeds = [seed for seed in scores if seed in baseline]
    if not seeds:
        return {}
    users = baseline[seeds[0]].per_user["user_id"]
    for score in [*(scores[seed] for seed in seeds), *(baseline[seed] for seed in seeds)]:
        if not score.per_user["user_id"].equals(users):
            raise DataError("models were scored on different users; remove the score folders and run again")
    gains = {}
    for name in COMPARED:
        column = str(metric(name).column)
        if column in baseline[seeds[0]].per_user:
            difference = paired_difference(_by_user(scores, seeds, column), _by_user(baseline, seeds, column))
            gains[name] = Gain(difference, difference.p)
    return gains


def _by_user(scores: Mapping[int, Score], seeds: Sequence[int], column: str) -> NDArray[np.float64]:
    """Values [U, S]."""
    return np.column_stack([scores[seed].per_user[column].to_numpy(np.float64) for seed in seeds])


def _corrected(lines: Sequence[Line]) -> list[Line]:
    corrected = list(lines)
    for name in COMPARED:  # each is a family of comparisons of its own
        family = [index for index, line in enumerate(corrected) if name in line.gains]
        for index, p in zip(family, holm([corrected[i].gains[name].difference.p for i in family]), strict=True):
            gains = corrected[index].gains
            gain = replace(gains[name], corrected=p)
            corrected[index] = replace(corrected[index], gains={**gains, name: gain})
    return corrected
