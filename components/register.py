"""The register step as a Kubeflow component."""

from kfp import dsl

from components.common import step


@dsl.container_component
def register(
    prepared: dsl.Input[dsl.Dataset],
    models: dsl.Input[list[dsl.Model]],
    results: dsl.Input[dsl.Artifact],
    modalities: list,
    features: dict,
    semantics: dict,
    backbone: str,
    model: dict,
    training: dict,
    finetune: dict,
    apg: dict,
    generator: str,
    fusion: dict,
    evaluation: dict,
    registry: dict,
    registration: dsl.Output[dsl.Artifact],
):
    """Register the best model in MLflow: as challenger always, as champion when it wins on the test users.

    Args:
        prepared: What prepare made; its test users decide about the champion.
        models: The SOLID models, one a modality; the best on validation is registered.
        results: What evaluate wrote; it goes along with the version.
        modalities: Modalities of the models.
        features: Section features of the settings; this and the next ones go along with the version, for retraining.
        semantics: Section semantics of the settings without the modalities.
        backbone: What turns a history into a state.
        model: Section model of the settings without the backbone.
        training: Section training of the settings.
        finetune: Section finetune of the settings.
        apg: Section apg of the settings.
        generator: Generator of the models' weights.
        fusion: Section fusion of the settings without the generator.
        evaluation: Section evaluation of the settings without the baselines: bootstrap resamples, seed.
        registry: Section registry of the settings: name, metric, confidence.

    Returns:
        registration: registration.json. Metadata: name, version, champion and the reason in words.
    """
    return step(
        "register",
        "--prepared", prepared.path,
        "--model", "{modality}=@models/{modality}",
        "--evaluation", results.path,
        "--out", registration.path,
        features=features, semantics=semantics, semantics__modalities=modalities,
        model=model, model__backbone=backbone, training=training, finetune=finetune, apg=apg,
        fusion=fusion, fusion__generator=generator,
        evaluation=evaluation, registry=registry,
    )  # fmt: skip


@dsl.container_component
def register_challenger(
    prepared: dsl.Input[dsl.Dataset],
    models: dsl.Input[list[dsl.Model]],
    results: dsl.Input[dsl.Artifact],
    reference: dsl.Input[dsl.Artifact],
    checked: dsl.Input[dsl.Artifact],
    modalities: list,
    evaluation: dict,
    registry: dict,
    registration: dsl.Output[dsl.Artifact],
    report: dsl.Output[dsl.Markdown],
):
    """Measure champion and challenger on the same users; the champion's place goes to a better model on good data.

    Args:
        prepared: What prepare made; its test users decide about the champion.
        models: The SOLID models, one a modality; the best on validation is registered as challenger.
        results: What evaluate wrote; it goes along with the version.
        reference: What champion found: the settings that the models were trained with go along with the version.
        checked: What check found; where the data did not pass, the champion stays.
        modalities: Modalities of the models.
        evaluation: Section evaluation of the settings without the baselines: bootstrap resamples, seed.
        registry: Section registry of the settings: name, metric, confidence.

    Returns:
        registration: registration.json. Metadata: name, version, champion and the reason in words.
        report: What became of the champion and why, both models' figures, the data checks.
    """
    return step(
        "register",
        "--prepared", prepared.path,
        "--model", "{modality}=@models/{modality}",
        "--evaluation", results.path,
        "--checks", checked.path,
        "--out", registration.path,
        "--params", f"{reference.path}/params.yaml",
        semantics__modalities=modalities, evaluation=evaluation, registry=registry,
    )  # fmt: skip
