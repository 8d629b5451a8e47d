"""SASRec here and in RecBole 1.2.1: the same data, model and loss, on the same machine, one after the other.

    python benchmarks/peers.py            # installs RecBole into a temporary environment, some minutes and 1.3 GB

Two layers, d 64, two attention heads, length 50, softmax over all items. RecBole trains a row for each target; here a
user's targets are learned in one pass (`sequences`), or a row for each, too (`windows`). Prints targets trained and
users ranked among all items, each a second, medians, and how often the one is the other.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import venv
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from made import Size, data, machine, measure, model

from solid.data.dataset import Dataset

RECBOLE = ("recbole==1.2.1", "numpy<2", "pandas<2.3", "scipy<1.14", "setuptools<80", f"torch=={torch.__version__}")


def main() -> None:
    """Measure both, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=Size.users)
    parser.add_argument("--items", type=int, default=Size.items)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--rows", type=int, default=2048, help="of a batch, where each target is a row")
    parser.add_argument("--python", type=Path, help="of an environment that has RecBole  [default: makes one]")
    given = parser.parse_args()
    torch.set_num_threads(1)
    size = Size(users=given.users, items=given.items)
    dataset = data(size)
    fresh = [model(size, "sasrec", "static") for _ in range(2)]
    here = {
        "sequences": measure(fresh[0], dataset, given.epochs),
        "windows": measure(fresh[1], dataset, given.epochs, targets="windows", batch_size=given.rows),
    }
    with tempfile.TemporaryDirectory() as scratch:
        theirs = recbole(
            dataset, size, given.epochs, given.rows, given.python or installed(Path(scratch)), Path(scratch)
        )
    sizes = f"{size.users:,} users, {size.items:,} items, {size.events} events each"
    print(f"{machine()}; {sizes}; medians of {given.epochs}\n")
    print("| | targets/s | users/s | against RecBole |\n|---|---:|---:|---:|")
    print(f"| RecBole 1.2.1 | {theirs['targets']:,.0f} | {theirs['users']:,.0f} | |")
    for name, speed in here.items():
        times = f"{speed.targets / theirs['targets']:.1f} x, {speed.full / theirs['users']:.1f} x"
        print(f"| here, {name} | {speed.targets:,.0f} | {speed.full:,.0f} | {times} |")


def installed(scratch: Path) -> Path:
    """The Python of a fresh environment with RecBole."""
    print("installing RecBole ...", file=sys.stderr)
    venv.create(scratch / "venv", with_pip=True)
    python = scratch / "venv" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", *RECBOLE], check=True)  # noqa: S603
    return python


def recbole(dataset: Dataset, size: Size, epochs: int, rows: int, python: Path, scratch: Path) -> dict[str, Any]:
    """What benchmarks/recbole_sasrec.py measures on these data."""
    folder = scratch / "made"
    folder.mkdir()
    sequences = dataset.sequences
    users = pd.Series(range(size.users)).repeat(size.events)
    events = pd.DataFrame({"user_id:token": users, "item_id:token": sequences.items})
    events["timestamp:float"] = range(len(events))
    events.to_csv(folder / "made.inter", sep="\t", index=False)
    script = Path(__file__).with_name("recbole_sasrec.py")
    order = json.dumps({"epochs": epochs, "rows": rows, "size": asdict(size)})
    command = [python, script, order]
    done = subprocess.run(command, cwd=scratch, check=True, text=True, stdout=subprocess.PIPE)  # noqa: S603
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


if __name__ == "__main__":
    main()
