"""The embed step as a Kubeflow component."""

from kfp import dsl

from components.common import step


@dsl.container_component
def embed(prepared: dsl.Input[dsl.Dataset], model: dsl.Input[dsl.Model], embeddings: dsl.Output[dsl.Dataset]):
    """Write the item embeddings of the item model, the id part of semantic ids.

    Args:
        prepared: What the model was trained on.
        model: The item model.

    Returns:
        embeddings: One float32 matrix, id.npy. Metadata: its rows and columns.
    """
    return step(
        "embed",
        "--prepared", prepared.path,
        "--model", model.path,
        "--out", embeddings.path,
    )  # fmt: skip
