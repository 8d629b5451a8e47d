"""What a trained model's folder says of its training, whatever way it was trained."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from solid.storage.local import write_json


def write_outcome(
    folder: Path,
    history: list[dict[str, float]],
    best: dict[str, float],
    score: str,
    settings: dict[str, dict[str, Any]],
) -> None:
    """Write history.csv and training.json.

    Args:
        folder: the model's, existing.
        history: a row for each epoch, or setting, that was tried: ``epoch`` counts them from 1.
        best: the row whose model was kept.
        score: the column that decided.
        settings: that decided what came out, by section; a registration records them.
    """
    with (folder / "history.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, history[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)
    told = {"epochs": len(history), "best_epoch": best["epoch"], score: best[score], "settings": settings}
    write_json(folder / "training.json", told)
