"""The export of a model to devices: graphs, items, and what each costs, as a folder."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from onnx import ModelProto

from solid.console import say
from solid.data.dataset import Dataset
from solid.data.sequences import spread
from solid.device.graphs import OPSET, graphs_of, without_generation
from solid.device.precision import PRECISIONS, TABLE_FILE, Precision, in_precision, table_apart
from solid.device.runtime import GraphScorer
from solid.device.source import Source
from solid.errors import SolidError
from solid.evaluation.measure import measure_one
from solid.evaluation.scoring import View
from solid.metrics.catalogue import MAIN, metric
from solid.models.recommender import Recommender
from solid.storage.local import whole_folder, write_json

ABOUT, ITEMS = "export.json", "items.json"
CLOUD, DEVICE = "cloud.onnx", "device.onnx"
TOLERANCE = 1e-5
"""How far a score of ONNX Runtime may lie from PyTorch's; beyond scores of 1, as a share of them."""
_BATCH = 256  # test users at once
_RUNS = 50  # of what is timed


@dataclass(frozen=True)
class Cost:
    """What a device's graph takes.

    Attributes:
        graph: bytes of the graph without its items.
        items: bytes of the vectors of all items.
        weights: bytes of what is generated for a user; 0 where nothing is.
        milliseconds: of scoring all items for a user on one core; the median of some runs.
        ndcg: NDCG@10 in full ranking on test users; None where nobody was asked.
    """

    graph: int
    items: int
    weights: int
    milliseconds: float
    ndcg: float | None


def export(model: str, out: Path, prepared: Path | None, users: int) -> str:
    """Write a model as graphs for devices, in three precisions, and measure each.

    ::

        out/cloud.onnx               history -> the weights of users; of a model that generates them
        out/<precision>/device.onnx  history, these weights, candidates -> scores
        out/<precision>/items.bin    the vectors of all items, which that graph reads
        out/items.json               raw id and title of every item; category, picture, classes where there are any
        out/export.json              what this is, and what was measured

    Args:
        model: output folder of train, or the address of a registered version.
        out: folder to write.
        prepared: output of prepare; without it NDCG@10 is not measured.
        users: at most so many test users, evenly spread, tell NDCG@10.

    Returns:
        A table in Markdown.

    Raises:
        SolidError: the model cannot be read or exported, or a graph does not give PyTorch's scores.
    """
    source = Source.read(model, prepared)
    with whole_folder(out, holds=ABOUT) as folder:
        told = write_export(source, folder, users)
    files = [*([CLOUD] if told["cloud"] else []), *(f"{name}/{DEVICE}" for name in told["device"]), ITEMS, ABOUT]
    say(f"{out}: {', '.join(files)}")
    return _table(told)


def write_export(source: Source, folder: Path, users: int) -> dict[str, Any]:
    """Fill an existing folder as :func:`export` says, of no users without NDCG@10; return what export.json holds."""
    model, dataset = source.model, source.dataset
    graphs = graphs_of(model)
    assert isinstance(model, Recommender)
    asked = None if dataset is None or not users else dataset.only(spread(dataset.n_users, users))
    cloud = None
    if graphs.cloud is not None:
        cloud = folder / CLOUD
        cloud.write_bytes(graphs.cloud.SerializeToString(deterministic=True))
    costs: dict[Precision, Cost] = {}
    for precision in PRECISIONS:
        _write(in_precision(graphs.device, precision), folder / precision)
        scorer = GraphScorer(model, folder / precision / DEVICE, cloud)
        if precision == "float32":
            difference = _difference(model, scorer)
        costs[precision] = _cost(folder / precision, scorer, asked)
    with TemporaryDirectory() as scratch:
        _write(without_generation(model), Path(scratch))
        plain = _cost(Path(scratch), GraphScorer(model, Path(scratch, DEVICE), None), None)
    write_json(folder / ITEMS, _items(source))
    told = {
        "head": model.config.head, **model.config.about, "n_items": model.config.n_items,
        "length": model.config.length, "opset": OPSET, "digest": model.config.digest,
        "difference": difference, "test_users": None if asked is None else asked.n_users,
        "cloud": None if cloud is None else {
            "bytes": cloud.stat().st_size, "milliseconds": _milliseconds(lambda: scorer.weights(_longest(model)))
        },
        "device": {name: asdict(cost) for name, cost in costs.items()},
        "without_generation": asdict(plain),
    }  # fmt: skip
    write_json(folder / ABOUT, told)
    return told


def _write(graph: ModelProto, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    apart, table = table_apart(graph)
    (folder / DEVICE).write_bytes(apart)
    (folder / TABLE_FILE).write_bytes(table)


@torch.inference_mode()
def _difference(model: Recommender, scorer: GraphScorer) -> float:
    """How far the scores of all items lie from PyTorch's, for histories of every length.

    Raises:
        SolidError: too far.
    """
    generator, length = torch.Generator().manual_seed(0), model.config.length
    items_BL = torch.randint(1, model.config.n_items + 1, (length + 1, length), generator=generator)
    items_BL *= torch.arange(length) < torch.arange(length + 1).unsqueeze(1)
    expected_BN, scores_BN = model.score_all(model.encode(items_BL)), scorer.score_all(scorer.encode(items_BL))
    difference = float(((scores_BN - expected_BN).abs() / expected_BN.abs().clamp(min=1)).max())
    if difference > TOLERANCE:
        raise SolidError(
            f"ONNX Runtime's scores are {difference:.1e} from PyTorch's, more than {TOLERANCE}; the graph is not used. "
            "Say so in an issue, with config.json of the model"
        )
    return difference


def _cost(folder: Path, scorer: GraphScorer, asked: Dataset | None) -> Cost:
    user = scorer.encode(torch.from_numpy(_longest(scorer)))
    return Cost(
        graph=(folder / DEVICE).stat().st_size,
        items=(folder / TABLE_FILE).stat().st_size,
        weights=user.bytes,
        milliseconds=_milliseconds(lambda: scorer.score_all(user)),
        ndcg=None if asked is None else measure_one(scorer, View.of(scorer, asked, "test"), metric(MAIN), _BATCH),
    )


def _longest(model: Recommender | GraphScorer) -> Any:
    return np.arange(model.config.length).reshape(1, -1) % model.config.n_items + 1


def _milliseconds(run: Callable[[], object]) -> float:
    run()  # the first allocates
    taken = []
    for _ in range(_RUNS):
        start = time.perf_counter()
        run()
        taken.append((time.perf_counter() - start) * 1000)
    return round(statistics.median(taken), 3)


def _items(source: Source) -> list[dict[str, Any]]:
    """One entry an item, in the order of their numbers from 1; what is unknown is left out."""
    known = [column for column in ("title", "category", "image") if column in source.items]
    items = [
        {"id": row["item_id"]} | {name: row[name] for name in known if row[name]}
        for row in source.items.to_dict("records")
    ]
    classes = source.model.item_classes()
    if classes is not None:
        for item, levels in zip(items, classes.tolist(), strict=True):
            item["classes"] = levels
    return items


def _table(told: Mapping[str, Any]) -> str:
    """What a person wants to know: bytes and milliseconds of every part, and what fewer bits cost."""
    costs = {**told["device"], "without generation": told["without_generation"]}
    whole = told["device"]["float32"]["ndcg"]

    def row(name: str, tell: Callable[[Mapping[str, Any]], str]) -> str:
        return f"| {name} | " + " | ".join(tell(cost) for cost in costs.values()) + " |"

    lines = [
        f"| {told['head']}, {told['n_items']:,} items | " + " | ".join(costs) + " |",
        "|---|" + "---:|" * len(costs),
        row("a user's weights, bytes", lambda cost: f"{cost['weights']:,}"),
        row("vectors of items, bytes", lambda cost: f"{cost['items']:,}"),
        row("device.onnx, bytes", lambda cost: f"{cost['graph']:,}"),
        row("ms for a user's scores", lambda cost: f"{cost['milliseconds']:.2f}"),
    ]
    if whole is not None:
        lines.append(row("full NDCG@10", lambda cost: "" if cost["ndcg"] is None else f"{cost['ndcg']:.4f}"))
        lines.append(row("lost", lambda cost: "" if cost["ndcg"] is None else f"{whole - cost['ndcg']:+.4f}"))
    lines.append("")
    if told["cloud"]:
        cloud = told["cloud"]
        lines.append(f"cloud.onnx       {cloud['bytes']:,} bytes, {cloud['milliseconds']:.2f} ms for a user's weights")
    lines.append(
        f"from PyTorch     {told['difference']:.1e} at most, in float32 and histories of 0 to {told['length']}"
    )
    if told["test_users"]:
        lines.append(f"NDCG@10          on {told['test_users']:,} test users")
    return "\n".join(lines)
