"""Ask a registered model, as a person at a terminal does."""

from __future__ import annotations

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
    with clear_errors():
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
