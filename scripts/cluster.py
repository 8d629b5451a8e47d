"""A whole installation on this machine, from nothing to three runs: cluster, Kubeflow Pipelines, services, pipelines.

`make cluster` calls it: it makes a cluster with kind or k3d, whichever is there, installs Kubeflow Pipelines by its own
manifests, applies k8s/overlays/local, and runs training and then retraining twice. Each command is printed before it
runs; ``--dry-run`` prints them all and runs none. A second call goes on with the cluster that is there.
`make cluster-down` removes it.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
KFP = "2.17.0"  # as kfp in requirements.lock
MANIFESTS = "github.com/kubeflow/pipelines/manifests/kustomize"
NAME = "solid"
DATA = "s3://solid/data/sample"
PATIENCE = "20m"  # images of Kubeflow come from afar
# Service -> namespace, port of the service, port here.
FORWARDS = {
    "ml-pipeline": ("kubeflow", 8888, 8888),
    "ml-pipeline-ui": ("kubeflow", 80, 8080),
    "mlflow": ("solid", 5000, 5000),
    "seaweedfs": ("solid", 8333, 8333),
}
MAKERS: dict[str, dict[str, list[str]]] = {
    "kind": {
        "list": ["kind", "get", "clusters"],
        "make": ["kind", "create", "cluster", "--name", NAME, "--wait", "5m"],
        "load": ["kind", "load", "docker-image", "--name", NAME],
        "remove": ["kind", "delete", "cluster", "--name", NAME],
        "context": [f"kind-{NAME}"],
    },
    "k3d": {
        "list": ["k3d", "cluster", "list", "--no-headers"],
        "make": ["k3d", "cluster", "create", NAME, "--wait"],
        "load": ["k3d", "image", "import", "--cluster", NAME],
        "remove": ["k3d", "cluster", "delete", NAME],
        "context": [f"k3d-{NAME}"],
    },
}


def main() -> None:
    """Parse, then make, remove, or take pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("do", choices=["up", "down", "pictures"])
    parser.add_argument("--dry-run", action="store_true", help="print every command, run none")
    parser.add_argument("--maker", choices=sorted(MAKERS), help="[default: the one that is installed]")
    parser.add_argument("--out", type=Path, default=Path("pictures"), help="folder for pictures  [default: pictures]")
    arguments = parser.parse_args()
    shell = Shell(dry=arguments.dry_run)
    maker = arguments.maker or next((name for name in MAKERS if shutil.which(name)), "kind")
    if not arguments.dry_run:
        need(maker, "docker")
    if arguments.do == "up":
        up(shell, maker)
    elif arguments.do == "down":
        shell.run(MAKERS[maker]["remove"])
    else:
        pictures(shell, maker, arguments.out)


def need(*programs: str) -> None:
    """End here where a program is missing, and name it."""
    missing = [program for program in programs if not shutil.which(program)]
    if missing:
        sys.exit(f"Error: {' and '.join(missing)}: not installed; make cluster needs docker, and kind or k3d")


class Shell:
    """Prints commands and, unless this is a dry run, runs them; one that fails ends everything."""

    def __init__(self, *, dry: bool) -> None:
        self.dry = dry
        self.environment = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}

    def run(self, command: list[str], feeding: list[str] | None = None, **variables: str) -> None:
        """Run a command, perhaps with what another one prints as its input."""
        set_here = [f"{name}={'...' if 'SECRET' in name else value}" for name, value in variables.items()]
        pipe = f"{shlex.join(feeding)} | " if feeding else ""
        print(f"$ {' '.join([*set_here, pipe + shlex.join(command)])}", flush=True)
        if self.dry:
            return
        environment = self.environment | variables
        text = (
            subprocess.run(feeding, env=environment, cwd=ROOT, capture_output=True, check=True).stdout
            if feeding
            else None
        )
        if subprocess.run(command, input=text, env=environment, cwd=ROOT, check=False).returncode:
            sys.exit(
                f"Error: {shlex.join(command[:3])} ... failed, for the reason above; the same call goes on from here"
            )

    def ask(self, command: list[str], otherwise: str = "") -> str:
        """What a command prints; it changes nothing. In a dry run: ``otherwise``."""
        if self.dry:
            return otherwise
        done = subprocess.run(command, env=self.environment, cwd=ROOT, capture_output=True, text=True, check=False)
        return done.stdout


def up(shell: Shell, maker: str) -> None:
    """Everything, in order."""
    began = time.monotonic()
    made = MAKERS[maker]
    kubectl = ["kubectl", "--context", *made["context"]]
    title("a cluster")
    if NAME in re.findall(r"[\w-]+", shell.ask(made["list"])):
        print(f"{NAME} is there already")
    else:
        shell.run(made["make"])
    title(f"Kubeflow Pipelines {KFP}, by its own manifests")
    shell.run([*kubectl, "apply", "-k", f"{MANIFESTS}/cluster-scoped-resources?ref={KFP}"])
    shell.run([*kubectl, "wait", "--for=condition=established", "--timeout=60s", "crd/applications.app.k8s.io"])
    shell.run([*kubectl, "apply", "-k", f"{MANIFESTS}/env/platform-agnostic?ref={KFP}"])
    title("images, built here and put into the node")
    images = image_names()
    shell.run([str(ROOT / "scripts" / "image.sh"), images[0]])
    for name, image in zip(("mlflow", "seaweedfs"), images[1:], strict=True):
        shell.run(["docker", "build", "--quiet", "--file", f"k8s/{name}/Dockerfile", "--tag", image, "."])
    shell.run([*made["load"], *images])
    title("the store, the database and MLflow")
    shell.run([*kubectl, "apply", "-f", "k8s/base/services/namespace.yaml"])
    if not shell.ask([*kubectl, "-n", "solid", "get", "secret", "mlflow-server", "--ignore-not-found"]):
        secrets = [sys.executable, "k8s/make_secrets.py", "local"]
        shell.run([*kubectl, "create", "-f", "-"], feeding=secrets)
    shell.run([*kubectl, "apply", "-k", "k8s/overlays/local"])
    for server in ("statefulset/seaweedfs", "statefulset/postgres", "deployment/mlflow"):
        shell.run([*kubectl, "-n", "solid", "rollout", "status", server, f"--timeout={PATIENCE}"])
    for server in ("deployment/ml-pipeline", "deployment/ml-pipeline-ui"):
        shell.run([*kubectl, "-n", "kubeflow", "rollout", "status", server, f"--timeout={PATIENCE}"])
    title("data, then training, then retraining twice")
    with forwarded(shell, kubectl, "seaweedfs"):
        shell.run(["solid", "sample", "--out", DATA], **store(shell, kubectl))
    endpoint = {"KFP_ENDPOINT": local("ml-pipeline"), "KFP_UI_ENDPOINT": local("ml-pipeline-ui")}
    with forwarded(shell, kubectl, "ml-pipeline"):
        for pipeline, times in (("training", 1), ("retraining", 2)):
            file = str(Path(".stack") / f"{pipeline}.yaml")
            (ROOT / ".stack").mkdir(mode=0o700, exist_ok=True)
            options = ["--image", images[0], "--allow-tag", "--set", f"data.source={DATA}", "--out", file]
            shell.run(["solid-pipeline", "compile", pipeline, *options])
            for _ in range(times):
                shell.run(["solid-pipeline", "submit", file], **endpoint)
    shown = "kubectl -n solid get secret mlflow-server -o jsonpath='{.data.MLFLOW_AUTH_ADMIN_PASSWORD}' | base64 -d"
    print(f"\nDone in {(time.monotonic() - began) / 60:.0f} minutes. To look at it:")
    for service, what in (("ml-pipeline-ui", "Kubeflow"), ("mlflow", f"MLflow, as admin; {shown}")):
        print(f"  {shlex.join(forward(kubectl, service))}\n      {local(service)}  {what}")
    print("make cluster-down removes it.")


def title(text: str) -> None:
    """Say what comes next."""
    print(f"\n== {text}", flush=True)


def image_names() -> list[str]:
    """Of the steps, MLflow and the store, as the overlay names them."""
    overlay = (ROOT / "k8s" / "overlays" / "local" / "kustomization.yaml").read_text(encoding="utf-8")
    tags = dict(re.findall(r"name: (solid-\w+)\n\s+newTag: \"?([\w.-]+)", overlay))
    return ["solid:dev", *(f"{name}:{tags[name]}" for name in ("solid-mlflow", "solid-seaweedfs"))]


def local(service: str) -> str:
    """The address of a service on this machine, once it is forwarded."""
    return f"http://localhost:{FORWARDS[service][2]}"


def forward(kubectl: list[str], service: str) -> list[str]:
    """The command that makes it so."""
    namespace, there, here = FORWARDS[service]
    return [*kubectl, "-n", namespace, "port-forward", f"service/{service}", f"{here}:{there}"]


@contextmanager
def forwarded(shell: Shell, kubectl: list[str], *services: str) -> Iterator[None]:
    """Reach services from here for as long as the block runs; one that is cut off is made again."""
    with ExitStack() as stack:
        for service in services:
            command = forward(kubectl, service)
            print(f"$ {shlex.join(command)} &", flush=True)
            if shell.dry:
                continue
            again = f"while true; do {shlex.join(command)} >/dev/null 2>&1; sleep 1; done"
            process = subprocess.Popen(["/bin/sh", "-c", again], env=shell.environment, start_new_session=True)
            stack.callback(os.killpg, process.pid, 15)
            wait_until(lambda service=service: is_open(FORWARDS[service][2]), f"{service} cannot be reached")
        yield


def is_open(port: int) -> bool:
    """Whether something listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(true: Callable[[], bool], failure: str, seconds: float = 60) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            sys.exit(f"Error: {failure}")
        time.sleep(0.2)


def store(shell: Shell, kubectl: list[str]) -> dict[str, str]:
    """What an S3 client needs to reach the pipelines' bucket."""
    asked = shell.ask([*kubectl, "-n", "kubeflow", "get", "secret", "solid-s3", "-o", "json"], '{"data": {}}')
    keys = {name: base64.b64decode(value).decode() for name, value in json.loads(asked)["data"].items()}
    return {
        "AWS_ENDPOINT_URL_S3": local("seaweedfs"),
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": keys.get("accesskey", "..."),
        "AWS_SECRET_ACCESS_KEY": keys.get("secretkey", "..."),
    }


def pictures(shell: Shell, maker: str, out: Path) -> None:
    """Pictures of Kubeflow's pages, by a Chrome without a window."""
    chrome = next(
        (name for name in ("google-chrome", "chromium", "chromium-browser") if shutil.which(name)), "chromium"
    )
    kubectl = ["kubectl", "--context", *MAKERS[maker]["context"]]
    out.mkdir(parents=True, exist_ok=True)
    with forwarded(shell, kubectl, "ml-pipeline-ui", "ml-pipeline"):
        listed = shell.ask(["curl", "--silent", f"{local('ml-pipeline')}/apis/v2beta1/runs?page_size=10"], "{}")
        pages = {"runs": "runs", "schedules": "recurringruns"}
        runs = json.loads(listed or "{}").get("runs", [])
        pages |= {f"run-{number}": f"runs/details/{run['run_id']}" for number, run in enumerate(runs)}
        for name, page in pages.items():
            shot = ["--headless", "--no-sandbox", "--window-size=1600,1200", "--virtual-time-budget=20000"]
            place = f"{local('ml-pipeline-ui')}/#/{page}"
            shell.run([chrome, *shot, f"--screenshot={(out / name).resolve()}.png", place])


if __name__ == "__main__":
    main()
