"""A page that recommends on the device: one folder of static files, with all that it needs."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from solid.console import progress, say
from solid.data.dataset import Dataset
from solid.data.sequences import spread
from solid.device.export import write_export
from solid.device.source import Source
from solid.device.vendored import write_runtime
from solid.errors import SettingsError
from solid.evaluation.popularity import training_popularity
from solid.features.pictures import read_pictures
from solid.kinds import HEADS
from solid.models.protocols import Model
from solid.storage.local import whole_folder, write_json

_PAGE = Path(__file__).parent / "page"
_PICTURE = 192  # pixels, the longer side
_PRODUCTS = 400  # most that can be browsed
_VISITORS = 4
HOW_TO_OPEN = "python -m http.server --directory {folder} 8000"


def write_demo(model: str, static: str | None, prepared: Path, raw: Path | None, out: Path) -> str:
    """Write the page, a model whose weights are generated, and beside it a static one.

    Args:
        model: output folder of train, or the address of a registered version.
        static: likewise, of a model that generates nothing; None: the page does without.
        prepared: output of prepare.
        raw: output of ingest, which has the pictures; None: the page does without.
        out: folder to write.

    Returns:
        How to open it.

    Raises:
        SolidError: a model cannot be read or exported or is of the other kind, or npm does not give what runs graphs.
    """
    models = {"generated": Source.read(model, prepared)}
    if static is not None:
        models["static"] = Source.read(static, prepared)
    for name, source in models.items():
        kind = HEADS[source.model.config.head]
        if (kind.generates or kind.on_generator) != (name == "generated"):
            fault = "generates no weights; name it with --static" if name == "generated" else "generates weights"
            raise SettingsError(f"head {kind.name} {fault}")
    dataset = models["generated"].dataset
    assert dataset is not None
    with whole_folder(out, holds="demo.json") as folder:
        for file in sorted(_PAGE.iterdir()):
            shutil.copy(file, folder)
        for name, source in models.items():
            (folder / "models" / name).mkdir(parents=True)
            write_export(source, folder / "models" / name, users=0)
        (folder / "ort").mkdir()
        write_runtime(folder / "ort")
        (folder / "pictures").mkdir()
        pictures = [] if raw is None else _write_pictures(dataset.items, raw, folder / "pictures")
        told = {
            "static": static is not None, "pictures": pictures, "products": _products(dataset),
            "visitors": _visitors(dataset, models["generated"].model.config.length),
            "classes": _names_of_classes(dataset.items, models["generated"].model),
        }  # fmt: skip
        write_json(folder / "demo.json", told)
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    say(f"{out}: {size / 1e6:,.1f} MB of static files")
    return f"open it:  {HOW_TO_OPEN.format(folder=out)}  and then http://localhost:8000"


def _write_pictures(items: pd.DataFrame, raw: Path, folder: Path) -> list[int]:
    """Write a small picture of each item that has one, under its number; return these numbers."""
    paths = [str(raw / name) if name else "" for name in items["image"]]
    written = []
    for position, picture in progress(read_pictures(paths), "pictures", total=sum(map(bool, paths))):
        larger = _PICTURE // 2 // max(picture.size)
        if larger > 1:  # few pixels stay what they are, and are not blurred
            small = picture.resize((picture.width * larger, picture.height * larger), Image.Resampling.NEAREST)
        else:
            small = picture.copy()
            small.thumbnail((_PICTURE, _PICTURE))
        small.save(folder / f"{position + 1}.webp", quality=80)
        written.append(position + 1)
    return written


def _products(dataset: Dataset) -> list[int]:
    """Numbers of the items that can be browsed, those that most was done with in training first."""
    most = np.argsort(-training_popularity(dataset), kind="stable")[:_PRODUCTS]
    return [int(number) for number in most + 1]


def _visitors(dataset: Dataset, length: int) -> list[dict[str, Any]]:
    """Whom the page may begin as: somebody new, and some users without a name, from the shortest history on."""
    sequences = dataset.sequences
    lengths = np.diff(sequences.offsets)
    chosen = np.argsort(lengths, kind="stable")[spread(dataset.n_users, _VISITORS)]
    visitors: list[dict[str, Any]] = [{"name": "somebody new", "items": []}]
    for user in chosen:
        items = sequences.items[sequences.offsets[user] : sequences.offsets[user + 1]][-length:]
        visitors.append({"name": f"a shopper of {len(items)} products", "items": items.tolist()})
    return visitors


def _names_of_classes(items: pd.DataFrame, model: Model) -> dict[str, str]:
    """A name for each class: the category, or else the word of titles, that most of its items have."""
    classes = model.item_classes()
    if classes is None:
        return {}
    told: dict[str, Counter[str]] = {}
    for levels, category, title in zip(classes.tolist(), items["category"], items["title"], strict=True):
        words = [category.rpartition(" > ")[2]] if category else re.findall(r"\w{4,}", title)
        told.setdefault(".".join(map(str, levels)), Counter()).update(words)
    return {name: words.most_common(1)[0][0] for name, words in told.items() if words}
