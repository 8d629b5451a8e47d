"""The pipeline that compares backbones: the chain for each of them, on the same data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kfp.dsl.graph_component import GraphComponent

from components.interface import folder_port
from components.parameters import PARAMETERS
from components.unrolled import Unrolled
from pipelines.build import SECTIONS, add, parameters_for, pipeline
from pipelines.deployment import Deployment
from solid.chain import TRAINING
from solid.kinds import BACKBONES
from solid.settings.schema import Settings

_SHARED = [stage for stage in TRAINING.stages if stage.name not in TRAINING.of_backbone]
_REST = [stage for stage in TRAINING.stages if stage.name in TRAINING.of_backbone]
_BACKBONE = PARAMETERS["model.backbone"].name


def backbones(deployment: Deployment, settings: Settings, names: Sequence[str] = tuple(BACKBONES)) -> GraphComponent:
    """The pipeline that trains, evaluates and registers models of several backbones, for the lists of these settings.

    Args:
        deployment: how steps run.
        settings: whose lists are taken.
        names: of the backbones.
    """
    shared = Unrolled.of(TRAINING, settings)
    read = {source.stage for stage in _REST for source in stage.inputs} & {stage.name for stage in _SHARED}
    folders = [folder_port(shared, turn) for stage in _SHARED if stage.name in read for turn in shared.turns(stage)]
    parameters = [one for one in parameters_for(TRAINING.stages) if one.name != _BACKBONE]
    inner = [one for one in parameters_for(_REST) if one.name != _BACKBONE]

    def chain(name: str) -> GraphComponent:
        unrolled = Unrolled.of(TRAINING, settings, name)

        def body(known: dict[str, Any]) -> None:
            add(unrolled, _REST, deployment, known | {_BACKBONE: name})

        return pipeline(name, f"Train, evaluate and register the models of {name}.", inner, body, folders=folders)

    chains = [chain(name) for name in names]

    def body(known: dict[str, Any]) -> None:
        add(shared, _SHARED, deployment, known)
        before = None
        for made in chains:
            task = made(**{port: known[port] for port in made.component_spec.inputs})
            if before:  # two registrations at once would not know of each other's champion
                task.after(before)
            before = task

    about = f"From raw data to evaluated and registered models of {', '.join(names)}, one after another. {SECTIONS}"
    return pipeline("backbones", about, parameters, body, display_name="SOLID backbones")
