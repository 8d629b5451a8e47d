"""The compare command: read the grids, run what is missing, write the tables."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from solid.compare import table as tables
from solid.compare.grid import Table, read_table
from solid.compare.jobs import Cell, Job, Plan
from solid.compare.report import render
from solid.compare.results import lines_of
from solid.compare.runner import run_jobs
from solid.console import say
from solid.errors import FailedError, SettingsError
from solid.storage.local import whole_folder


def compare(
    grids: Sequence[Path], work: Path, out: Path, lanes: int, data_root: Path, overrides: tuple[str, ...] = ()
) -> str:
    """Train and score the models of the grids where that was not done before, and write a table of each grid.

    A folder with table.md, table.csv, seeds.csv and report.html is written to ``out``, or with several grids to
    ``out/<name of the grid's file>``.

    Args:
        grids: YAML files.
        work: folder that keeps the outputs of all jobs.
        out: folder to write.
        lanes: jobs at once.
        data_root: where relative data sources lie.
        overrides: ``section.key=value`` settings for all models.

    Returns:
        The tables in Markdown.

    Raises:
        SettingsError: a grid does not fit; nothing has run then.
        FailedError: a job failed; the tables are written from what is there.
    """
    names = [path.stem for path in grids]
    if twice := [name for name in names if names.count(name) > 1]:
        raise SettingsError(f"two grids are called {twice[0]}; their tables would replace each other")
    read = [read_table(path, overrides) for path in grids]
    plan = Plan(data_root)
    cells = [plan.cells(table) for table in read]
    os.environ.setdefault("SOLID_TRACKING", "off")  # hundreds of runs in MLflow are wanted only when asked for
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # the jobs share the cores, not their threads
    failures = run_jobs(plan.jobs, work, lanes)
    texts = []
    for table, jobs in zip(read, cells, strict=True):
        folder = out if len(read) == 1 else out / table.path.stem
        texts.append(f"{table.grid.title}\n\n{_write(table, jobs, work, folder)}")
        say(f"{folder}: table.md, table.csv, seeds.csv, report.html")
    if failures:
        told = [f"{plan.jobs[digest].step} {plan.jobs[digest].name}: {why}" for digest, why in failures.items()]
        raise FailedError(
            "\n".join(texts)
            + f"\n{len(failures)} of {len(plan.jobs)} jobs failed or were skipped (logs in {work / 'logs'}):\n  "
            + "\n  ".join(told)
        )
    return "\n".join(texts)


def _write(table: Table, cells: Mapping[Cell, Job], work: Path, out: Path) -> str:
    lines = lines_of(table, cells, work)
    text = tables.markdown(table, lines)
    report = render(table, lines, table.path.read_text(encoding="utf-8"))
    files = {
        "table.md": text,
        "table.csv": tables.csv(lines),
        "seeds.csv": tables.seeds_csv(lines),
        "report.html": report,
    }
    with whole_folder(out, holds="table.csv") as folder:
        for name, content in files.items():
            (folder / name).write_text(content, encoding="utf-8")
    return text
