"""Latency, errors and memory of `solid serve` under load, as its callers see them: a real server, a real registry.

    python benchmarks/serving.py                          # the table of docs/serve.md: heads one after another
    python benchmarks/serving.py --heads static --requests 720000      # an hour's worth at 200 a second
    python benchmarks/serving.py --everybody 100000       # solid recommend --all, for so many users

A model of random weights with 10,000 items is registered in an MLflow store of its own and served by one process.
Requests with histories of 10 to 50 items arrive at random moments, on average so many a second (a Poisson process),
over 16 connections. A latency counts from the moment a request was due, so a server that falls behind is not excused.
Then come batches of 100 users by the Open Inference Protocol, one after another. Speed does not depend on what the
weights say. The load needs a core of its own; what else runs on the machine shows in the figures.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from pydantic_core import to_json

from solid.counting.model import CountedConfig, CountedModel
from solid.counting.reading import Table
from solid.data.dataset import Dataset
from solid.data.sequences import Sequences
from solid.mixture.model import Mixture
from solid.models.config import ModelConfig
from solid.models.protocols import Model
from solid.models.recommender import Recommender
from solid.models.storage import save_model
from solid.registry.answers import Answers
from solid.registry.catalogue import Catalogue
from solid.registry.everybody import write_all
from solid.registry.profile import Profile
from solid.registry.version import log_version
from solid.settings.heads import ApgSettings, FinetuneSettings, FusionSettings
from solid.settings.schema import ModelSettings
from solid.tracking import connect

HEADS = ("static", "duet", "apg", "solid", "transitions", "mixture")
_CONNECTIONS, _BATCH = 16, 100


def random_model(head: str, backbone: str, items: int) -> Model:
    """A model of fresh weights, or of random counts: 100 neighbours an item."""
    torch.manual_seed(0)
    if head == "transitions":
        rng = np.random.default_rng(0)
        rows = np.repeat(np.arange(items), 100)
        counts = rng.random(len(rows)).astype(np.float32)
        matrix = sp.csr_array((counts, (rows, rng.integers(0, items, len(rows)))), shape=(items, items))
        picked = {"items": 5, "decay": 0.5, "share": 0.1}
        config = CountedConfig(head="transitions", n_items=items, digest="", picked=picked)
        return CountedModel(config, Table(matrix, np.full(items, 1 / items)))
    if head == "mixture":
        parts = {name: (0.5, random_model(name, backbone, items)) for name in ("transitions", "duet")}
        return Mixture.of(parts)
    solid = head == "solid"
    made = ModelConfig(
        head=head, ids="both" if solid else "item", modality=None, n_items=items, n_classes=590 if solid else 0,
        model=ModelSettings(backbone=backbone), digest="", finetune=FinetuneSettings() if head == "finetune" else None,
        fusion=FusionSettings() if solid else None, apg=ApgSettings() if head == "apg" else None,
    )  # fmt: skip
    classes = torch.cat([torch.zeros(1, dtype=torch.long), torch.arange(items) % 590 + 1])
    return Recommender(made, classes if solid else None).eval()


@contextmanager
def served(head: str, backbone: str, items: int, port: int) -> Iterator[int]:
    """Register a model and serve it until the block ends; yields the number of the process."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        os.environ |= {"MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db", "OMP_NUM_THREADS": "1"}
        client = connect()
        experiment = client.create_experiment("speed", (folder / "artifacts").as_uri())
        run = client.create_run(experiment)
        table = pd.DataFrame({"item_id": [f"B{item:09}" for item in range(items)], "title": "A thing of some kind"})
        model = random_model(head, backbone, items)
        (folder / "model").mkdir()
        save_model(folder / "model", model)
        popularity = pd.Series(np.arange(items) + 1, index=pd.Index(table["item_id"], dtype=object))
        counts = {"digest": "", "format": "random", "users": 1, "items": items, "interactions": 1, "filled": {}}
        catalogue = Catalogue(model, table, popularity.to_numpy())
        example = table["item_id"].head(30).tolist()
        _, version = log_version(
            "speed", catalogue, folder / "model", Profile(counts, popularity), Answers.to([example], catalogue), {},
            example, {}, run.info.run_id,
        )  # fmt: skip
        command = [
            sys.executable,
            "-m",
            "solid.cli",
            "serve",
            "--model",
            f"models:/speed/{version}",
            "--port",
            str(port),
        ]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(command, stderr=log)  # noqa: S603
        try:
            deadline = time.monotonic() + 120
            while True:
                try:
                    asyncio.run(Line.get(port, "/readyz"))
                    break
                except OSError:
                    if server.poll() is not None or time.monotonic() > deadline:
                        raise SystemExit(f"the server did not start:\n{(folder / 'log').read_text()}") from None
                    time.sleep(0.2)
            yield server.pid
        finally:
            server.terminate()
            server.wait()


@dataclass
class Line:
    """A connection that is kept."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def open(cls, port: int) -> Line:
        """Connect."""
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    @classmethod
    async def get(cls, port: int, path: str) -> int:
        """Ask once for a page; returns the status."""
        line = await cls.open(port)
        line.writer.write(f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
        status = await line.answer()
        line.writer.close()
        return status

    async def post(self, request: bytes) -> int:
        """Send a whole request; returns the status of its answer, which is read to its end."""
        self.writer.write(request)
        return await self.answer()

    async def answer(self) -> int:
        """Read an answer."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = head.partition("content-length: ")[2].partition("\r\n")[0]
        await self.reader.readexactly(int(length))
        return int(head.split()[1])


def posted(path: str, body: object) -> bytes:
    """The bytes of a request."""
    text = to_json(body)
    head = [
        f"POST {path} HTTP/1.1",
        "host: localhost",
        "content-type: application/json",
        f"content-length: {len(text)}",
    ]
    return "\r\n".join([*head, "", ""]).encode() + text


@dataclass
class Load:
    """What came of a load.

    Attributes:
        seconds: from when each request was due to its answer.
        errors: requests without a good answer.
        took: seconds of the whole.
    """

    seconds: list[float] = field(default_factory=list)
    errors: int = 0
    took: float = 0.0

    def percentile(self, share: float) -> float:
        """In milliseconds."""
        return float(np.percentile(self.seconds, share)) * 1000 if self.seconds else float("nan")


async def singles(port: int, rate: float, requests: int, items: int) -> Load:
    """Requests for one user each, at random moments."""
    draw = random.Random(0)  # noqa: S311  a load, not a secret
    bodies = [
        posted("/recommend", {"history": [f"B{draw.randrange(items):09}" for _ in range(draw.randint(10, 50))]})
        for _ in range(1000)
    ]
    load, free = Load(), asyncio.Queue[Line]()
    for _ in range(_CONNECTIONS):
        free.put_nowait(await Line.open(port))

    async def ask(body: bytes, due: float) -> None:
        line = await free.get()
        try:
            load.errors += await line.post(body) != 200
        except (OSError, asyncio.IncompleteReadError):
            load.errors += 1
            line = await Line.open(port)
        free.put_nowait(line)
        load.seconds.append(time.perf_counter() - due)

    waiting: set[asyncio.Task[None]] = set()
    began = due = time.perf_counter()
    for number in range(requests):
        due += draw.expovariate(rate)
        if (pause := due - time.perf_counter()) > 0:
            await asyncio.sleep(pause)
        task = asyncio.create_task(ask(bodies[number % len(bodies)], due))
        waiting.add(task)
        task.add_done_callback(waiting.discard)
    await asyncio.gather(*waiting)
    load.took = time.perf_counter() - began
    return load


async def batches(port: int, seconds: float, items: int) -> Load:
    """Batches of users, one after another."""
    draw = random.Random(0)  # noqa: S311  a load, not a secret
    rows = [[f"B{draw.randrange(items):09}" for _ in range(draw.randint(10, 50))] for _ in range(_BATCH)]
    data = [row + [""] * (50 - len(row)) for row in rows]
    tensor = {"name": "history", "shape": [_BATCH, 50], "datatype": "BYTES", "data": data}
    body = posted("/v2/models/speed/infer", {"inputs": [tensor]})
    load, line = Load(), await Line.open(port)
    began = time.perf_counter()
    while (now := time.perf_counter()) < began + seconds:
        load.errors += await line.post(body) != 200
        load.seconds.append(time.perf_counter() - now)
    load.took = time.perf_counter() - began
    return load


def everybody(head: str, backbone: str, users: int, items: int) -> tuple[float, float, float]:
    """Recommend to all of so many random users at once; returns seconds, of the CPU, too, and peak memory in MB."""
    draw = np.random.default_rng(0)
    offsets = np.append(0, np.cumsum(draw.integers(10, 51, users)))
    sequences = Sequences(draw.integers(1, items + 1, offsets[-1]).astype(np.int32), offsets, items)
    table = pd.DataFrame({"item_id": [f"B{item:09}" for item in range(items)], "title": "A thing of some kind"})
    people = pd.DataFrame({"user_id": [f"A{user:09}" for user in range(users)]})
    catalogue = Catalogue(random_model(head, backbone, items), table, np.arange(items) + 1)
    with tempfile.TemporaryDirectory() as folder:
        began, used = time.perf_counter(), time.process_time()
        write_all(catalogue, Dataset(people, table, sequences, {}, {}), 10, Path(folder, "all.parquet"))
        took = time.perf_counter() - began, time.process_time() - used
    return *took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def of_process(pid: int) -> tuple[float, float]:
    """Resident memory of a process in MB, and seconds of CPU that it has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    seconds = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return int(fields[21]) * os.sysconf("SC_PAGE_SIZE") / 1e6, seconds


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--heads", default=",".join(HEADS))
    parser.add_argument("--backbone", default="sasrec")
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=200, help="requests a second")
    parser.add_argument("--requests", type=int, default=4_000)
    parser.add_argument("--port", type=int, default=8095)
    parser.add_argument("--everybody", type=int, metavar="USERS", help="recommend to so many at once, without a server")
    arguments = parser.parse_args()
    items, port = arguments.items, arguments.port
    if arguments.everybody:
        torch.set_num_threads(1)
        print("| head | s | CPU s | users a CPU s | peak MB so far |\n| --- | ---: | ---: | ---: | ---: |")
        for head in arguments.heads.split(","):
            took, used, peak = everybody(head, arguments.backbone, arguments.everybody, items)
            print(f"| {head} | {took:.1f} | {used:.1f} | {arguments.everybody / used:,.0f} | {peak:.0f} |", flush=True)
        return
    columns = ("p50 ms", "p90 ms", "p99 ms", "p99.9 ms", "CPU ms", "errors", "users/s", "MB before", "MB after")
    print("| head | " + " | ".join(columns) + " |\n| --- |" + " ---: |" * len(columns))
    for head in arguments.heads.split(","):
        with served(head, arguments.backbone, items, port) as pid:
            asyncio.run(singles(port, arguments.rate, 200, items))  # caches are filled
            before, used = of_process(pid)
            load = asyncio.run(singles(port, arguments.rate, arguments.requests, items))
            after, then = of_process(pid)
            many = asyncio.run(batches(port, 5, items))
            cells = [f"{load.percentile(share):.2f}" for share in (50, 90, 99, 99.9)]
            cells += [f"{(then - used) / arguments.requests * 1000:.2f}", f"{load.errors + many.errors}"]
            cells += [f"{len(many.seconds) * _BATCH / many.took:,.0f}", f"{before:.0f}", f"{after:.0f}"]
            print(f"| {head} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
