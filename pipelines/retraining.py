"""The retraining pipeline: a successor for the champion, made as it was made, on the data of today."""

from kfp import dsl
from kfp.dsl.graph_component import GraphComponent

from components.champion import champion
from components.check import check
from components.evaluate import evaluate_challengers
from components.features import features as features_step
from components.ingest import ingest
from components.prepare import prepare as prepare_step
from components.register import register_challenger
from pipelines.deployment import Deployment
from pipelines.models import train_models
from pipelines.parameters import DEFAULTS


def retraining(deployment: Deployment) -> GraphComponent:
    """The pipeline from raw data to the decision who is champion."""
    succeed = succession(deployment)

    @dsl.pipeline(name="retraining", display_name="SOLID retraining")
    def retraining(
        data: dict = DEFAULTS["data"],
        data_version: str = "",
        settings_of: str = "champion",
        changes: dict = {},  # noqa: B006
        prepare: dict = DEFAULTS["prepare"],
        features: dict = DEFAULTS["features"],
        backbone: str = DEFAULTS["backbone"],
        generator: str = DEFAULTS["generator"],
        modalities: list[str] = DEFAULTS["modalities"],
        semantics: dict = DEFAULTS["semantics"],
        model: dict = DEFAULTS["model"],
        training: dict = DEFAULTS["training"],
        finetune: dict = DEFAULTS["finetune"],
        apg: dict = DEFAULTS["apg"],
        fusion: dict = DEFAULTS["fusion"],
        evaluation: dict = DEFAULTS["evaluation"],
        checks: dict = DEFAULTS["checks"],
        registry: dict = DEFAULTS["registry"],
    ):
        """From raw data to a registered challenger, which becomes champion if it wins and the data passed its checks.

        A section of settings may name some of its keys only; the others take the defaults of params.yaml. The sections
        features to fusion count where there is no champion, or where settings_of is params.

        Args:
            data: Section data: source (s3:// or https:// address) and format.
            data_version: What the run shows of the data's version; the data is fetched anew each time.
            settings_of: champion: train as the champion was trained; params: with the sections below.
            changes: What to change of either, by section, such as {"training": {"seed": 1}}.
            prepare: Section prepare: k-core, candidates, seed.
            features: Section features: text and image encoders.
            backbone: What turns a history into a state.
            generator: Generator of weights of all models: duet or apg.
            modalities: What semantic ids are made from; one SOLID model each, the best on validation is registered.
            semantics: Section semantics without the modalities: number of classes, seed.
            model: Section model without the backbone: sizes.
            training: Section training: epochs, batch size, learning rate, seed, device.
            finetune: Section finetune.
            apg: Section apg: rank and expansion.
            fusion: Section fusion without the generator: bound, alignment, codebook.
            evaluation: Section evaluation without the baselines: full ranking, bootstrap, seed.
            checks: Section checks: what new data must hold.
            registry: Section registry: name, metric, confidence.
        """
        fetched = ingest(data=data, version=data_version)
        # The source and the registry change behind the same arguments; a cached answer would be yesterday's.
        raw = deployment.place(fetched, "ingest", cache=False).outputs["raw"]
        prepared = deployment.place(prepare_step(raw=raw, prepare=prepare), "prepare").outputs["prepared"]
        made = champion(
            settings_of=settings_of,
            changes=changes,
            features=features,
            backbone=backbone,
            generator=generator,
            modalities=modalities,
            semantics=semantics,
            model=model,
            training=training,
            finetune=finetune,
            apg=apg,
            fusion=fusion,
            registry=registry,
        )
        deployment.place(made, "champion", cache=False)
        checked = check(prepared=prepared, reference=made.outputs["reference"], checks=checks)
        deployment.place(checked, "check")
        vectors = features_step(
            raw=raw,
            prepared=prepared,
            features=made.outputs["new_features"],
            modalities=made.outputs["new_modalities"],
        )
        deployment.place(vectors, "features")
        succeed(
            prepared=prepared,
            vectors=vectors.outputs["vectors"],
            reference=made.outputs["reference"],
            checked=checked.outputs["checked"],
            backbone=made.outputs["new_backbone"],
            generator=made.outputs["new_generator"],
            modalities=made.outputs["new_modalities"],
            semantics=made.outputs["new_semantics"],
            model=made.outputs["new_model"],
            training=made.outputs["new_training"],
            apg=made.outputs["new_apg"],
            fusion=made.outputs["new_fusion"],
            evaluation=evaluation,
            registry=registry,
        )

    return retraining


def succession(deployment: Deployment) -> GraphComponent:
    """The pipeline that trains the challengers and lets the best of them challenge the champion.

    A pipeline of its own, because kfp.local does not loop over an output of a task of the same pipeline.
    """

    @dsl.pipeline(name="succession")
    def succession(
        prepared: dsl.Input[dsl.Dataset],
        vectors: dsl.Input[dsl.Dataset],
        reference: dsl.Input[dsl.Artifact],
        checked: dsl.Input[dsl.Artifact],
        backbone: str,
        generator: str,
        modalities: list[str],
        semantics: dict,
        model: dict,
        training: dict,
        apg: dict,
        fusion: dict,
        evaluation: dict,
        registry: dict,
    ):
        """Train, evaluate and register challengers.

        Args:
            prepared: What prepare made.
            vectors: What features made.
            reference: What champion found.
            checked: What check found.
            backbone: What turns a history into a state.
            generator: Generator of the item model and the semantic model.
            modalities: What semantic ids are made from; one SOLID model each.
            semantics: Section semantics of the settings.
            model: Section model of the settings.
            training: Section training of the settings.
            apg: Section apg of the settings.
            fusion: Section fusion of the settings.
            evaluation: Section evaluation of the settings without the baselines.
            registry: Section registry of the settings.
        """
        learning = {"prepared": prepared, "backbone": backbone, "model": model, "training": training, "apg": apg}
        item_model, embeddings, solid = train_models(
            deployment,
            vectors=vectors,
            generator=generator,
            modalities=modalities,
            semantics=semantics,
            fusion=fusion,
            **learning,
        )
        evaluated = evaluate_challengers(
            prepared=prepared,
            vectors=vectors,
            embeddings=embeddings,
            item_model=item_model,
            models=dsl.Collected(solid),
            generator=generator,
            modalities=modalities,
            evaluation=evaluation,
        )
        deployment.place(evaluated, "evaluate")
        registered = register_challenger(
            prepared=prepared,
            models=dsl.Collected(solid),
            results=evaluated.outputs["results"],
            reference=reference,
            checked=checked,
            modalities=modalities,
            evaluation=evaluation,
            registry=registry,
        )
        deployment.place(registered, "register", cache=False)  # its result depends on the registry, too

    return succession
