"""What SOLID's training and ranking cost as users, items, classes, length and batch grow.

    python benchmarks/slopes.py --out docs/slopes.png

Each is taken once, twice, four and eight times, all else as it is. Prints a table of seconds and slopes, the power of
the size by which time grows (1: twice as much takes twice as long), and draws it.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import torch
from made import Size, data, machine, measure, model

from solid.settings.schema import TrainingSettings

START = Size(users=1000, items=2000, events=30, classes=100, length=25, batch_size=32)
TIMES = (1, 2, 4, 8)


def main() -> None:
    """Measure, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="picture to write")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--users", type=int, default=START.users, help="at first")
    given = parser.parse_args()
    torch.set_num_threads(TrainingSettings().threads)
    start = replace(START, users=given.users)
    print(f"{machine()}; SASRec, SOLID, medians of {given.epochs}; from {start}\n")
    print("| what grows | " + " | ".join(f"{n} x" for n in TIMES) + " | slope |")
    print("|---|" + "---:|" * (len(TIMES) + 1), flush=True)
    curves = {}
    for name in ("users", "items", "classes", "length", "batch_size"):
        for work, cost in costs(start, name, given.epochs).items():
            slope = np.polyfit(np.log(TIMES), np.log(cost), 1)[0]
            curves[f"{work}, {name.replace('_size', '')} ({slope:.2f})"] = cost
            cells = " | ".join(f"{seconds:.3f}" for seconds in cost)
            print(f"| {name.replace('_size', '')}: {work} | {cells} | {slope:.2f} |", flush=True)
    if given.out:
        draw(curves, given.out)


def costs(start: Size, name: str, epochs: int) -> dict[str, list[float]]:
    """Seconds of an epoch and of a full ranking of all users, at each size."""
    found: dict[str, list[float]] = {"an epoch": [], "ranking": []}
    for times in TIMES:
        size = replace(start, **{name: getattr(start, name) * times})
        if name == "length":  # histories that are as long
            size = replace(size, events=max(start.events, size.length))
        dataset = data(size)
        speed = measure(model(size, "sasrec", "solid"), dataset, epochs, batch_size=size.batch_size)
        found["an epoch"].append(dataset.sequences.trained.sum() / speed.targets)
        found["ranking"].append(size.users / speed.full)
    return found


def draw(curves: dict[str, list[float]], out: Path) -> None:
    """Seconds against size, both on logarithmic axes."""
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
    for axis, work in zip(axes, ("an epoch", "ranking"), strict=True):
        for label, cost in curves.items():
            if label.startswith(work):
                axis.loglog(TIMES, cost, marker="o", label=label.removeprefix(f"{work}, "))
        axis.set(title=work, xlabel="times the size at first", ylabel="seconds", xticks=TIMES, xticklabels=TIMES)
        axis.minorticks_off()
        axis.legend(title="what grows (slope)")
    figure.savefig(out, dpi=110)


if __name__ == "__main__":
    main()
