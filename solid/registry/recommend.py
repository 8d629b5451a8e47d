"""Ask a registered model, as a person at a terminal does."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from solid.tracking import clear_errors, connect


def recommend(model_uri: str, history: list[str], k: int) -> str:
    """Recommend with a registered model, as a table for people.

    Args:
        model_uri: such as ``models:/solid@champion``.
        history: original item ids, oldest first.
        k: how many items.

    Raises:
        SolidError: there is no such model, or k is not positive.
    """
    with clear_errors(), _no_log_of_answers():
        connect()
        import mlflow

        served = mlflow.pyfunc.load_model(model_uri)
        answer = served.predict([history], params={"k": k})[0]
    width = max([len("item"), *map(len, answer["items"])])
    lines = [f"{'rank':>4}  {'item':{width}}  {'score':>8}  title"]
    rows = zip(answer["items"], answer["scores"], answer["titles"], strict=True)
    lines += [f"{rank:4}  {item:{width}}  {score:8.3f}  {title}" for rank, (item, score, title) in enumerate(rows, 1)]
    if answer["unknown"]:
        lines.append(f"ignored, unknown to the model: {', '.join(answer['unknown'])}")
    return "\n".join(line.rstrip() for line in lines)


@contextmanager
def _no_log_of_answers() -> Iterator[None]:
    """A server's operator reads in its log that ids were unknown; here the table says which."""
    log = logging.getLogger("solid.registry.serving")
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before
