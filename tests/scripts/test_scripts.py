"""The scripts that the workflows call, as anybody may call them.

STUBS stand in for what cannot run here: GitHub's REST API, the API of Kubeflow Pipelines, and `docker` where an image
is pushed to a registry. DVC, git and the S3 server are real.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import yaml

pytestmark = pytest.mark.usefixtures("quick_python")

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path += [str(ROOT / "tests" / "pipelines"), str(ROOT / "scripts")]

import retrain  # noqa: E402
from kfp_stub import TOKEN, KfpStub, serve  # noqa: E402

from solid.errors import UnavailableError  # noqa: E402

FAILED = {
    "run_id": "run-1",
    "link": "https://kubeflow.example/#/runs/details/run-1",
    "state": "FAILED",
    "steps": [{"id": "1", "name": "prepare", "state": "FAILED", "seconds": 3.0}],
}


def call(script: str, *arguments: Any, root: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    outside = {"GITHUB_TOKEN", "GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT", "REGISTRY_PASSWORD"}
    inherited = {name: value for name, value in os.environ.items() if name not in outside}
    return subprocess.run(
        [sys.executable, f"scripts/{script}", *map(str, arguments)], cwd=root, check=False,
        capture_output=True, text=True, env={**inherited, "PYTHONPATH": str(root), **environment},
    )  # fmt: skip


class GithubStub:
    """A STUB of GitHub's REST API: comments of issues, the pull request that brought a commit, runs of workflows."""

    def __init__(self) -> None:
        self.runs: list[dict[str, str]] = []  # of retrain.yml, the newest first
        self.pulls: list[dict[str, Any]] = []
        self.comments: list[dict[str, Any]] = [{"id": n, "issue": 5, "body": f"talk {n}"} for n in range(150)]
        self.asked: list[str] = []

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        place, _, query = path.partition("?")
        self.asked.append(f"{method} {place}")
        repository = "/repos/me/solid"
        if place == f"{repository}/commits/c0ffee/pulls":
            return 200, self.pulls
        if place == f"{repository}/actions/workflows/retrain.yml/runs":
            asked = {name: value for name, [value] in parse_qs(query).items()}
            runs = [
                run for run in self.runs
                if (run["head_branch"], run["conclusion"]) == (asked["branch"], asked["status"])
            ]  # fmt: skip
            return 200, {"total_count": len(runs), "workflow_runs": runs[: int(asked["per_page"])]}
        if method == "PATCH" and place.startswith(f"{repository}/issues/comments/"):
            [comment] = [entry for entry in self.comments if entry["id"] == int(place.rpartition("/")[2])]
            comment |= body
            return 200, comment
        if place.startswith(f"{repository}/issues/") and place.endswith("/comments"):
            issue = int(place.split("/")[-2])
            if method == "POST":
                self.comments.append({"id": len(self.comments), "issue": issue, **body})
                return 201, self.comments[-1]
            page = int(query.rpartition("page=")[2])
            return 200, [entry for entry in self.comments if entry["issue"] == issue][100 * page - 100 : 100 * page]
        return 404, {"message": "Not Found"}


@pytest.fixture
def github(mlflow_store: Callable[[Path], str], tmp_path: Path) -> Iterator[tuple[GithubStub, dict[str, str]]]:
    """The stub, and the variables of a job that speaks to it."""
    stub = GithubStub()

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, answer = 401, {"message": "Bad credentials"}
            if self.headers["Authorization"] == "Bearer github-token":
                status, answer = stub.answer(self.command, self.path, json.loads(raw) if raw else None)
            text = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PATCH = handle_any

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield stub, {
        "GITHUB_TOKEN": "github-token",
        "GITHUB_API_URL": f"http://127.0.0.1:{server.server_port}",
        "GITHUB_REPOSITORY": "me/solid",
        "GITHUB_SHA": "c0ffee",
        "GITHUB_WORKFLOW_REF": "me/solid/.github/workflows/retrain.yml@refs/heads/main",
        "GITHUB_REF_NAME": "main",
        "MLFLOW_TRACKING_URI": mlflow_store(tmp_path),
    }  # fmt: skip
    server.shutdown()
    server.server_close()


def test_a_run_that_did_not_succeed_is_reported_as_such(tmp_path: Path, mlflow_store: Callable[[Path], str]) -> None:
    run, summary = tmp_path / "run.json", tmp_path / "summary.md"
    run.write_text(json.dumps(FAILED))
    store = mlflow_store(tmp_path)
    done = call("report_results.py", "--run", run, GITHUB_STEP_SUMMARY=str(summary), MLFLOW_TRACKING_URI=store)
    assert done.returncode == 0, done.stderr
    assert summary.read_text() == done.stdout.removesuffix("\n")
    assert (
        "### Retraining ended as FAILED\n\nMLflow holds no report of this run, so nothing is known of a challenger"
        in done.stdout
    )
    assert "[Run run-1](https://kubeflow.example/#/runs/details/run-1)" in done.stdout
    assert "| prepare | failed     |  0:00:03 |" in done.stdout


def test_where_nobody_says_where_mlflow_is_nothing_is_said_of_what_it_holds(tmp_path: Path) -> None:
    run, summary = tmp_path / "run.json", tmp_path / "summary.md"
    run.write_text(json.dumps(FAILED | {"state": "SUCCEEDED"}))
    done = call("report_results.py", "--run", run, GITHUB_STEP_SUMMARY=str(summary), MLFLOW_TRACKING_URI="")
    assert done.returncode == 3
    assert done.stderr.startswith("Error: MLFLOW_TRACKING_URI is not set, or empty")
    assert "MLflow could not be asked, so nothing is known" in summary.read_text()
    assert "holds no report" not in done.stdout


def test_a_run_that_never_began_is_reported_too(tmp_path: Path) -> None:
    done = call("report_results.py", "--run", tmp_path / "run.json")
    assert done.returncode == 0
    assert done.stdout.startswith("### Retraining did not start")


def test_there_is_one_comment_updated_in_place(github: tuple[GithubStub, dict[str, str]], tmp_path: Path) -> None:
    stub, environment = github
    run = tmp_path / "run.json"
    for link in ("first", "second"):
        run.write_text(json.dumps({**FAILED, "link": link}))
        done = call("report_results.py", "--run", run, "--issue", 5, **environment)
        assert done.returncode == 0, done.stderr
    [comment] = [entry for entry in stub.comments if "<!-- solid: retraining report -->" in entry["body"]]
    assert comment["issue"] == 5
    assert "[Run run-1](second)" in comment["body"]
    assert comment["id"] == 150  # behind the first page; the others are as they were
    assert [entry["body"] for entry in stub.comments[:150]] == [f"talk {n}" for n in range(150)]


def test_the_pull_request_that_brought_the_commit_gets_the_comment(
    github: tuple[GithubStub, dict[str, str]], tmp_path: Path
) -> None:
    stub, environment = github
    stub.pulls = [{"number": 9}]
    assert call("report_results.py", "--run", tmp_path / "run.json", "--issue", 5, **environment).returncode == 0
    assert (stub.comments[-1]["issue"], len(stub.comments)) == (9, 151)


def test_without_a_place_there_is_no_comment(github: tuple[GithubStub, dict[str, str]], tmp_path: Path) -> None:
    stub, environment = github
    done = call("report_results.py", "--run", tmp_path / "run.json", **environment)
    assert (done.returncode, len(stub.comments)) == (0, 150)
    assert done.stderr == "No comment: no pull request brought this commit, and --issue names none.\n"


def test_a_refusal_of_github_is_one_line_without_the_token(
    github: tuple[GithubStub, dict[str, str]], tmp_path: Path
) -> None:
    environment = github[1] | {"GITHUB_TOKEN": "wrong"}
    done = call("report_results.py", "--run", tmp_path / "run.json", "--issue", 5, **environment)
    assert done.returncode == 3
    assert done.stderr.startswith("Error: GitHub: GET /repos/me/solid/commits/c0ffee/pulls: HTTP Error 401")
    assert "wrong" not in done.stderr


def commit(root: Path, message: str) -> str:
    """Commit everything; the new commit."""
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", "add", "--all"], cwd=root, check=True)
    subprocess.run(["git", *who, "commit", "--quiet", "--message", message], cwd=root, check=True)
    return subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=root, text=True).strip()


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Commits by name: the first settings, then others, then other data alone, which is checked out."""
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    commits = {}
    for name, file in {"first": "params.yaml", "settings": "params.yaml", "data": "data.dvc"}.items():
        (tmp_path / file).write_text(name)
        commits[name] = commit(tmp_path, name)
    monkeypatch.setattr(retrain, "ROOT", tmp_path)
    for name in [name for name in os.environ if name.startswith("GITHUB_")]:
        monkeypatch.delenv(name)
    return commits


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ([("settings", "main", "success"), ("first", "main", "success")], "champion"),
        ([("settings", "main", "cancelled"), ("first", "main", "success")], "params"),  # dropped from the queue
        ([("settings", "main", "failure"), ("first", "main", "success")], "params"),
        ([("settings", "other", "success"), ("first", "main", "success")], "params"),
        ([("settings", "main", "failure")], "params"),
        ([("f" * 40, "main", "success")], "params"),  # history was rewritten
    ],
)
def test_changed_settings_wait_until_a_retraining_of_them_succeeds(
    github: tuple[GithubStub, dict[str, str]], history: dict[str, str], monkeypatch: pytest.MonkeyPatch,
    runs: list[tuple[str, str, str]], expected: str,
) -> None:  # fmt: skip
    """Although the push that starts this retraining changed data.dvc alone."""
    stub, environment = github
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    stub.runs = [
        {"head_sha": history.get(name, name), "head_branch": branch, "conclusion": conclusion}
        for name, branch, conclusion in runs
    ]
    assert retrain.whose_settings("", "champion")[0] == expected
    assert stub.asked == ["GET /repos/me/solid/actions/workflows/retrain.yml/runs"]
    assert retrain.whose_settings(history["first"], "champion") == (
        "params", f"params.yaml differs from that of {history['first']}, which was retrained last"
    )  # fmt: skip
    assert len(stub.asked) == 1  # a commit given by hand is the one that counts


def test_without_github_the_commit_to_compare_with_is_given_by_hand(history: dict[str, str]) -> None:
    assert retrain.whose_settings("", "champion")[0] == "champion"
    assert retrain.whose_settings("", "params")[0] == "params"
    assert retrain.whose_settings(history["settings"], "champion")[0] == "champion"
    assert retrain.whose_settings(history["first"], "champion")[0] == "params"


def test_a_checkout_that_git_refuses_is_no_changed_settings(
    history: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # git's own switch; chown as root does the same
    with pytest.raises(UnavailableError, match=r"git cannot look at this checkout(.|\n)*safe\.directory"):
        retrain.whose_settings(history["settings"], "champion")


DOCKER = """#!/bin/sh
printf '%s\\n' "$*" >>"$CALLS"
case "$1" in
  login) cat >>"$CALLS" ;;
  push) [ -z "$REFUSE" ] || exit 1 ;;
  image) echo 5000000 ;;
  history) echo "5MB x" ;;
  inspect) printf '%s\\n' "other.example/x@sha256:11" "registry.example/me/solid@sha256:22" ;;
esac
"""


@pytest.fixture
def engine(tmp_path: Path) -> dict[str, str]:
    """A STUB of docker that writes down its calls."""
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(DOCKER)
    program.chmod(0o755)
    calls = tmp_path / "calls"
    calls.touch()
    return {"PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}", "CALLS": str(calls), "SOLID_GIT_SHA": "c0ffee"}


def test_an_image_is_pushed_and_named_by_its_digest(engine: dict[str, str], tmp_path: Path) -> None:
    output = tmp_path / "output"
    done = call("push_image.py", "registry.example/Me/solid", "--user", "me", **engine,
                REGISTRY_PASSWORD="secret", GITHUB_OUTPUT=str(output))  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "registry.example/me/solid@sha256:22\n"), done.stderr
    assert output.read_text() == "image=registry.example/me/solid@sha256:22\n"
    calls = Path(engine["CALLS"]).read_text().splitlines()
    assert calls[:2] == ["login registry.example --username me --password-stdin", "secretinfo"]  # read from the pipe
    assert calls[2].startswith("build --quiet --tag registry.example/me/solid:c0ffee --build-arg VERSION=")
    assert calls[-2] == "push registry.example/me/solid:c0ffee"
    assert "secret" not in done.stdout + done.stderr


def test_a_push_that_fails_fails_the_script(engine: dict[str, str]) -> None:
    done = call("push_image.py", "registry.example/me/solid", **engine, REFUSE="yes")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Error: docker push failed" in done.stderr


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A small checkout: the code, data in a DVC remote but not here, and two commits that differ in params.yaml."""
    root = tmp_path / "checkout"
    for folder in ("solid", "components", "pipelines", "scripts"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (root / "data" / "deep").mkdir(parents=True)
    (root / "data" / "a.csv").write_text("user_id,item_id\n")
    (root / "data" / "deep" / "b.txt").write_text("b")
    (root / "params.yaml").write_text("training: {seed: 1}\n")
    dvc = [sys.executable, "-m", "dvc"]
    for command in (
        ["git", "init", "--quiet"],
        [*dvc, "init", "--quiet"],
        [*dvc, "config", "core.analytics", "false"],
        [*dvc, "remote", "add", "--quiet", "--default", "there", str(tmp_path / "remote")],
        [*dvc, "add", "--quiet", "data"],
        [*dvc, "push", "--quiet"],
    ):
        subprocess.run(command, cwd=root, check=True)
    commit(root, "one")
    shutil.rmtree(root / "data")
    shutil.rmtree(root / ".dvc" / "cache")
    (root / "params.yaml").write_text("training: {seed: 2}\n")
    commit(root, "two")
    return root


@pytest.mark.slow
@pytest.mark.s3
def test_a_retraining_is_submitted_with_the_data_of_the_commit(
    checkout: Path, s3: Any, github: tuple[GithubStub, dict[str, str]], tmp_path: Path
) -> None:
    image = f"registry.example/solid@sha256:{'0' * 64}"
    common = ["--image", image, "--data", "s3://solid/retrain", "--out", tmp_path / "run.json"]
    version = yaml.safe_load((checkout / "data.dvc").read_text())["outs"][0]["md5"]
    (checkout / "cluster.yaml").write_text("labels: {team: shop}")
    retrained = subprocess.check_output(["git", "rev-parse", "HEAD~1"], cwd=checkout, text=True).strip()
    github[0].runs = [{"head_sha": retrained, "head_branch": "main", "conclusion": "success"}]
    with serve(KfpStub()) as stub:
        environment = {
            "KFP_ENDPOINT": stub.endpoint, "KFP_EXISTING_TOKEN": TOKEN, "SOLID_DEPLOYMENT": "cluster.yaml",
        }  # fmt: skip
        done = call("retrain.py", *common, root=checkout, **environment, **github[1])
        assert done.returncode == 0, done.stderr
        again = call("retrain.py", *common, "--changes", "{training: {seed: 5}}", root=checkout, **environment)
        assert again.returncode == 0, again.stderr
        stub.looks = [("CANCELED", {})]
        canceled = call("retrain.py", *common, "--before", "HEAD", root=checkout, **environment)
        assert canceled.returncode == 1
        assert "the run ended as CANCELED" in canceled.stderr
    assert stub.faults == []
    folder = f"retrain/{version.removesuffix('.dir')}"
    there = {entry["Key"]: entry["Size"] for entry in s3.list_objects_v2(Bucket="solid", Prefix="retrain/")["Contents"]}
    assert there == {f"{folder}/a.csv": 16, f"{folder}/deep/b.txt": 1}
    compiled, platform = yaml.safe_load_all((checkout / "work" / "retraining.yaml").read_text())
    known = compiled["root"]["inputDefinitions"]["parameters"]
    defaults = {name: about["defaultValue"] for name, about in known.items() if "defaultValue" in about}
    first, second, _ = [run["runtime_config"]["parameters"] for run in stub.runs]
    assert first == defaults | {
        "data": {"source": f"s3://solid/{folder}", "format": "auto"},
        "data_version": version,
        "settings_of": "params",  # params.yaml changed
        "changes": {},
    }
    assert (second["settings_of"], second["changes"]) == ("champion", {"training": {"seed": 5}})
    assert defaults["training"]["seed"] == 2
    images = {entry["container"]["image"] for entry in compiled["deploymentSpec"]["executors"].values()}
    assert images == {image}
    for pod in platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"].values():
        assert pod["podMetadata"] == {"labels": {"team": "shop"}}


@pytest.mark.parametrize(
    ("changes", "options"),
    [
        ("{}", []),
        ("{training: {seed: 1}, semantics: {classes: 9}}", []),
        ("{semantics: {modalities: [id, text]}}", ["--set", 'semantics.modalities=["id", "text"]']),
    ],
)
def test_a_retraining_for_other_modalities_is_compiled_for_them(changes: str, options: list[str]) -> None:
    assert retrain.compiled_for(changes) == options


@pytest.mark.slow
def test_an_address_that_is_none_is_told_before_anything_is_done(checkout: Path) -> None:
    done = call("retrain.py", "--image", "x", "--data", "/folder", "--out", "run.json", root=checkout)
    assert done.returncode == 2
    assert done.stderr.startswith("Error: /folder/")
    assert ": not an address of S3; write it as s3://bucket/prefix" in done.stderr
    assert not (checkout / "data").exists()
