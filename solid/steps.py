"""Steps by their names, as functions on local folders: for whoever runs many, one after another or side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from solid.settings.schema import Settings


def call(step: str, settings: Settings, out: Path, **arguments: Any) -> None:
    """Do what the sub-command of this name does, or score a model for a table; heavy imports wait until here.

    Args:
        step: name.
        settings: of the whole chain; a step takes the sections that it reads.
        out: folder that the step writes.
        arguments: of the step, beside these two.

    Raises:
        SolidError: the step's own; nothing is left of its output then.
    """
    match step:
        case "ingest":
            from solid.data.ingest import ingest

            ingest(settings=settings.data, out=out, **arguments)
        case "prepare":
            from solid.data.prepare import prepare

            prepare(settings=settings.prepare, out=out, **arguments)
        case "features":
            from solid.features import extract_features

            extract_features(settings=settings.features, out=out, **arguments)
        case "train":
            from solid.training import train

            train(settings=settings, out=out, **arguments)
        case "embed":
            from solid.embeddings import write_embeddings

            write_embeddings(out=out, **arguments)
        case "assign":
            from solid.semantics.assign import assign

            assign(settings=settings.semantics, out=out, **arguments)
        case "score":
            from solid.evaluation.score import score

            score(settings=settings.evaluation, out=out, **arguments)
        case _:
            raise ValueError(step)
