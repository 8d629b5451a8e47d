"""``solid-pipeline schedule``: keep one recurring run of a compiled pipeline on Kubeflow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipelines.backend import Backend, Target, named, target_options
from pipelines.package import Package
from solid.errors import SolidError

_FIELDS = 6  # seconds first, unlike cron


@click.command()
@click.argument("package", required=False, type=click.Path(dir_okay=False, exists=True, path_type=Path))
@click.option("--list", "do", flag_value="list", help="List the recurring runs of the experiment.")
@click.option("--pause", "do", flag_value="pause", help="Let the recurring run --name rest.")
@click.option("--unpause", "do", flag_value="unpause", help="Let it go on.")
@click.option("--remove", "do", flag_value="remove", help="Remove it; its runs stay.")
@target_options
@click.option("--name", help="Name of the recurring run  [default: the pipeline's]")
@click.option("--cron", default="0 3 * * 1", show_default=True, metavar="EXPRESSION",
              help="When, in UTC: minute hour day month weekday as in cron; seconds may come first.")  # fmt: skip
def schedule(
    package: Path | None,
    do: str | None,
    target: Target,
    name: str | None,
    cron: str,
) -> None:
    """Run PACKAGE, a compiled pipeline, on Kubeflow again and again, one run at a time.

    A recurring run stays with the version that it was made for, so call this again with every new version, or to change
    when it runs and what it is given: it makes the new one first and removes the older ones of the same name then.
    """
    if do and package:
        raise click.UsageError(f"--{do} needs no PACKAGE")
    if not do and not package:
        raise click.UsageError("name a compiled pipeline to schedule, or say --list, --pause, --unpause or --remove")
    if do and do != "list" and not name:
        raise click.UsageError(f"--{do}: say which with --name; --list shows them")
    if package:
        compiled = Package.read(package)
        arguments, cron = compiled.arguments(target.parameters), six_fields(cron)
        name = name or compiled.name
    backend = target.connect()
    experiment_id = backend.experiment(target.experiment)
    listed = _listed(backend, experiment_id, name)
    if package:
        _, _, reference = backend.upload(compiled)
        job = backend.job(reference, arguments, target.pipeline_root)
        wanted = {"reference": reference, "cron": cron, "arguments": arguments, "root": target.pipeline_root}
        assert name is not None
        _keep(backend, experiment_id, name, wanted, job, listed, compiled.description(arguments))
    elif do == "list":
        click.echo("\n".join(map(_line, listed)) or f"experiment {target.experiment} has no recurring runs")
    else:
        assert do is not None
        _change(backend, do, listed, name)


def six_fields(cron: str) -> str:
    """An expression as Kubeflow takes it, the seconds first, from that or from the five fields of cron.

    Raises:
        SolidError: there are neither five nor six fields.
    """
    fields = cron.split()
    if len(fields) not in (_FIELDS - 1, _FIELDS):
        raise SolidError(f"--cron '{cron}': five fields are needed, such as '0 3 * * 1', Mondays at three; or six, the "
                         "seconds first")  # fmt: skip
    return " ".join(["0", *fields][-_FIELDS:])


def _listed(backend: Backend, experiment_id: str, name: str | None) -> list[Any]:
    only = {"filter": named(name)} if name else {}
    with backend.asking("reading the recurring runs"):
        return list(
            backend.recurring.recurring_run_service_list_recurring_runs(
                experiment_id=experiment_id, page_size=100, **only
            ).recurring_runs
            or []
        )


def _keep(
    backend: Backend, experiment_id: str, name: str, wanted: dict[str, Any], job: dict[str, Any], listed: list[Any],
    description: str,
) -> None:  # fmt: skip
    """Make the recurring run unless it is there as it should be, and remove others of its name."""
    cron = wanted["cron"]
    kept = next((old for old in listed if _describe(old) == wanted), None)
    if kept is None:
        models = backend.models
        recurring = models.V2beta1RecurringRun(
            experiment_id=experiment_id,
            display_name=name,
            description=description,
            mode=models.RecurringRunMode.ENABLE,
            trigger=models.V2beta1Trigger(cron_schedule=models.V2beta1CronSchedule(cron=cron)),
            max_concurrency="1",  # a text in this API
            no_catchup=True,
            **job,
        )
        with backend.asking("making the recurring run"):
            kept = backend.recurring.recurring_run_service_create_recurring_run(recurring_run=recurring)
        click.echo(f"{name}: made, '{cron}'")
    else:
        click.echo(f"{name}: is as it should be, '{cron}'")
    for old in listed:
        if old.recurring_run_id != kept.recurring_run_id:
            _remove(backend, old)
    click.echo(f"{backend.ui}/#/recurringrun/details/{kept.recurring_run_id}")


def _change(backend: Backend, do: str, listed: list[Any], name: str | None) -> None:
    if not listed:
        raise SolidError(f"--{do} --name {name}: there is no such recurring run; --list shows those there are")
    service = backend.recurring
    for recurring in listed:
        if do == "remove":
            _remove(backend, recurring)
            continue
        with backend.asking(f"changing {name}"):
            if do == "pause":
                service.recurring_run_service_disable_recurring_run(recurring.recurring_run_id)
            else:
                service.recurring_run_service_enable_recurring_run(recurring.recurring_run_id)
        click.echo(f"{name}: {'rests' if do == 'pause' else 'goes on'}")


def _remove(backend: Backend, recurring: Any) -> None:
    with backend.asking("removing a recurring run"):
        backend.recurring.recurring_run_service_delete_recurring_run(recurring.recurring_run_id)
    made = f"{recurring.created_at:%Y-%m-%d}"
    click.echo(f"{recurring.display_name}: removed {recurring.recurring_run_id}, made {made}")


def _line(recurring: Any) -> str:
    trigger = recurring.trigger.cron_schedule if recurring.trigger else None
    when = f"'{trigger.cron}'" if trigger else "no cron"
    return f"{recurring.display_name}  {when}  {'on' if recurring.mode == 'ENABLE' else 'paused'}"


def _describe(recurring: Any) -> dict[str, Any] | None:
    """What decides about an enabled recurring run; None for one that rests."""
    if recurring.mode != "ENABLE" or not recurring.pipeline_version_reference or not recurring.trigger.cron_schedule:
        return None
    reference, runtime = recurring.pipeline_version_reference, recurring.runtime_config
    return {
        "reference": {"pipeline_id": reference.pipeline_id, "pipeline_version_id": reference.pipeline_version_id},
        "cron": recurring.trigger.cron_schedule.cron,
        "arguments": (runtime.parameters if runtime else None) or {},
        "root": (runtime.pipeline_root if runtime else None) or None,
    }
