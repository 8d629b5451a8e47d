"""DVC, Kubeflow and the command line are three views of one chain: the same steps, options, settings and edges."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import click
import pytest
import yaml
from by_hand import IMAGE, ROOT

from pipelines.deployment import Deployment
from pipelines.parameters import parameters
from pipelines.retraining import retraining as retraining_pipeline
from pipelines.training import training as training_pipeline
from solid.cli import main
from solid.kinds import MAKES_THE_MODEL
from solid.settings.loading import load_settings
from solid.settings.schema import Settings
from solid.steps import STEPS

# Parameters of the pipeline that are single settings; the others are whole sections.
SINGLE = {"backbone": "model.backbone", "generator": "fusion.generator"}
# What a pipeline is compiled for, with what an entry is called and the stages that run for each.
LISTS = {"semantics.modalities": ("id_text", "image"), "evaluation.baselines": ("static", "finetune")}
ENTRY = {"semantics.modalities": "modality", "evaluation.baselines": "baseline"}
TURNS = {
    **{f"train-{head}": ("baseline", head) for head in LISTS["evaluation.baselines"]},
    **{
        f"{task}-{modality.replace('_', '-')}": (stage, modality)
        for task, stage in {"assign": "assign", "train-semantic": "semantic", "train-solid": "solid"}.items()
        for modality in LISTS["semantics.modalities"]
    },
}
# Options that pipelines give and DVC does not, for whoever calls a step by hand can do without.
SWITCHES = {"register": {"registering": "registering"}, "champion": {"modalities": "semantics.modalities"}}
# Of the steps that pipelines run, options that no component passes, and why.
NOT_PASSED = {
    "params": "settings come as parameters, which the UI shows and the cache compares; a file is neither",
}
# Commands that are no step of a pipeline, and why.
NO_STEPS = {
    "sample": "makes data to try the chain with, before there is any",
    "copy": "brings data of this machine to where ingest can read it, before a run",
    "compare": "an experiment over many settings, with a schedule of its own",
    "tune": "a search of settings, with a budget of its own",
    "export": "for other programs, and for devices",
    "demo": "a page for people to try a model in",
    "recommend": "asks a registered model",
    "serve": "goes on answering, and never ends by itself",
}
# Options that take several folders, each with a name.
MANY = {folder.name for step in STEPS.values() for folder in step.inputs if folder.many}
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
        parent, _, one = folder.rpartition("/")  # of a stage that runs for each entry of a list, the folder of one
        if parent in makers:
            return f"{makers[parent]}/{one}"
        return (each or "") if value == "${item}" else value.removeprefix("${").removesuffix("}")

    options = parse(command, arguments)
    assert translate(options.pop("out")) == name
    for option in MANY & options.keys():
        pairs = [model.rpartition("=") for model in options[option]]
        options[option] = [(re.sub(r"[${}]", "", model), translate(folder)) for model, _, folder in pairs]
    translated = {option: value if option in MANY else translate(value) for option, value in options.items() if value}
    watched = {key for param in body.get("params", []) for key in keys(param)}
    return Stage(command, translated, watched, each)


# Kubeflow


def of_parameter(name: str) -> set[str]:
    """The settings that a parameter of this name holds: those of a section but for single ones, or the single one."""
    return keys(name) if "." in name else keys(name) - {*SINGLE.values(), *LISTS}


class Parameter(NamedTuple):
    """What a parameter of a task stands for.

    Attributes:
        name: of a section, of a single setting, or its own where it is neither.
        maker: the stage that puts it out; None: it is given to the pipeline.
    """

    name: str
    maker: str | None


class Kubeflow:
    """Stages of a compiled pipeline, which has a task for each entry where a stage runs for each entry of a list.

    Attributes:
        turns: stage -> what each of its tasks is.
        passed: sub-command of solid -> options that one of its stages passes.
    """

    def __init__(self, spec: dict[str, Any]) -> None:
        self.components = spec["components"]
        self.executors = spec["deploymentSpec"]["executors"]
        self.passed: dict[str, set[str]] = {}
        self.turns: dict[str, list[Stage]] = {}
        for key, task in spec["root"]["dag"]["tasks"].items():
            self.turns.setdefault(self.place(key)[0], []).append(self.stage(key, task))

    def place(self, task: str) -> tuple[str, str | None]:
        """The stage of a task, and the entry that it is for."""
        return TURNS.get(task, (task.removeprefix("train-"), None))

    def parameter(self, source: dict[str, Any]) -> Parameter:
        if "componentInputParameter" in source:
            name, maker = source["componentInputParameter"], None
        else:
            output = source["taskOutputParameter"]
            name, maker = output["outputParameterKey"].removeprefix("new_"), self.place(output["producerTask"])[0]
        return Parameter(SINGLE.get(name, name), maker)

    def stage(self, key: str, task: dict[str, Any]) -> Stage:
        own, entry = self.place(key)
        each = next((place for place, entries in LISTS.items() if entry in entries), None)
        inputs = task.get("inputs", {})
        given = {name: self.parameter(source) for name, source in inputs.get("parameters", {}).items()}
        made_by = {
            name: self.place(source["taskOutputArtifact"]["producerTask"])
            for name, source in inputs.get("artifacts", {}).items()
        }
        container = self.executors[self.components[task["componentRef"]["name"]]["executorLabel"]]["container"]
        program, command = container["command"]
        assert program == "solid"

        taken_over: set[str] = set()

        def maker(value: str) -> tuple[str, str | None]:
            found = re.fullmatch(r"\{\{\$\.inputs\.artifacts\['(\w+)'\]\.path\}\}(.*)", value)
            assert found
            stage, of = made_by[found[1]]
            return stage + found[2], of

        def translate(value: str) -> str:
            if "inputs.artifacts" in value:
                stage, of = maker(value)
                # Of the same entry, or one that is named; what reads those of all entries labels them.
                return stage if of in (None, entry) else f"{stage}/{of}"
            if value == entry:
                return str(each)
            found = re.fullmatch(r"\{\{\$\.inputs\.parameters\['(\w+)'\]\}\}", value)
            if found is None:
                return next((place for place, entries in LISTS.items() if value == ",".join(entries)), value)
            parameter = given[found[1]]
            if parameter.maker:
                assert parameter.maker == "champion"
                taken_over.add(parameter.name)
            return parameter.name

        def labelled(model: str) -> tuple[str, str]:
            label, _, folder = model.rpartition("=")
            label = re.sub(r"\{\{.*\['(\w+)'\]\}\}", lambda m: given[m[1]].name, label)
            stage, of = maker(folder)
            if of:
                assert of in label
                place = next(place for place, entries in LISTS.items() if of in entries)
                label = label.replace(of, ENTRY[place])
            return label, stage

        options = parse(command, container["args"])
        self.passed.setdefault(command, set()).update(option for option, value in options.items() if value)
        assert re.fullmatch(r"\{\{\$\.outputs\.artifacts\['\w+'\]\.path\}\}", options.pop("out"))
        assert options.pop("executor_input") == "{{$}}"
        settings: set[str] = set()
        for override in options.pop("overrides", []):
            name, _, value = override.partition("=")
            if name in LISTS:
                assert tuple(json.loads(value)) == LISTS[name]
            else:
                assert translate(value) == name, f"setting {name} gets parameter {translate(value)}"
            settings |= of_parameter(name)
        for option in MANY & options.keys():
            options[option] = list(dict.fromkeys(labelled(model) for model in options[option]))
        for name, value in SWITCHES.get(own, {}).items():
            assert translate(options.pop(name)) == value
        translated = {
            option: value if option in MANY else translate(value) for option, value in options.items() if value
        }
        return Stage(command, translated, settings, each, taken_over)


def spec_of(pipeline: Any) -> dict[str, Any]:
    from google.protobuf.json_format import MessageToDict

    lists = [f"{place}=[{','.join(entries)}]" for place, entries in LISTS.items()]
    return dict(MessageToDict(pipeline(Deployment(image=IMAGE), load_settings(None, lists)).pipeline_spec))


@pytest.fixture(scope="module")
def training_spec() -> dict[str, Any]:
    return spec_of(training_pipeline)


@pytest.fixture(scope="module")
def training(training_spec: dict[str, Any]) -> Kubeflow:
    return Kubeflow(training_spec)


@pytest.fixture(scope="module")
def kubeflow(training: Kubeflow) -> dict[str, list[Stage]]:
    return training.turns


@pytest.fixture(scope="module")
def retraining_spec() -> dict[str, Any]:
    return spec_of(retraining_pipeline)


@pytest.fixture(scope="module")
def retraining(retraining_spec: dict[str, Any]) -> Kubeflow:
    return Kubeflow(retraining_spec)


def test_dvc_and_kubeflow_have_the_same_stages(kubeflow: dict[str, list[Stage]]) -> None:
    assert set(kubeflow) == set(STAGES)


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_is_the_same_command_with_the_same_options_settings_and_inputs(
    name: str, kubeflow: dict[str, list[Stage]], graph: dict[str, Any]
) -> None:
    theirs = of_dvc(name, graph)
    # DVC has these settings in the command line or the folder's name, where Kubeflow gives the step a setting.
    in_names = {"model.backbone", "fusion.generator", "semantics.modalities", "evaluation.baselines"}
    assert len(kubeflow[name]) == (len(LISTS[theirs.each]) if theirs.each else 1)
    for ours in kubeflow[name]:
        assert (ours.command, ours.options, ours.each) == (theirs.command, theirs.options, theirs.each)
        assert ours.settings - in_names == theirs.settings - in_names
        assert theirs.settings <= ours.settings


def test_the_defaults_of_a_pipeline_are_those_of_params_yaml() -> None:
    settings = load_settings(ROOT / "params.yaml")
    assert parameters(settings) == parameters(Settings())
    assert settings.semantics.modalities == Settings().semantics.modalities
    assert settings.evaluation.baselines == Settings().evaluation.baselines


def succession(chain: dict[str, list[Stage]]) -> dict[str, list[Stage]]:
    """The stages that retraining must have, in terms of those of the chain."""
    [register] = chain["register"]
    made_with = {key for section in MAKES_THE_MODEL for key in keys(section)}
    return {
        **chain,
        "champion": [
            Stage("champion", {"settings_of": "settings_of", "changes": "changes"}, made_with | keys("registry"), None)
        ],
        "check": [Stage("check", {"prepared": "prepare", "reference": "champion"}, keys("checks"), None)],
        # What made the challengers goes along with the version; champion has written it down.
        "register": [
            replace(
                register,
                options=register.options | {"checks": "check", "params": "champion/params.yaml"},
                settings=keys("evaluation") | keys("registry") | {"semantics.modalities"},
            )
        ],
    }


def test_retraining_has_the_stages_of_the_chain_and_its_own(
    retraining: Kubeflow, kubeflow: dict[str, list[Stage]]
) -> None:
    assert set(retraining.turns) == set(STAGES) | {"champion", "check"}
    for name, expected in succession(kubeflow).items():
        assert retraining.turns[name] == expected, name


def test_retraining_trains_with_what_the_champion_was_made_with(retraining: Kubeflow) -> None:
    for name, turns in retraining.turns.items():
        for stage in turns:
            used = stage.settings | {value for value in stage.options.values() if value in SINGLE.values()}
            expected = {key for key in used if key.partition(".")[0] in MAKES_THE_MODEL and name != "champion"}
            # The lists are compiled in; champion refuses others.
            assert {key for one in stage.taken_over for key in of_parameter(one)} == expected - set(LISTS), name


def test_every_option_of_a_step_is_passed_by_a_component(training: Kubeflow, retraining: Kubeflow) -> None:
    assert set(main.commands) == training.passed.keys() | retraining.passed.keys() | set(NO_STEPS)
    for name, command in main.commands.items():
        passed = training.passed.get(name, set()) | retraining.passed.get(name, set())
        if name not in NO_STEPS:
            assert {str(option.name) for option in command.params} - passed <= set(NOT_PASSED), name


@pytest.mark.parametrize(
    ("of", "without"),
    [("training_spec", {"checks"}), ("retraining_spec", set())],
)
def test_every_setting_is_a_parameter_or_compiled_in(
    of: str, without: set[str], request: pytest.FixtureRequest
) -> None:
    known = request.getfixturevalue(of)["root"]["inputDefinitions"]["parameters"]
    for section, values in Settings().model_dump(exclude=without).items():
        assert section in known
        for key in values:
            place = f"{section}.{key}"
            single = next((name for name, setting in SINGLE.items() if setting == place), None)
            assert (key in known[section]["defaultValue"]) == (single is None and place not in LISTS), place
            if single:
                assert single in known
