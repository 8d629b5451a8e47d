"""The sample data as frames, for a first look at the interface."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def sample_frames(seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The data set that ``solid sample`` writes: 1,100 made-up shoppers and 336 products, the same for the same seed.

    Returns:
        Events (user_id, item_id, timestamp) and items (item_id, title, category, text), of pandas.
    """
    from solid.data.readers.amazon import Amazon
    from solid.data.sample import write_sample

    with TemporaryDirectory(prefix="solid-") as scratch:
        folder = Path(scratch, "data")
        write_sample(folder, seed)
        raw = Amazon().read(folder)
    return raw.interactions[["user_id", "item_id", "timestamp"]], raw.items[["item_id", "title", "category", "text"]]
