"""From a chain to the tasks of a pipeline: one for each stage, wired as the chain says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any

from kfp import dsl
from kfp.dsl.graph_component import GraphComponent

from components.interface import Port, component, is_list, parameters_of, port_of, with_interface
from components.parameters import PARAMETERS, Parameter
from pipelines.deployment import Deployment
from solid.chain import EACH, Chain, Stage


class Graph:
    """The tasks of a chain, in the pipeline in whose function it is made.

    Attributes:
        given: parameter -> its value, an argument of the pipeline or what a task puts out.
        made: stage -> its folder.
    """

    def __init__(self, chain: Chain, deployment: Deployment, given: Mapping[str, Any], made: Mapping[str, Any]) -> None:
        self.chain, self.deployment = chain, deployment
        self.given, self.made = dict(given), dict(made)

    def add(self, stages: Iterable[Stage]) -> None:
        """Add a task for each of these stages; a loop of them where they run for each entry of a setting."""
        for each, group in groupby(stages, key=attrgetter("each")):
            if not each:
                for stage in group:
                    self._place(stage)
                continue
            entries = PARAMETERS[each].name
            with dsl.ParallelFor(self.given[entries], name=entries) as item:
                for stage in group:
                    self._place(stage, item)

    def _place(self, stage: Stage, item: Any = None) -> None:
        folders = {}
        for source in stage.inputs:
            made = self.made[source.stage]
            of_turns = is_list(self.chain, stage, source) and not made.is_artifact_list
            folders[port_of(self.chain, stage, source)] = dsl.Collected(made) if of_turns else made
        values = {name: self.given.get(name, item) for name in (one.name for one in parameters_of(stage))}
        task = self.deployment.place(component(self.chain, stage)(**folders, **values), stage.name, cache=stage.cached)
        self.made[stage.name] = task.outputs[stage.output]
        for name in (PARAMETERS[place].name for place in stage.gives):
            self.given[name] = task.outputs[f"new_{name}"]


def parameters_for(stages: Iterable[Stage]) -> dict[str, Parameter]:
    """What stages need of the pipeline, by name: all their parameters but the entry that they run for."""
    found: dict[str, Parameter] = {}
    for stage in stages:
        if stage.each:
            found[PARAMETERS[stage.each].name] = PARAMETERS[stage.each]
        found |= {one.name: one for one in parameters_of(stage) if one.name != EACH.get(stage.each)}
    return found


def pipeline(
    name: str,
    about: str,
    parameters: Iterable[Parameter],
    body: Callable[[dict[str, Any]], Any],
    *,
    folders: Sequence[Port] = (),
    display_name: str | None = None,
    with_defaults: bool = False,
) -> GraphComponent:
    """A pipeline with these parameters.

    Args:
        name: of the pipeline.
        about: what it does, for Kubeflow's pages.
        parameters: of the pipeline.
        body: adds the tasks, of the arguments by name.
        folders: that it takes besides.
        display_name: for people.
        with_defaults: whether parameters may be left out.
    """
    known = list(parameters)
    ports = [*folders, *((one.name, one.type, one.about) for one in known)]
    defaults = {one.name: one.default for one in known} if with_defaults else {}

    def function(*values: Any) -> Any:
        return body(dict(zip((port for port, _, _ in ports), values, strict=True)))

    shown = with_interface(function, name, about, ports, defaults=defaults)
    made: GraphComponent = dsl.pipeline(name=name, display_name=display_name)(shown)
    return made


def folder_of(chain: Chain, stage: str) -> Port:
    """The folder of a stage as something that a pipeline takes."""
    made = chain[stage]
    kind: Any = getattr(dsl, made.step.kind)
    return made.output, dsl.Input[kind], made.step.writes
