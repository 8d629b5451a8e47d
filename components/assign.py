"""The assign step as a Kubeflow component."""

from kfp import dsl

from components.common import step


@dsl.container_component
def assign(
    prepared: dsl.Input[dsl.Dataset],
    vectors: dsl.Input[dsl.Dataset],
    embeddings: dsl.Input[dsl.Dataset],
    modality: str,
    semantics: dict,
    classes: dsl.Output[dsl.Dataset],
):
    """Cluster the vectors of items into semantic ids.

    Args:
        prepared: What prepare made.
        vectors: What features made of texts and pictures.
        embeddings: What embed took from the item model.
        modality: What the classes are made from: id, text, image, or a mix such as id_text_image.
        semantics: Section semantics of the settings without the modalities: number of classes, seed.

    Returns:
        classes: The class of every item, and quality.json. Metadata: modality, classes, explained variance.
    """
    return step(
        "assign",
        "--modality", modality,
        "--prepared", prepared.path,
        "--features", vectors.path,
        "--embeddings", embeddings.path,
        "--out", classes.path,
        semantics=semantics,
    )  # fmt: skip
