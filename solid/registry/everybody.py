"""Recommendations for every user of prepared data at once, written as they come."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from solid.console import progress
from solid.data.dataset import Dataset
from solid.errors import SettingsError
from solid.registry.catalogue import Catalogue
from solid.registry.loading import Address, load_version
from solid.storage.local import whole_file

_AT_ONCE = 2048  # users; a row group of the file
_SCHEMA = pa.schema(
    [
        ("user_id", pa.string()),
        ("rank", pa.int32()),
        ("item_id", pa.string()),
        ("title", pa.string()),
        ("score", pa.float32()),
    ]
)


def recommend_all(model_uri: str, prepared: Path, k: int, out: Path) -> str:
    """Recommend to every user, after all that the user did, without what the user had.

    The data may be newer than the model: it reads the items that it knows.

    Args:
        model_uri: such as ``models:/solid@champion``.
        prepared: output of prepare.
        k: how many items a user.
        out: parquet file to write, whole or not at all: user_id, rank from 1, item_id, title, score.

    Returns:
        What was written, in a sentence.

    Raises:
        SolidError: there is no such model, it is damaged, or ``prepared`` is no output of prepare.
    """
    if out.suffix != ".parquet" or out.parts[0] == "s3:":
        raise SettingsError(f"--out {out}: give a file on this machine whose name ends in .parquet")
    address, dataset = Address.of(model_uri), Dataset.load(prepared)
    loaded = load_version(address.name, address.now())
    rows = write_all(loaded.catalogue, dataset, k, out)
    return f"{out}: {rows:,} recommendations of {loaded.name} version {loaded.version} to {dataset.n_users:,} users"


def write_all(catalogue: Catalogue, dataset: Dataset, k: int, out: Path) -> int:
    """Write what :func:`recommend_all` does; returns the number of rows. Memory does not grow with the users."""
    number_of = np.append(0, catalogue.numbers(dataset.items["item_id"].tolist()))
    users, items, titles = (
        pa.array(texts, pa.string()) for texts in (dataset.users["user_id"].tolist(), catalogue.ids, catalogue.titles)
    )
    sequences, written = dataset.sequences, 0
    chunks = range(0, dataset.n_users, _AT_ONCE)
    with whole_file(out) as partial, pq.ParquetWriter(partial, _SCHEMA) as file:
        for first in progress(chunks, "recommend", unit=f" x {_AT_ONCE:,} users"):
            offsets = sequences.offsets[first : first + _AT_ONCE + 1]
            numbers = number_of[sequences.items[offsets[0] : offsets[-1]]]
            top = catalogue.top(numbers, offsets[:-1] - offsets[0], offsets[1:] - offsets[0], k, exclude_seen=True)
            row, place = np.nonzero(np.isfinite(top.scores))
            found = pa.array(top.rows[row, place])
            columns = [
                users.take(pa.array(first + row)), pa.array((place + 1).astype(np.int32)), items.take(found),
                titles.take(found), pa.array(top.scores[row, place]),
            ]  # fmt: skip
            file.write_table(pa.table(columns, schema=_SCHEMA))
            written += len(row)
    return written
