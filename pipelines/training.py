"""The training pipeline: the whole chain, for every backbone and modality."""

from __future__ import annotations

from typing import Any

from kfp import dsl
from kfp.dsl.graph_component import GraphComponent

from components.parameters import PARAMETERS, Parameter
from pipelines.build import Graph, folder_of, parameters_for, pipeline
from pipelines.deployment import Deployment
from solid.chain import TRAINING

_FIRST = [stage for stage in TRAINING.stages if stage.name not in TRAINING.of_backbone]
_REST = [stage for stage in TRAINING.stages if stage.name in TRAINING.of_backbone]
_BACKBONE = PARAMETERS["model.backbone"]
_BACKBONES = Parameter("backbones", f"A chain for each of these: {_BACKBONE.about}", [_BACKBONE.default])
_REGISTERING = PARAMETERS["registering"]
# Stage, port and kind of what may be registered.
_CANDIDATES = (
    ("baseline", "baseline_models", dsl.Input[list[dsl.Model]]),
    ("item", "item_model", dsl.Input[dsl.Model]),
    ("solid", "solid_models", dsl.Input[list[dsl.Model]]),
)


def training(deployment: Deployment) -> GraphComponent:
    """The pipeline from raw data to evaluated and registered models."""
    for_backbone = _chain(deployment)
    known = parameters_for(TRAINING.stages)
    passed_on = known.keys() & for_backbone.component_spec.inputs.keys() - {"backbone"}
    own = [one for name, one in known.items() if name != "backbone"]

    def body(given: dict[str, Any]) -> None:
        graph = Graph(TRAINING, deployment, given, {})
        graph.add(_FIRST)
        folders = {"prepared": graph.made["prepare"], "vectors": graph.made["features"]}
        # One after another: two registrations at once would not know of each other's champion.
        with dsl.ParallelFor(given["backbones"], name="backbones", parallelism=1) as backbone:
            values = {name: given[name] for name in passed_on}
            for_backbone(**folders, backbone=backbone, registering=given["registering"], **values)

    about = (
        "From raw data to evaluated and registered models, for every backbone and modality. A section of settings may "
        "name some of its keys only; the others take the defaults of params.yaml."
    )
    return pipeline(
        "training", about, [*own, _BACKBONES, _REGISTERING], body, display_name="SOLID training", with_defaults=True
    )


def _chain(deployment: Deployment) -> GraphComponent:
    """The pipeline that trains, evaluates and, if wanted, registers all models of one backbone."""
    register = TRAINING["register"]
    trained = [stage for stage in _REST if stage is not register]
    registration = _registration(deployment)

    def body(given: dict[str, Any]) -> None:
        graph = Graph(TRAINING, deployment, given, {"prepare": given["prepared"], "features": given["vectors"]})
        graph.add(trained)
        values = {name: given[name] for name in parameters_for([register])}
        registration(
            prepared=given["prepared"],
            baseline_models=dsl.Collected(graph.made["baseline"]),
            item_model=graph.made["item"],
            solid_models=dsl.Collected(graph.made["solid"]),
            results=graph.made["evaluate"],
            registering=given["registering"],
            **values,
        )

    folders = [folder_of(TRAINING, "prepare"), folder_of(TRAINING, "features")]
    parameters = [*parameters_for(_REST).values(), _REGISTERING]
    return pipeline(
        "chain", "Train, evaluate and register the models of one backbone.", parameters, body, folders=folders
    )


def _registration(deployment: Deployment) -> GraphComponent:
    """The pipeline that registers models if it is told to.

    A pipeline of its own, because a list of collected models does not reach into a condition.
    """
    register = TRAINING["register"]

    def body(given: dict[str, Any]) -> None:
        made = {"prepare": given["prepared"], "evaluate": given["results"]}
        made |= {stage: given[port] for stage, port, _ in _CANDIDATES}
        with dsl.If(given["registering"] == True, name="registering"):  # noqa: E712  builds a condition
            Graph(TRAINING, deployment, given, made).add([register])

    models = [(port, kind, TRAINING[stage].step.writes) for stage, port, kind in _CANDIDATES]
    folders = [folder_of(TRAINING, "prepare"), *models, folder_of(TRAINING, "evaluate")]
    parameters = [*parameters_for([register]).values(), _REGISTERING]
    return pipeline("registration", "Register the best of the models, if wanted.", parameters, body, folders=folders)
