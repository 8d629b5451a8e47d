"""The chain for one backbone, from prepared data to evaluated (and registered) models: a pipeline inside pipelines."""

from kfp import dsl
from kfp.dsl.graph_component import GraphComponent

from components.evaluate import evaluate
from components.register import register
from components.train import train_baseline
from pipelines.deployment import Deployment
from pipelines.models import train_models


def chain(deployment: Deployment) -> GraphComponent:
    """The pipeline that trains, evaluates and, if wanted, registers all models of one backbone."""
    register_if = registration(deployment)

    @dsl.pipeline(name="chain")
    def chain(
        prepared: dsl.Input[dsl.Dataset],
        vectors: dsl.Input[dsl.Dataset],
        backbone: str,
        baselines: list[str],
        generator: str,
        modalities: list[str],
        features: dict,
        semantics: dict,
        model: dict,
        training: dict,
        finetune: dict,
        apg: dict,
        fusion: dict,
        evaluation: dict,
        registry: dict,
        registering: bool,
    ) -> dsl.Artifact:
        """Train, evaluate and register the models of one backbone.

        Args:
            prepared: What prepare made.
            vectors: What features made.
            backbone: What turns a history into a state.
            baselines: Heads that SOLID is compared with; the first one is the baseline of the table.
            generator: Generator of the item model and the semantic model.
            modalities: What semantic ids are made from; one SOLID model each.
            features: Section features of the settings.
            semantics: Section semantics of the settings without the modalities.
            model: Section model of the settings without the backbone.
            training: Section training of the settings.
            finetune: Section finetune of the settings.
            apg: Section apg of the settings.
            fusion: Section fusion of the settings without the generator.
            evaluation: Section evaluation of the settings without the baselines.
            registry: Section registry of the settings.
            registering: Whether the best model goes to the registry.
        """
        learning = {"prepared": prepared, "backbone": backbone, "model": model, "training": training, "apg": apg}
        with dsl.ParallelFor(baselines, name="baselines") as head:
            baseline = train_baseline(vectors=vectors, head=head, finetune=finetune, **learning)
            deployment.place(baseline, "baseline")
        item_model, embeddings, solid = train_models(
            deployment,
            vectors=vectors,
            generator=generator,
            modalities=modalities,
            semantics=semantics,
            fusion=fusion,
            **learning,
        )
        evaluated = evaluate(
            prepared=prepared,
            vectors=vectors,
            embeddings=embeddings,
            baseline_models=dsl.Collected(baseline.outputs["trained"]),
            item_model=item_model,
            models=dsl.Collected(solid),
            baselines=baselines,
            generator=generator,
            modalities=modalities,
            evaluation=evaluation,
        )
        deployment.place(evaluated, "evaluate")
        register_if(
            registering=registering,
            prepared=prepared,
            models=dsl.Collected(solid),
            results=evaluated.outputs["results"],
            modalities=modalities,
            features=features,
            semantics=semantics,
            backbone=backbone,
            model=model,
            training=training,
            finetune=finetune,
            apg=apg,
            generator=generator,
            fusion=fusion,
            evaluation=evaluation,
            registry=registry,
        )
        return evaluated.outputs["results"]

    return chain


def registration(deployment: Deployment) -> GraphComponent:
    """The pipeline that registers models if it is told to.

    A pipeline of its own, because a list of collected models does not reach into a condition.
    """

    @dsl.pipeline(name="registration")
    def registration(
        registering: bool,
        prepared: dsl.Input[dsl.Dataset],
        models: dsl.Input[list[dsl.Model]],
        results: dsl.Input[dsl.Artifact],
        modalities: list[str],
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
    ):
        """Register the best of the models, if wanted.

        Args:
            registering: Whether it is.
            prepared: What prepare made.
            models: The SOLID models.
            results: What evaluate wrote.
            modalities: Modalities of the models.
            features: Section features of the settings.
            semantics: Section semantics of the settings without the modalities.
            backbone: What turns a history into a state.
            model: Section model of the settings without the backbone.
            training: Section training of the settings.
            finetune: Section finetune of the settings.
            apg: Section apg of the settings.
            generator: Generator of the models' weights.
            fusion: Section fusion of the settings without the generator.
            evaluation: Section evaluation of the settings.
            registry: Section registry of the settings.
        """
        with dsl.If(registering == True, name="registering"):  # noqa: E712  builds a condition
            registered = register(
                prepared=prepared,
                models=models,
                results=results,
                modalities=modalities,
                features=features,
                semantics=semantics,
                backbone=backbone,
                model=model,
                training=training,
                finetune=finetune,
                apg=apg,
                generator=generator,
                fusion=fusion,
                evaluation=evaluation,
                registry=registry,
            )
            deployment.place(registered, "register", cache=False)  # its result depends on the registry, too

    return registration
