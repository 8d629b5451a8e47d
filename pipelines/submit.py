"""``solid-pipeline submit``: run a compiled pipeline on Kubeflow and follow it to its end."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from pipelines.backend import Backend, Package, backend_options
from pipelines.progress import ENDED, FAILED, Step, clock, said, steps, table
from solid.errors import SolidError
from solid.storage.local import write_json

_MISSED_ANSWERS = 10  # in a row; a server that restarts comes back
_LAST_LINES = 20  # of the log of a step that failed


@click.command()
@backend_options
@click.option("--name", help="Name of the run  [default: the pipeline's and the time]")
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), default=24.0, show_default=True,
              help="Hours to wait; the run itself goes on after them.")  # fmt: skip
@click.option("--interval", type=click.FloatRange(min=0, min_open=True), default=10.0, show_default=True,
              help="Seconds between two looks.")  # fmt: skip
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path),
              help="JSON file for the run's id, link, state and steps, for scripts that report it.")  # fmt: skip
def submit(
    package: Path,
    endpoint: str,
    namespace: str | None,
    ui: str | None,
    experiment: str,
    parameters: tuple[str, ...],
    pipeline_root: str | None,
    name: str | None,
    timeout: float,
    interval: float,
    out: Path | None,
) -> None:
    """Run PACKAGE, a compiled pipeline, on Kubeflow; follow it, and fail if it does not succeed.

    The version is uploaded unless it is there. The token, if one is needed, comes from KFP_EXISTING_TOKEN, or from the
    file that KF_PIPELINES_SA_TOKEN_PATH names.
    """
    compiled = Package.read(package)
    arguments = compiled.arguments(parameters)
    backend = Backend(endpoint, namespace, ui)
    place, reference = backend.upload(compiled)
    click.echo(f"pipeline {compiled.name}, version {compiled.version}: {place}")
    wanted = backend.models.V2beta1Run(
        experiment_id=backend.experiment(experiment),
        display_name=name or f"{compiled.name} {datetime.now(UTC):%Y-%m-%d %H:%M:%S}",
        **backend.job(reference, arguments, pipeline_root),
    )
    with backend.asking("starting the run"):
        run = backend.runs.run_service_create_run(run=wanted)
    link = f"{backend.ui}/#/runs/details/{run.run_id}"
    click.echo(f"run {run.run_id}: {link}")
    record: dict[str, Any] = {"run_id": run.run_id, "link": link, "state": "PENDING", "steps": []}
    try:
        for seen in follow(backend, compiled, run.run_id, timeout * 3600, interval):
            record |= {"state": str(seen.state or "PENDING"), "steps": steps(seen, compiled)}
    finally:  # an interrupted watch still says what it watched
        if out:
            write_json(out, record)
        ended = any(step["state"] in ENDED for step in record["steps"])
        click.echo(f"\n{table(record['steps']) if ended else 'No step had ended when it was last seen.'}\n")
    if record["state"] != "SUCCEEDED":
        failed = [step for step in record["steps"] if step["state"] in FAILED]
        raise SolidError(f"the run ended as {record['state']}{_why(seen, failed, backend)}\nsee {link}")
    click.echo(f"The run succeeded: {link}")


def follow(backend: Backend, package: Package, run_id: str, timeout: float, interval: float) -> Iterator[Any]:
    """Look at a run until it has ended, and print every change of a step's state.

    Args:
        backend: the server.
        package: what runs.
        run_id: the run.
        timeout: seconds to wait at most.
        interval: seconds between two looks.

    Yields:
        The run as the server tells it, look by look; the last one has ended.

    Raises:
        SolidError: the run has not ended in time, or the server stays silent.
    """
    deadline, missed = time.monotonic() + timeout, 0
    told: dict[str, str] = {}
    while True:
        try:
            with backend.asking("following the run"):
                run = backend.runs.run_service_get_run(run_id)
        except SolidError as error:
            missed += 1
            if missed > _MISSED_ANSWERS or any(f" {status} " in str(error) for status in (401, 403, 404)):
                raise SolidError(f"{error}\nThe run goes on: {backend.ui}/#/runs/details/{run_id}") from None
        else:
            missed = 0
            for step in steps(run, package):
                _tell(backend, run_id, step, told)
            yield run
            if run.state in ENDED:
                return
        if time.monotonic() > deadline:
            raise SolidError(
                f"the run has not ended within {timeout / 3600:g} hours; it goes on: "
                f"{backend.ui}/#/runs/details/{run_id}"
            )
        time.sleep(interval)


def _tell(backend: Backend, run_id: str, step: Step, told: dict[str, str]) -> None:
    """Print a line where something has changed: the state of a step, or what it waits for."""
    more = ""
    if step["state"] == "PENDING":
        more = reason(backend.waiting(run_id).get(step["node"], ""))
    elif step["seconds"] and not step["cached"]:
        more = clock(step["seconds"])
    line = f"{said(step):10} {step['name']}{f'  ({more})' if more else ''}"
    if told.get(step["id"]) != line:
        told[step["id"]] = line
        click.echo(f"{datetime.now():%H:%M:%S}  {line}")
        if step["state"] in FAILED and step["node"]:
            for text in backend.log(run_id, step["node"])[-_LAST_LINES:]:
                click.echo(f"            | {text}")
        sys.stdout.flush()


def reason(message: str) -> str:
    """Why a pod waits, for people, of what Kubernetes says.

    Such as ``Unschedulable: 0/3 nodes are available: 1 node(s) had untolerated taint {x: y}, 2 Insufficient cpu.``
    """
    message = message.partition(". preemption")[0].removeprefix("Unschedulable: ")
    if lacking := re.findall(r"Insufficient ([\w./-]+)", message):
        return f"no node has enough {' and '.join(dict.fromkeys(lacking))} free"
    return message


def _why(run: Any, failed: list[Step], backend: Backend) -> str:
    """The first thing that is known of why a run failed: the last line of a failed step, else what the server says."""
    for step in failed:
        lines = [line for line in (backend.log(run.run_id, step["node"]) if step["node"] else []) if line.strip()]
        return f", in step {step['name']}{f': {lines[-1].strip()}' if lines else ''}"
    message = run.error.message if run.error else ""
    return f" ({message.splitlines()[0]})" if message else ""
