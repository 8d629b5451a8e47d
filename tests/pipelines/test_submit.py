"""``submit`` and ``schedule`` against a STUB of the Kubeflow Pipelines API, which checks what it is sent."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from by_hand import ROOT
from click.testing import CliRunner
from kfp_stub import TOKEN, WORKFLOW, KfpStub, serve

from pipelines.cli import main as pipeline_main
from pipelines.package import Package
from pipelines.parameters import parameters
from pipelines.progress import node_id, steps
from pipelines.schedule import schedule
from pipelines.submit import reason, submit
from solid.cli import main
from solid.settings.schema import Settings

OK = ("SUCCEEDED", {"prepare": "SUCCEEDED", "train": "SUCCEEDED"})


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A compiled pipeline of one step and parameters of several types."""
    from kfp import compiler
    from tiny_pipeline import tiny

    path = tmp_path_factory.mktemp("package") / "tiny.yaml"
    compiler.Compiler().compile(tiny, str(path))
    return path


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[KfpStub]:
    for variable in ("KFP_NAMESPACE", "KF_PIPELINES_SA_TOKEN_PATH", "KFP_UI_ENDPOINT"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("KFP_EXISTING_TOKEN", TOKEN)
    with serve(KfpStub()) as stub:
        monkeypatch.setenv("KFP_ENDPOINT", stub.endpoint)
        yield stub


def run(command: Any, *arguments: Any) -> tuple[int, str]:
    from solid.errors import SolidError

    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    if isinstance(result.exception, SolidError):  # the group of commands prints it so
        return 1, f"{result.output}Error: {result.exception}\n"
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def submitted(package: Path, *more: Any) -> tuple[int, str]:
    return run(submit, package, "--parameter", "text=hello", "--interval", 0.01, *more)


def test_a_run_is_followed_to_its_end(stub: KfpStub, package: Path, tmp_path: Path) -> None:
    stub.looks = [
        ("PENDING", {}),
        ("RUNNING", {"prepare": "RUNNING"}),
        ("RUNNING", {"prepare": "RUNNING"}),
        ("RUNNING", {"prepare": "SUCCEEDED", "train": "RUNNING"}),
        OK,
    ]
    out = tmp_path / "run.json"
    code, said = submitted(package, "--parameter", "section={a: 1}", "--pipeline-root", "s3://b/k", "--out", out)
    assert (code, stub.faults) == (0, [])
    [posted] = stub.runs
    assert posted["runtime_config"] == {
        "parameters": {"text": "hello", "section": {"a": 1}, "share": 0.5, "flag": True, "many": []},  # defaults, too
        "pipeline_root": "s3://b/k",
    }  # fmt: skip
    assert posted["display_name"].startswith("tiny ")
    facts = dict(line.split(": ", 1) for line in posted["description"].splitlines())
    assert set(facts) == {"commit", "image", "data", "asked for by"}
    assert facts["image"] == "x"
    version = stub.versions[0]["display_name"]
    assert re.fullmatch(rf"20\d\d-\d\d-\d\d-[0-9a-f]{{7}}(-dirty)?-{Package.read(package).digest}", version)
    assert stub.experiments[0]["display_name"] == "solid"
    progress = [line[10:] for line in said.splitlines() if line[2:3] == ":"]
    assert progress == [
        "running    prepare",
        "succeeded  prepare  (0:00:59)",
        "running    train SOLID text_image",
        "succeeded  train SOLID text_image  (0:00:59)",
    ]  # fmt: skip
    link = f"{stub.endpoint}/#/runs/details/{posted['run_id']}"
    assert f"run {posted['run_id']}: {link}" in said
    assert "| prepare                | succeeded  |  0:00:59 |" in said
    assert said.endswith(f"The run succeeded: {link}\n")
    written = json.loads(out.read_text())
    assert (written["run_id"], written["link"], written["state"]) == (posted["run_id"], link, "SUCCEEDED")
    assert [step["name"] for step in written["steps"]] == ["prepare", "train SOLID text_image"]
    assert TOKEN not in said + out.read_text()


def spec_of(graph: dict[str, Any], name: str = "training") -> dict[str, Any]:
    """A compiled pipeline as far as submit reads it: steps by their text, sub-graphs by their tasks."""
    components: dict[str, Any] = {}

    def dag(tasks: dict[str, Any]) -> dict[str, Any]:
        listed = {}
        for key, task in tasks.items():
            component = f"comp-{len(components)}"
            components[component] = {}
            components[component] |= dag(task) if isinstance(task, dict) else {"executorLabel": key}
            listed[key] = {"componentRef": {"name": component}, "taskInfo": {"name": task if task != {} else key}}
            if isinstance(task, dict):
                loop = {"parameterIterator": {}} if key.startswith("for-loop") else {}
                listed[key] |= {"taskInfo": {"name": key}, **loop}
        return {"dag": {"tasks": listed}}

    return {"schemaVersion": "2.1.0", "pipelineInfo": {"name": name}, "root": dag(graph), "components": components}


AWAY = "Error: MLflow at http://mlflow: the store is away"
LOOPED = {
    "ingest": "ingest",
    "prepare": "prepare",
    "features": "features",
    "for-loop-1": {
        "chain": {
            "for-loop-1": {"train-baseline": "baseline"},
            "train-item": "item",
            "embed": "embed",
            "for-loop-2": {"assign": "assign", "train-semantic": "semantic", "train-solid": "solid"},
            "evaluate": "evaluate",
            "registration": {"condition-1": {"register": "register"}},
        }
    },
}


def recorded(name: str) -> dict[str, Any]:
    """What a real backend answered, see shared/cases/kubeflow; without its node names."""
    folder = Path(os.environ.get("SOLID_CASES", ROOT.parent / "shared" / "cases")) / "kubeflow"
    if not folder.is_dir():
        pytest.skip(f"no folder {folder}; SOLID_CASES can name that above it")
    return dict(json.loads((folder / f"{name}.json").read_text()))


@pytest.fixture
def looped(tmp_path: Path) -> Path:
    """The pipeline that was running when the answers were recorded, as far as submit reads it."""
    (tmp_path / "training.yaml").write_text(yaml.safe_dump(spec_of(LOOPED)))
    return tmp_path / "training.yaml"


def test_what_a_real_backend_answers_of_a_run_that_succeeded(stub: KfpStub, looped: Path) -> None:
    stub.looks = [recorded("run_succeeded")]
    code, said = run(submit, looped, "--interval", 0.01)
    assert (code, stub.faults) == (0, [])
    assert [line.split("|")[1:4] for line in said.splitlines() if line.startswith("| ")][2:5] == [
        [" ingest   ", " succeeded  ", "  0:00:45 "],
        [" prepare  ", " succeeded  ", "  0:00:39 "],
        [" features ", " succeeded  ", "  0:01:14 "],
    ]
    lines = [line[10:] for line in said.splitlines() if line[2:3] == ":"]
    assert len(lines) == 11  # one a step
    assert "None" not in said
    assert "executor" not in said
    assert "driver" not in said


def test_what_a_real_backend_answers_of_a_run_that_failed(stub: KfpStub, looped: Path) -> None:
    stub.looks = [recorded("run_failed")]
    stub.logs = {"training-vkt4x-2412306446": "one\n" * 30 + f"{AWAY}\n"}
    code, said = run(submit, looped, "--interval", 0.01)
    assert code == 1
    assert f"the run ended as FAILED, in step register: {AWAY}\nsee {stub.endpoint}" in said
    assert "from the cache solid" in said
    assert "| register | failed         |  0:04:30 |" in said
    assert said.count("            | one\n") == 19
    assert f"            | {AWAY}\n" in said


def test_a_step_that_waits_says_for_what(stub: KfpStub, package: Path) -> None:
    stub.looks = [("RUNNING", {"prepare": "CACHED", "train": "PENDING"}), OK]
    node = node_id(WORKFLOW, ".root(0).train(0).executor(0)")
    stub.messages = {
        node: "Unschedulable: 0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No"
    }
    said = submitted(package)[1]
    assert "from the cache prepare\n" in said
    assert "pending    train SOLID text_image  (no node has enough cpu free)\n" in said


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("", ""),
        ("ContainerCreating", "ContainerCreating"),
        (
            "Unschedulable: 0/3 nodes are available: 2 Insufficient cpu, 1 Insufficient memory. preemption: 0/3",
            "no node has enough cpu and memory free",
        ),
        (
            "Unschedulable: 0/3 nodes are available: 3 Insufficient nvidia.com/gpu. preemption: 0/3",
            "no node has enough nvidia.com/gpu free",
        ),
        (
            "Unschedulable: 0/1 nodes are available: 1 node(s) had untolerated taint {gpu: yes}. preemption: 0/1",
            "0/1 nodes are available: 1 node(s) had untolerated taint {gpu: yes}",
        ),
    ],
)
def test_reasons_are_told_for_people(message: str, words: str) -> None:
    assert reason(message) == words


def test_steps_of_equal_sub_pipelines_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "two.yaml"
    path.write_text(
        yaml.safe_dump(spec_of({"sasrec": {"train": "train"}, "gru4rec": {"train": "train"}, "end": "end"}))
    )
    package = Package.read(path)
    assert package.steps == {
        ("sasrec", "train"): "sasrec: train",
        ("gru4rec", "train"): "gru4rec: train",
        ("end",): "end",
    }
    row = {"task_id": "1", "display_name": "train", "state": "RUNNING"}
    child = [SimpleNamespace(pod_name=node_id("w-1", ".root(0).gru4rec(0).train(0)"))]
    task = SimpleNamespace(**row, start_time=None, end_time=None, child_tasks=child)
    answer = SimpleNamespace(run_details=SimpleNamespace(task_details=[task]))
    assert [step["name"] for step in steps(answer, package)] == ["gru4rec: train"]


def compiled(folder: Path, name: str, *more: str) -> Path:
    """One of our pipelines, compiled."""
    out = folder / f"{name}.yaml"
    done = CliRunner().invoke(
        pipeline_main, ["compile", name, "--image", "solid:dev", "--allow-tag", "--out", str(out), *more]
    )
    assert done.exit_code == 0, done.output
    return out


def test_a_line_is_told_of_each_step_by_the_name_that_people_know(stub: KfpStub, tmp_path: Path) -> None:
    training = compiled(tmp_path, "training")
    named = {
        "train-item": "train item model",
        "train-solid-auto": "train SOLID auto",
        "train-mixture": "train mixture",
        "register": "register",
    }
    stub.looks = [("SUCCEEDED", dict.fromkeys(named, "SUCCEEDED"))]
    code, said = run(submit, training, "--interval", 0.01)
    assert (code, stub.faults) == (0, [])
    lines = [line[10:] for line in said.splitlines() if line[2:3] == ":"]
    assert lines == [f"succeeded  {name}  (0:00:59)" for name in named.values()]
    package = Package.read(training)
    assert len(package.steps) == 14
    assert {len(path) for path in package.steps} == {1}


def test_steps_of_several_backbones_are_told_apart(tmp_path: Path) -> None:
    package = Package.read(compiled(tmp_path, "backbones", "--backbone", "sasrec", "--backbone", "din"))
    assert package.steps["ingest",] == "ingest"
    assert package.steps["din", "train-solid-auto-din"] == "din: train SOLID auto"
    assert len(set(package.steps.values())) == len(package.steps) == 3 + 2 * 11


def test_a_list_that_a_pipeline_is_compiled_for_is_no_parameter_of_a_run(stub: KfpStub, tmp_path: Path) -> None:
    training = compiled(tmp_path, "training", "--set", "semantics.modalities=[id,text]")
    for command in (submit, schedule):
        code, said = run(command, training, "--parameter", "modalities=[id]")
        assert (code, stub.requests) == (1, [])
        assert said == (
            "Error: --parameter modalities=[id]: a pipeline is compiled with a step for each of semantics.modalities, "
            "which no run can change; compile (or run) it with --set 'semantics.modalities=[...]'\n"
        )
    package = Package.read(training)
    assert package.run_name(package.arguments([])) == "training data modalities=id,text"


def test_the_same_pipeline_is_uploaded_once(stub: KfpStub, package: Path) -> None:
    for _ in range(2):
        assert submitted(package)[0] == 0
    assert (len(stub.pipelines), len(stub.versions), len(stub.runs), stub.faults) == (1, 1, 2, [])
    assert stub.requests.count("POST /apis/v2beta1/pipelines/upload_version") == 1


@pytest.mark.parametrize("state", ["FAILED", "ERROR", "CANCELED", "SKIPPED"])
def test_a_run_that_does_not_succeed_fails_the_command(
    stub: KfpStub, package: Path, state: str, tmp_path: Path
) -> None:
    stub.looks = [("RUNNING", {"prepare": "RUNNING"}), (state, {"prepare": "FAILED"})]
    stub.error = "step prepare: out of memory\nmore"
    code, said = submitted(package, "--out", tmp_path / "run.json")
    assert code == 1
    assert f"Error: the run ended as {state}, in step prepare\nsee {stub.endpoint}/#/runs/" in said
    assert "| prepare | failed" in said
    assert json.loads((tmp_path / "run.json").read_text())["state"] == state


def test_a_run_that_takes_too_long_fails_the_command(stub: KfpStub, package: Path, tmp_path: Path) -> None:
    stub.looks = [("RUNNING", {"prepare": "RUNNING"})]
    code, said = submitted(package, "--timeout", 1e-5, "--out", tmp_path / "run.json")
    assert code == 1
    table, _, message = said.partition("\nError: ")
    assert table.endswith("\nNo step had ended when it was last seen.\n")
    assert message.startswith("the run has not ended within 1e-05 hours; it goes on: http")
    assert "| prepare" not in said
    assert json.loads((tmp_path / "run.json").read_text())["state"] == "RUNNING"


@pytest.mark.parametrize(
    ("later", "error"), [([], "the run has not ended within 1e-05 hours; it goes on: http"), ([403], "403 the server")]
)
def test_a_watch_that_is_given_up_still_prints_the_steps(
    stub: KfpStub, package: Path, later: list[int], error: str
) -> None:
    stub.looks = [("RUNNING", {"prepare": "SUCCEEDED", "train": "RUNNING"}), *later]
    code, said = submitted(package, "--timeout", 1e-5 if not later else 1)
    assert code == 1
    table, _, message = said.partition("\nError: ")
    assert "| prepare                | succeeded  |  0:00:59 |\n| train SOLID text_image | running    | " in table
    assert error in message


def test_a_server_that_restarts_is_waited_for(stub: KfpStub, package: Path) -> None:
    stub.looks = [("RUNNING", {}), *[503] * 10, OK]
    assert submitted(package)[0] == 0
    stub.looks = [("RUNNING", {}), *[503] * 11, OK]
    code, said = submitted(package)
    assert code == 1
    assert "503 the server is not well while following the run\nThe run goes on: http" in said


def test_several_users_are_told_to_the_server(stub: KfpStub, package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KFP_UI_ENDPOINT", "https://kubeflow.example/pipeline/")
    code, said = submitted(package, "--namespace", "team-a", "--experiment", "other", "--name", "mine")
    assert (code, stub.faults) == (0, [])
    assert (stub.experiments[0]["display_name"], stub.experiments[0]["namespace"]) == ("other", "team-a")
    assert stub.runs[0]["display_name"] == "mine"
    assert "https://kubeflow.example/pipeline/#/runs/details/" in said


def test_a_wrong_token_is_told_without_it(stub: KfpStub, package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KFP_EXISTING_TOKEN", "wrong-token")
    code, said = submitted(package)
    assert code == 1
    assert said.endswith(
        "401 Unauthenticated while looking for experiment solid; check KFP_EXISTING_TOKEN, which may have expired\n"
    )
    assert "wrong-token" not in said


def test_a_renewed_token_is_read_again(
    stub: KfpStub, package: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("KFP_EXISTING_TOKEN")
    file = tmp_path / "token"
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(file))
    file.write_text("first\n")
    stub.token, stub.looks = "first", [("RUNNING", {"train": "RUNNING"}), ("RUNNING", {"train": "SUCCEEDED"}), OK]
    renew = stub.look

    def look(run_id: str) -> Any:
        file.write_text("second")
        stub.token = "second"
        return renew(run_id)

    monkeypatch.setattr(stub, "look", look)
    assert submitted(package)[0] == 0


def test_a_token_is_no_option() -> None:
    for command in (submit, schedule):
        options = {text for param in command.params for text in [*param.opts, str(getattr(param, "envvar", ""))]}
        assert not [text for text in options if "token" in text.lower()]


def test_a_server_that_is_not_there(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KFP_ENDPOINT", "http://127.0.0.1:9")
    code, said = submitted(package)
    assert code == 1
    assert "http://127.0.0.1:9: no answer while looking for experiment solid" in said


@pytest.mark.parametrize(
    ("param", "fault"),
    [
        ("txet=a", "did you mean text?"),
        ("zzz=a", "it has flag, many, section, share, text"),
        ("text", "write it as NAME=VALUE, for example"),
        ("section=[1]", "expected a value of type struct"),
        ("share=much", "expected a value of type number double"),
        ("share=true", "expected a value of type number double"),
        ("flag=1", "expected a value of type boolean"),
        ("many={", "not valid YAML: line 1, column 2: expected the node content, but found '<stream end>'"),
    ],
)
def test_a_parameter_that_does_not_fit_is_told_before_anything_is_sent(
    stub: KfpStub, package: Path, param: str, fault: str
) -> None:
    code, said = submitted(package, "--parameter", param)
    assert code == 1
    assert f"--parameter {param}: " in said
    assert fault in said
    assert stub.requests == []


def test_a_parameter_without_default_must_be_given(stub: KfpStub, package: Path) -> None:
    code, said = run(submit, package)
    assert (code, stub.requests) == (1, [])
    assert "pipeline tiny: no value for text; give it with --parameter NAME=VALUE" in said


def test_a_file_that_is_no_pipeline_is_refused(stub: KfpStub, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("a: 1")
    assert "no compiled pipeline; write one with solid-pipeline compile" in run(submit, tmp_path / "x.yaml")[1]


def scheduled(package: Path, *more: Any) -> tuple[int, str]:
    return run(schedule, package, "--parameter", "text=hello", *more)


def test_a_recurring_run_is_made_once_and_replaced_when_it_changes(
    stub: KfpStub, package: Path, tmp_path: Path
) -> None:
    code, said = scheduled(package)
    assert (code, stub.faults) == (0, [])
    assert "tiny: made, '0 0 3 * * 1'\n" in said
    [first] = stub.recurring
    assert (first["max_concurrency"], first["no_catchup"], first["mode"]) == ("1", True, "ENABLE")
    assert first["runtime_config"]["parameters"]["text"] == "hello"
    assert first["description"].startswith("commit: ")
    assert said.endswith(f"{stub.endpoint}/#/recurringrun/details/{first['recurring_run_id']}\n")

    assert "tiny: is as it should be" in scheduled(package)[1]
    assert stub.recurring == [first]

    newer = tmp_path / "newer.yaml"
    newer.write_text(package.read_text() + "# changed\n")
    for changed, more in ((newer, []), (newer, ["--cron", "30 4 * * *"]), (newer, ["--parameter", "text=other"])):
        [before] = stub.recurring
        code, said = scheduled(changed, *more)
        [after] = stub.recurring
        assert (code, stub.faults) == (0, [])
        assert after["recurring_run_id"] != before["recurring_run_id"]
        assert f"tiny: removed {before['recurring_run_id']}, made 2026-11-01" in said
        made, removed = stub.requests[-2:]
        assert made == "POST /apis/v2beta1/recurringruns"
        assert removed == f"DELETE /apis/v2beta1/recurringruns/{before['recurring_run_id']}"


def test_recurring_runs_of_other_names_stay(stub: KfpStub, package: Path) -> None:
    scheduled(package, "--name", "weekly")
    scheduled(package, "--name", "daily")
    assert [run["display_name"] for run in stub.recurring] == ["weekly", "daily"]


def test_five_fields_of_cron_do_as_well_as_six(stub: KfpStub, package: Path) -> None:
    assert scheduled(package, "--cron", "0 3 * * 1")[0] == 0
    assert "is as it should be" in scheduled(package, "--cron", "0 0 3 * * 1")[1]
    [kept] = stub.recurring
    assert kept["trigger"]["cron_schedule"]["cron"] == "0 0 3 * * 1"
    for wrong in ("3 * * 1", "0 0 0 3 * * 1"):
        code, said = scheduled(package, "--cron", wrong)
        assert code == 1
        assert "five fields are needed, such as '0 3 * * 1', Mondays at three; or six, the seconds first" in said


def test_schedules_are_listed_paused_and_removed(stub: KfpStub, package: Path) -> None:
    for name in ("weekly", "daily"):
        scheduled(package, "--name", name)
    assert run(schedule, "--list")[1] == "weekly  '0 0 3 * * 1'  on\ndaily  '0 0 3 * * 1'  on\n"
    assert run(schedule, "--pause", "--name", "daily")[1] == "daily: rests\n"
    assert run(schedule, "--list")[1].endswith("daily  '0 0 3 * * 1'  paused\n")
    assert run(schedule, "--unpause", "--name", "daily")[1] == "daily: goes on\n"
    assert "weekly: removed recurring_run-" in run(schedule, "--remove", "--name", "weekly")[1]
    assert [kept["display_name"] for kept in stub.recurring] == ["daily"]
    code, said = run(schedule, "--remove", "--name", "weekly")
    assert (code, stub.faults) == (1, [])
    assert "there is no such recurring run; --list shows those there are" in said
    for wrong in ([], ["--pause"], ["--list", package]):
        assert run(schedule, *wrong)[0] == 2


def test_a_failed_run_is_resumed_with_its_parameters(stub: KfpStub, package: Path) -> None:
    stub.looks = [("FAILED", {"prepare": "SUCCEEDED", "train": "FAILED"})]
    assert (
        submitted(package, "--parameter", "share=0.25", "--pipeline-root", "s3://b/k", "--name", "tiny first")[0] == 1
    )
    stub.ended = {stub.runs[0]["run_id"]: "FAILED"}
    stub.looks = [("SUCCEEDED", {"prepare": "CACHED", "train": "SUCCEEDED"})]
    code, said = run(submit, package, "--resume", "last", "--interval", 0.01)
    assert (code, stub.faults) == (0, []), said
    first, second = stub.runs
    assert second["display_name"] == "tiny first (resumed)"
    assert second["runtime_config"] == first["runtime_config"]
    assert second["pipeline_version_reference"] == first["pipeline_version_reference"]
    assert "from the cache prepare" in said
    code, said = run(submit, package, "--resume", "last")
    assert (code, "only a run that failed is resumed" in said) == (1, True)
    assert run(submit, package, "--resume", "last", "--no-cache")[0] == 2


def test_without_the_cache_every_step_runs(stub: KfpStub, package: Path, tmp_path: Path) -> None:
    assert submitted(package)[0] == submitted(package, "--no-cache")[0] == 0
    assert len(stub.versions) == 2
    plain = next(yaml.safe_load_all(package.read_text()))
    off = next(yaml.safe_load_all(Package.read(package).without_cache(tmp_path).path.read_text()))
    assert [task["cachingOptions"] for task in plain["root"]["dag"]["tasks"].values()] == [{"enableCache": True}] * 2
    assert [task["cachingOptions"] for task in off["root"]["dag"]["tasks"].values()] == [{}] * 2
    for task in (*plain["root"]["dag"]["tasks"].values(), *off["root"]["dag"]["tasks"].values()):
        del task["cachingOptions"]
    assert off == plain


@pytest.mark.parametrize("lost", ["prepared", "model"])
def test_an_artifact_that_the_store_lost_is_told_with_the_remedy(
    stub: KfpStub, package: Path, tmp_path: Path, lost: str
) -> None:
    stub.looks = [("FAILED", {"prepare": "CACHED", "train": "FAILED"})]
    node = node_id(WORKFLOW, ".root(0).train(0).executor(0)")
    prepared, model = {"prepared": ("/s3/solid/kfp/x", "b"), "model": (tmp_path, "/s3/solid/kfp/x")}[lost]
    done = CliRunner().invoke(main, ["evaluate", "--prepared", str(prepared), "--model", f"a={model}", "--out", "c"])
    gone = done.output.splitlines()[-1]
    assert "s3://solid/kfp/x is gone from the store (by a lifecycle rule, or by hand), but Kubeflow's cache" in gone
    stub.logs = {node: done.output}
    code, said = submitted(package)
    assert code == 1
    assert "\n--no-cache runs every step again\nsee " in said


def test_runs_of_other_seeds_and_data_have_other_names() -> None:
    training, usual = Package(Path("x"), "training", {}, {}, "x"), parameters(Settings())
    names = {
        training.run_name(
            {**usual, "data": {"source": source, "format": "auto"}, "training": {**usual["training"], **more}}
        )
        for source in ("s3://b/sample", "s3://b/shop")
        for more in ({}, {"seed": 1}, {"seed": 2})
    }
    assert names == {f"training {data}{seed}" for data in ("sample", "shop") for seed in ("", " seed=1", " seed=2")}


def test_the_last_lines_say_what_came_out(stub: KfpStub, tmp_path: Path) -> None:
    path = tmp_path / "training.yaml"
    path.write_text(yaml.safe_dump(spec_of({"prepare": "prepare", "register": "register"})))
    stub.looks = [("SUCCEEDED", {"prepare": "CACHED", "register": "SUCCEEDED"})]
    told = [
        "solid version 3 (text_image) is registered as challenger and champion: uauc +0.01 against version 1.",
        "The champion is version 3: mlflow.pyfunc.load_model('models:/solid@champion')",
    ]
    node = node_id(WORKFLOW, ".root(0).register(0).executor(0)")
    stub.logs = {node: "\n".join(["W1127 a warning", *told, "I1127 launcher"])}
    said = run(submit, path, "--interval", 0.01)[1]
    assert said.splitlines()[-3:-1] == told
