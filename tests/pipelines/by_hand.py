"""The chain called step by step as dvc.yaml says, and where a pipeline run has the same files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from solid.settings.schema import Settings
from solid.storage.outputs import download_folder

ROOT = Path(__file__).resolve().parents[2]
IMAGE = "solid:dev"
SMALL = [
    "semantics.modalities=[id_text,image]",
    "model={dim: 8, attention_heads: 2, length: 5}",
    "training={epochs: 1, batch_size: 8192}",
    "apg={rank: 4, expansion: 6}",
    "fusion.generator=apg",
    "evaluation={bootstrap: 100, baselines: [static, finetune]}",
    "mixture={users: 100, shares: [0.2, 0.5]}",
]


@dataclass(frozen=True)
class Chain:
    """The chain's outputs, each step called by hand."""

    data: Path
    settings: Settings
    work: Path


def commands(stage: dict[str, Any], settings: Settings) -> Iterator[str]:
    """The command lines of a stage of dvc.yaml."""
    values = {f"{section}.{key}": value for section, keys in settings for key, value in keys}
    each = values[stage["foreach"].removeprefix("${").removesuffix("}")] if "foreach" in stage else [None]
    for item in each:
        command = str(stage.get("do", stage)["cmd"])
        for name, value in {**values, "item": item}.items():
            command = command.replace(f"${{{name}}}", str(value))
        yield command


def outputs(run: Path, chain: Chain) -> dict[Path, Path]:
    """Folder of a pipeline run -> folder of the chain's that it must equal."""
    theirs = chain.work / chain.settings.model.backbone
    pairs = {
        run / "ingest" / "raw": chain.work / "raw",
        run / "prepare" / "prepared": chain.work / "prepared",
        run / "features" / "vectors": chain.work / "features",
        run / "train-item" / "item_model": theirs / "item",
        run / "embed" / "embeddings": theirs / "embeddings",
        run / "train-mixture" / "mixture_model": theirs / "mixture",
        run / "evaluate" / "results": theirs / "evaluation",
    }
    for head in chain.settings.evaluation.baselines:
        pairs[run / f"train-{head}" / f"{head}_model"] = theirs / "baseline" / head
    for modality in chain.settings.semantics.modalities:
        task = modality.replace("_", "-")
        pairs[run / f"assign-{task}" / f"classes_{modality}"] = theirs / "semantics" / modality
        pairs[run / f"train-semantic-{task}" / f"semantic_{modality}_model"] = theirs / "semantic" / modality
        pairs[run / f"train-solid-{task}" / f"solid_{modality}_model"] = theirs / "solid" / modality
    return pairs


def files(folder: Path) -> dict[str, str]:
    """Relative path -> digest of every file."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): hashlib.md5(path.read_bytes()).hexdigest() for path in paths}


def check_same_files(run: Path, chain: Chain, address: str | None = None) -> None:
    """Compare a run with the chain; the run's artifacts lie in its folder, or at its address in S3."""
    pairs = outputs(run, chain)
    assert len(pairs) == 15
    for ours, theirs in pairs.items():
        assert files(theirs)
        made = download_folder(f"{address}/{ours.relative_to(run).as_posix()}") if address else ours
        assert files(made) == files(theirs), ours
