"""What a trained model's folder says of its training, whatever way it was trained."""

from __future__ import annotations

import csv
from pathlib import Path

from solid.storage.local import write_json


def write_outcome(folder: Path, history: list[dict[str, float]], best: dict[str, float], score: str) -> None:
    """Write history.csv and training.json.

    Args:
        folder: the model's, existing.
        history: a row for each epoch, or setting, that was tried: ``epoch`` counts them from 1.
        best: the row whose model was kept.
        score: the column that decided.
    """
    with (folder / "history.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, history[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)
    write_json(folder / "training.json", {"epochs": len(history), "best_epoch": best["epoch"], score: best[score]})
