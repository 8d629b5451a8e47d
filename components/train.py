"""The train step as Kubeflow components: a baseline, the item model, the semantic model, SOLID."""

from kfp import dsl

from components.common import step


@dsl.container_component
def train_baseline(
    prepared: dsl.Input[dsl.Dataset],
    vectors: dsl.Input[dsl.Dataset],
    head: str,
    backbone: str,
    model: dict,
    training: dict,
    finetune: dict,
    apg: dict,
    trained: dsl.Output[dsl.Model],
):
    """Train a model on items for SOLID to be compared with.

    Args:
        prepared: What prepare made.
        vectors: What features made.
        head: Kind of model, such as static (one set of weights for everybody) or duet (weights generated a user).
        backbone: What turns a history into a state, such as sasrec.
        model: Section model of the settings without the backbone: sizes.
        training: Section training of the settings: epochs, batch size, learning rate, seed, device.
        finetune: Section finetune of the settings, for the head of that name.
        apg: Section apg of the settings, for the head of that name.

    Returns:
        trained: Weights (safetensors), configuration and history. Metadata: head, backbone, best epoch and its UAUC on
            the validation candidates.
    """
    return step(
        "train",
        "--head", head,
        "--prepared", prepared.path,
        "--features", vectors.path,
        "--out", trained.path,
        model=model, model__backbone=backbone, training=training, finetune=finetune, apg=apg,
    )  # fmt: skip


@dsl.container_component
def train_item(
    prepared: dsl.Input[dsl.Dataset],
    vectors: dsl.Input[dsl.Dataset],
    head: str,
    backbone: str,
    model: dict,
    training: dict,
    apg: dict,
    trained: dsl.Output[dsl.Model],
):
    """Train the item model: weights generated from sequences of items. Its embeddings are the id part of semantic ids.

    Args:
        prepared: What prepare made.
        vectors: What features made.
        head: The generator of weights: duet or apg.
        backbone: What turns a history into a state, such as sasrec.
        model: Section model of the settings without the backbone: sizes.
        training: Section training of the settings: epochs, batch size, learning rate, seed, device.
        apg: Section apg of the settings, for the generator of that name.

    Returns:
        trained: Weights (safetensors), configuration and history. Metadata: head, backbone, best epoch and its UAUC on
            the validation candidates.
    """
    return step(
        "train",
        "--head", head,
        "--prepared", prepared.path,
        "--features", vectors.path,
        "--out", trained.path,
        model=model, model__backbone=backbone, training=training, apg=apg,
    )  # fmt: skip


@dsl.container_component
def train_semantic(
    prepared: dsl.Input[dsl.Dataset],
    semantics: dsl.Input[dsl.Dataset],
    head: str,
    backbone: str,
    model: dict,
    training: dict,
    apg: dict,
    trained: dsl.Output[dsl.Model],
):
    """Train the semantic model: weights generated from sequences of classes. SOLID and its codebook start from it.

    Args:
        prepared: What prepare made.
        semantics: What assign made: the class of every item.
        head: The generator of weights: duet or apg.
        backbone: What turns a history into a state, such as sasrec.
        model: Section model of the settings without the backbone: sizes.
        training: Section training of the settings: epochs, batch size, learning rate, seed, device.
        apg: Section apg of the settings, for the generator of that name.

    Returns:
        trained: Weights (safetensors), configuration and history. Metadata: modality, classes, best epoch and its UAUC
            on the validation candidates.
    """
    return step(
        "train",
        "--head", head,
        "--ids", "semantic",
        "--prepared", prepared.path,
        "--semantics", semantics.path,
        "--out", trained.path,
        model=model, model__backbone=backbone, training=training, apg=apg,
    )  # fmt: skip


@dsl.container_component
def train_solid(
    prepared: dsl.Input[dsl.Dataset],
    vectors: dsl.Input[dsl.Dataset],
    semantics: dsl.Input[dsl.Dataset],
    semantic_model: dsl.Input[dsl.Model],
    backbone: str,
    generator: str,
    model: dict,
    training: dict,
    apg: dict,
    fusion: dict,
    trained: dsl.Output[dsl.Model],
):
    """Train SOLID: trunk weights from classes, a bounded correction from items, a codebook that steadies both.

    Args:
        prepared: What prepare made.
        vectors: What features made.
        semantics: What assign made: the class of every item.
        semantic_model: The semantic model of the same classes, from which SOLID starts.
        backbone: What turns a history into a state, such as sasrec.
        generator: The generator of weights: duet or apg.
        model: Section model of the settings without the backbone: sizes.
        training: Section training of the settings: epochs, batch size, learning rate, seed, device.
        apg: Section apg of the settings, for the generator of that name.
        fusion: Section fusion of the settings without the generator: the bound, the alignment, the codebook.

    Returns:
        trained: Weights (safetensors), configuration and history. Metadata: modality, classes, best epoch and its UAUC
            on the validation candidates.
    """
    return step(
        "train",
        "--head", "solid",
        "--prepared", prepared.path,
        "--features", vectors.path,
        "--semantics", semantics.path,
        "--semantic-model", semantic_model.path,
        "--out", trained.path,
        model=model, model__backbone=backbone, training=training, apg=apg,
        fusion=fusion, fusion__generator=generator,
    )  # fmt: skip
