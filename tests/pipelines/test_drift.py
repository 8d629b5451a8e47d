"""DVC, Kubeflow and the command line are three views of one chain: the same steps, options, settings and edges."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import click
import pytest
import yaml
from by_hand import ROOT

from pipelines.parameters import DEFAULTS, parameters
from solid.cli import main
from solid.config import Settings, load_settings

# Parameters of the pipeline that are single settings; the others are whole sections.
SINGLE = {
    "backbone": "model.backbone",
    "generator": "fusion.generator",
    "baselines": "evaluation.baselines",
    "modalities": "semantics.modalities",
}
# What DVC watches along with a section though the command does not use it.
UNUSED = {"register": {"evaluation.baselines"}}
STAGES = list(yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"])


@dataclass(frozen=True)
class Stage:
    """A step in the chain, in words that both DVC and Kubeflow can be translated to.

    Attributes:
        command: sub-command of solid.
        options: option -> value; a folder is the stage that makes it, a setting its name.
        settings: names of the settings that the stage depends on.
        each: the setting over which the stage fans out.
    """

    command: str
    options: dict[str, Any]
    settings: set[str]
    each: str | None


def parse(command_name: str, arguments: list[str]) -> dict[str, Any]:
    """Options by name, as the command line itself reads them."""
    command = main.commands[command_name]
    values, rest, _ = command.make_parser(click.Context(command)).parse_args(arguments)
    assert rest == []
    for option in command.params:
        assert values.get(option.name) is not None or not option.required, option.name
    return dict(values)


def keys(name: str) -> set[str]:
    """All settings of a section, or the one setting."""
    section, _, key = name.partition(".")
    return {name} if key else {f"{section}.{key}" for key in getattr(Settings(), section).model_dump()}


# DVC


def of_dvc(name: str, graph: dict[str, Any]) -> Stage:
    stage = graph[name]
    body = stage.get("do", stage)
    makers = {
        re.sub(r"/\$\{item\}$", "", out if isinstance(out, str) else next(iter(out))): maker
        for maker, other in graph.items()
        for out in other.get("do", other)["outs"]
    }
    each = stage["foreach"].removeprefix("${").removesuffix("}") if "foreach" in stage else None
    _, command, *arguments = shlex.split(body["cmd"])

    def translate(value: str) -> str:
        folder = re.sub(r"/(\$\{item\}|\{modality\}|\{baseline\})$", "", value)
        if folder in makers:
            return makers[folder]
        return (each or "") if value == "${item}" else value.removeprefix("${").removesuffix("}")

    options = parse(command, arguments)
    assert translate(options.pop("out")) == name
    if "models" in options:
        pairs = [model.rpartition("=") for model in options["models"]]
        options["models"] = [(re.sub(r"[${}]", "", model), translate(folder)) for model, _, folder in pairs]
    translated = {
        option: value if option == "models" else translate(value) for option, value in options.items() if value
    }
    watched = {key for param in body.get("params", []) for key in keys(param)}
    return Stage(command, translated, watched - UNUSED.get(name, set()), each)


# Kubeflow


class Kubeflow:
    """Stages of a compiled pipeline, found by walking through its graph and those nested in it."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.components = spec["components"]
        self.executors = spec["deploymentSpec"]["executors"]
        parameters = spec["root"]["inputDefinitions"]["parameters"]
        scope = {name: SINGLE.get(name.replace("backbones", "backbone"), name) for name in parameters}
        self.stages = dict(self.walk(spec["root"]["dag"], scope, {}, None))

    def walk(
        self, dag: dict[str, Any], parameters: dict[str, str], artifacts: dict[str, str], each: str | None
    ) -> Iterator[tuple[str, Stage]]:
        """Stages below a graph whose parameters are these settings and whose artifacts come from these stages."""
        for task in dag["tasks"].values():
            inputs = task.get("inputs", {})
            made_by = {name: self.maker(source, dag, artifacts) for name, source in inputs.get("artifacts", {}).items()}
            given = {
                name: parameters[source["componentInputParameter"]]
                for name, source in inputs.get("parameters", {}).items()
            }
            component = self.components[task["componentRef"]["name"]]
            loop = task.get("parameterIterator")
            over = given[loop["items"]["inputParameter"]] if loop else None
            if loop and over:
                given[loop["itemInput"]] = over
            if "dag" in component:
                inner = over if over and over != "model.backbone" else each
                yield from self.walk(component["dag"], given, made_by, inner)
            else:
                container = self.executors[component["executorLabel"]]["container"]
                yield task["taskInfo"]["name"], self.stage(container, given, made_by, each)

    def maker(self, source: dict[str, Any], dag: dict[str, Any], artifacts: dict[str, str]) -> str:
        if "componentInputArtifact" in source:
            return artifacts[source["componentInputArtifact"]]
        task = dag["tasks"][source["taskOutputArtifact"]["producerTask"]]
        component = self.components[task["componentRef"]["name"]]
        if "dag" not in component:
            return str(task["taskInfo"]["name"])
        key = source["taskOutputArtifact"]["outputArtifactKey"]
        [selector] = component["dag"]["outputs"]["artifacts"][key]["artifactSelectors"]
        return str(component["dag"]["tasks"][selector["producerSubtask"]]["taskInfo"]["name"])

    def stage(
        self, container: dict[str, Any], given: dict[str, str], made_by: dict[str, str], each: str | None
    ) -> Stage:
        program, command = container["command"]
        assert program == "solid"

        def translate(value: str) -> str:
            if found := re.fullmatch(r"\{\{\$\.inputs\.artifacts\['(\w+)'\]\.path\}\}", value):
                return made_by[found[1]]
            if found := re.fullmatch(r"@(\w+)/\{\w+\}", value):
                return made_by[found[1]]
            found = re.fullmatch(r"\{\{\$\.inputs\.parameters\['(\w+)'\]\}\}", value)
            return given[found[1]] if found else value

        options = parse(command, container["args"])
        assert re.fullmatch(r"\{\{\$\.outputs\.artifacts\['\w+'\]\.path\}\}", options.pop("out"))
        assert options.pop("executor_input") == "{{$}}"
        settings: set[str] = set()
        for override in options.pop("overrides", []):
            name, _, value = override.partition("=")
            assert translate(value) == name, f"setting {name} gets parameter {translate(value)}"
            settings |= keys(name) - set() if "." in name else keys(name) - set(SINGLE.values())
        if "models" in options:
            pairs = [model.rpartition("=") for model in options["models"]]
            names = [re.sub(r"\{\{.*\['(\w+)'\]\}\}", lambda m: given[m[1]], model) for model, _, _ in pairs]
            folders = [translate(folder) for _, _, folder in pairs]
            options["models"] = [(re.sub(r"[{}]", "", n), folder) for n, folder in zip(names, folders, strict=True)]
        translated = {
            option: value if option == "models" else translate(value) for option, value in options.items() if value
        }
        return Stage(command, translated, settings, each)


@pytest.fixture(scope="module")
def kubeflow(spec: dict[str, Any]) -> dict[str, Stage]:
    return Kubeflow(spec).stages


def test_dvc_and_kubeflow_have_the_same_stages(kubeflow: dict[str, Stage]) -> None:
    assert set(kubeflow) == set(STAGES)


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_is_the_same_command_with_the_same_options_settings_and_inputs(
    name: str, kubeflow: dict[str, Stage], graph: dict[str, Any]
) -> None:
    theirs = of_dvc(name, graph)
    # DVC has these settings in the command line or the folder's name, where Kubeflow gives the step a setting.
    in_names = {"model.backbone", "fusion.generator", "semantics.modalities", "evaluation.baselines"}
    ours = kubeflow[name]
    assert (ours.command, ours.options, ours.each) == (theirs.command, theirs.options, theirs.each)
    assert ours.settings - in_names == theirs.settings - in_names
    assert theirs.settings <= ours.settings


def test_the_defaults_of_a_pipeline_are_those_of_params_yaml() -> None:
    assert parameters(load_settings(ROOT / "params.yaml")) == DEFAULTS


def test_every_setting_is_a_parameter(spec: dict[str, Any]) -> None:
    known = spec["root"]["inputDefinitions"]["parameters"]
    for section, values in Settings().model_dump(exclude={"checks"}).items():  # checks: of retraining alone
        assert section in known
        for key in values:
            single = next((name for name, setting in SINGLE.items() if setting == f"{section}.{key}"), None)
            assert (key in known[section]["defaultValue"]) == (single is None), f"{section}.{key}"
            assert single is None or {single, f"{single}s"} & set(known)
