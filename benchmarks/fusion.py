"""Where SOLID should start, how its item branch should be bound and how its codebook should learn.

    make run SOURCE=<Scientific> FORMAT=unisrec        # prepares the data and extracts the features
    python benchmarks/fusion.py runs/<name>/work       # trains every variant, prints the tables of docs/findings.md

Every variant is trained with the settings of presets/released.yaml but for what its row says, and its scoring sees
items alone (fusion.ids: item, as in the paper). About ten minutes a seed.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import torch

from solid.console import say
from solid.data.dataset import Dataset
from solid.evaluation.scoring import View, score_candidates
from solid.metrics.measured import candidate_metrics
from solid.models.config import ModelConfig
from solid.models.recommender import Recommender
from solid.semantics.clustering import cluster, number_of_classes
from solid.semantics.vectors import unit_rows
from solid.settings.heads import FusionSettings
from solid.settings.loading import load_settings
from solid.settings.schema import Settings
from solid.training.loop import fit
from solid.training.state import TrainingState
from solid.training.warm_start import warm_start

ROOT = Path(__file__).resolve().parent.parent
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "fresh": ("fresh", {}),
    "item branch from the item model, semantic branch from the semantic model": ("both", {}),
    "semantic model's history encoder alone": ("history", {}),
    "semantic branch from the semantic model (default)": ("semantic", {}),
    "clip 0.01": ("semantic", {"bound": "clip"}),
    "tanh 1": ("semantic", {"t": 1.0}),
    "no bound": ("semantic", {"bound": "none"}),
    "frozen codes from class embeddings, as released": ("released codes", {"codebook": "frozen"}),
    "codes learned by a loss": ("semantic", {"codebook": "loss"}),
    "no codebook": ("semantic", {"codebook": "none"}),
}
COLUMNS = ("validation UAUC", "test UAUC", "test NDCG@10")


def trained(data: Dataset, settings: Settings, head: str, ids: str, **made: Any) -> tuple[Recommender, list[float]]:
    """Train one model; ``made`` may hold classes, fusion settings and a function that sets the start."""
    torch.manual_seed(settings.training.seed)
    classes = made.get("classes")
    config = ModelConfig(
        head=head, ids=ids, modality=None, n_items=data.n_items, n_classes=0 if classes is None else int(classes.max()),
        model=settings.model, fusion=made.get("fusion"), digest="",
    )  # fmt: skip
    model = Recommender(config, classes)
    if "start" in made:
        with torch.no_grad():
            made["start"](model)
    state = TrainingState("", "valid_uauc")
    fit(model, data, settings.training, state, lambda _: None)
    test = candidate_metrics(score_candidates(model, View.of(model, data, "test"), 1024)).summarise()
    return model, [state.best["valid_uauc"], test["uauc"], test["ndcg_10"]]


def start(kind: str, item_model: Recommender, semantic_model: Recommender) -> Any:
    """The function that gives a fresh SOLID model its start."""

    def apply(model: Any) -> None:
        if kind == "fresh":
            return
        if kind == "history":
            model.head.history.load_state_dict(semantic_model.history.state_dict())
            return
        warm_start(model, semantic_model)
        if kind == "released codes":
            model.head.codebook.start_from(semantic_model.items.of_class.embedding.weight[1:])
        if kind == "both":
            for part in ("history", "backbone", "target"):
                getattr(model, part).load_state_dict(getattr(item_model, part).state_dict())

    return apply


def main() -> None:
    """Train and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, help="the work folder of a run: prepared/ and features/ are read")
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    data = Dataset.load(arguments.work / "prepared")
    parts = [np.load(arguments.work / "features" / f"{name}.npy", allow_pickle=False) for name in ("text", "image")]
    rows: dict[str, list[list[float]]] = {}

    def add(name: str, figures: list[float]) -> None:
        rows.setdefault(name, []).append(figures)
        say(f"seed {seed}: {name}: " + ", ".join(f"{c} {v:.4f}" for c, v in zip(COLUMNS, figures, strict=True)))

    for seed in range(arguments.seeds):
        settings = load_settings(ROOT / "presets" / "released.yaml", [f"training.seed={seed}"])
        torch.set_num_threads(settings.training.threads)
        add("static", trained(data, settings, "static", "item")[1])
        item_model, figures = trained(data, settings, "duet", "item")
        add("DUET on items", figures)
        vectors = np.hstack([unit_rows(part) for part in (item_model.item_embeddings().numpy(), *parts)])
        found, _ = cluster(vectors, number_of_classes("auto", data.n_items), seed)
        classes = torch.from_numpy(np.r_[0, found].astype(np.int64))
        semantic_model, figures = trained(data, settings, "duet", "semantic", classes=classes)
        add("DUET on classes", figures)
        for name, (kind, changes) in VARIANTS.items():
            fusion = FusionSettings(ids="item", **changes)
            begin = start(kind, item_model, semantic_model)
            add(name, trained(data, settings, "solid", "item", classes=classes, fusion=fusion, start=begin)[1])
    print("| variant | " + " | ".join(COLUMNS) + " |\n" + "|---" * (1 + len(COLUMNS)) + "|")
    for name, values in rows.items():
        cells = [
            f"{statistics.mean(column):.4f} ± {statistics.stdev(column):.4f}" for column in zip(*values, strict=True)
        ]
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
