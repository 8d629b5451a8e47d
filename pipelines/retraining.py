"""The retraining pipeline: a successor for the champion, made as it was made, on the data of today."""

from __future__ import annotations

from typing import Any

from kfp.dsl.graph_component import GraphComponent

from pipelines.build import Graph, folder_of, parameters_for, pipeline
from pipelines.deployment import Deployment
from solid.chain import RETRAINING, TRAINING

_REST = [stage for stage in RETRAINING.stages if stage.name in TRAINING.of_backbone]
_FIRST = [stage for stage in RETRAINING.stages if stage not in _REST]
_ACROSS = {"prepare": "prepared", "features": "vectors", "champion": "reference", "check": "checked"}


def retraining(deployment: Deployment) -> GraphComponent:
    """The pipeline from raw data to the decision who is champion."""
    succeed = _succession(deployment)

    def body(given: dict[str, Any]) -> None:
        graph = Graph(RETRAINING, deployment, given, {})
        graph.add(_FIRST)
        folders = {name: graph.made[stage] for stage, name in _ACROSS.items()}
        succeed(**folders, **{name: graph.given[name] for name in parameters_for(_REST)})

    about = (
        "From raw data to a registered challenger, which becomes champion if it wins and the data passed its checks. A "
        "section of settings may name some of its keys only; the others take the defaults of params.yaml. What makes a "
        "model counts where there is no champion, or where settings_of is params."
    )
    parameters = parameters_for(RETRAINING.stages).values()
    return pipeline("retraining", about, parameters, body, display_name="SOLID retraining", with_defaults=True)


def _succession(deployment: Deployment) -> GraphComponent:
    """The pipeline that trains the challengers and lets the best of them challenge the champion.

    A pipeline of its own, because kfp.local does not loop over an output of a task of the same pipeline.
    """

    def body(given: dict[str, Any]) -> None:
        graph = Graph(RETRAINING, deployment, given, {stage: given[name] for stage, name in _ACROSS.items()})
        graph.add(_REST)

    folders = [folder_of(RETRAINING, stage) for stage in _ACROSS]
    parameters = parameters_for(_REST).values()
    return pipeline("succession", "Train, evaluate and register challengers.", parameters, body, folders=folders)
