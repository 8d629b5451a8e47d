"""From a stage of the chain to a component of Kubeflow: its ports, with their texts, and its command line."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from kfp import dsl
from kfp.dsl.container_component_class import ContainerComponent

from components.parameters import PARAMETERS, Parameter
from solid.chain import EACH, Chain, From, Stage
from solid.steps import option

Port = tuple[str, Any, str]
"""Name, annotation as kfp reads it, and text."""
# Pipelines put the image that they are compiled for in its place.
IMAGE = "solid:dev"
_CHOICE = re.compile(r"\$\{(.+?)\}")


def component(chain: Chain, stage: Stage) -> ContainerComponent:
    """The component of a stage.

    It takes the folders that the stage reads, those of all turns as a list where the other stage has turns and this one
    has not, and a parameter for each of its settings. It puts out the stage's folder, what Kubeflow shows of it, and
    the settings that later stages take from it.
    """
    inputs = [_input(chain, stage, source) for source in stage.inputs]
    inputs += [(one.name, one.type, one.about) for one in parameters_of(stage)]
    outputs = [(stage.output, dsl.Output[_kind(stage)], stage.step.writes)]
    outputs += [
        (name, dsl.Output[getattr(dsl, kind)], "Shown on these pages.") for name, kind in stage.step.views.items()
    ]
    given = (PARAMETERS[place] for place in stage.gives)
    outputs += [(f"new_{one.name}", dsl.OutputPath(one.type), one.about) for one in given]
    names = [name for name, _, _ in (*inputs, *outputs)]

    def build(*values: Any) -> dsl.ContainerSpec:
        args = [*_arguments(chain, stage, dict(zip(names, values, strict=True)))]
        return dsl.ContainerSpec(image=IMAGE, command=["solid", stage.step.name], args=args)

    about = f"{stage.step.about} Here: {stage.about}."
    name = stage.name if stage.name == stage.step.name else f"{stage.step.name}_{stage.name}"
    return dsl.container_component(with_interface(build, name, about, inputs, outputs))


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
    texts = [*stage.options.values(), *(source.label for source in stage.inputs)]
    named = [place for text in texts for place in _CHOICE.findall(text)]
    found = {place: _parameter(stage, place) for place in (*named, *stage.settings, *stage.cache_keys)}
    return list(found.values())


def _parameter(stage: Stage, place: str) -> Parameter:
    if place != "item":
        return PARAMETERS[place]
    of = PARAMETERS[stage.each]
    return Parameter(EACH[stage.each], f"One of these: {of.about}", "")


def port_of(chain: Chain, stage: Stage, source: From) -> str:
    """What a stage's component calls an input."""
    maker = chain[source.stage]
    name = f"{maker.name}_model" if maker.step.kind == "Model" else maker.output
    return f"{name}s" if is_list(chain, stage, source) else name


def is_list(chain: Chain, stage: Stage, source: From) -> bool:
    """Whether an input is the folders of all turns of the other stage."""
    maker = chain[source.stage]
    return bool(maker.each) and maker.each != stage.each


def _input(chain: Chain, stage: Stage, source: From) -> Port:
    kind, maker = _kind(chain[source.stage]), chain[source.stage]
    annotation = dsl.Input[list[kind]] if is_list(chain, stage, source) else dsl.Input[kind]  # type: ignore[valid-type]
    return port_of(chain, stage, source), annotation, f"Output of {maker.name}: {maker.about}. {maker.step.writes}"


def _kind(stage: Stage) -> type:
    kind: type = getattr(dsl, stage.step.kind)
    return kind


def _arguments(chain: Chain, stage: Stage, ports: Mapping[str, Any]) -> Iterator[Any]:
    """The command line of a stage, with kfp's placeholders for ports."""

    def filled(text: str) -> str:
        return _CHOICE.sub(lambda found: str(ports[_parameter(stage, found[1]).name]), text)

    for name, value in stage.options.items():
        yield from (option(name), filled(value))
    for source in stage.inputs:
        port, maker = port_of(chain, stage, source), chain[source.stage]
        if is_list(chain, stage, source):  # a list has no place on a command line of Kubeflow's; the step looks it up
            place = f"@{port}/{{{EACH[maker.each]}}}"
        else:
            place = f"{ports[port].path}/{source.file}" if source.file else ports[port].path
        yield from (stage.step.option_of(source.input), f"{filled(source.label)}={place}" if source.label else place)
    yield from ("--out", ports[stage.output].path)
    for place in stage.settings:
        yield from ("--set", f"{place}={ports[PARAMETERS[place].name]}")
    # Tells the step what Kubeflow wants back: metadata of artifacts, views for its pages.
    yield from ("--executor-input", dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER)
