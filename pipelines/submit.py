"""``solid-pipeline submit``: run a compiled pipeline on Kubeflow and follow it to its end."""

from __future__ import annotations

import re
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from pipelines.backend import Backend, Target, target_options
from pipelines.package import Package
from pipelines.progress import ENDED, FAILED, Step, clock, said, steps, table
from solid.errors import FailedError, SolidError
from solid.storage.local import write_json
from solid.storage.places import GONE

_MISSED_ANSWERS = 10  # in a row; a server that restarts comes back
_TELLING = re.compile(r"^\S+ version \d+ .*is registered|^(The champion is|There is no champion|Nothing is registered)")
_LAST_LINES = 20  # of the log of a step that failed


@click.command()
@click.argument("package", type=click.Path(dir_okay=False, exists=True, path_type=Path))
@target_options
@click.option("--name", help="Name of the run  [default: the pipeline, what is special, the time]")
@click.option("--resume", metavar="RUN",
              help="Go on with a run that failed, by the cache and with its parameters: its id, or last.")  # fmt: skip
@click.option("--no-cache", is_flag=True, help="Run every step, whatever ran before.")
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), default=24.0, show_default=True,
              help="Hours to wait; the run itself goes on after them.")  # fmt: skip
@click.option("--interval", type=click.FloatRange(min=0, min_open=True), default=10.0, show_default=True,
              help="Seconds between two looks.")  # fmt: skip
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path),
              help="JSON file for the run's id, link, state and steps, for scripts that report it.")  # fmt: skip
def submit(
    package: Path,
    target: Target,
    name: str | None,
    resume: str | None,
    no_cache: bool,
    timeout: float,
    interval: float,
    out: Path | None,
) -> None:
    """Run PACKAGE, a compiled pipeline, on Kubeflow; follow it, and fail if it does not succeed.

    The version is uploaded unless it is there. The token, if one is needed, comes from KFP_EXISTING_TOKEN, or from the
    file that KF_PIPELINES_SA_TOKEN_PATH names.
    """
    if resume and no_cache:
        raise click.UsageError("--resume goes on by the cache; leave --no-cache out")
    compiled, root = Package.read(package), target.pipeline_root
    if not resume:
        arguments = compiled.arguments(target.parameters)
    backend = target.connect()
    experiment_id = backend.experiment(target.experiment)
    if resume:
        before = _failed_run(backend, compiled, experiment_id, resume)
        runtime = before.runtime_config
        arguments = compiled.arguments(target.parameters, runtime.parameters if runtime else {})
        root = root or (runtime and runtime.pipeline_root)
        name = name or f"{before.display_name} (resumed)"
        click.echo(f"resuming {before.display_name}: {backend.ui}/#/runs/details/{before.run_id}")
    with tempfile.TemporaryDirectory() as scratch:
        uploaded = compiled.without_cache(Path(scratch)) if no_cache else compiled
        version, place, reference = backend.upload(uploaded)
    click.echo(f"pipeline {compiled.name}, version {version}: {place}")
    wanted = backend.models.V2beta1Run(
        experiment_id=experiment_id,
        display_name=name or f"{compiled.run_name(arguments)} {datetime.now(UTC):%Y-%m-%d %H:%M:%S}",
        description=compiled.description(arguments),
        **backend.job(reference, arguments, root),
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
        why = _why(seen, failed, backend)
        hint = "\n--no-cache runs every step again" if GONE in why else ""
        raise FailedError(f"the run ended as {record['state']}{why}{hint}\nsee {link}")
    for line in _outcome(backend, run.run_id, record["steps"]):
        click.echo(line)
    click.echo(f"The run succeeded: {link}")


def _failed_run(backend: Backend, package: Package, experiment_id: str, wanted: str) -> Any:
    """The run of this id, or the last one of the experiment whose name says that it ran this pipeline; it failed."""
    with backend.asking("looking for the run to resume"):
        if wanted != "last":
            run = backend.runs.run_service_get_run(wanted)
        else:
            listed = backend.runs.run_service_list_runs(
                experiment_id=experiment_id, page_size=100, sort_by="created_at desc"
            ).runs
            run = next((run for run in listed or [] if run.display_name.startswith(package.name)), None)
    if run is None:
        raise SolidError(f"--resume last: experiment {experiment_id} has no run of {package.name}")
    if run.state not in FAILED | {"CANCELED"}:
        raise SolidError(f"--resume {wanted}: {run.display_name} is {run.state}; only a run that failed is resumed")
    return run


def _outcome(backend: Backend, run_id: str, steps: list[Step]) -> list[str]:
    """What came out, in the words of the step that registers: version, champion and why, where the files lie."""
    for step in reversed(steps):
        if step["task"].startswith("register") and step["node"]:
            return [line for line in backend.log(run_id, step["node"]) if _TELLING.search(line)]
    return []


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
            raise FailedError(
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
