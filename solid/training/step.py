"""The train step: check what is asked for, read the inputs, leave the rest to the head's own way to train."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from solid.console import say
from solid.data.dataset import Dataset, read_classes
from solid.errors import DataError, SettingsError
from solid.kinds import HEADS, HeadKind, Ids, has_trunk
from solid.semantics.vectors import centred_rows, read_vectors, unit_rows
from solid.settings.fields import Head, VectorKind
from solid.settings.schema import ModelSettings, Settings
from solid.storage.local import folder_digest, read_json, whole_folder, write_json
from solid.training.inputs import Inputs


def train(
    prepared: Path,
    out: Path,
    head: Head,
    ids: Ids | None,
    semantics: Path | None,
    semantic_model: Path | None,
    settings: Settings,
    features: Path | None = None,
    parts: dict[str, Path] | None = None,
    trunk: Path | None = None,
    start_of: Head | None = None,
) -> None:
    """Train one model and write its folder: model.safetensors, config.json, history.csv, training.json.

    Called again after an interruption, with the same settings and inputs, it ends with the same files as without one.

    Args:
        prepared: output of prepare.
        out: folder to write.
        head: kind of model.
        ids: what history and target embeddings are: of the item, of its class, or the sum of both; None: as the
            head has them unless somebody says.
        semantics: output of assign; needed where classes are read.
        semantic_model: trained duet or apg on classes from which solid and its codebook start; without it they start
            afresh. With a trunk it is not read.
        settings: of the whole chain; what belongs to the head is used.
        features: output of features, whose vectors may be part of what an item is (``model.vectors``), or say which
            items are alike.
        parts: name -> trained model, for the head that mixes them.
        trunk: trained static model that this one starts as; only what it adds is trained. Not read where the settings
            say that there is none (``training.trunk``).
        start_of: the head that this model is where another one starts; where that one has a trunk instead, nothing is
            trained, and the folder says so.

    Raises:
        SettingsError: the combination of options makes no sense.
        DataError: an input is missing or does not fit the others.
    """
    kind = HEADS[head]
    ids = ids or kind.default_ids(settings)
    _check_options(kind, ids, semantics, semantic_model, parts, trunk)
    if start_of and HEADS[start_of].starts_from("item", settings) == "trunk":
        _leave_out(f"{HEADS[start_of].name} starts as the static model (training.trunk)", out)
        return
    if trunk and not has_trunk(settings):
        say("no trunk: training.trunk is own, or model.form is released; it is trained from fresh weights")
        trunk = None
    if trunk:
        semantic_model = None
    dataset = Dataset.load(prepared)
    digest = dataset.stats["digest"]
    folders = (prepared, semantics, semantic_model, features, trunk)
    inputs = Inputs(
        head=head,
        ids=ids,
        dataset=dataset,
        classes=read_classes(semantics, dataset.n_items, digest) if semantics else None,
        modality=read_json(semantics / "quality.json")["modality"] if semantics else None,
        vectors=_vectors(features, dataset.n_items, digest, kind, settings.model)
        if kind.reads_features(ids, settings)
        else {},
        semantic_model=semantic_model,
        trunk=trunk,
        parts=parts or {},
        settings=settings,
        digests=[folder_digest(folder) for folder in folders if folder],
    )
    kind.load_trainer()(inputs, out)


def _check_options(
    kind: HeadKind,
    ids: Ids,
    semantics: Path | None,
    semantic_model: Path | None,
    parts: dict[str, Path] | None,
    trunk: Path | None,
) -> None:
    if ids not in kind.ids:
        raise SettingsError(f"{kind.name} scores items: choose {' or '.join(f'--ids {name}' for name in kind.ids)}")
    if kind.reads_classes(ids) and semantics is None:
        raise SettingsError("this model reads classes: name the output of assign with --semantics")
    if not kind.reads_classes(ids) and semantics:
        raise SettingsError("this model reads items alone: leave out --semantics, or add --ids semantic or --ids both")
    if parts and kind.by != "mixing":
        raise SettingsError("--part is what a mixture is made of; leave it out for other heads")
    if not kind.on_generator and semantic_model:
        raise SettingsError("--semantic-model is where solid starts; leave it out for other heads")
    if trunk and not kind.by_gradients:
        raise SettingsError(f"--trunk is where a model of weights starts; {kind.name} has none")


def _leave_out(why: str, out: Path) -> None:
    with whole_folder(out, holds="training.json") as folder:
        write_json(folder / "training.json", {"left_out": why})
    say(f"{out}: left out, for {why}")


def _vectors(
    features: Path | None, n_items: int, digest: str, head: HeadKind, model: ModelSettings
) -> dict[str, NDArray[np.float32]]:
    """The vectors that are part of what an item is, or from which a counted head picks."""
    auto = model.vectors == "auto" or not head.by_gradients
    wanted = get_args(VectorKind) if auto else model.vectors
    files = {kind: features / f"{kind}.npy" for kind in wanted} if features else {}
    if auto:
        files = {kind: file for kind, file in files.items() if file.is_file()}
        if head.by_gradients:
            files = dict(list(files.items())[:1])  # texts alone ranked better than with pictures, where there are both
    elif not features and wanted:
        raise SettingsError(f"model.vectors is {', '.join(wanted)}: name the output of features with --features")
    elif missing := [kind for kind, file in files.items() if not file.is_file()]:
        raise DataError(
            f"model.vectors is {', '.join(wanted)}, but {features} has none of {', '.join(missing)}: the data has none "
            "or features leaves them out; set model.vectors to what there is, or to auto"
        )
    # A projection learns what tells items apart; cosines of items that are alike are those of the vectors as they are.
    rows = centred_rows if head.by_gradients else unit_rows
    matrices = {kind: rows(read_vectors(file, n_items, digest)) for kind, file in files.items()}
    return {kind: np.concatenate([np.zeros_like(matrix[:1]), matrix]) for kind, matrix in matrices.items()}
