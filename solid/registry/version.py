"""What a version of the registry holds: the model to serve, and what a later retraining needs of it.

Beside entry.py and the package, which is one archive, these are the model folder, the table of its items, the settings
that made it, the profile of its data, and answers to some of its users: few files, for a server asks for a password at
each, and each by itself.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import zipfile
from collections.abc import Iterable
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import yaml

from solid.errors import UnavailableError
from solid.registry.answers import Answers
from solid.registry.catalogue import Catalogue
from solid.registry.profile import Profile
from solid.storage.local import file_md5

MODEL, ITEMS, PROFILE, SETTINGS_FILE = "model", "items.parquet", "profile", "params.yaml"
ANSWERS = "answers.json"
ARCHIVE = "solid.zip"  # entry.py knows it by this name
_PACKAGE = Path(__file__).parent.parent
# What serving.py and the modules it imports need, besides MLflow.
_REQUIREMENTS = ("numpy", "pandas", "pyarrow", "pydantic", "pyyaml", "safetensors", "scipy", "torch")
_MODEL_FILES = ("config.json", "model.safetensors")


def log_version(
    name: str,
    catalogue: Catalogue,
    model: Path,
    profile: Profile,
    answers: Answers,
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
        staged, items = Path(scratch, MODEL), Path(scratch, ITEMS)
        staged.mkdir()
        for file in _MODEL_FILES:
            shutil.copy(model / file, staged)
        catalogue.items.to_parquet(items, index=False)
        profile.save(Path(scratch, PROFILE))
        answers.save(Path(scratch, ANSWERS))
        made_with = Path(scratch, SETTINGS_FILE)
        made_with.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
        info = mlflow.pyfunc.log_model(
            name="recommender",
            python_model=str(_PACKAGE / "registry" / "entry.py"),
            artifacts={
                "model": str(staged),
                "items": str(items),
                "profile": str(Path(scratch, PROFILE)),
                "answers": str(Path(scratch, ANSWERS)),
                "settings": str(made_with),
            },
            code_paths=[str(_archive(Path(scratch)))],
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


def fetch_version(name: str, version: str, wanted: Iterable[str], scratch: Path) -> Path:
    """Download some of what a version holds into ``scratch``, as :func:`fetch` does; return the folder of it."""
    return fetch(f"models:/{name}/{version}", wanted, scratch)


def fetch(uri: str, wanted: Iterable[str], scratch: Path) -> Path:
    """Download some of what MLflow has at a model's address into ``scratch``; return the folder that it lies in.

    Args:
        uri: such as models:/solid@champion.
        wanted: of MODEL, ITEMS, SETTINGS_FILE, PROFILE, ANSWERS; of the last, what an older version does not have is
            left out.
        scratch: folder.

    Raises:
        UnavailableError: some of what every version holds is gone from MLflow's store, which is no answer to what it
            was.
    """
    import mlflow

    held = f"{uri}/artifacts"
    there = {Path(file.path).name for file in mlflow.artifacts.list_artifacts(held)}
    if gone := [part for part in (MODEL, ITEMS, PROFILE, SETTINGS_FILE) if part not in there]:
        raise UnavailableError(
            f"{uri}: registered, but {', '.join(gone)} of its files are gone from MLflow's store (mlflow gc, a "
            "lifecycle rule, a folder that was not kept); bring them back, or take the alias champion from this "
            "version on MLflow's page of it"
        )
    for part in there.intersection(wanted):
        mlflow.artifacts.download_artifacts(f"{held}/{part}", dst_path=str(scratch))
    return scratch / "artifacts"


def _archive(folder: Path) -> Path:
    """The package as one file that Python imports from; the same code gives the same bytes."""
    with zipfile.ZipFile(folder / ARCHIVE, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(path for path in _PACKAGE.rglob("*") if path.suffix in (".py", ".jinja")):
            member = zipfile.ZipInfo(path.relative_to(_PACKAGE.parent).as_posix())  # dated 1980
            archive.writestr(member, path.read_bytes(), zipfile.ZIP_DEFLATED)
    return folder / ARCHIVE


def digests(model: Path) -> list[str]:
    """Of the files that are the model: equal for equal models."""
    return [file_md5(model / file) for file in _MODEL_FILES]
