"""Another champion takes over, is taken back or refused while requests go on: against a real MLflow store."""

from __future__ import annotations

import http.client
import json
import logging
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from ports import free_ports
from tiny import catalogue_of, make_model, registered, running

from solid.errors import DataError, SettingsError, SolidError
from solid.registry.asking import Question, answer
from solid.registry.loading import Address, load_version
from solid.serving.app import build
from solid.serving.following import Follower
from solid.serving.limits import Limits
from solid.serving.metrics import Metrics
from solid.tracking import connect

pytestmark = pytest.mark.usefixtures("store")

HISTORY = ["i3", "i4", "i9"]


@pytest.fixture(scope="module")
def versions(store: str, prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Version -> what it answers HISTORY. Version 3 is the first one, damaged, and 4 has the weights of the second."""
    scratch = tmp_path_factory.mktemp("models")
    answers = {}
    for seed in range(2):
        model = make_model("static", seed)
        version = registered("tiny", model, prepared, scratch)
        answers[version] = answer(catalogue_of(model, prepared), [Question(HISTORY)])[0].items
    assert answers["1"] != answers["2"]
    first, second = (files_of(version) / "model" / "model.safetensors" for version in answers)
    for name, weights in (("damaged", first.read_bytes()[:-100]), ("other", second.read_bytes())):
        shutil.copytree(files_of("1").parent, scratch / name)
        (scratch / name / "artifacts" / "model" / "model.safetensors").write_bytes(weights)
        connect().create_model_version("tiny", (scratch / name).as_uri())
    return answers


def files_of(version: str) -> Path:
    client = connect()
    logged = client.get_logged_model(client.get_model_version("tiny", version).source.removeprefix("models:/"))
    return Path(urlsplit(logged.artifact_location).path) / "artifacts"


def crown(version: str) -> None:
    connect().set_registered_model_alias("tiny", "champion", version)


class Callers:
    """Threads that ask without pause, over connections that they keep, and note every answer.

    Attributes:
        seen: version and items of each, in no order between threads.
        lost: whatever was no good answer.
        moved: how many requests found a kept connection closed and went to another server.
    """

    def __init__(self, places: list[str], count: int = 3) -> None:
        self.seen: list[tuple[str, list[str]]] = []
        self.lost: list[str] = []
        self.moved = 0
        self._places, self._stop = places, threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(count)]

    def __enter__(self) -> Callers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def wait_for(self, version: str, answers: int = 30) -> None:
        """Until so many answers are of a version."""
        deadline = time.monotonic() + 60
        while sum(seen == version for seen, _ in self.seen) < answers:
            assert time.monotonic() < deadline, f"nothing of version {version}"
            time.sleep(0.01)

    def _ask(self, number: int) -> None:
        """Where a server does not take a connection, the next one is asked, as a Service of Kubernetes does."""
        body = json.dumps({"history": HISTORY})
        line: http.client.HTTPConnection | None = None
        while not self._stop.is_set():
            place = urlsplit(self._places[number % len(self._places)]).netloc
            if line is None:
                line = http.client.HTTPConnection(place, timeout=20)
                try:
                    line.connect()
                except ConnectionRefusedError:
                    number, line = number + 1, None
                    continue
            try:
                line.request("POST", "/recommend", body, {"content-type": "application/json"})
                response = line.getresponse()
                told = json.loads(response.read())
            except (OSError, http.client.HTTPException) as error:
                # A server that stops closes idle connections, and a request may cross that on its way: like a refused
                # one it goes to another server. One that is taken and not answered is RemoteDisconnected.
                if len(self._places) > 1 and type(error) in (BrokenPipeError, ConnectionResetError):
                    number, self.moved = number + 1, self.moved + 1
                else:
                    self.lost.append(repr(error))
                line = None
                continue
            if response.status != 200:
                self.lost.append(str(told))
            else:
                self.seen.append((told["version"], [one["item"] for one in told["items"]]))
            if response.getheader("connection") == "close":
                line.close()
                line, number = None, number + 1


def refused(metrics: Metrics, version: str) -> float | None:
    return metrics.registry.get_sample_value("solid_model_refused", {"model": "tiny", "version": version})


def test_swaps_rollbacks_and_broken_versions_lose_no_request(
    versions: dict[str, list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    crown("1")
    metrics = Metrics()
    follower = Follower(Address.of("models:/tiny@champion"), metrics)
    with (
        caplog.at_level(logging.INFO, "solid.serving"),
        running(build(follower, metrics, Limits(seconds=30))) as address,
        Callers([address]) as callers,
    ):
        follower.follow(0.1)
        callers.wait_for("1")
        crown("2")
        callers.wait_for("2")
        for broken in ("3", "4"):
            crown(broken)
            deadline = time.monotonic() + 60
            while refused(metrics, broken) != 1:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            text = requests.get(f"{address}/metrics", timeout=20).text
            assert f'solid_model_refused{{model="tiny",version="{broken}"}} 1.0' in text
            assert 'solid_model_info{model="tiny",version="2"} 1.0' in text
            assert requests.get(f"{address}/readyz", timeout=20).json() == {"model": "tiny", "version": "2"}
        asked = len(callers.seen)
        while len(callers.seen) < asked + 20:  # the old one goes on
            time.sleep(0.01)
        assert {version for version, _ in callers.seen[asked:]} == {"2"}
        back = len(callers.seen)
        crown("1")
        while ("1", versions["1"]) not in callers.seen[back:]:
            assert time.monotonic() < deadline + 60
            time.sleep(0.01)
        assert refused(metrics, "4") is None
    assert callers.lost == []
    assert len(callers.seen) > 100
    for version, items in callers.seen:  # none is a mix of two versions
        assert items == versions[version]
    assert metrics.registry.get_sample_value("solid_model_swaps_total") == 2
    said = [record.message for record in caplog.records]
    assert said[0] == "tiny version 1 answers, as it did when it was registered" or len(said) == 4
    assert any(re.match(r"tiny version 3 is refused, version 2 goes on answering: .* not a model", one) for one in said)
    assert any(
        re.match(r"tiny version 4 is refused, version 2 goes on .* answers another than when it was registered", one)
        for one in said
    )


@contextmanager
def serving(programs: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command itself, once it is ready."""
    address = f"http://127.0.0.1:{free_ports()}"
    command = [programs / "solid", "serve", "--model", "models:/tiny@champion", "--port", address.rpartition(":")[2]]
    server = subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                assert requests.get(f"{address}/readyz", timeout=20).status_code == 200
                break
            except requests.ConnectionError:
                assert server.poll() is None and time.monotonic() < deadline, server.communicate()
                time.sleep(0.05)
        yield server, address
    finally:
        server.kill()
        server.wait()


def test_a_server_that_is_told_to_stop_loses_no_request(
    versions: dict[str, list[str]], programs: Path, prepared: Path
) -> None:
    """Of two, as behind a Service, one is told to stop while both are asked without pause."""
    crown("1")
    with serving(programs, "--prepared", str(prepared)) as (one, first), serving(programs) as (two, second):
        with Callers([first, second], count=4) as callers:
            callers.wait_for("1", 200)
            one.send_signal(signal.SIGTERM)
            assert one.wait(30) == 128 + signal.SIGTERM
            callers.wait_for("1", len(callers.seen) + 50)
        assert callers.lost == []
        assert callers.moved <= 4  # once a connection: that of each caller
        assert requests.post(f"{second}/recommend", json={"user": "u1"}, timeout=20).status_code == 400
        two.send_signal(signal.SIGTERM)
        _, told = two.communicate(timeout=30)
    assert "tiny version 1 answers, as it did when it was registered" in told
    assert not [line for line in told.splitlines() if re.search("ERROR|Traceback", line)], told


def test_while_the_registry_is_away_the_old_one_answers(
    versions: dict[str, list[str]], store: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    crown("1")
    metrics = Metrics()
    follower = Follower(Address.of("models:/tiny@champion"), metrics)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_ports()}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    for _ in range(2):
        follower.look()
    assert follower.current.version == "1"
    assert metrics.registry.get_sample_value("solid_registry_failures_total") == 2
    assert len([record for record in caplog.records if "cannot be read" in record.message]) == 1
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    crown("2")
    follower.look()
    assert follower.current.version == "2"


def test_a_model_that_is_not_there_or_not_sound_is_not_served(versions: dict[str, list[str]]) -> None:
    with pytest.raises(SettingsError, match=r"write models:/solid@champion or models:/solid/3"):
        Address.of("solid@champion")
    with pytest.raises(SolidError, match="nobody"):
        Follower(Address.of("models:/nobody@champion"), Metrics())
    with pytest.raises(DataError, match="not a model this version can read"):
        load_version("tiny", "3")
    assert Address.of("models:/tiny/2").now() == "2"
    assert str(Address.of("models:/tiny@champion")) == "models:/tiny@champion"
    loaded = load_version("tiny", "2")
    assert (loaded.name, loaded.version, loaded.checked) == ("tiny", "2", True)
    assert loaded.catalogue.categories is not None


def test_a_version_from_before_answers_were_kept_is_served_unchecked(versions: dict[str, list[str]]) -> None:
    kept = files_of("1") / "answers.json"
    text = kept.read_bytes()
    kept.unlink()
    try:
        assert not load_version("tiny", "1").checked
    finally:
        kept.write_bytes(text)


def test_the_command_says_what_is_missing(programs: Path, tmp_path: Path, store: Any) -> None:
    done = subprocess.run(
        [programs / "solid", "serve", "--model", "models:/nobody@champion"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("Error: MLflow at ")
    (tmp_path / "empty").write_text("\n")
    command = [programs / "solid", "serve", "--model", "models:/tiny/2", "--token-file", tmp_path / "empty"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        2,
        f"Error: {tmp_path}/empty: empty; put the token there that requests have to bear\n",
    )
