"""Prepared data in which item i is followed by item i + 1, so that there is something to learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from solid.data.sequences import Sequences
from solid.storage.local import write_json

USERS, ITEMS = 60, 40
SMALL = ["model.dim=8", "model.length=10", "model.dropout=0.1", "training.epochs=4", "training.batch_size=32"]


def ring(prepared: Path) -> None:
    """Write it."""
    prepared.mkdir()
    rng = np.random.default_rng(0)
    starts, lengths = rng.integers(ITEMS, size=USERS), rng.integers(4, 14, size=USERS)
    items = np.concatenate([(s + np.arange(n)) % ITEMS + 1 for s, n in zip(starts, lengths, strict=True)])
    users = np.repeat(np.arange(USERS), lengths)
    sequences = Sequences(items.astype(np.int32), np.r_[0, np.cumsum(lengths)], ITEMS)
    pd.DataFrame({"user_id": [f"u{u}" for u in range(USERS)]}).to_parquet(prepared / "users.parquet")
    blank = [""] * ITEMS
    table = {
        "item_id": [f"i{i}" for i in range(ITEMS)],
        "title": blank,
        "text": blank,
        "category": blank,
        "image": blank,
    }
    pd.DataFrame(table).to_parquet(prepared / "items.parquet")
    events = pd.DataFrame({"user": users.astype("int32"), "item": items.astype("int32")})
    events.assign(timestamp=np.arange(len(events)), split="train").to_parquet(prepared / "interactions.parquet")
    for split in ("valid", "test"):
        np.save(prepared / f"candidates_{split}.npy", sequences.untouched().sample_different(20, rng))
    write_json(prepared / "stats.json", {"digest": "d.dir", "format": "ring", "origin": "ring"})
