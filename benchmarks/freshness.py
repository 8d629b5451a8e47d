r"""What it is worth that generated weights are fresh, and what a device pays for them.

    python benchmarks/freshness.py --prepared work/prepared --static work/sasrec/baseline/static \
        --model duet=work/sasrec/item --model SOLID=work/sasrec/solid/auto

The history of every test user is read on the device as it is; the weights were made of it as it was some clicks ago.
All by ONNX Runtime on one core. Prints a table in Markdown; differences are means over test users with the paired
bootstrap's 95 % interval.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from solid.data.dataset import Dataset
from solid.device.export import CLOUD, DEVICE, write_export
from solid.device.runtime import GraphScorer
from solid.device.source import Source
from solid.evaluation.comparison import paired_bootstrap
from solid.evaluation.scoring import View, rank_among_all
from solid.metrics.base import FULL
from solid.metrics.catalogue import MAIN
from solid.metrics.measured import rank_metrics

AGES = (0, 1, 5, 20)
RESAMPLES = 2000
BATCH = 256

# What a process holds more once it has opened a graph and ranked all items; in megabytes.
HELD = """
import resource, sys
import numpy as np, onnxruntime
def held():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
before, (graph, events, items) = held(), (sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
session = onnxruntime.InferenceSession(graph, options)
kinds = {"tensor(float)": np.float32, "tensor(int64)": np.int64}
open_ends = {"users": 1, "events": events, "candidates": items}
shapes = {one: [open_ends.get(size, size) for size in one.shape] for one in session.get_inputs()}
session.run(None, {one.name: np.ones(shape, kinds[one.type]) for one, shape in shapes.items()})
print(held() - before)
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prepared", type=Path, required=True)
    parser.add_argument("--static", required=True)
    parser.add_argument("--model", action="append", required=True, metavar="NAME=FOLDER")
    given = parser.parse_args()
    dataset = Dataset.load(given.prepared)
    lengths = np.diff(dataset.sequences.offsets) - 1
    seen = ", ".join(f"{(lengths > age).mean():.0%} {age} clicks ago" for age in AGES[1:])
    print(
        f"{dataset.n_users:,} test users, {dataset.n_items:,} items; of the users, these had done something: {seen}\n"
    )
    print(
        "| weights | made, clicks ago | full NDCG@10 | against static | bytes a click | ms, cloud | ms, device | MB |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---:|", flush=True)
    static = None
    for name, place in [("static", given.static), *(pair.split("=", 1) for pair in given.model)]:
        source = Source.read(place, given.prepared)
        with TemporaryDirectory() as scratch:
            folder = Path(scratch)
            told = write_export(source, folder, users=0)
            cost, cloud = told["device"]["float32"], told["cloud"]
            command = [
                sys.executable,
                "-c",
                HELD,
                folder / "float32" / DEVICE,
                str(told["length"]),
                str(dataset.n_items),
            ]
            done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
            for age in AGES if cloud else (0,):
                file = folder / CLOUD if cloud else None
                scorer = GraphScorer(source.model, folder / "float32" / DEVICE, file, stale=age)
                values = ndcg(scorer, dataset)
                static = values if static is None else static
                against = paired_bootstrap(values, static, RESAMPLES, 0)
                cells = [
                    name,
                    f"{age}" if cloud else "",
                    f"{np.mean(values):.4f}",
                    f"{against.difference:+.4f} [{against.low:+.4f}, {against.high:+.4f}]" if cloud else "",
                    f"{cost['weights'] / (age + 1):,.0f}",
                    f"{cloud['milliseconds']:.2f}" if cloud else "",
                    f"{cost['milliseconds']:.2f}",
                    f"{float(done.stdout):.1f}",
                ]
                print(f"| {' | '.join(cells)} |", flush=True)


def ndcg(scorer: GraphScorer, dataset: Dataset) -> NDArray[np.float64]:
    """NDCG@10 in full ranking of every test user."""
    ranks = rank_among_all(scorer, View.of(scorer, dataset, "test"), BATCH)[FULL]
    return np.asarray(rank_metrics(ranks, FULL, [10]).per_user[MAIN])


if __name__ == "__main__":
    main()
