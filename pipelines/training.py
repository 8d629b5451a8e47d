"""The training pipeline: the whole chain, for every backbone and modality."""

from kfp import dsl
from kfp.dsl.graph_component import GraphComponent

from components.features import features as features_step
from components.ingest import ingest
from components.prepare import prepare as prepare_step
from pipelines.chain import chain
from pipelines.deployment import Deployment
from pipelines.parameters import DEFAULTS


def training(deployment: Deployment) -> GraphComponent:
    """The pipeline from raw data to evaluated and registered models."""
    for_backbone = chain(deployment)

    @dsl.pipeline(name="training", display_name="SOLID training")
    def training(
        data: dict = DEFAULTS["data"],
        data_version: str = "",
        prepare: dict = DEFAULTS["prepare"],
        features: dict = DEFAULTS["features"],
        backbones: list[str] = DEFAULTS["backbones"],
        baselines: list[str] = DEFAULTS["baselines"],
        generator: str = DEFAULTS["generator"],
        modalities: list[str] = DEFAULTS["modalities"],
        semantics: dict = DEFAULTS["semantics"],
        model: dict = DEFAULTS["model"],
        training: dict = DEFAULTS["training"],
        finetune: dict = DEFAULTS["finetune"],
        apg: dict = DEFAULTS["apg"],
        fusion: dict = DEFAULTS["fusion"],
        evaluation: dict = DEFAULTS["evaluation"],
        registry: dict = DEFAULTS["registry"],
        registering: bool = True,
    ):
        """From raw data to evaluated and registered models, for every backbone and modality.

        A section of settings may name some of its keys only; the others take the defaults of params.yaml.

        Args:
            data: Section data: source (s3:// or https:// address) and format.
            data_version: Change it when the data at the source changes; the cache answers as long as it stays.
            prepare: Section prepare: k-core, candidates, seed.
            features: Section features: text and image encoders.
            backbones: What turns a history into a state; one chain each.
            baselines: Heads that SOLID is compared with; the first one is the baseline of the table.
            generator: Generator of weights in SOLID, the item model and the semantic model.
            modalities: What semantic ids are made from; one SOLID model each.
            semantics: Section semantics without the modalities: number of classes, seed.
            model: Section model without the backbone: sizes.
            training: Section training: epochs, batch size, learning rate, seed, device.
            finetune: Section finetune, for the baseline of that name.
            apg: Section apg, for the generator or baseline of that name.
            fusion: Section fusion without the generator: bound, alignment, codebook.
            evaluation: Section evaluation without the baselines: full ranking, bootstrap, seed.
            registry: Section registry: name, metric, confidence.
            registering: Whether the best model of each backbone goes to the MLflow registry.
        """
        raw = deployment.place(ingest(data=data, version=data_version), "ingest").outputs["raw"]
        prepared = deployment.place(prepare_step(raw=raw, prepare=prepare), "prepare").outputs["prepared"]
        vectors = features_step(raw=raw, prepared=prepared, features=features, modalities=modalities)
        deployment.place(vectors, "features")
        # One after another: two registrations at once would not know of each other's champion.
        with dsl.ParallelFor(backbones, name="backbones", parallelism=1) as backbone:
            for_backbone(
                prepared=prepared,
                vectors=vectors.outputs["vectors"],
                backbone=backbone,
                baselines=baselines,
                generator=generator,
                modalities=modalities,
                features=features,
                semantics=semantics,
                model=model,
                training=training,
                finetune=finetune,
                apg=apg,
                fusion=fusion,
                evaluation=evaluation,
                registry=registry,
                registering=registering,
            )

    return training
