"""What a trained model's folder says of its training, whatever way it was trained."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from solid.storage.local import write_json


def write_outcome(
    folder: Path,
    history: list[dict[str, float]],
    best_epoch: float,
    scores: dict[str, float],
    settings: dict[str, dict[str, Any]],
) -> None:
    """Write history.csv and training.json.

    Args:
        folder: the model's, existing.
        history: a row for each epoch, or setting, that was tried: ``epoch`` counts them from 1; 0 is what a model
            starts as, which has no loss.
        best_epoch: of the row whose model was kept.
        scores: how good it is on held-out events, by the name of the metric with valid_ or test_ before it.
        settings: that decided what came out, by section; a registration records them.
    """
    with (folder / "history.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, history[-1].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)
    outcome = {"epochs": history[-1]["epoch"], "best_epoch": best_epoch, **scores, "settings": settings}
    write_json(folder / "training.json", outcome)


def told(scores: dict[str, float]) -> str:
    """For people."""
    return ", ".join(f"{name} {value:.4f}" for name, value in scores.items())
