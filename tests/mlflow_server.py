"""A real MLflow server of a test, which can be killed and started again with the same store."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from ports import free_ports


class MlflowServer:
    """Started by ``start``; its store lies in a folder.

    Attributes:
        address: where it answers.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._port = folder, free_ports()
        self.address = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.begin()
        assert self._process
        deadline = time.monotonic() + 180
        while True:
            try:
                urllib.request.urlopen(f"{self.address}/health", timeout=5).close()
                return
            except (urllib.error.URLError, ConnectionError):
                if self._process.poll() is not None or time.monotonic() > deadline:
                    log = (self._folder / "log").read_text()[-2000:]
                    raise RuntimeError(f"mlflow server did not start:\n{log}") from None
                time.sleep(0.5)

    def begin(self) -> None:
        """Start it, and do not wait."""
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self._port)]
        command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{self._folder}/mlflow.db"]
        command += ["--artifacts-destination", str(self._folder / "artifacts")]
        environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, env=environment, cwd=self._folder, stdout=log, stderr=log, start_new_session=True
            )

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it and its workers."""
        if self._process is not None:
            os.killpg(self._process.pid, number)
            self._process.wait(30)
            self._process = None
