"""The training pipeline with small settings, and the same chain called step by step as dvc.yaml says."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
import yaml
from by_hand import IMAGE, ROOT, SMALL, Chain, commands
from click.testing import CliRunner
from forking.callers import name_callers
from kfp.dsl import pipeline_task
from kfp.dsl.graph_component import GraphComponent

from pipelines.deployment import Deployment
from pipelines.training import training
from solid.cli import main
from solid.data.sample import write_sample
from solid.settings.loading import load_settings
from solid.settings.schema import Settings

name_callers(pipeline_task)


@pytest.fixture(scope="session")
def pipeline() -> GraphComponent:
    return training(Deployment(image=IMAGE), Settings())


@pytest.fixture(scope="session")
def spec(pipeline: GraphComponent) -> dict[str, Any]:
    """The pipeline's IR."""
    from google.protobuf.json_format import MessageToDict

    return MessageToDict(pipeline.pipeline_spec)


@pytest.fixture(scope="session")
def graph() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"])


@pytest.fixture(scope="session")
def chain(once_a_session: Callable[[str, Callable[[Path], object]], Path], graph: dict[str, Any]) -> Chain:
    """Every stage of dvc.yaml but register, called by hand, with small settings."""

    def call_all(folder: Path) -> None:
        settings = load_settings(None, [*SMALL, f"data.source={folder / 'data'}"])
        write_sample(folder / "data", 0)
        (folder / "params.yaml").write_text(yaml.safe_dump(settings.model_dump(mode="json")))
        with chdir(folder):  # in this process, so with another seed of hashes than what is compared with this chain
            for name, stage in graph.items():
                for command in commands(stage, settings) if name != "register" else []:
                    program, *arguments = shlex.split(command)
                    assert program == "solid"
                    done = CliRunner().invoke(main, arguments)
                    assert done.exit_code == 0, done.output

    folder = once_a_session("by_hand", call_all)
    return Chain(folder / "data", load_settings(folder / "params.yaml"), folder / "work")
