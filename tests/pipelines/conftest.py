"""The training pipeline with small settings, and the same chain called step by step as dvc.yaml says."""

from __future__ import annotations

import shlex
import subprocess
import sys
from typing import Any

import pytest
import yaml
from by_hand import IMAGE, ROOT, SMALL, Chain, commands
from kfp.dsl.graph_component import GraphComponent

from pipelines.deployment import Deployment
from pipelines.training import training
from solid.data.sample import write_sample
from solid.settings.loading import load_settings


@pytest.fixture(scope="session")
def pipeline() -> GraphComponent:
    return training(Deployment(image=IMAGE))


@pytest.fixture(scope="session")
def spec(pipeline: GraphComponent) -> dict[str, Any]:
    """The pipeline's IR."""
    from google.protobuf.json_format import MessageToDict

    return MessageToDict(pipeline.pipeline_spec)


@pytest.fixture(scope="session")
def graph() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"])


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory, graph: dict[str, Any]) -> Chain:
    """Every stage of dvc.yaml but register, called as a shell would, with small settings."""
    folder = tmp_path_factory.mktemp("by_hand")
    data = folder / "data"
    write_sample(data, 0)
    settings = load_settings(None, [*SMALL, f"data.source={data}"])
    (folder / "params.yaml").write_text(yaml.safe_dump(settings.model_dump(mode="json")))
    for name, stage in graph.items():
        for command in commands(stage, settings) if name != "register" else []:
            program, *arguments = shlex.split(command)
            assert program == "solid"
            call = [sys.executable, "-m", "solid.cli", *arguments]
            done = subprocess.run(call, cwd=folder, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
    return Chain(data, settings, folder / "work")
