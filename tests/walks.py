"""A data set that everybody can predict: users who walk the items in order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from solid.storage.local import write_json

USERS, ITEMS, EVENTS = 60, 24, 7


def write_walk(folder: Path) -> Path:
    """Fill a folder as prepare would: every user walks around and around, from a place of its own."""
    walks = (np.arange(USERS)[:, None] + np.arange(EVENTS)) % ITEMS + 1
    others = np.array([np.setdiff1d(np.arange(1, ITEMS + 1), walk)[:10] for walk in walks])
    pd.DataFrame({"user_id": [f"u{u}" for u in range(USERS)]}).to_parquet(folder / "users.parquet")
    items = pd.DataFrame({"item_id": [f"i{i}" for i in range(1, ITEMS + 1)], "title": "", "text": ""})
    items.assign(category="", image="").to_parquet(folder / "items.parquet")
    users = np.repeat(np.arange(USERS, dtype=np.int32), EVENTS)
    events = pd.DataFrame({"user": users, "item": walks.ravel().astype(np.int32)})
    events.assign(timestamp=np.tile(np.arange(EVENTS), USERS), split="train").to_parquet(
        folder / "interactions.parquet"
    )
    for split in ("valid", "test"):
        np.save(folder / f"candidates_{split}.npy", others.astype(np.int32))
    stats = {"digest": "d.dir", "format": "walk", "origin": "walk", "k_core": 0, "users": USERS, "items": ITEMS}
    stats |= {"interactions": USERS * EVENTS, "density": EVENTS / ITEMS}
    stats |= {"length": dict.fromkeys(("min", "median", "max"), EVENTS)}
    nothing = {"users": 0, "items": 0, "interactions": 0}
    write_json(folder / "stats.json", stats | {"dropped": {"short_users": nothing, "k_core": nothing}})
    return folder
