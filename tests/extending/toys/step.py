"""A toy step: how many users there are, some times over."""

from pathlib import Path

from solid.data.dataset import Dataset
from solid.storage.local import whole_folder, write_json


def count(prepared: Path, out: Path, times: str) -> str:
    """Write toy.json, and say what it says."""
    users = int(times) * Dataset.load(prepared).n_users
    with whole_folder(out, holds="toy.json") as folder:
        write_json(folder / "toy.json", {"users": users})
    return f"{out}: {users} users"
