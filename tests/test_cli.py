"""The command line, and dvc.yaml, which must call it rightly and watch all that its stages read."""

from __future__ import annotations

import ast
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner

from solid.cli import main
from solid.kinds import HEADS
from solid.settings.schema import Settings
from solid.steps import STEPS
from solid.storage.places import INPUT

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = sorted(main.commands)
GRAPH = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
# What these do decides how steps speak and where they find things, not what they write.
PLUMBING = {"console.py", "errors.py", "masking.py", "settings", "storage", "tracking"}


def invoke(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def options(command: click.Command) -> list[click.Option]:
    return [param for param in command.params if isinstance(param, click.Option)]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_says_what_each_command_and_option_is_for(name: str) -> None:
    code, output = invoke(name, "--help")
    assert code == 0
    assert main.commands[name].help
    for option in options(main.commands[name]):
        assert option.help, f"{name} {option.opts[0]} has no help"
        assert option.help.split()[0] in output.partition(f" {option.opts[0]} ")[2]


def test_help_lists_the_commands_in_the_order_of_the_chain() -> None:
    code, output = invoke("--help")
    assert code == 0
    listed = [line.split()[0] for line in output.partition("Commands:\n")[2].splitlines()]
    assert listed[:6] == ["sample", "ingest", "prepare", "features", "train", "embed"]
    assert listed[6:11] == ["assign", "evaluate", "champion", "check", "register"]
    assert listed[11:] == ["compare", "tune", "export", "demo", "copy", "recommend", "serve"]


def test_help_is_quick_for_it_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom solid.cli import main\n"
        "try: main(['--help'])\n"
        "finally: sys.stderr.write(' '.join(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Commands:" in done.stdout
    assert "click" in done.stderr.split()
    assert {"torch", "pandas", "numpy", "mlflow", "sklearn", "pydantic", "boto3"}.isdisjoint(done.stderr.split())


def test_the_version_is_that_of_the_package() -> None:
    from solid import __version__

    assert invoke("--version") == (0, f"main, version {__version__}\n")


def test_a_users_error_is_one_line_without_traceback(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("- 1")
    command = [sys.executable, "-m", "solid.cli", "ingest", "--out", "raw", "--params", "p.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "Error: p.yaml: expected sections such as 'training:', found list\n"
    assert [path.name for path in tmp_path.iterdir()] == ["p.yaml"]


def test_a_setting_that_does_not_fit_stops_a_step_before_it_works(tmp_path: Path) -> None:
    code, output = invoke("ingest", "--out", str(tmp_path / "raw"), "--set", "data.sauce=x")
    assert (code, output) == (
        2,
        "Error: settings do not fit:\n  data.sauce: unknown key; known here: source, format, order\n",
    )
    assert not list(tmp_path.iterdir())


def test_an_input_that_is_not_there_is_named(tmp_path: Path) -> None:
    code, output = invoke("prepare", "--raw", str(tmp_path / "raw"), "--out", str(tmp_path / "out"))
    assert code == 2
    assert output.endswith(f"Error: Invalid value for '--raw': Directory '{tmp_path / 'raw'}' does not exist.\n")


def test_sample_leaves_an_existing_folder_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("kept")
    code, output = invoke("sample", "--out", str(tmp_path))
    assert code == 2
    assert output.endswith(f"Error: {tmp_path} exists already; remove it first, or name another folder with --out\n")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize("pattern", ["static", "=x", "static=nowhere", "{modality}=nowhere/{modality}"])
def test_a_model_needs_name_and_folder(tmp_path: Path, pattern: str) -> None:
    code, output = invoke("evaluate", "--prepared", str(tmp_path), "--model", pattern, "--out", str(tmp_path / "out"))
    assert code == 2
    assert f"--model {pattern}: no folder" in output
    assert "write it as NAME=FOLDER of a trained model" in output


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ("training", "expected a mapping such as {training: {seed: 1}}, not 'training'"),
        ("[1]", "expected a mapping such as {training: {seed: 1}}, not '[1]'"),
        ("{", "'{': not valid YAML: line 1, column 2: expected the node content, but found '<stream end>'"),
    ],
)
def test_changes_are_a_mapping(tmp_path: Path, changes: str, fault: str) -> None:
    code, output = invoke("champion", "--changes", changes, "--out", str(tmp_path / "out"))
    assert code == 2
    assert fault in output


# dvc.yaml


def stages() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every stage as DVC sees it, for one modality and one baseline."""
    values = {"model.backbone": "sasrec", "fusion.generator": "duet", "fusion.ids": "both", "data.source": "data"}
    for name, stage in GRAPH["stages"].items():
        text = json.dumps(stage.get("do", stage))
        for variable, value in {**values, "item": "static" if name == "baseline" else "id"}.items():
            text = text.replace(f"${{{variable}}}", value)
        assert "${" not in text
        yield name, json.loads(text)


STAGES = dict(stages())


def covered(path: str, by: list[str]) -> bool:
    return any(path == entry or path.startswith(f"{entry}/") for entry in by)


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_calls_a_command_with_what_it_needs_and_watches_its_inputs(name: str) -> None:
    stage = STAGES[name]
    program, command_name, *arguments = shlex.split(stage["cmd"])
    assert program == "solid"
    command = main.commands[command_name]
    context = click.Context(command)
    values, rest, _ = command.make_parser(context).parse_args(arguments)
    assert rest == []
    for option in options(command):
        given = values.get(option.name)
        assert given is not None or not option.required, option.name
        if isinstance(option.type, click.Choice) and given is not None:
            assert given in option.type.choices
        if option.type is INPUT and given is not None:
            assert covered(given, stage["deps"]), given
        if option.name == "models":
            for model in given:
                folder = model.partition("=")[2].removesuffix("/{modality}").removesuffix("/{baseline}")
                assert covered(folder, stage["deps"]), folder
    assert [out for entry in stage["outs"] for out in ([entry] if isinstance(entry, str) else entry)] == [values["out"]]
    assert stage["desc"]


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_watches_settings_that_exist_if_its_command_reads_any(name: str) -> None:
    stage = STAGES[name]
    command = main.commands[stage["cmd"].split()[1]]
    assert ("params" in stage) == any(option.name == "overrides" for option in options(command))
    known = Settings().model_dump()
    for param in stage.get("params", []):
        section, _, key = param.partition(".")
        assert section in known
        assert not key or key in known[section]


def test_the_help_of_train_sets_heads_apart_from_what_they_are() -> None:
    text = CliRunner().invoke(main, ["train", "--help"]).output
    for head in HEADS.values():
        assert re.search(rf"^ +{head.name} {{2,}}{re.escape(head.about[:20])}", text, re.MULTILINE), head.name


def test_every_setting_is_watched_by_some_stage() -> None:
    watched = {param for stage in STAGES.values() for param in stage.get("params", [])}
    for section, keys in Settings().model_dump(exclude={"checks"}).items():  # checks: of retraining alone
        for key in keys:
            assert watched & {section, f"{section}.{key}"}, f"{section}.{key}"


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_watches_all_code_that_decides_what_it_writes(name: str) -> None:
    stage = STAGES[name]
    code = [path for path in stage["deps"] if path.startswith("solid/")]
    for path in code:
        assert (ROOT / path).exists(), path
    module, _, function = STEPS[stage["cmd"].split()[1]].function.partition(":")
    used = {
        path
        for path in imported(ast.parse(f"from {module} import {function}"))
        if PLUMBING.isdisjoint(path.relative_to(ROOT).parts)
    }
    unwatched = [path for path in sorted(used) if not covered(path.relative_to(ROOT).as_posix(), code)]
    assert unwatched == []


def imported(node: ast.AST) -> set[Path]:
    """The files of this package that code imports, directly or through others, but for those that hold no code.

    What settings import only says which values they may have; stages watch the settings themselves.
    """
    found: set[Path] = set()
    waiting = [node]
    while waiting:
        for statement in ast.walk(waiting.pop()):
            if not isinstance(statement, ast.ImportFrom) or not (statement.module or "").startswith("solid."):
                continue
            modules = [statement.module, *(f"{statement.module}.{alias.name}" for alias in statement.names)]
            parts = [module.split(".") for module in modules if module]
            for folder in {Path(*names[:end]) for names in parts for end in range(2, len(names) + 1)}:
                for file in (ROOT / folder.with_suffix(".py"), ROOT / folder / "__init__.py"):
                    if file.is_file() and file not in found:
                        tree = ast.parse(file.read_text(encoding="utf-8"))
                        if len(tree.body) > 1:
                            found.add(file)
                            if file.parent.name != "settings":
                                waiting.append(tree)
    return found
