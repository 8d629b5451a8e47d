"""DVC, Kubeflow and the command line are three views of one chain: the same steps, options, settings and edges."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import click
import pytest
import yaml
from by_hand import IMAGE, ROOT

from pipelines.deployment import Deployment
from pipelines.parameters import DEFAULTS, parameters
from pipelines.retraining import retraining as retraining_pipeline
from solid.cli import main
from solid.kinds import MAKES_THE_MODEL
from solid.settings.loading import load_settings
from solid.settings.schema import Settings

# Parameters of the pipeline that are single settings; the others are whole sections.
SINGLE = {
    "backbone": "model.backbone",
    "generator": "fusion.generator",
    "baselines": "evaluation.baselines",
    "modalities": "semantics.modalities",
}
# Of the steps that pipelines run, options that no component passes, and why.
NOT_PASSED = {"params": "settings come as parameters, which the UI shows and the cache compares; a file is neither"}
# Commands that are no step of a pipeline, and why.
NO_STEPS = {
    "sample": "makes data to try the chain with, before there is any",
    "copy": "brings data of this machine to where ingest can read it, before a run",
    "compare": "an experiment over many settings, with a schedule of its own",
    "export": "for other people's tools",
    "recommend": "asks a registered model",
}
STAGES = list(yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"])


@dataclass(frozen=True)
class Stage:
    """A step in the chain, in words that both DVC and Kubeflow can be translated to.

    Attributes:
        command: sub-command of solid.
        options: option -> value; a folder is the stage that makes it, a setting its name.
        settings: names of the settings that the stage depends on.
        each: the setting over which the stage fans out.
        taken_over: sections and settings that the stage gets from the champion, not from the pipeline's parameters.
    """

    command: str
    options: dict[str, Any]
    settings: set[str]
    each: str | None
    taken_over: set[str] = field(default_factory=set, compare=False)


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
    return Stage(command, translated, watched, each)


# Kubeflow


def of_parameter(name: str) -> set[str]:
    """The settings that a parameter of this name holds: those of a section but for single ones, or the single one."""
    return keys(name) if "." in name else keys(name) - set(SINGLE.values())


class Parameter(NamedTuple):
    """What a parameter of a graph stands for.

    Attributes:
        name: of a section, of a single setting, or its own where it is neither.
        maker: the stage that puts it out; None: it is given to the pipeline.
    """

    name: str
    maker: str | None


class Kubeflow:
    """Stages of a compiled pipeline, found by walking through its graph and those nested in it.

    Attributes:
        stages: by name.
        passed: sub-command of solid -> options that one of its stages passes.
    """

    def __init__(self, spec: dict[str, Any]) -> None:
        self.components = spec["components"]
        self.executors = spec["deploymentSpec"]["executors"]
        parameters = spec["root"]["inputDefinitions"]["parameters"]
        scope = {name: Parameter(SINGLE.get(name.replace("backbones", "backbone"), name), None) for name in parameters}
        self.passed: dict[str, set[str]] = {}
        self.stages = dict(self.walk(spec["root"]["dag"], scope, {}, None))

    def walk(
        self, dag: dict[str, Any], parameters: dict[str, Parameter], artifacts: dict[str, str], each: str | None
    ) -> Iterator[tuple[str, Stage]]:
        """Stages below a graph whose parameters are these settings and whose artifacts come from these stages."""
        for task in dag["tasks"].values():
            inputs = task.get("inputs", {})
            made_by = {name: self.maker(source, dag, artifacts) for name, source in inputs.get("artifacts", {}).items()}
            given = {
                name: self.parameter(source, dag, parameters) for name, source in inputs.get("parameters", {}).items()
            }
            component = self.components[task["componentRef"]["name"]]
            loop = task.get("parameterIterator")
            over = given[loop["items"]["inputParameter"]] if loop else None
            if loop and over:
                given[loop["itemInput"]] = over
            if "dag" in component:
                inner = over.name if over and over.name != "model.backbone" else each
                yield from self.walk(component["dag"], given, made_by, inner)
            else:
                container = self.executors[component["executorLabel"]]["container"]
                yield task["taskInfo"]["name"], self.stage(container, given, made_by, each)

    def parameter(self, source: dict[str, Any], dag: dict[str, Any], parameters: dict[str, Parameter]) -> Parameter:
        if "componentInputParameter" in source:
            return parameters[source["componentInputParameter"]]
        output = source["taskOutputParameter"]
        name = output["outputParameterKey"].removeprefix("new_")
        return Parameter(SINGLE.get(name, name), dag["tasks"][output["producerTask"]]["taskInfo"]["name"])

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
        self, container: dict[str, Any], given: dict[str, Parameter], made_by: dict[str, str], each: str | None
    ) -> Stage:
        program, command = container["command"]
        assert program == "solid"

        taken_over: set[str] = set()

        def translate(value: str) -> str:
            if found := re.fullmatch(r"\{\{\$\.inputs\.artifacts\['(\w+)'\]\.path\}\}(.*)", value):
                return made_by[found[1]] + found[2]
            if found := re.fullmatch(r"@(\w+)/\{\w+\}", value):
                return made_by[found[1]]
            found = re.fullmatch(r"\{\{\$\.inputs\.parameters\['(\w+)'\]\}\}", value)
            if found is None:
                return value
            parameter = given[found[1]]
            if parameter.maker:
                assert parameter.maker == "champion"
                taken_over.add(parameter.name)
            return parameter.name

        options = parse(command, container["args"])
        self.passed.setdefault(command, set()).update(option for option, value in options.items() if value)
        assert re.fullmatch(r"\{\{\$\.outputs\.artifacts\['\w+'\]\.path\}\}", options.pop("out"))
        assert options.pop("executor_input") == "{{$}}"
        settings: set[str] = set()
        for override in options.pop("overrides", []):
            name, _, value = override.partition("=")
            assert translate(value) == name, f"setting {name} gets parameter {translate(value)}"
            settings |= of_parameter(name)
        if "models" in options:
            pairs = [model.rpartition("=") for model in options["models"]]
            names = [re.sub(r"\{\{.*\['(\w+)'\]\}\}", lambda m: given[m[1]].name, model) for model, _, _ in pairs]
            folders = [translate(folder) for _, _, folder in pairs]
            options["models"] = [(re.sub(r"[{}]", "", n), folder) for n, folder in zip(names, folders, strict=True)]
        translated = {
            option: value if option == "models" else translate(value) for option, value in options.items() if value
        }
        return Stage(command, translated, settings, each, taken_over)


@pytest.fixture(scope="module")
def training(spec: dict[str, Any]) -> Kubeflow:
    return Kubeflow(spec)


@pytest.fixture(scope="module")
def kubeflow(training: Kubeflow) -> dict[str, Stage]:
    return training.stages


@pytest.fixture(scope="module")
def retraining_spec() -> dict[str, Any]:
    from google.protobuf.json_format import MessageToDict

    return dict(MessageToDict(retraining_pipeline(Deployment(image=IMAGE)).pipeline_spec))


@pytest.fixture(scope="module")
def retraining(retraining_spec: dict[str, Any]) -> Kubeflow:
    return Kubeflow(retraining_spec)


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


def succession(chain: dict[str, Stage]) -> dict[str, Stage]:
    """The stages that retraining must have, in terms of those of the chain."""
    evaluate, register = chain["evaluate"], chain["register"]
    # No baselines: challengers are measured against the champion, by register.
    models = [pair for pair in evaluate.options["models"] if "baseline" not in pair]
    made_with = {key for section in MAKES_THE_MODEL for key in keys(section)}
    return {
        **{name: stage for name, stage in chain.items() if name not in ("baseline", "evaluate", "register")},
        "champion": Stage(
            "champion", {"settings_of": "settings_of", "changes": "changes"}, made_with | keys("registry"), None
        ),
        "check": Stage("check", {"prepared": "prepare", "reference": "champion"}, keys("checks"), None),
        "evaluate": replace(
            evaluate,
            options=evaluate.options | {"models": models},
            settings=evaluate.settings - {"evaluation.baselines"},
        ),
        # What made the challengers goes along with the version; champion has written it down.
        "register": replace(
            register,
            options=register.options | {"models": models, "checks": "check", "params": "champion/params.yaml"},
            settings=of_parameter("evaluation") | keys("registry") | {"semantics.modalities"},
        ),
    }


def test_retraining_has_the_stages_of_the_chain_and_its_own(retraining: Kubeflow, kubeflow: dict[str, Stage]) -> None:
    assert set(retraining.stages) == set(STAGES) - {"baseline"} | {"champion", "check"}
    for name, expected in succession(kubeflow).items():
        assert retraining.stages[name] == expected, name


def test_retraining_trains_with_what_the_champion_was_made_with(retraining: Kubeflow) -> None:
    for name, stage in retraining.stages.items():
        used = stage.settings | {value for value in stage.options.values() if value in SINGLE.values()}
        expected = {key for key in used if key.partition(".")[0] in MAKES_THE_MODEL and name != "champion"}
        assert {key for parameter in stage.taken_over for key in of_parameter(parameter)} == expected, name


def test_every_option_of_a_step_is_passed_by_a_component(training: Kubeflow, retraining: Kubeflow) -> None:
    assert set(main.commands) == training.passed.keys() | retraining.passed.keys() | set(NO_STEPS)
    for name, command in main.commands.items():
        passed = training.passed.get(name, set()) | retraining.passed.get(name, set())
        if name not in NO_STEPS:
            assert {str(option.name) for option in command.params} - passed <= set(NOT_PASSED), name


@pytest.mark.parametrize(
    ("of", "without"),
    [("spec", {"checks"}), ("retraining_spec", {"finetune", "evaluation.baselines"})],  # there are no baselines
)
def test_every_setting_is_a_parameter(of: str, without: set[str], request: pytest.FixtureRequest) -> None:
    known = request.getfixturevalue(of)["root"]["inputDefinitions"]["parameters"]
    for section, values in Settings().model_dump(exclude=without).items():
        assert section in known
        for key in values:
            single = next((name for name, setting in SINGLE.items() if setting == f"{section}.{key}"), None)
            assert (key in known[section]["defaultValue"]) == (single is None), f"{section}.{key}"
            if single and f"{section}.{key}" not in without:
                assert {single, f"{single}s"} & set(known)
