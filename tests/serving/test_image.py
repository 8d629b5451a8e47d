"""The image that serves, started and called: as a user that is not root, with a root that nobody can write to."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from ports import free_ports
from tiny import catalogue_of, make_model, registered

from solid.registry.asking import Question, answer
from solid.tracking import connect

pytestmark = [pytest.mark.engine, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
IMAGE = "solid-serve:dev"
LOCKED_UP = ["--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
HISTORY = ["i3", "who", "i4"]


def docker(*arguments: str | Path, check: bool = True) -> str:
    command = ["docker", *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert not check or done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def image(engine: None) -> str:
    """The image of this code; layers that are there already are not built again."""
    command = [ROOT / "scripts" / "image.sh", IMAGE]
    done = subprocess.run(command, env=os.environ | {"FOR": "serve"}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return IMAGE


@pytest.fixture
def mlflow_server(image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A running MLflow server, to which the environment points, too; its address."""
    address = f"http://127.0.0.1:{free_ports()}"
    command = [sys.executable, "-m", "mlflow", "server", "--port", address.rpartition(":")[2], "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{tmp_path}/m.db", "--artifacts-destination", str(tmp_path / "kept")]
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(
            command, env=environment, cwd=tmp_path, stdout=log, stderr=log, start_new_session=True
        )
    try:
        until_answered(f"{address}/health", lambda: (tmp_path / "log").read_text()[-2000:])
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        monkeypatch.setenv("SOLID_TRACKING", "on")
        yield address
    finally:
        os.killpg(server.pid, 15)  # its workers, too
        server.wait(30)


def until_answered(address: str, told: object) -> None:
    deadline = time.monotonic() + 90
    while True:
        try:
            assert requests.get(address, timeout=5).status_code == 200
            return
        except (requests.ConnectionError, requests.Timeout):
            assert time.monotonic() < deadline, told() if callable(told) else told
            time.sleep(0.3)


def test_the_image_serves_locked_up(mlflow_server: str, image: str, prepared: Path, tmp_path: Path) -> None:
    model = make_model("mixture")
    version = registered("tiny", model, prepared, None)
    connect().set_registered_model_alias("tiny", "champion", version)
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "token").write_text("s3cret")
    for place in (tmp_path, tmp_path / "secret", tmp_path / "secret" / "token"):
        place.chmod(0o755)  # user 10001 reads it
    address = f"http://127.0.0.1:{free_ports()}"
    name = f"solid-serve-{os.getpid()}"
    options = [
        "--model",
        "models:/tiny@champion",
        "--port",
        address.rpartition(":")[2],
        "--token-file",
        "/secret/token",
    ]
    told = ["--env", f"MLFLOW_TRACKING_URI={mlflow_server}", "--volume", f"{tmp_path}/secret:/secret:ro"]
    docker("run", "--detach", "--name", name, "--network", "host", *LOCKED_UP, *told, image, "serve", *options)
    try:
        until_answered(f"{address}/readyz", lambda: docker("logs", name))
        assert requests.post(f"{address}/recommend", json={"history": HISTORY}, timeout=20).status_code == 401
        bearer = {"authorization": "Bearer s3cret"}
        found = requests.post(f"{address}/recommend", json={"history": HISTORY}, headers=bearer, timeout=20).json()
        [expected] = answer(catalogue_of(model, prepared), [Question(HISTORY)])
        assert [one["item"] for one in found["items"]] == expected.items
        assert [one["score"] for one in found["items"]] == pytest.approx(expected.scores, abs=1e-5)
        assert (found["model"], found["version"], found["unknown"]) == ("tiny", version, ["who"])
        assert requests.get(f"{address}/v2/models/tiny/ready", headers=bearer, timeout=20).json()["ready"] is True
        assert docker("exec", name, "id", "-u").strip() == "10001"
        written = docker("exec", name, "sh", "-c", "touch /opt/solid/x /etc/x 2>&1; true")
        assert written.count("Read-only file system") == 2
        docker("stop", "--time", "30", name)
        assert docker("inspect", "--format", "{{.State.ExitCode}}", name).strip() == "143"
    finally:
        docker("rm", "--force", name, check=False)


def test_the_image_holds_what_serves_and_little_else(image: str) -> None:
    listed = docker("run", "--rm", "--network", "none", "--entrypoint", "python", image, "-c", (
        "import importlib.metadata as m; print(*(d.name.lower() for d in m.distributions()))"
    )).split()  # fmt: skip
    assert {"torch", "mlflow-skinny", "solid-rec", "fastapi", "uvicorn", "prometheus_client"} <= set(listed)
    trains = {"scikit-learn", "plotly", "pillow", "sympy", "networkx", "transformers", "optuna", "pytest", "pip", "kfp"}
    assert trains.isdisjoint(listed)
    base = os.environ.get("BASE_IMAGE", "python:3.11-slim-bookworm")
    size, of_base = (int(docker("image", "inspect", "--format", "{{.Size}}", one)) for one in (image, base))
    if "nvidia" not in " ".join(listed):  # where PyTorch for CPU could be had
        assert size - of_base < 1.15e9
