"""How fast every backbone with every head trains and ranks, and the most memory that it takes.

    python benchmarks/speed.py            # 3,000 users, 9,500 items (the paper's Arts set has as many), 590 classes

Prints a table in Markdown: targets trained a second, users a second ranked among 1 + 99 items and among all, and peak
memory above that of the imports. Each pair has a process of its own; times are medians.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
from concurrent.futures import ProcessPoolExecutor
from itertools import product

import torch
from made import Size, Speed, data, machine, measure, model

from solid.kinds import BACKBONES, HEADS
from solid.settings.schema import TrainingSettings


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("users", "items", "events", "classes"):
        parser.add_argument(f"--{name}", type=int, default=getattr(Size, name))
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--backbones", default=",".join(BACKBONES))
    parser.add_argument("--heads", default=",".join(name for name, kind in HEADS.items() if kind.by_gradients))
    given = parser.parse_args()
    size = Size(users=given.users, items=given.items, events=given.events, classes=given.classes)
    print(f"{machine()}; medians of {given.epochs}\n")
    print("| backbone | head | targets/s | users/s, 1 + 99 | users/s, all items | memory, MB |")
    print("|---|---|---:|---:|---:|---:|", flush=True)
    alone = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), max_tasks_per_child=1)
    for backbone, head in product(given.backbones.split(","), given.heads.split(",")):
        found, memory = alone.submit(one, size, backbone, head, given.epochs).result()
        told = f"{found.targets:,.0f} | {found.sampled:,.0f} | {found.full:,.0f} | {memory:,.0f}"
        print(f"| {backbone} | {head} | {told} |", flush=True)


def one(size: Size, backbone: str, head: str, epochs: int) -> tuple[Speed, float]:
    """The speed of a model, and the memory that it took beside the imports, in MB."""
    torch.set_num_threads(TrainingSettings().threads)
    before = peak()
    return measure(model(size, backbone, head), data(size), epochs), peak() - before


def peak() -> float:
    """The most memory that this process has held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


if __name__ == "__main__":
    main()
