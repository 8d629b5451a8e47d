"""Training and evaluation speed and peak memory of every head, at the size of the paper's Arts set.

    python benchmarks/speed.py            # 9,500 items, 590 classes; models and loop as the settings are by default

Prints targets trained and users evaluated (1 + 99 candidates) a second, and the peak memory of the process.
The data is random: speed does not depend on what it says.
"""

from __future__ import annotations

import argparse
import resource
import time
from itertools import product

import numpy as np
import pandas as pd
import torch

from solid.data.dataset import Dataset
from solid.data.sequences import Sequences
from solid.evaluation.scoring import View, score_candidates
from solid.models.config import ModelConfig
from solid.models.recommender import Recommender
from solid.settings.heads import ApgSettings, FinetuneSettings, FusionSettings
from solid.settings.schema import ModelSettings, TrainingSettings
from solid.training.loop import fit
from solid.training.state import TrainingState


def random_data(users: int, items: int, events: int) -> Dataset:
    """Users with ``events`` random events each."""
    rng = np.random.default_rng(0)
    sequence = rng.integers(1, items + 1, users * events).astype(np.int32)
    sequences = Sequences(sequence, np.arange(users + 1) * events, items)
    candidates = {split: sequences.untouched().sample_different(99, rng) for split in ("valid", "test")}
    return Dataset(pd.DataFrame(index=range(users)), pd.DataFrame(index=range(items)), sequences, candidates, {})


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=3000)
    parser.add_argument("--items", type=int, default=9500)
    parser.add_argument("--classes", type=int, default=590)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--backbones", default="sasrec,gru4rec,bert4rec,din")
    arguments = parser.parse_args()
    torch.set_num_threads(TrainingSettings().threads)
    dataset = random_data(arguments.users, arguments.items, 13)
    classes = torch.cat([torch.zeros(1, dtype=torch.long), torch.arange(arguments.items) % arguments.classes + 1])
    print(f"torch {torch.__version__}, {torch.get_num_threads()} thread(s); the median of {arguments.epochs} epochs")
    print(f"{'backbone':9} {'head':9} {'targets/s':>13} {'eval users/s':>13} {'peak MB so far':>15}")
    for backbone, head in product(arguments.backbones.split(","), ("static", "finetune", "duet", "apg", "solid")):
        torch.manual_seed(0)
        solid = head == "solid"
        config = ModelConfig(
            head=head, ids="both" if solid else "item", modality=None, n_items=arguments.items,
            n_classes=arguments.classes if solid else 0, model=ModelSettings(backbone=backbone), digest="",
            finetune=FinetuneSettings() if head == "finetune" else None, fusion=FusionSettings() if solid else None,
            apg=ApgSettings() if head == "apg" else None,
        )  # fmt: skip
        model = Recommender(config, classes if solid else None)
        rates: list[float] = []
        loop = TrainingSettings(epochs=arguments.epochs, patience=arguments.epochs)
        fit(
            model,
            dataset,
            loop,
            TrainingState("", "valid_full_ndcg_10"),
            lambda state, rates=rates: rates.append(state.targets_per_second),
        )
        started = time.perf_counter()
        score_candidates(model, View.of(model, dataset, "test"), 1024)
        users = dataset.n_users / (time.perf_counter() - started)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{backbone:9} {head:9} {np.median(rates):13,.0f} {users:13,.0f} {peak:15,.0f}")


if __name__ == "__main__":
    main()
