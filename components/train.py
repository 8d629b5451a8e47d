"""The train step as Kubeflow components: on items, on classes, and SOLID on both."""

from kfp import dsl

from components.common import IMAGE, kubeflow, settings


@dsl.container_component
def train(
    prepared: dsl.Input[dsl.Dataset],
    head: str,
    backbone: str,
    model: dict,
    training: dict,
    trained: dsl.Output[dsl.Model],
):
    """Train a baseline, or the item model whose embeddings semantic ids are made from.

    Args:
        prepared: What prepare made.
        head: Kind of model, such as static (one set of weights for everybody) or duet (weights generated a user).
        backbone: What turns a history into a state, such as sasrec.
        model: Section model of the settings without the backbone: sizes.
        training: Section training of the settings: epochs, batch size, learning rate, seed, device.
        trained: Weights (safetensors), configuration and history. Metadata: head, backbone, best epoch and its UAUC on
            the validation candidates.
    """
    return dsl.ContainerSpec(
        image=IMAGE,
        command=["solid", "train"],
        args=[
            *["--head", head, "--prepared", prepared.path, "--out", trained.path],
            *settings(model=model, model__backbone=backbone, training=training),
            *kubeflow(),
        ],
    )


@dsl.container_component
def train_semantic(
    prepared: dsl.Input[dsl.Dataset],
    semantics: dsl.Input[dsl.Dataset],
    head: str,
    backbone: str,
    model: dict,
    training: dict,
    trained: dsl.Output[dsl.Model],
):
    """Train the semantic model, which reads the classes of items; SOLID's codebook starts from its embeddings.

    Args:
        prepared: What prepare made.
        semantics: What assign made: the class of every item.
        head: The generator of weights, such as duet.
        backbone: What turns a history into a state, such as sasrec.
        model: Section model of the settings without the backbone: sizes.
        training: Section training of the settings: epochs, batch size, learning rate, seed, device.
        trained: Weights (safetensors), configuration and history. Metadata: modality, classes, best epoch and its UAUC
            on the validation candidates.
    """
    return dsl.ContainerSpec(
        image=IMAGE,
        command=["solid", "train"],
        args=[
            *["--head", head, "--ids", "semantic", "--prepared", prepared.path],
            *["--semantics", semantics.path, "--out", trained.path],
            *settings(model=model, model__backbone=backbone, training=training),
            *kubeflow(),
        ],
    )


@dsl.container_component
def train_solid(
    prepared: dsl.Input[dsl.Dataset],
    semantics: dsl.Input[dsl.Dataset],
    semantic_model: dsl.Input[dsl.Model],
    backbone: str,
    model: dict,
    training: dict,
    fusion: dict,
    trained: dsl.Output[dsl.Model],
):
    """Train SOLID: trunk weights from classes, a bounded correction from items, a codebook that steadies both.

    Args:
        prepared: What prepare made.
        semantics: What assign made: the class of every item.
        semantic_model: The semantic model of the same classes, from which SOLID starts.
        backbone: What turns a history into a state, such as sasrec.
        model: Section model of the settings without the backbone: sizes.
        training: Section training of the settings: epochs, batch size, learning rate, seed, device.
        fusion: Section fusion of the settings: the bound, the alignment loss, how the codebook learns.
        trained: Weights (safetensors), configuration and history. Metadata: modality, classes, best epoch and its UAUC
            on the validation candidates.
    """
    return dsl.ContainerSpec(
        image=IMAGE,
        command=["solid", "train"],
        args=[
            *["--head", "solid", "--prepared", prepared.path, "--semantics", semantics.path],
            *["--semantic-model", semantic_model.path, "--out", trained.path],
            *settings(model=model, model__backbone=backbone, training=training, fusion=fusion),
            *kubeflow(),
        ],
    )
