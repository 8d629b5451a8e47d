"""The MLflow registry: every trained model becomes a version, the best one is its champion.

Aliases: ``challenger`` is the newest version; ``champion`` moves to it when there is no champion, or when it beats the
champion on the test users at hand by the paired bootstrap and, where the data was checked, it passed.

A version carries what a later retraining needs of it: the settings that made it and the profile of its data.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import tempfile
from dataclasses import asdict
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import yaml

from solid.data.dataset import Dataset
from solid.errors import DataError, SolidError
from solid.evaluation.metrics import UserMetrics
from solid.models.recommender import ModelConfig
from solid.models.storage import load_model_of, validation_uauc
from solid.registry.catalogue import Catalogue
from solid.registry.profile import Profile
from solid.registry.promotion import Verdict, judge, measure, require_checks
from solid.registry.report import registration_markdown
from solid.settings.schema import Settings
from solid.storage.local import file_md5, read_json, whole_folder, write_json
from solid.tracking import DatasetInfo, clear_errors, connect, lineage, track, tracking_is_on

_PACKAGE = Path(__file__).parent.parent
# What serving.py and the modules it imports need, besides MLflow.
_REQUIREMENTS = ("numpy", "pandas", "pyarrow", "pydantic", "pyyaml", "safetensors", "torch")
_MODEL_FILES = ("config.json", "model.safetensors")
SETTINGS_FILE = "params.yaml"
_DONE = "registration_done"  # the tag of a version whose registration came to its end


def register(
    settings: Settings,
    prepared: Path,
    models: dict[str, Path],
    evaluation: Path | None,
    out: Path,
    checks: Path | None = None,
) -> str:
    """Register a trained model as a new version and decide whether it becomes champion.

    Of several models the one with the best validation UAUC is taken; the test users have no say in that.

    Args:
        settings: registry (name, metric, confidence) and evaluation (batch size, bootstrap) are used.
        prepared: the data the models were trained on; its test users decide about the champion.
        models: outputs of train by name.
        evaluation: output of evaluate; its files are logged with the run.
        out: receives registration.json and registration.md.
        checks: output of check; where the data did not pass, the champion stays.

    Returns:
        What happened, in a sentence or two.

    Raises:
        DataError: a model is not the output of train, or the best one was trained on other data, or other data checked.
        SolidError: tracking is off, or MLflow does not answer.
    """
    if not tracking_is_on():
        raise SolidError("SOLID_TRACKING=off: there is no registry without MLflow; unset it to register")
    dataset = Dataset.load(prepared)
    best = max(models, key=lambda key: validation_uauc(models[key]))
    model = models[best]
    challenger = Catalogue(load_model_of(dataset, model), dataset.items[["item_id", "title"]])
    config = challenger.model.config
    checked = read_json(checks / "checks.json") if checks else None
    measured = measure(challenger, dataset, settings.evaluation.batch_size)
    name, source = settings.registry.name, DatasetInfo.of(dataset.stats)
    with track(f"register {name}", config.model_dump(mode="json"), source) as run, clear_errors():
        assert run.id is not None
        client = connect()
        fingerprint = _fingerprint(model, source.digest, settings, checked)
        interrupted = _interrupted(client, name, fingerprint)
        before = (interrupted.tags["champion_before"] or None) if interrupted else champion_version(client, name)
        verdict = _verdict(name, before, model, measured, dataset, settings)
        if checked:
            verdict = require_checks(verdict, checked, source.digest, before)
        if evaluation is not None:
            run.artifacts(evaluation, "evaluation")
        summary = _rounded(measured)
        tags = {
            "backbone": config.model.backbone,
            "head": config.head,
            "modality": config.modality or "none",
            "model": best,
            "data_digest": source.digest,
            **({"git_sha": "unknown"} | lineage()),
            "fingerprint": fingerprint,
            "champion_before": before or "",
            **{f"test_{metric}": f"{value:.6f}" for metric, value in summary.items()},
        }
        example = challenger.items["item_id"].head(3).tolist()
        if interrupted:
            version = str(interrupted.version)
        else:
            kept = _settings_of(config, settings)
            model_id, version = _log(name, challenger, model, Profile.of(dataset), kept, example, tags, run.id)
            on_data = {"dataset_name": source.name, "dataset_digest": source.digest}
            for metric, value in summary.items():
                client.log_metric(run.id, f"test_{metric}", value, model_id=model_id, **on_data)
        # The upload takes a while; a champion that came meanwhile was not measured against.
        if verdict.promote and (now := champion_version(client, name)) not in (before, version):
            verdict = Verdict(
                False, f"version {now} became champion while this one was being registered; register again"
            )
            before = now
        given = ["challenger", "champion"] if verdict.promote else ["challenger"]
        for alias in given:
            client.set_registered_model_alias(name, alias, version)
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
            "test": summary,
            "champion_test": _rounded(verdict.champion) if verdict.champion else None,
        }
        with whole_folder(out, holds="registration.json") as folder:
            write_json(folder / "registration.json", registration)
            (folder / "registration.md").write_text(registration_markdown(registration, checked), encoding="utf-8")
        run.artifacts(out, "registration")
        client.set_model_version_tag(name, version, _DONE, "yes")
    said = f"{name} version {version} ({best}) is registered as {' and '.join(given)}: {verdict.reason}.\n"
    if after is None:
        return f"{said}There is no champion."
    return f"{said}The champion is version {after}: mlflow.pyfunc.load_model('models:/{name}@champion')"


def recommend(model_uri: str, history: list[str], k: int) -> str:
    """Recommend with a registered model, as a table for people.

    Args:
        model_uri: such as ``models:/solid@champion``.
        history: original item ids, oldest first.
        k: how many items.

    Raises:
        SolidError: there is no such model, or k is not positive.
    """
    with clear_errors():
        connect()
        import mlflow

        served = mlflow.pyfunc.load_model(model_uri)
        answer = served.predict([history], params={"k": k})[0]
    width = max([len("item"), *map(len, answer["items"])])
    lines = [f"{'rank':>4}  {'item':{width}}  {'score':>8}  title"]
    rows = zip(answer["items"], answer["scores"], answer["titles"], strict=True)
    lines += [f"{rank:4}  {item:{width}}  {score:8.3f}  {title}" for rank, (item, score, title) in enumerate(rows, 1)]
    if answer["unknown"]:
        lines.append(f"ignored, unknown to the model: {', '.join(answer['unknown'])}")
    return "\n".join(line.rstrip() for line in lines)


def _verdict(
    name: str, before: str | None, model: Path, measured: UserMetrics, dataset: Dataset, settings: Settings
) -> Verdict:
    """Compare a model with the champion, version ``before``, as the registry holds it."""
    if before is None:
        return Verdict(True, "there was no champion")
    import mlflow

    with tempfile.TemporaryDirectory() as scratch:
        files = mlflow.artifacts.download_artifacts(f"models:/{name}/{before}", dst_path=scratch)
        kept = Path(files, "artifacts")
        if all(file_md5(model / file) == file_md5(kept / "model" / file) for file in _MODEL_FILES):
            return Verdict(False, f"it equals the champion, version {before}, byte for byte")
        try:
            champion = Catalogue.load(kept / "model", kept / "items.parquet")
        except DataError as error:
            return Verdict(False, f"the champion, version {before}, cannot be compared ({error}); choose by hand")
        return judge(measured, measure(champion, dataset, settings.evaluation.batch_size), before, settings)


def _fingerprint(model: Path, digest: str, settings: Settings, checked: dict[str, Any] | None) -> str:
    """Of everything that decides a registration."""
    files = [file_md5(model / file) for file in _MODEL_FILES]
    decides = [settings.registry.model_dump(mode="json"), settings.evaluation.model_dump(mode="json")]
    return hashlib.sha256(json.dumps([files, digest, decides, checked], sort_keys=True).encode()).hexdigest()


def _interrupted(client: Any, name: str, fingerprint: str) -> Any:
    """The newest version, if an interrupted registration of the same fingerprint left it; the next try goes on with it.

    One that was overtaken stays as it is: its verdict is about a champion that may be champion no more.
    """
    versions = client.search_model_versions(f"name='{name}'")
    newest = max(versions, key=lambda version: int(version.version), default=None)
    if newest is None or _DONE in newest.tags or newest.tags.get("fingerprint") != fingerprint:
        return None
    return newest


def champion_version(client: Any, name: str) -> str | None:
    """The version that has the alias, if there is one."""
    from mlflow.exceptions import MlflowException

    try:
        aliases: dict[str, Any] = client.get_registered_model(name).aliases
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None
    return str(aliases["champion"]) if "champion" in aliases else None


def _rounded(metrics: UserMetrics) -> dict[str, float]:
    """One number a metric. Logits differ in their last bits between runs; six digits of a mean do not."""
    return {metric: round(value, 6) for metric, value in metrics.summarise().items()}


def _settings_of(config: ModelConfig, settings: Settings) -> dict[str, Any]:
    """The settings that made a model, as params.yaml holds them: its own word on itself comes first."""
    made = settings.model_dump(mode="json") | {"model": config.model.model_dump(mode="json")}
    if config.fusion:
        made["fusion"] = config.fusion.model_dump(mode="json")
    if config.modality:
        made["semantics"]["modalities"] = [config.modality]
    return made


def _log(
    name: str,
    catalogue: Catalogue,
    model: Path,
    profile: Profile,
    settings: dict[str, Any],
    example: list[str],
    tags: dict[str, str],
    run_id: str,
) -> tuple[str, str]:
    """Log a model with all that goes along as a new version of ``name``; return its model id and version."""
    import mlflow

    # Answers hold lists of texts and lists of numbers, which MLflow's signature cannot tell apart and warns about.
    logging.getLogger("mlflow.types.type_hints").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as scratch, mlflow.start_run(run_id=run_id):
        staged, items = Path(scratch, "model"), Path(scratch, "items.parquet")
        staged.mkdir()
        for file in _MODEL_FILES:
            shutil.copy(model / file, staged)
        catalogue.items.to_parquet(items, index=False)
        profile.save(Path(scratch, "profile"))
        made_with = Path(scratch, SETTINGS_FILE)
        made_with.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
        info = mlflow.pyfunc.log_model(
            name="recommender",
            python_model=str(_PACKAGE / "registry" / "serving.py"),
            artifacts={
                "model": str(staged),
                "items": str(items),
                "profile": str(Path(scratch, "profile")),
                "settings": str(made_with),
            },
            code_paths=[str(_PACKAGE)],
            # Without the local part, such as +cpu, which no package index knows.
            pip_requirements=[
                f"mlflow=={mlflow.__version__}",
                *(f"{package}=={installed(package).partition('+')[0]}" for package in _REQUIREMENTS),
            ],
            input_example=([example], {"k": 10, "exclude_seen": True}),
            registered_model_name=name,
            tags=tags,
        )
    return str(info.model_id), str(info.registered_model_version)
