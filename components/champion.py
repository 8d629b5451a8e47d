"""The champion step as a Kubeflow component."""

from kfp import dsl

from components.common import step


@dsl.container_component
def champion(
    settings_of: str,
    changes: dict,
    features: dict,
    backbone: str,
    generator: str,
    modalities: list,
    semantics: dict,
    model: dict,
    training: dict,
    finetune: dict,
    apg: dict,
    fusion: dict,
    registry: dict,
    reference: dsl.Output[dsl.Artifact],
    new_features: dsl.OutputPath(dict),
    new_backbone: dsl.OutputPath(str),
    new_generator: dsl.OutputPath(str),
    new_modalities: dsl.OutputPath(list),
    new_semantics: dsl.OutputPath(dict),
    new_model: dsl.OutputPath(dict),
    new_training: dsl.OutputPath(dict),
    new_apg: dsl.OutputPath(dict),
    new_fusion: dsl.OutputPath(dict),
):
    """Look up the champion in the MLflow registry: what it was made with, and the profile of its data.

    Args:
        settings_of: champion takes over what makes the model from the champion; params trains with the sections below.
        changes: What to change of either, by section, such as {"training": {"seed": 1}}.
        features: Section features of the settings as they stand today; this and the next ones count where there is no
            champion, or settings_of says so.
        backbone: What turns a history into a state, today.
        generator: Generator of weights, today.
        modalities: What semantic ids are made from, today.
        semantics: Section semantics, today.
        model: Section model, today.
        training: Section training, today.
        finetune: Section finetune, today.
        apg: Section apg, today.
        fusion: Section fusion, today.
        registry: Section registry of the settings: name.

    Returns:
        reference: champion.json, params.yaml with all settings, and the profile of the champion's data. Metadata: name,
            version.
        new_features: Section features to train with; this and the next ones.
        new_backbone: What turns a history into a state.
        new_generator: Generator of weights of all models.
        new_modalities: What semantic ids are made from.
        new_semantics: Section semantics.
        new_model: Section model.
        new_training: Section training.
        new_apg: Section apg.
        new_fusion: Section fusion.
    """
    return step(
        "champion",
        "--settings-of", settings_of,
        "--changes", changes,
        "--out", reference.path,
        features=features, semantics=semantics, semantics__modalities=modalities,
        model=model, model__backbone=backbone, training=training, finetune=finetune, apg=apg,
        fusion=fusion, fusion__generator=generator, registry=registry,
    )  # fmt: skip
