"""``solid-pipeline submit``: run a compiled pipeline on Kubeflow and follow it to its end."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from pipelines.backend import Backend, Package, backend_options
from solid.errors import SolidError
from solid.storage.local import write_json

# The wait of kfp's own client does not know CANCELED, and would go on to its timeout.
_ENDED = {"SUCCEEDED", "FAILED", "ERROR", "CANCELED", "SKIPPED"}
_MISSED_ANSWERS = 10  # in a row; a server that restarts comes back


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
        for seen in follow(backend, run.run_id, timeout * 3600, interval):
            record |= {"state": str(seen.state or "PENDING"), "steps": steps(seen)}
    finally:  # an interrupted watch still says what it watched
        if out:
            write_json(out, record)
        ended = any(step["state"] in _ENDED for step in record["steps"])
        click.echo(f"\n{table(record['steps']) if ended else 'No step had ended when it was last seen.'}\n")
    if record["state"] != "SUCCEEDED":
        raise SolidError(f"the run ended as {record['state']}{_why(seen)}; see {link}")
    click.echo(f"The run succeeded: {link}")


def follow(backend: Backend, run_id: str, timeout: float, interval: float) -> Iterator[Any]:
    """Look at a run until it has ended, and print every change of a step's state.

    Args:
        backend: the server.
        run_id: the run.
        timeout: seconds to wait at most.
        interval: seconds between two looks.

    Yields:
        The run as the server tells it, look by look; the last one has ended.

    Raises:
        SolidError: the run has not ended in time, or the server stays silent.
    """
    deadline, missed = time.monotonic() + timeout, 0
    known: dict[str, str] = {}
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
            for step in steps(run):
                if known.get(step["id"]) != step["state"]:
                    known[step["id"]] = step["state"]
                    click.echo(f"{datetime.now():%H:%M:%S}  {step['state'].lower():10} {step['name']}")
                    sys.stdout.flush()
            yield run
            if run.state in _ENDED:
                return
        if time.monotonic() > deadline:
            raise SolidError(
                f"the run has not ended within {timeout / 3600:g} hours; it goes on: "
                f"{backend.ui}/#/runs/details/{run_id}"
            )
        time.sleep(interval)


def steps(run: Any) -> list[dict[str, Any]]:
    """The steps of a run in the order in which they began: id, name, state and seconds."""
    details = (run.run_details.task_details or []) if run.run_details else []
    # Kubeflow counts its own helpers as tasks, too.
    tasks = [task for task in details if task.display_name != "root" and not str(task.display_name).endswith("driver")]
    tasks = [task for task in tasks if task.display_name != "executor"]
    tasks.sort(key=lambda task: (task.start_time or datetime.max.replace(tzinfo=UTC), str(task.display_name)))
    return [
        {
            "id": task.task_id,
            "name": task.display_name,
            "state": str(task.state or "PENDING"),
            "seconds": (task.end_time - task.start_time).total_seconds() if task.start_time and task.end_time else None,
        }
        for task in tasks
    ]


def table(rows: list[dict[str, Any]]) -> str:
    """The steps as a Markdown table."""
    width = max([len("step"), *(len(row["name"]) for row in rows)])
    lines = [f"| {'step':{width}} | state      |     time |", f"| {'-' * width} | ---------- | -------: |"]
    for row in rows:
        seconds = row["seconds"]
        spent = "" if seconds is None else f"{seconds // 3600:.0f}:{seconds // 60 % 60:02.0f}:{int(seconds % 60):02d}"
        lines.append(f"| {row['name']:{width}} | {row['state'].lower():10} | {spent:>8} |")
    return "\n".join(lines)


def _why(run: Any) -> str:
    message = run.error.message if run.error else ""
    return f" ({message.splitlines()[0]})" if message else ""
