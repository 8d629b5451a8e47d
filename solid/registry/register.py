"""The MLflow registry: the best model of every run becomes a version, the best version is champion.

Aliases: ``challenger`` is the newest version; ``champion`` moves to it when there is no champion, or when it beats the
champion on the test users at hand by the paired bootstrap; not where counting beats it, or its data failed the checks.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from solid.data.dataset import Dataset
from solid.errors import DataError, SolidError
from solid.evaluation.measure import measure
from solid.evaluation.trained import Trained
from solid.metrics.catalogue import metric
from solid.metrics.measured import UserMetrics
from solid.models.storage import load_model_of, named
from solid.registry.aliases import champion_version, interrupted_version, mark_done
from solid.registry.answers import Answers
from solid.registry.catalogue import Catalogue
from solid.registry.checks import examine_again
from solid.registry.counted import Counted
from solid.registry.made_with import settings_of
from solid.registry.profile import Profile
from solid.registry.promotion import Verdict, decide, require_better_than_counting, require_checks, view_of
from solid.registry.report import description, registration_markdown
from solid.registry.version import digests, log_version
from solid.settings.schema import Settings
from solid.storage.local import folder_digest, read_json, whole_folder, write_json
from solid.tracking import DatasetInfo, clear_errors, connect, lineage, track, tracking_is_on


def register(
    settings: Settings,
    prepared: Path,
    models: dict[str, Path],
    evaluation: Path | None,
    out: Path,
    checks: Path | None = None,
    *,
    registering: bool = True,
) -> str:
    """Register a trained model as a new version and decide whether it becomes champion.

    Of several models, whatever their heads, the best on validation is taken; the test users have no say in that.

    Args:
        settings: registry and evaluation are used; the sections that made the model go along with the version.
        prepared: the data the models were trained on; its test users decide about the champion.
        models: outputs of train by name.
        evaluation: output of evaluate; its files are logged with the run.
        out: receives registration.json and registration.md.
        checks: output of check; where the data did not pass, the champion stays.
        registering: whether somebody asked for it; if not, the outputs say so, and MLflow is not spoken to.

    Returns:
        What happened, in a sentence or two.

    Raises:
        DataError: a model is not the output of train, or the best one was trained on other data, or other data checked.
        SettingsError: the best one was trained with other settings than these.
        SolidError: tracking is off, or MLflow does not answer.
    """
    if not registering:
        return _nothing_asked(settings.registry.name, out)
    if not tracking_is_on():
        raise SolidError("SOLID_TRACKING=off: there is no registry without MLflow; unset it to register")
    dataset, models = Dataset.load(prepared), named(models)
    best = _best_on_validation(models)
    model = models[best]
    challenger = Catalogue(load_model_of(dataset, model), dataset.items[["item_id", "title", "category"]])
    config = challenger.model.config
    made_with = settings_of(model, config, settings)
    checked = read_json(checks / "checks.json") if checks else None
    if checked and checked["digest"] not in (dataset.stats["digest"], None):
        raise DataError(
            f"the data checks are of data {checked['digest']}, the model is of {dataset.stats['digest']}; run solid "
            "check again"
        )
    measured = measure(challenger.model, view_of(challenger, dataset), settings.evaluation)
    counted = Counted.best_of(evaluation, dataset, metric(settings.registry.metric)) if evaluation else None
    name, source = settings.registry.name, DatasetInfo.of(dataset.stats)
    with track(f"register {name}", config.model_dump(mode="json"), source) as run, clear_errors():
        assert run.id is not None
        client = connect()
        against = folder_digest(evaluation) if evaluation else None
        fingerprint = _fingerprint(digests(model), source.digest, settings, against, checked)
        interrupted = interrupted_version(client, name, fingerprint)
        before = (interrupted.tags["champion_before"] or None) if interrupted else champion_version(client, name)

        def weigh(champion: str | None, checked: dict[str, Any] | None) -> tuple[Verdict, dict[str, Any] | None]:
            """The verdict against a champion, and the checks of the data against the same one."""
            verdict = decide(name, champion, model, measured, dataset, settings)
            verdict = require_better_than_counting(verdict, measured, counted, settings)
            if checked is None:
                return verdict, None
            if champion is not None and checked["reference"]["version"] != champion:
                checked = examine_again(prepared, checked, name, champion)
            return require_checks(verdict, checked), checked

        verdict, checked = weigh(before, checked)
        if evaluation is not None:
            run.artifacts(evaluation, "evaluation")
        summary = _rounded(measured)
        tags = {
            "head": config.head,
            **config.about,
            "model": best,
            "data_digest": source.digest,
            **({"git_sha": "unknown"} | lineage()),
            "fingerprint": fingerprint,
            "champion_before": before or "",
        }
        example = challenger.items["item_id"].head(3).tolist()
        if interrupted:
            version = str(interrupted.version)
        else:
            answers = Answers.of(challenger, dataset)
            model_id, version = log_version(
                name, challenger, model, Profile.of(dataset), answers, made_with, example, tags, run.id
            )
            on_data = {"dataset_name": source.name, "dataset_digest": source.digest}
            for figure, value in summary.items():
                client.log_metric(run.id, f"test_{figure}", value, model_id=model_id, **on_data)
        client.set_registered_model_alias(name, "challenger", version)
        # The upload takes a while; one that became champion meanwhile is the one to beat. Nobody can ask and take in
        # one, so ask again after taking, until the answer is this version or a better one.
        while verdict.promote and (now := champion_version(client, name)) != version:
            if now == before:
                client.set_registered_model_alias(name, "champion", version)
            else:
                before = now
                verdict, checked = weigh(now, checked)
        given = ["challenger", "champion"] if verdict.promote else ["challenger"]
        after = version if verdict.promote else before
        registration = {
            "name": name,
            "version": version,
            "model": best,
            "aliases": given,
            "champion": {"before": before, "after": after},
            "reason": verdict.reason,
            "metric": settings.registry.metric,
            "comparison": asdict(verdict.comparison) if verdict.comparison else None,
            "counting": {"model": counted.name, **asdict(verdict.counting)} if counted and verdict.counting else None,
            "test": summary,
            "champion_test": _rounded(verdict.champion) if verdict.champion else None,
        }
        with whole_folder(out, holds="registration.json") as folder:
            write_json(folder / "registration.json", registration)
            (folder / "registration.md").write_text(registration_markdown(registration, checked), encoding="utf-8")
        run.artifacts(out, "registration")
        place = client.get_run(run.id).info.experiment_id
        text = description(registration, checked, evaluation, f"#/experiments/{place}/runs/{run.id}")
        client.update_model_version(name, version, text)
        mark_done(client, name, version)
    said = f"{name} version {version} ({best}) is registered as {' and '.join(given)}: {verdict.reason}.\n"
    if after is None:
        return f"{said}There is no champion."
    return f"{said}The champion is version {after}: mlflow.pyfunc.load_model('models:/{name}@champion')"


def _nothing_asked(name: str, out: Path) -> str:
    """Write that nobody asked for a registration."""
    reason = "nobody asked for it, registering is false"
    nothing: dict[str, Any] = {"name": name, "version": None, "aliases": [], "reason": reason}
    with whole_folder(out, holds="registration.json") as folder:
        write_json(folder / "registration.json", nothing)
        (folder / "registration.md").write_text(
            f"### {name}: Nothing is registered\n\nWhy: {reason}.\n", encoding="utf-8"
        )
    return f"Nothing is registered: {reason}."


def _best_on_validation(models: dict[str, Path]) -> str:
    """Name of the model with the highest value of the metric that picked all their epochs."""
    trained = {name: Trained.read_fair(folder) for name, folder in models.items()}
    picked_by = {found.metric.name: name for name, found in trained.items()}
    if len(picked_by) > 1:
        told = ", ".join(f"{name}: {found}" for found, name in picked_by.items())
        raise DataError(
            f"these models were picked by different metrics, so none is the best ({told}); train them alike"
        )
    return max(trained, key=lambda name: trained[name].best)


def _fingerprint(model: list[str], data: str, settings: Settings, evaluation: str | None, checked: Any) -> str:
    """Of everything that decides a registration."""
    sections = settings.model_dump(mode="json", include={"registry", "evaluation"})
    decides = json.dumps([model, data, sections, evaluation, checked], sort_keys=True)
    return hashlib.sha256(decides.encode()).hexdigest()


def _rounded(metrics: UserMetrics) -> dict[str, float]:
    """One number a metric. Logits differ in their last bits between runs; six digits of a mean do not."""
    return {metric: round(value, 6) for metric, value in metrics.summarise().items()}
