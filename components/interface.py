"""From a turn of a stage to a component of Kubeflow: its ports, with their texts, and its command line."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from kfp import dsl
from kfp.dsl.container_component_class import ContainerComponent

from components.parameters import PARAMETERS, Parameter
from components.unrolled import Turn, Unrolled, labelled
from solid.chain import EACH, Stage
from solid.steps import option

Port = tuple[str, Any, str]
"""Name, annotation as kfp reads it, and text."""
# Pipelines put the image that they are compiled for in its place.
IMAGE = "solid:dev"
_CHOICE = re.compile(r"\$\{(.+?)\}")


def component(unrolled: Unrolled, turn: Turn) -> ContainerComponent:
    """The component of a turn.

    It takes the folders that the turn reads, each as an input of its own, and a parameter for each of its settings. It
    puts out the turn's folder, what Kubeflow shows of it, and the settings that later stages take from it.
    """
    stage = turn.stage
    inputs = [folder_port(unrolled, maker) for _, maker in unrolled.sources(turn)]
    inputs += [(one.name, one.type, one.about) for one in parameters_of(stage)]
    outputs = [(unrolled.folder(turn), dsl.Output[_kind(stage)], stage.step.writes)]
    outputs += [
        (name, dsl.Output[getattr(dsl, kind)], "Shown on these pages.") for name, kind in stage.step.views.items()
    ]
    given = (PARAMETERS[place] for place in stage.gives if place not in EACH)
    outputs += [(f"new_{one.name}", dsl.OutputPath(one.type), one.about) for one in given]
    names = [name for name, _, _ in (*inputs, *outputs)]

    def build(*values: Any) -> dsl.ContainerSpec:
        args = [*_arguments(unrolled, turn, dict(zip(names, values, strict=True)))]
        return dsl.ContainerSpec(image=IMAGE, command=["solid", stage.step.name], args=args)

    about = f"{stage.step.about} Here: {stage.about}{f', for {turn.entry}' if turn.entry else ''}."
    return dsl.container_component(with_interface(build, unrolled.component(turn), about, inputs, outputs))


def with_interface(
    function: Callable[..., Any],
    name: str,
    about: str,
    inputs: Sequence[Port],
    outputs: Sequence[Port] = (),
    defaults: Mapping[str, Any] | None = None,
) -> Callable[..., Any]:
    """Show kfp a function of positional arguments as one of this name, with these arguments and texts."""
    function.__name__ = name
    function.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(
                port,
                inspect.Parameter.POSITIONAL_OR_KEYWORD,
                annotation=kind,
                default=(defaults or {}).get(port, inspect.Parameter.empty),
            )
            for port, kind, _ in (*inputs, *outputs)
        ]
    )
    lines = [about, "", "Args:", *(f"    {port}: {text}" for port, _, text in inputs)]
    if outputs:
        lines += ["", "Returns:", *(f"    {port}: {text}" for port, _, text in outputs)]
    function.__doc__ = "\n".join(lines)
    return function


def parameters_of(stage: Stage) -> list[Parameter]:
    """What a component of the stage gets as parameters: what its options and labels name, and its settings."""
    texts = [*stage.options.values(), *stage.switches.values(), *(source.label for source in stage.inputs)]
    named = [place for text in texts for place in _CHOICE.findall(text)]
    places = dict.fromkeys([*named, *stage.settings, *stage.cache_keys])
    return [PARAMETERS[place] for place in places if place != "item" and place not in EACH]


def folder_port(unrolled: Unrolled, maker: Turn) -> Port:
    """The folder of a turn as an input of what reads it."""
    about = f"Output of {unrolled.title(maker)}: {maker.stage.about}. {maker.stage.step.writes}"
    return unrolled.folder(maker), dsl.Input[_kind(maker.stage)], about


def _kind(stage: Stage) -> type:
    kind: type = getattr(dsl, stage.step.kind)
    return kind


def _arguments(unrolled: Unrolled, turn: Turn, ports: Mapping[str, Any]) -> Iterator[Any]:
    """The command line of a turn, with kfp's placeholders for ports."""
    stage, lists = turn.stage, unrolled.lists

    def value(found: re.Match[str]) -> str:
        if found[1] == "item":
            return turn.entry
        return ",".join(lists[found[1]]) if found[1] in lists else str(ports[PARAMETERS[found[1]].name])

    for name, text in {**stage.options, **stage.switches}.items():
        yield from (option(name), _CHOICE.sub(value, text))
    for source, maker in unrolled.sources(turn):
        folder = ports[unrolled.folder(maker)].path
        place = f"{folder}/{source.file}" if source.file else folder
        label = _CHOICE.sub(value, labelled(source.label, maker))
        yield from (stage.step.option_of(source.input), f"{label}={place}" if label else place)
    yield from ("--out", ports[unrolled.folder(turn)].path)
    for place in stage.settings:
        given = json.dumps(lists[place]) if place in lists else ports[PARAMETERS[place].name]
        yield from ("--set", f"{place}={given}")
    # Tells the step what Kubeflow wants back: metadata of artifacts, views for its pages.
    yield from ("--executor-input", dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER)
