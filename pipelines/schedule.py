"""``solid-pipeline schedule``: keep one recurring run of a compiled pipeline on Kubeflow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipelines.backend import Backend, Package, backend_options, named
from solid.errors import SolidError

_FIELDS = 6  # seconds first, unlike cron


@click.command()
@backend_options
@click.option("--name", help="Name of the recurring run  [default: the pipeline's]")
@click.option("--cron", default="0 0 3 * * 1", show_default=True, metavar="EXPRESSION",
              help="When: second minute hour day month weekday.")  # fmt: skip
def schedule(
    package: Path,
    endpoint: str,
    namespace: str | None,
    ui: str | None,
    experiment: str,
    parameters: tuple[str, ...],
    pipeline_root: str | None,
    name: str | None,
    cron: str,
) -> None:
    """Run PACKAGE, a compiled pipeline, on Kubeflow again and again, one run at a time.

    A recurring run stays with the version that it was made for, so call this again with every new version: it makes the
    new one first and removes the older ones of the same name then.
    """
    compiled = Package.read(package)
    arguments = compiled.arguments(parameters)
    if len(cron.split()) != _FIELDS:
        hint = f"perhaps '0 {cron}'" if len(cron.split()) == _FIELDS - 1 else "such as '0 0 3 * * 1', Mondays at three"
        raise SolidError(f"--cron '{cron}': six fields are needed, the seconds first; {hint}")
    backend, name = Backend(endpoint, namespace, ui), name or compiled.name
    _, reference = backend.upload(compiled)
    experiment_id = backend.experiment(experiment)
    with backend.asking("reading the recurring runs"):
        listed = backend.recurring.recurring_run_service_list_recurring_runs(
            experiment_id=experiment_id, page_size=100, filter=named(name)
        ).recurring_runs
    wanted = {"reference": reference, "cron": cron, "arguments": arguments, "root": pipeline_root}
    kept = next((old for old in listed or [] if _describe(old) == wanted), None)
    if kept is None:
        models = backend.models
        recurring = models.V2beta1RecurringRun(
            experiment_id=experiment_id,
            display_name=name,
            mode=models.RecurringRunMode.ENABLE,
            trigger=models.V2beta1Trigger(cron_schedule=models.V2beta1CronSchedule(cron=cron)),
            max_concurrency="1",  # a text in this API
            no_catchup=True,
            **backend.job(reference, arguments, pipeline_root),
        )
        with backend.asking("making the recurring run"):
            kept = backend.recurring.recurring_run_service_create_recurring_run(recurring_run=recurring)
        click.echo(f"{name}: made for version {compiled.version}, '{cron}'")
    else:
        click.echo(f"{name}: is as it should be, version {compiled.version}, '{cron}'")
    for old in listed or []:
        if old.recurring_run_id != kept.recurring_run_id:
            with backend.asking("removing an older recurring run"):
                backend.recurring.recurring_run_service_delete_recurring_run(old.recurring_run_id)
            click.echo(f"{name}: removed {old.recurring_run_id}, made {old.created_at:%Y-%m-%d}")
    click.echo(f"{backend.ui}/#/recurringrun/details/{kept.recurring_run_id}")


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
