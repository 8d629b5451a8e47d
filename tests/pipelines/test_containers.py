"""The image, and pipelines run in its containers. Needs a container engine that has the base image or can pull it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from by_hand import IMAGE, ROOT, SMALL, Chain, check_same_files
from gates import pipelines
from mlflow_server import MlflowServer

from components.interface import component
from components.unrolled import Unrolled
from pipelines.local import run
from solid import __version__
from solid.chain import RETRAINING, TRAINING
from solid.errors import SolidError
from solid.settings.loading import load_settings
from solid.storage.local import read_json

pytestmark = [pytest.mark.engine, pytest.mark.slow]

FEWER = [*SMALL, "semantics.modalities=[id]", "evaluation.baselines=[static]"]  # a container less for each


def docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def image(engine: None) -> str:
    """The image of this code; layers that are there already are not built again."""
    command = [ROOT / "scripts" / "image.sh", IMAGE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return IMAGE


@pytest.fixture(scope="module")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running MLflow server; its address."""
    server = MlflowServer(tmp_path_factory.mktemp("mlflow"))
    server.start()
    yield server.address
    server.stop()


def test_the_image_is_small_plain_and_says_what_it_is(image: str) -> None:
    config = json.loads(docker("image", "inspect", image))[0]["Config"]
    assert config["Entrypoint"] == ["solid"]
    assert config["User"] == "10001:10001"
    assert config["Labels"]["org.opencontainers.image.version"] == __version__
    assert config["Labels"]["org.opencontainers.image.revision"]
    assert not [text for text in config["Env"] if "KEY" in text or "PASSWORD" in text or "TOKEN" in text]
    listed = docker("run", "--rm", "--entrypoint", "python", image, "-c", (
        "import importlib.metadata as m; print(*(d.name.lower() for d in m.distributions()))"
    )).split()  # fmt: skip
    assert {"torch", "mlflow-skinny", "solid-rec"} <= set(listed)
    assert {"kfp", "dvc", "mlflow", "docker", "pytest", "pip", "kubernetes"}.isdisjoint(listed)


def test_nothing_that_builds_or_installs_packages_is_left(image: str) -> None:
    """Neither for the Python of the steps nor for that of the base image, and not as a command."""
    modules = ["pip", "setuptools", "wheel", "ensurepip", "pkg_resources"]
    base = "for python in /usr/local/bin/python3 /usr/bin/python3; do command -v $python; done; true"
    pythons = docker("run", "--rm", "--entrypoint", "sh", image, "-c", base).split()
    assert pythons
    find = f"from importlib.util import find_spec; print([name for name in {modules} if find_spec(name)])"
    for python in ["/opt/solid/bin/python", *pythons]:
        assert docker("run", "--rm", "--entrypoint", python, image, "-c", find) == "[]\n", python
    tools = "for tool in pip pip3 wheel easy_install gcc cc make git; do command -v $tool; done; true"
    assert docker("run", "--rm", "--entrypoint", "sh", image, "-c", tools) == ""


def test_a_step_runs_without_root_network_capabilities_and_a_writable_root(image: str, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    plain = ["--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--network", "none"]
    docker("run", "--rm", *plain, "--volume", f"{tmp_path}:/out", image, "sample", "--out", "/out/data")
    assert (tmp_path / "data").stat().st_uid == 10001
    assert docker("run", "--rm", *plain, image, "--version") == f"solid, version {__version__}\n"


def test_a_container_that_fails_at_once_fails_the_run_every_time(image: str, tmp_path: Path) -> None:
    failing = pipelines(image)["one"]
    for status in range(1, 11):
        with pytest.raises(SolidError, match="Inner task failed: 'command'"):
            run(failing, {"text": f"exit {status}"}, tmp_path, containers=True)


def test_a_container_without_its_output_fails_the_run(image: str, tmp_path: Path) -> None:
    with pytest.raises(SolidError, match="the task ended well but did not write this output"):
        run(pipelines(image)["one"], {"text": "exit 0"}, tmp_path, containers=True)


def test_a_gate_opens_in_containers_too(image: str, tmp_path: Path) -> None:
    write = 'mkdir -p "$(dirname "$1")"; printf done >"$1"'
    made = run(pipelines(image)["judged"], {"score": 0.5, "text": write}, tmp_path, containers=True)
    assert (made / "command" / "out").read_text() == "done"


def test_an_image_that_is_not_there_is_named(image: str, tmp_path: Path) -> None:
    with pytest.raises(SolidError, match="the engine has no image solid:none; build it with make image, or pull it"):
        run(pipelines("solid:none")["one"], {"text": "exit 0"}, tmp_path, containers=True)
    assert not list(tmp_path.iterdir())


def run_pipeline(
    pipeline: str, programs: Path, folder: Path, image: str, mlflow_server: str, *settings: str
) -> tuple[Path, str]:
    """Run a pipeline in containers; the folder of its outputs and what it printed."""
    command = [programs / "solid-pipeline", "run", pipeline, "--image", image, "--out", folder]
    command += [part for text in settings for part in ("--set", text)]
    environment = os.environ | {"MLFLOW_TRACKING_URI": mlflow_server, "SOLID_TRACKING": "on"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    [made] = folder.iterdir()
    return made, done.stdout


@pytest.fixture(scope="module")
def trained(
    image: str, mlflow_server: str, chain: Chain, programs: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """A run of the training pipeline, and what it printed."""
    folder = tmp_path_factory.mktemp("training")
    return run_pipeline("training", programs, folder, image, mlflow_server, *SMALL, f"data.source={chain.data}")


@pytest.fixture(scope="module")
def retrained(
    image: str, mlflow_server: str, chain: Chain, programs: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """A run of the retraining pipeline in a registry of its own, and what it printed."""
    folder = tmp_path_factory.mktemp("retraining")
    settings = [*FEWER, f"data.source={chain.data}", "registry.name=successors"]
    return run_pipeline("retraining", programs, folder, image, mlflow_server, *settings)


def test_the_training_pipeline_runs_in_containers_to_the_same_files(trained: tuple[Path, str], chain: Chain) -> None:
    made, said = trained
    check_same_files(made, chain)
    assert "registered model  version 1, models:/solid@challenger and models:/solid@champion\n" in said
    assert "champion          version 1: there was no champion\n" in said


def test_the_retraining_pipeline_runs_in_containers_and_makes_the_first_champion(retrained: tuple[Path, str]) -> None:
    made, said = retrained
    [checks] = made.rglob("check/checked/checks.json")
    assert read_json(checks)["passed"]
    [champion] = made.rglob("champion/reference/champion.json")
    assert read_json(champion)["version"] is None
    [registration] = made.rglob("register/registration/registration.json")
    assert read_json(registration)["champion"] == {"before": None, "after": "1"}
    assert "champion          version 1: there was no champion\n" in said


def test_every_component_has_run_in_a_container(trained: tuple[Path, str], retrained: tuple[Path, str]) -> None:
    training = load_settings(None, SMALL)
    retraining = load_settings(None, FEWER)
    unrolled = (Unrolled.of(TRAINING, training), Unrolled.of(RETRAINING, retraining))
    turns = [(lists, turn) for lists in unrolled for stage in lists.chain.stages for turn in lists.turns(stage)]
    defined = {component(lists, turn).name for lists, turn in turns}
    ran = {told.parent.name for made, _ in (trained, retrained) for told in made.rglob("executor_output.json")}
    assert defined == ran
