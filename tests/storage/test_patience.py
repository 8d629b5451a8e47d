"""Servers that are away for a while: waited for as long as SOLID_PATIENCE says, with a line a try. The server is a STUB
that answers 503 a few times."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from solid.errors import DataError, SettingsError, SolidError
from solid.storage.patience import patience, pauses
from solid.storage.s3 import Prefix, client
from solid.tracking import clear_errors, connect

EXPERIMENT = b'{"experiment": {"experiment_id": "1", "name": "solid", "lifecycle_stage": "active"}}'


class Away(ThreadingHTTPServer):
    """Answers 503 ``times`` times, then 200 with ``body``."""

    times = 2
    body = b"content"
    asked = 0


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Away]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert isinstance(self.server, Away)
            self.server.asked += 1
            late = self.server.asked > self.server.times
            self.send_response(200 if late else 503)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(self.server.body) if late else 0))
            self.end_headers()
            self.wfile.write(self.server.body if late else b"")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = Away(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    for name, value in {
        "AWS_ENDPOINT_URL_S3": address, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_DEFAULT_REGION": "us-east-1", "MLFLOW_TRACKING_URI": address, "SOLID_PATIENCE": "7",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    client.cache_clear()
    yield server
    client.cache_clear()
    server.shutdown()
    server.server_close()


def test_s3_is_waited_for_with_a_line_a_try(server: Away, capsys: pytest.CaptureFixture[str]) -> None:
    assert Prefix("s3://bucket/x").read("a") == b"content"
    # Other libraries may log there, too, and a traceback of theirs has the name of this test.
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("S3 ")]
    assert lines == ["S3 answers 503; try 2 of 4 in 1 s", "S3 answers 503; try 3 of 4 in 2 s"]


def test_patience_ends(server: Away, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOLID_PATIENCE", "1")
    server.times = 99
    with pytest.raises(DataError, match="503"):
        Prefix("s3://bucket/x").read("a")
    assert server.asked == 2


def test_what_does_not_pass_is_told_at_once(server: Away, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://seaweedfs.nowhere.invalid:8333")
    monkeypatch.setenv("SOLID_PATIENCE", "300")
    with pytest.raises(DataError, match=r"the name seaweedfs\.nowhere\.invalid cannot be resolved; check AWS_ENDPOINT"):
        Prefix("s3://bucket/x").read("a")


def test_mlflow_is_waited_for_with_a_line_a_try(
    server: Away, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER"):
        monkeypatch.delenv(name, raising=False)
    server.body, server.times = EXPERIMENT, 2
    with clear_errors():
        assert connect().get_experiment("1").name == "solid"
    assert (
        capsys.readouterr().err.count("MLflow asks for patience at /api/2.0/mlflow/experiments/get; trying again") == 2
    )


def test_without_patience_nothing_is_waited_for(server: Away, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOLID_PATIENCE", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(SolidError), clear_errors():
        connect().get_experiment("1")
    assert server.asked == 1


def test_pauses_fill_the_time() -> None:
    assert list(pauses(0)) == []
    assert list(pauses(7)) == [1, 2, 4]
    assert list(pauses(300)) == [1, 2, 4, 8, 16, 32, 60, 60, 60, 57]


@pytest.mark.parametrize("text", ["soon", "-1", "nan", "inf"])
def test_a_patience_that_is_none(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("SOLID_PATIENCE", text)
    with pytest.raises(SettingsError, match=f"SOLID_PATIENCE={text}: set it to the seconds"):
        patience()
