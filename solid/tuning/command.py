"""The tune command: the same number of trials for every head, judged on validation; what won as files of settings."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from optuna.distributions import BaseDistribution

from solid import __version__
from solid.console import say
from solid.data.dataset import Dataset
from solid.errors import DataError, FailedError, SettingsError, SolidError
from solid.evaluation.trained import Trained
from solid.kinds import HEADS, TRUNK
from solid.settings.fields import Head
from solid.settings.schema import Settings
from solid.storage.local import folder_digest, whole_folder
from solid.tracking import DatasetInfo, track
from solid.training.step import train
from solid.tuning.page import render
from solid.tuning.space import Values, own_values, read_space, space_of, with_values
from solid.tuning.trials import Trial, Trials


@dataclass(frozen=True)
class Search:
    """What is searched for every head.

    Attributes:
        prepared: output of prepare.
        features: output of features, if any.
        semantics: output of assign, for heads that read classes.
        settings: where it begins, and what it leaves alone.
        space: a distribution for each section.key.
        trials: of each head.
        work: folder that keeps the trials.
    """

    prepared: Path
    features: Path | None
    semantics: Path | None
    settings: Settings
    space: Mapping[str, BaseDistribution]
    trials: int
    work: Path


def tune(
    prepared: Path,
    features: Path | None,
    semantics: Path | None,
    heads: Sequence[Head],
    space: Path,
    trials: int,
    work: Path,
    out: Path,
    settings: Settings,
) -> str:
    """Search settings for each head on the validation events, with as many trials for one as for another.

    The first trial is the settings as they are, so that nothing found is worse. ``work`` keeps every trial and the best
    model of each head; an interrupted search goes on there, in the middle of a training, too. ``out`` gets trials.csv,
    report.html and, of each head, HEAD.yaml with the settings that won, as ``--params`` takes them.

    Returns:
        A table in Markdown.

    Raises:
        SettingsError: the space does not fit, a head cannot be tuned, or epochs are picked on test users.
        DataError: an input is missing, or ``work`` holds another search.
        SolidError: every trial of a head failed.
    """
    for head in heads:
        if HEADS[head].by == "mixing":
            raise SettingsError(f"--head {head}: its shares are picked on validation when it is made; tune its parts")
        if HEADS[head].reads_classes(HEADS[head].default_ids(settings)) and semantics is None:
            raise SettingsError(f"--head {head} reads classes: name the output of assign with --semantics")
    if settings.training.selection == "test":
        raise SettingsError(
            "training.selection is test: settings picked on the test users would say nothing; use valid"
        )
    search = Search(prepared, features, semantics, settings, read_space(space, settings), trials, work)
    found = {head: _search(search, head) for head in heads}
    metric = f"valid_{settings.training.metric}"
    with whole_folder(out, holds="trials.csv") as folder:
        (folder / "trials.csv").write_text(_csv(found, metric), encoding="utf-8")
        (folder / "report.html").write_text(render(found, metric), encoding="utf-8")
        for head, trials_of in found.items():
            best = with_values(settings, trials_of.done[_best(head, trials_of)].values)
            text = yaml.safe_dump(best.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
            (folder / f"{head}.yaml").write_text(text, encoding="utf-8")
    say(f"{out}: trials.csv, report.html, {', '.join(f'{head}.yaml' for head in heads)}; best models in {work}")
    return _table(found, metric)


def _search(search: Search, head: Head) -> Trials:
    """Try until there are enough trials; a head with nothing to try is trained once."""
    space = space_of(head, search.space, search.settings)
    folder = search.work / head
    folder.mkdir(parents=True, exist_ok=True)
    trials = Trials.load(folder / "trials.json", _fingerprint(search, head, space))
    first = own_values(search.settings, space)
    wanted = search.trials if space else 1
    parameters = {"head": head, "trials": wanted, "space": {key: str(values) for key, values in space.items()}}
    dataset = DatasetInfo.of(Dataset.load(search.prepared).stats)
    with track(f"tune {head}", parameters, dataset, trials.run_id) as run:
        trials.run_id = run.id
        while len(trials.done) < wanted:
            number = len(trials.done) + 1
            values = trials.propose(space, search.settings.training.seed, first)
            here = folder / f"trial-{number}"  # what a trial that was stopped has left is of this number alone
            trial = _try(search, head, values, here)
            if trials.is_better(trial):  # kept before it is counted: whoever is stopped in between does it again
                shutil.rmtree(folder / "best", ignore_errors=True)
                here.replace(folder / "best")
            trials.add(trial)
            shutil.rmtree(here, ignore_errors=True)
            if trial.score is not None:
                run.epoch(number, {f"valid_{search.settings.training.metric}": trial.score})
            told = trial.why or f"{trial.score:.4f}{' *' if trials.best == number - 1 else ''}"
            say(f"{head} {number} of {wanted}: {told}  {_told(values)}")
    return trials


def _try(search: Search, head: Head, values: Values, folder: Path) -> Trial:
    """Train one model, and before it the one that it starts from, where it does; folder/model is what comes out."""
    try:
        settings = with_values(search.settings, values)
        kind = HEADS[head]
        classes = search.semantics if kind.reads_classes(kind.default_ids(settings)) else None
        starts_from = kind.starts_from(kind.default_ids(settings), settings)
        start = folder / starts_from if starts_from else None
        if start and not start.is_dir():
            if starts_from == "trunk":
                train(search.prepared, start, TRUNK, "item", None, None, settings, search.features)
            else:
                generator: Head = settings.fusion.generator
                train(search.prepared, start, generator, "semantic", classes, None, settings)
        model = folder / "model"
        if not model.is_dir():
            semantic_model, trunk = (start if starts_from == name else None for name in ("semantic_model", "trunk"))
            train(search.prepared, model, head, None, classes, semantic_model, settings, search.features, trunk=trunk)
        return Trial(values, Trained.read(model).best)
    except DataError:
        raise  # an input is wrong, for every trial
    except SolidError as error:
        return Trial(values, None, str(error).splitlines()[0])


def _fingerprint(search: Search, head: Head, space: Mapping[str, BaseDistribution]) -> str:
    folders = (search.prepared, search.features, search.semantics)
    told = [
        __version__, head, HEADS[head].decides(search.settings), {key: str(values) for key, values in space.items()},
        [folder_digest(folder) for folder in folders if folder],
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _best(head: str, trials: Trials) -> int:
    if trials.best is None:
        raise FailedError(f"{head}: every trial failed; the last said: {trials.done[-1].why}")
    return trials.best


def _told(values: Values) -> str:
    return ", ".join(
        f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}" for key, value in values.items()
    )


def _csv(found: Mapping[Head, Trials], metric: str) -> str:
    keys = list(dict.fromkeys(key for trials in found.values() for trial in trials.done for key in trial.values))
    text = io.StringIO()
    writer = csv.DictWriter(text, ["head", "trial", metric, "why", *keys], lineterminator="\n")
    writer.writeheader()
    for head, trials in found.items():
        for number, trial in enumerate(trials.done, 1):
            writer.writerow({"head": head, "trial": number, metric: trial.score, "why": trial.why, **trial.values})
    return text.getvalue()


def _table(found: Mapping[Head, Trials], metric: str) -> str:
    """The heads, the best first: as the settings were, and what the search found."""
    rows = []
    for head, trials in found.items():
        best = trials.done[_best(head, trials)]
        start = trials.done[0].score
        assert best.score is not None
        as_it_was = "failed" if start is None else f"{start:.4f}"
        rows.append(
            (-best.score, f"| {head} | {len(trials.done)} | {as_it_was} | {best.score:.4f} | {_told(best.values)} |")
        )
    head_row = f"| head | trials | {metric} as set | best | with |\n|---|---:|---:|---:|---|"
    return "\n".join([head_row, *(row for _, row in sorted(rows))])
