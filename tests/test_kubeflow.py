"""What a step says to Kubeflow, with executor inputs as Kubeflow writes them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from solid.cli import main
from solid.errors import SolidError
from solid.kubeflow import Executor
from solid.storage.s3 import Prefix


def artifact(uri: str | Path, kind: str = "Dataset", **metadata: Any) -> dict[str, Any]:
    return {
        "artifacts": [{"name": "x", "uri": str(uri), "type": {"schemaTitle": f"system.{kind}"}, "metadata": metadata}]
    }


def executor(tmp_path: Path, outputs: dict[str, Any], inputs: dict[str, Any] | None = None, **more: Any) -> Executor:
    written = {"artifacts": outputs, "outputFile": str(tmp_path / "kfp" / "output.json"), **more}
    return Executor(json.dumps({"inputs": {"artifacts": inputs or {}}, "outputs": written}))


def told(tmp_path: Path) -> dict[str, Any]:
    artifacts = json.loads((tmp_path / "kfp" / "output.json").read_text())["artifacts"]
    return {name: entry["artifacts"][0]["metadata"] for name, entry in artifacts.items()}


def write(out: Path, **contents: Any) -> None:
    out.mkdir(exist_ok=True)
    for name, content in contents.items():
        (out / f"{name}.json").write_text(json.dumps(content))


def test_metadata_is_what_the_output_folder_says_of_itself(tmp_path: Path) -> None:
    out = tmp_path / "prepared"
    write(out, stats={"users": 3, "items": 2, "interactions": 5, "density": 5 / 6, "digest": "d", "dropped": {"a": 1}})
    np.save(out / "candidates_test.npy", np.zeros((3, 99), np.int32))
    executor(tmp_path, {"prepared": artifact(out)}).report(out)
    figures = {"users": 3, "items": 2, "interactions": 5, "density": 5 / 6, "digest": "d"}
    assert told(tmp_path) == {"prepared": figures | {"candidates_test": "3 x 99"}}


@pytest.mark.parametrize("metric", ["valid_full_ndcg_10", "valid_uauc", "test_uauc"])
def test_a_model_says_what_it_is_and_leaves_out_what_it_has_not(tmp_path: Path, metric: str) -> None:
    out = tmp_path / "trained"
    config = {"head": "duet", "ids": "item", "modality": None, "n_items": 7, "model": {"backbone": "gru4rec", "dim": 8}}
    write(out, config=config, training={"epochs": 3, "best_epoch": 2, metric: 0.5, "settings": {}})
    executor(tmp_path, {"trained": artifact(out, "Model")}).report(out)
    assert told(tmp_path)["trained"] == {
        "head": "duet", "ids": "item", "backbone": "gru4rec", "n_items": 7,
        "epochs": 3, "best_epoch": 2, metric: 0.5,
    }  # fmt: skip


def test_an_evaluation_gives_metrics_report_and_summary(tmp_path: Path) -> None:
    out = tmp_path / "results"
    write(out, metrics={"static": {"auc": 0.5}, "SOLID id": {"auc": 0.75}}, comparison={"baseline": "static"})
    (out / "report.html").write_text("<html>")
    (out / "table.md").write_text("| model |")
    views = {"metrics": "Metrics", "report": "HTML", "summary": "Markdown"}
    executor(
        tmp_path,
        {"results": artifact(out, "Artifact")}
        | {name: artifact(tmp_path / name, kind) for name, kind in views.items()},
    ).report(out)
    assert told(tmp_path) == {
        "results": {"baseline": "static"},
        "metrics": {"static auc": 0.5, "SOLID id auc": 0.75},
        "report": {},
        "summary": {},
    }
    assert (tmp_path / "report").read_text() == "<html>"
    assert (tmp_path / "summary").read_text() == "| model |"


@pytest.mark.s3
def test_views_of_an_output_that_goes_to_an_address_go_to_theirs(tmp_path: Path, s3: Any) -> None:
    out = tmp_path / "results"
    write(out, metrics={"static": {"auc": 0.5}}, comparison={"baseline": "static"})
    place = "s3://solid/executor/evaluate"
    outputs = {"results": artifact(f"{place}/results", "Artifact"), "metrics": artifact(f"{place}/metrics", "Metrics")}
    executor(tmp_path, outputs).report(out, f"{place}/results")
    assert told(tmp_path) == {"results": {"baseline": "static"}, "metrics": {"static auc": 0.5}}
    assert Prefix(place).read("metrics") == (out / "metrics.json").read_bytes()
    with pytest.raises(SolidError, match=f"{place}/report: Kubeflow waits for the output report"):
        executor(tmp_path, {"report": artifact(f"{place}/report", "HTML")}).report(out, f"{place}/results")


def test_parameters_are_written_as_text_or_json(tmp_path: Path) -> None:
    out = tmp_path / "registration"
    write(out, registration={"reason": "it wins", "version": "3", "champion": {"before": None, "after": "3"}})
    files = {name: {"outputFile": str(tmp_path / "p" / name)} for name in ("reason", "champion_after")}
    executor(tmp_path, {"registration": artifact(out)}, parameters=files).report(out)
    assert (tmp_path / "p" / "reason").read_text() == "it wins"
    assert (tmp_path / "p" / "champion_after").read_text() == "3"


def test_an_output_that_the_step_does_not_write_is_an_error(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(out, stats={"users": 1})
    with pytest.raises(SolidError, match=r"elsewhere: Kubeflow waits for the output other"):
        executor(tmp_path, {"out": artifact(out), "other": artifact(tmp_path / "elsewhere")}).report(out)
    with pytest.raises(SolidError, match=r"waits for the parameter reason; .* knows users"):
        executor(tmp_path, {"out": artifact(out)}, parameters={"reason": {"outputFile": "x"}}).report(out)
    assert not (tmp_path / "kfp").exists()


def test_every_command_that_writes_a_folder_accepts_an_executor_input_and_no_other() -> None:
    for name, command in main.commands.items():
        known = {param.name for param in command.params}
        assert ("executor_input" in known) == ("out" in known), name


def test_a_step_called_by_kubeflow_reports_and_called_by_hand_does_not(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "u.data").write_text("1\t2\t5\t1\n")
    out = tmp_path / "raw"
    arguments = ["ingest", "--out", str(out), "--set", f"data={{source: {data}, format: movielens}}"]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "raw"]
    spec = {"outputs": {"artifacts": {"raw": artifact(out)}, "outputFile": str(tmp_path / "kfp" / "output.json")}}
    done = CliRunner().invoke(main, [*arguments, "--executor-input", json.dumps(spec)])
    assert done.exit_code == 0
    assert re.fullmatch(rf"ingest: read nothing, wrote raw {out}; took \d+ s", done.output.splitlines()[-1])
    assert told(tmp_path)["raw"]["format"] == "movielens"


@pytest.mark.parametrize("text", ["", "{", "[]", "{}"])
def test_an_executor_input_that_is_none_is_refused_before_any_work(tmp_path: Path, text: str) -> None:
    done = CliRunner().invoke(main, ["ingest", "--out", str(tmp_path / "raw"), "--executor-input", text])
    assert done.exit_code == 2
    assert done.output == "Error: --executor-input: not what Kubeflow writes, a JSON object with inputs and outputs\n"
    assert not list(tmp_path.iterdir())
