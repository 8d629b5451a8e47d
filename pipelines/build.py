"""From a chain to the tasks of a pipeline: one for each turn of each stage, wired as the chain says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from kfp import dsl
from kfp.dsl.graph_component import GraphComponent

from components.interface import Port, component, parameters_of, with_interface
from components.parameters import Parameter
from components.unrolled import Unrolled
from pipelines.deployment import Deployment
from solid.chain import Stage

SECTIONS = "A section of settings may name some of its keys only; the others take the defaults of params.yaml."
"""What every pipeline says of its parameters."""


def add(unrolled: Unrolled, stages: Iterable[Stage], deployment: Deployment, known: dict[str, Any]) -> None:
    """Add a task for each turn of these stages to the pipeline in whose function this is called.

    Args:
        unrolled: the chain that they are of.
        stages: in the order of the chain.
        deployment: how their steps run.
        known: parameter or folder -> what stands for it, an argument of the pipeline or an output of a task. What the
            tasks put out is added; a setting that a task gives counts more than the argument of that name.
    """
    for turn in (turn for stage in stages for turn in unrolled.turns(stage)):
        made = component(unrolled, turn)
        task = made(**{name: known[name] for name in made.component_spec.inputs or {}})
        deployment.place(task, turn.stage.name, unrolled.title(turn), cache=turn.stage.cached)
        known |= {name.removeprefix("new_"): output for name, output in task.outputs.items()}


def parameters_for(stages: Iterable[Stage]) -> list[Parameter]:
    """What stages need of the pipeline."""
    return list({one.name: one for stage in stages for one in parameters_of(stage)}.values())


def whole(unrolled: Unrolled, about: str, deployment: Deployment) -> GraphComponent:
    """The pipeline of all stages of a chain, which has its name: every step in one layer."""
    stages, name = unrolled.chain.stages, unrolled.chain.name
    return pipeline(
        name,
        f"{about} {SECTIONS}",
        parameters_for(stages),
        lambda known: add(unrolled, stages, deployment, known),
        display_name=f"SOLID {name}",
    )


def pipeline(
    name: str,
    about: str,
    parameters: Iterable[Parameter],
    body: Callable[[dict[str, Any]], Any],
    *,
    folders: Sequence[Port] = (),
    display_name: str | None = None,
) -> GraphComponent:
    """A pipeline with these parameters; they have their defaults unless it is a part of another one.

    Args:
        name: of the pipeline.
        about: what it does, for Kubeflow's pages.
        parameters: of the pipeline.
        body: adds the tasks, of the arguments by name.
        folders: that it takes besides, as a part of another one.
        display_name: for people.
    """
    known = list(parameters)
    ports = [*folders, *((one.name, one.type, one.about) for one in known)]

    def function(*values: Any) -> Any:
        return body(dict(zip((port for port, _, _ in ports), values, strict=True)))

    defaults = {} if folders else {one.name: one.default for one in known}
    shown = with_interface(function, name, about, ports, defaults=defaults)
    made: GraphComponent = dsl.pipeline(name=name, display_name=display_name)(shown)
    return made
