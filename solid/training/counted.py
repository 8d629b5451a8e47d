"""Training by counting: pick the settings on validation, write the folder, log the run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from solid.console import say
from solid.counting.fit import SEARCHED, fit
from solid.counting.model import CountedConfig, CountedModel
from solid.counting.search import Picked
from solid.kinds import HEADS
from solid.models.storage import save_model
from solid.semantics.vectors import unit_rows
from solid.storage.local import whole_folder
from solid.tracking import DatasetInfo, track
from solid.training.inputs import Inputs
from solid.training.outcome import told, write_outcome
from solid.training.selection import judged

_SEARCHED = f"valid_{SEARCHED.name}"


def train_by_counting(inputs: Inputs, out: Path) -> None:
    """Count what the head counts, and write its folder.

    Each row of history.csv is one choice of settings that was tried. It takes seconds: an interrupted one starts anew.
    """
    dataset, settings = inputs.dataset, inputs.settings.counting
    method = HEADS[inputs.head].load()(dataset, _choices(inputs.vectors), settings)
    decides = HEADS[inputs.head].decides(inputs.settings)
    history: list[dict[str, float]] = []
    with (
        track(inputs.head, {"head": inputs.head, **decides}, DatasetInfo.of(dataset.stats), out=out) as run,
        whole_folder(out, holds="training.json") as partial,
    ):

        def tell(_: Picked, value: float) -> None:
            history.append({"epoch": len(history) + 1, _SEARCHED: value})
            run.epoch(len(history), {_SEARCHED: value})

        picked, table, _ = fit(method, tell)
        config = CountedConfig(head=inputs.head, n_items=dataset.n_items, digest=dataset.stats["digest"], picked=picked)
        model = CountedModel(config, table)
        save_model(partial, model)
        best = max(history, key=lambda row: row[_SEARCHED])
        scores = judged(model, dataset, inputs.settings.training)
        write_outcome(partial, history, best["epoch"], scores, decides)
    say(f"{out}: {told(scores)}, best of {len(history)}: {picked}")


def _choices(vectors: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
    """Each kind of vectors [N, d], and all of them side by side; rows of length 1, or 0 where an item has nothing."""
    choices = {kind: matrix[1:] for kind, matrix in vectors.items()}
    if len(choices) > 1:
        choices["_".join(choices)] = unit_rows(np.concatenate(list(choices.values()), axis=1))
    return choices
