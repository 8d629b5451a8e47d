"""Every page: its blocks are run as a reader would, its links lead somewhere, and it can be read in one sitting."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import blocks as documents
import click
import pytest
import yaml
from blocks import COMMANDS, OTHERS, Block
from shrunk import SEARCHES

from pipelines.cli import main as pipeline
from solid.cli import main as solid
from solid.data.readers import READERS
from solid.settings.loading import load_settings

ROOT = Path(__file__).resolve().parents[2]
PATHS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES = {path.relative_to(ROOT).as_posix(): list(documents.blocks(path, path.name)) for path in PATHS}
BLOCKS = [block for page in PAGES.values() for block in page]
NOT_RUN = {
    "README.md": 3, "CONTRIBUTING.md": 1, "compare.md": 2, "data.md": 1, "device.md": 2, "findings.md": 2,
    "kubernetes.md": 11, "models.md": 2, "pipelines.md": 3, "reproduce.md": 1, "results.md": 1, "retraining.md": 5,
    "serve.md": 3,
    "steps.md": 1, "storage.md": 3, "tune.md": 1,
}  # fmt: skip
SMALL: dict[str, Any] = {
    "prepare": {"negatives": 9},
    "semantics": {"classes": 12},
    "model": {"dim": 8, "attention_heads": 2, "length": 5},
    "training": {"epochs": 1, "batch_size": 8192, "negatives": 4},
    "evaluation": {"bootstrap": 100},
    **SEARCHES,
}


def anchors(path: Path) -> set[str]:
    """What links into a page may name, as GitHub makes it of the headings."""
    text = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    path = ROOT / page
    for target in re.findall(r"\]\(([^)]+)\)", path.read_text(encoding="utf-8")):
        if not re.match(r"https?://", target):
            name, _, anchor = target.partition("#")
            there = path.parent / name if name else path
            assert there.exists(), f"{page}: {target}"
            assert not anchor or anchor in anchors(there), f"{page}: {target}"


def test_the_tests_that_pages_name_exist() -> None:
    tests = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "tests").rglob("test_*.py"))
    named = {name for path in PATHS for name in re.findall(r"`(test_\w+)`", path.read_text(encoding="utf-8"))}
    assert len(named) > 10
    assert [name for name in named if f"def {name}(" not in tests] == []


def test_every_page_is_reached_from_the_readme() -> None:
    seen, waiting = set(), [ROOT / "README.md"]
    while waiting:
        path = waiting.pop()
        seen.add(path)
        targets = re.findall(r"\]\(([^)#]+\.md)", path.read_text(encoding="utf-8"))
        waiting += {(path.parent / target).resolve() for target in targets if "://" not in target} - seen
    assert set(PATHS) <= seen


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_no_longer_than_a_reader_bears(page: str) -> None:
    lines = (ROOT / page).read_text(encoding="utf-8").splitlines()
    shown = [line for line in lines if not line.lstrip().startswith("<!--")]
    assert len(shown) <= (150 if page == "README.md" else 250)


def test_tables_of_what_can_be_chosen_are_current() -> None:
    subprocess.run([sys.executable, "scripts/page_tables.py", "--check"], cwd=ROOT, check=True)


# blocks


def test_every_block_says_what_it_is() -> None:
    assert [str(block) for block in BLOCKS if block.tag not in (*COMMANDS, *OTHERS)] == []
    assert [str(block) for block in BLOCKS if set(block.notes) - {"not run", "shrunk", "as shown"}] == []


def test_blocks_that_do_not_run_say_why_and_are_counted() -> None:
    """One more is one more command that nobody tries: think twice before you raise a number."""
    idle = [block for block in BLOCKS if "not run" in block.notes]
    assert all(block.tag in COMMANDS for block in idle)
    assert Counter(block.page for block in idle) == NOT_RUN
    for block in idle:
        for file, name in re.findall(r"(tests/\S+\.py)::(\w+)", block.notes["not run"]):
            assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8"), f"{block}: {file}::{name}"


def check_click(group: click.Command, words: list[str]) -> None:
    """The command and its options exist, and choices and settings are such."""
    context = click.Context(group)
    while isinstance(group, click.Group) and words and not words[0].startswith("-"):
        group = group.commands[words[0]]
        context, words = click.Context(group, parent=context), words[1:]
    values, _, _ = group.make_parser(context).parse_args(args=list(words))
    for parameter in group.params:
        value = values.get(str(parameter.name))
        if isinstance(parameter.type, click.Choice) and isinstance(value, str):
            parameter.type.convert(value, parameter, context)
    load_settings(None, values.get("overrides") or [])


def check_make(words: list[str]) -> None:
    """The target and its variables exist, and settings and reader are such."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    image = (ROOT / "scripts" / "image.sh").read_text(encoding="utf-8")
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            assert re.search(rf"^{re.escape(name)}:", makefile, re.MULTILINE), f"no target {name}"
            continue
        assert f"$({name})" in makefile or f"$(or $({name})" in makefile or name in image, f"no variable {name}"
        if name == "SET":
            load_settings(None, value.split())
        if name == "FORMAT" and value != "X":
            assert value in [reader.name for reader in READERS]


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.tag in ("sh", "console")], ids=str)
def test_commands_and_their_options_exist(block: Block) -> None:
    for program, *words in block.commands():
        match program.removeprefix(".venv/bin/"):
            case "solid":
                check_click(solid, words)
            case "solid-pipeline":
                check_click(pipeline, words)
            case "make":
                check_make(words)
            case "python":
                assert words[0].startswith("-") or (ROOT / words[0]).is_file()


@pytest.fixture(scope="module")
def environment(
    programs: Path, mlflow_store: Callable[[Path], str], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """Variables with which a shell finds `solid` and the like."""
    outside = {name: value for name, value in os.environ.items() if not re.match("MLFLOW_|SOLID_|AWS_", name)}
    return outside | {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "SOLID_TRACKING": "off",
        "MLFLOW_TRACKING_URI": mlflow_store(tmp_path_factory.mktemp("mlflow")),
    }


def shell(commands: str, folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands], cwd=folder, env=environment, check=False,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def workspace(programs: Path, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a reader has after `make run`, on small settings: data, settings, outputs, a champion."""
    folder = tmp_path_factory.mktemp("workspace")
    (folder / "params.yaml").write_text(yaml.safe_dump(SMALL))
    settings = load_settings(folder / "params.yaml")
    values = {f"{section}.{key}": value for section, keys in settings for key, value in keys}
    graph = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    commands = ["solid sample"]
    for stage in graph.values():
        for item in values[stage["foreach"][2:-1]] if "foreach" in stage else [""]:
            command = stage.get("do", stage)["cmd"].replace("${item}", item)
            command = re.sub(r"\$\{([\w.]+)\}", lambda name: str(values[name[1]]), command)
            commands.append(command.replace("solid register", "SOLID_TRACKING=on solid register"))
    done = shell("\n".join(commands), folder, environment)
    assert done.returncode == 0, done.stdout
    for name in ("benchmarks", "requirements.lock"):
        (folder / name).symlink_to(ROOT / name)
    (folder / ".venv").mkdir()
    (folder / ".venv" / "bin").symlink_to(programs)
    return folder


@pytest.mark.parametrize("page", [page for page, its in PAGES.items() if any(b.tag in COMMANDS for b in its)])
def test_blocks_run(
    page: str, workspace: Path, environment: dict[str, str], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    folder = tmp_path / "here"
    shutil.copytree(workspace, folder, symlinks=True)
    variables = environment | {"SOLID_CACHE": str(tmp_path / "cache")}
    run = [block for block in PAGES[page] if "not run" not in block.notes]
    if any("s3://solid/" in block.text for block in run if block.tag in COMMANDS):
        variables |= request.getfixturevalue("s3_server")
    for block in run:
        if block.tag == "yaml" and (named := re.match(r"# (\w+\.yaml)\n", block.text)):
            (folder / named[1]).write_text(block.text)
        if block.tag == "python":
            (folder / "block.py").write_text(block.text)
            done = shell("python block.py", folder, variables)
            assert done.returncode == 0, f"{block}\n{done.stdout}"
        if block.tag in ("sh", "console"):
            for typed, shown in block.entries():
                done = shell(typed, folder, variables)
                assert (done.returncode == 0) == (not shown.startswith(("Error:", "Usage:"))), f"{block}\n{done.stdout}"
                if "as shown" in block.notes:
                    assert done.stdout == shown, block
