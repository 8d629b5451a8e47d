"""The features step as a Kubeflow component."""

from kfp import dsl

from components.common import step


@dsl.container_component
def features(
    raw: dsl.Input[dsl.Dataset],
    prepared: dsl.Input[dsl.Dataset],
    features: dict,
    modalities: list,
    vectors: dsl.Output[dsl.Dataset],
):
    """Turn the texts and pictures of items into vectors.

    Args:
        raw: What ingest fetched: texts, pictures, or vectors that the source brings.
        prepared: What prepare made of it; row i of each matrix is its item i + 1.
        features: Section features of the settings: encoders and their sizes.
        modalities: What semantic ids will be made from; a part that none of them names is not encoded.

    Returns:
        vectors: One float32 matrix a modality. Metadata: rows and columns of each.
    """
    return step(
        "features",
        "--raw", raw.path,
        "--prepared", prepared.path,
        "--out", vectors.path,
        features=features, semantics__modalities=modalities,
    )  # fmt: skip
