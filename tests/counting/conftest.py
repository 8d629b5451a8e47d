"""Data that can be counted by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from solid.data.dataset import Dataset
from solid.data.sequences import Sequences


@pytest.fixture
def small() -> Dataset:
    """Three users, items 1..5; the last two events of each are held out, so training sees 1 2 3, 1 2 and 2 1."""
    items = [1, 2, 3, 4, 5, 1, 2, 4, 3, 2, 1, 5, 4]
    sequences = Sequences(np.array(items, np.int32), np.array([0, 5, 9, 13]), 5)
    times = np.array([0, 10, 20, 30, 40, 0, 20, 30, 40, 0, 10, 20, 30])
    frame = pd.DataFrame({"item_id": list("abcde"), "title": ""})
    return Dataset(pd.DataFrame({"user_id": list("xyz")}), frame, sequences, {}, {"digest": "d"}, times)
