"""Commands that train many models: comparisons over seeds, and searches of settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from solid.cli.options import require, settings_options
from solid.kinds import HEADS
from solid.storage.places import FILE, FOLDER, INPUT, PlacesCommand

if TYPE_CHECKING:
    from solid.settings.fields import Head


@click.command(cls=PlacesCommand)
@click.argument("grids", nargs=-1, required=True, type=click.Path(dir_okay=False, exists=True, path_type=Path))
@click.option("--work", type=FOLDER, required=True, help="Folder that keeps what was trained; a second call goes on.")
@click.option("--out", type=FOLDER, required=True, help="Folder for tables and report; of several grids, one for each.")
@click.option("--jobs", type=click.IntRange(min=1), help="How many jobs at once.  [default: the number of cores]")
@click.option("--data-root", type=FOLDER, envvar="SOLID_REAL_DATA", default=".", show_default=True,
              help="Where relative data sources lie; SOLID_REAL_DATA says it, too.")  # fmt: skip
@click.option("--set", "overrides", multiple=True, metavar="SECTION.KEY=VALUE",
              help="Override one setting of all models; may be repeated.")  # fmt: skip
def compare(
    grids: tuple[Path, ...], work: Path, out: Path, jobs: int | None, data_root: Path, overrides: tuple[str, ...]
) -> None:
    """Train and compare the models of GRIDS over seeds, and write a table of each.

    A grid is a YAML file with all that its table depends on; params.yaml is not read:

    \b
      title: SOLID against DUET
      data: {name: scientific, source: amazon_scientific_mm_subset, format: unisrec}
      settings: {training: {epochs: 50}}       # for all models; sections as in params.yaml
      seeds: [0, 1, 2]
      backbones: [sasrec, gru4rec]
      modalities: [id_text_image]              # or all; what classes are made from
      models:                                  # rows of the table, the first is the baseline
        static: {head: static}
        static with classes: {head: static, ids: both}
        SOLID: {head: solid}
        SOLID as published: {head: solid, settings: {fusion: {ids: item, bound: clip}}}
        lambda: {head: solid, vary: {fusion.alignment: [1, 0.1, 0.01]}}     # a row for each
        transitions: {head: transitions}
        SOLID and transitions: {head: mixture, parts: [SOLID, transitions]}

    What is done is kept in --work and shared between models and grids. Ctrl-C stops; the same command goes on, in the
    middle of a training, too. A job that fails stops only what depends on it. Nothing is tracked in MLflow unless
    SOLID_TRACKING=on.
    """  # noqa: D301  the backspace tells click to keep the lines
    import os

    from solid.compare.command import compare as run

    lanes = jobs or len(os.sched_getaffinity(0))
    click.echo(run(grids, work, out, lanes, data_root, overrides))


@click.command(cls=PlacesCommand)
@click.option("--prepared", type=INPUT, required=True, help="Output of prepare.")
@click.option("--features", type=INPUT, help="Output of features.")
@click.option("--semantics", type=INPUT, help="Output of assign, for heads that read classes.")
@click.option("--head", "heads", type=click.Choice(list(HEADS)), multiple=True, required=True,
              help="Whose settings to search; may be repeated.")  # fmt: skip
@click.option("--space", type=FILE, help="YAML file of what to try.  [default: solid/tuning/space.yaml]")
@click.option("--trials", type=click.IntRange(min=1), default=20, show_default=True, help="Models to train a head.")
@click.option("--work", type=FOLDER, required=True, help="Folder that keeps the trials; a second call goes on.")
@click.option("--out", type=FOLDER, required=True, help="Folder to write: trials.csv, report.html, HEAD.yaml.")
@settings_options
def tune(
    heads: tuple[Head, ...], space: Path | None, params: Path | None, overrides: tuple[str, ...], **given: Any
) -> None:
    """Search settings on validation, with the same number of trials for every head.

    \b
      solid tune --prepared work/prepared --features work/features --semantics work/sasrec/semantics/auto \\
        --head static --head solid --head transitions --trials 20 --work tuning --out tuned

    The space is a YAML file of values or ranges:

    \b
      training.learning_rate: {from: 0.0003, to: 0.003, log: true}
      model.dim: [32, 64, 128]

    The first trial is the settings as they are; the next are proposed by Optuna from those before. A head that counts
    searches its own lists, in one trial. Ctrl-C stops; the same command goes on, in the middle of a training, too, and
    comes to the same. Every training is a run in MLflow, and the search of a head is one.
    """  # noqa: D301  the backspace tells click to keep the lines
    from solid.settings.loading import load_settings

    require("solid tune", "tune", "optuna")
    from solid.tuning.command import tune as run
    from solid.tuning.space import DEFAULT

    click.echo(run(heads=heads, space=space or DEFAULT, settings=load_settings(params, overrides), **given))
