"""No secret comes out: canaries go through commands, logs, files, MLflow, compiled pipelines and errors."""

from __future__ import annotations

import base64
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from mlflow_server import MlflowServer

from solid.masking import mask, masked, public

CANARIES = {
    "AWS_SECRET_ACCESS_KEY": "canary-aws/key+1",
    "AWS_SESSION_TOKEN": "canary-session",
    "MLFLOW_TRACKING_PASSWORD": "canary-mlflow",
    "KFP_EXISTING_TOKEN": "canary-kubeflow",
    "GITHUB_TOKEN": "canary-github",
    "PGPASSWORD": "canary-postgres",
}
PASSWORD = "canary%40address"
SMALL = ["training.epochs=1", "model.dim=8", "evaluation.bootstrap=100", "prepare.negatives=5", "prepare.k_core=0",
         "checks.min_users=1"]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("MLflow at http://me:secret@127.0.0.1:9: x", "MLflow at http://127.0.0.1:9: x"),
        ("http:/u:p@h/x is none", "http:/h/x is none"),
        ("s3://key:secret@bucket/x", "s3://bucket/x"),
        ("https://u:p/w@h/x", "https://h/x"),
        ("postgresql+psycopg2://u:p@ss@h/db", "postgresql+psycopg2://h/db"),
        ("'https://t0ken@h/x'", "'https://h/x'"),
        ("https://h/x?a=1&X-Amz-Signature=abc&b=2", "https://h/x?a=1&X-Amz-Signature=***&b=2"),
        ("https://h/x?access_token=abc", "https://h/x?access_token=***"),
        ("http://host:8080/users/me@home", "http://host:8080/users/me@home"),
        ("mail me@example.org, a=b, 12:30", "mail me@example.org, a=b, 12:30"),
        ("see models:/solid@champion", "see models:/solid@champion"),
    ],
)
def test_what_a_secret_looks_like(text: str, shown: str) -> None:
    assert mask(text) == shown
    assert masked({"a": [text, 1, None]}) == {"a": [shown, 1, None]}


def test_values_of_variables_that_say_so_are_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CANARIES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/var/run/secrets/x")
    monkeypatch.setenv("SHORT_TOKEN", "true")
    for value in CANARIES.values():
        assert mask(f"said {value}!") == "said ***!"
    assert mask("http://h/canary-aws%2Fkey%2B1") == "http://h/***"
    assert mask("/var/run/secrets/x is true") == "/var/run/secrets/x is true"


def test_what_is_public_of_an_address() -> None:
    assert public("https://u:p@h/x.csv?X-Amz-Signature=a#b") == "https://h/x.csv"
    assert public("a folder/data?x") == "a folder/data?x"


@pytest.fixture(scope="module")
def source() -> Iterator[str]:
    """The address of a file that is given to who knows the password."""
    rng = np.random.default_rng(0)
    rows = [f"u{u},i{rng.integers(30)},{1000 + t}" for u in range(40) for t in range(8)]
    content = "\n".join(["user,item,timestamp", *rows]).encode()
    login = "Basic " + base64.b64encode(b"me:canary@address").decode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            right = self.headers["Authorization"] == login
            self.send_response(200 if right else 401)
            self.send_header("Content-Length", str(len(content) if right else 0))
            self.end_headers()
            if right:
                self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://me:{PASSWORD}@127.0.0.1:{server.server_port}/events.csv?token=canary-query"
    server.shutdown()
    server.server_close()


@pytest.mark.slow
def test_canaries_go_through_everything_and_come_out_nowhere(
    source: str, programs: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder, store = tmp_path_factory.mktemp("commands"), tmp_path_factory.mktemp("mlflow")
    server = MlflowServer(store)
    server.start()
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "AWS_"))}
    environment = outside | CANARIES | {
        "SOLID_TRACKING": "on",
        "SOLID_CACHE": str(folder / "cache"),
        "MLFLOW_TRACKING_URI": server.address.replace("://", f"://me:{PASSWORD}@"),
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_ENDPOINT_URL_S3": f"http://me:{PASSWORD}@127.0.0.1:9",
        "KFP_ENDPOINT": f"http://me:{PASSWORD}@127.0.0.1:9",
    }  # fmt: skip
    said: list[str] = []

    def call(code: int, *command: object, debug: bool = False, **variables: str) -> None:
        program, *arguments = map(str, command)
        settings = [part for setting in SMALL for part in ("--set", setting)] if "--set" in arguments else []
        line = [programs / program, *(["--debug"] if debug else []), *arguments, *settings]
        done = subprocess.run(
            line, cwd=folder, env=environment | variables, capture_output=True, text=True, check=False
        )  # fmt: skip
        said.append(done.stdout + done.stderr)
        assert done.returncode == code, said[-1]

    own, data = ["--set", "training.seed=0"], ["--set", f"data.source={source}"]
    call(0, "solid", "ingest", *data, "--out", "raw")
    call(0, "solid", "prepare", *own, "--raw", "raw", "--out", "prepared")
    call(0, "solid", "train", *data, "--head", "static", "--prepared", "prepared", "--out", "static")
    call(0, "solid", "train", *data, "--head", "ease", "--prepared", "prepared", "--out", "ease")
    models = ["--model", "static=static", "--model", "ease=ease"]
    call(0, "solid", "evaluate", *own, "--prepared", "prepared", *models, "--out", "evaluation")
    call(0, "solid", "register", *data, "--prepared", "prepared", *models, "--out", "registration")
    call(0, "solid", "champion", *data, "--out", "champion")
    call(0, "solid", "check", *own, "--prepared", "prepared", "--reference", "champion", "--out", "checks")
    call(0, "solid", "recommend", "i1")
    # What goes wrong, with and without a traceback.
    for debug in (False, True):
        call(2, "solid", "ingest", "--set", f"data.source={source.replace('//', '/', 1)}", "--out", "x", debug=debug)
        call(2, "solid", "ingest", "--set", f"data.sauce={source}", "--out", "x", debug=debug)
        call(2, "solid", "ingest", "--set", f"data.source={source.replace('me:', 'you:')}", "--out", "x", debug=debug)
        call(3, "solid", "ingest", "--set", "data.source=s3://me:canary-key@bucket/x", "--out", "x", debug=debug)
        call(3, "solid", "ingest", "--set", "data.source=s3://bucket/x", "--out", "x", debug=debug)
        call(3, "solid", "recommend", "i1", debug=debug, MLFLOW_TRACKING_URI=f"http://me:{PASSWORD}@127.0.0.1:9")
        call(
            3, "solid", "recommend", "i1", debug=debug, MLFLOW_TRACKING_URI=f"postgresql://me:{PASSWORD}@127.0.0.1:9/x"
        )
    call(2, "solid-pipeline", "compile", "training", "--image", "solid:dev", "--allow-tag", *data)
    call(0, "solid-pipeline", "compile", "training", "--image", "solid:dev", "--allow-tag", *own)
    call(3, "solid-pipeline", "submit", "training.yaml")
    call(2, "solid-pipeline", "submit", "training.yaml", "--parameter", f"data={{sauce: '{source}'}}")
    server.stop()
    for text in said:
        assert "canary" not in text, text
    for place in (folder, store):
        for path in place.rglob("*"):
            assert not (path.is_file() and b"canary" in path.read_bytes()), path
