"""The command line for pipelines: compile one for Kubeflow, or run it on this machine."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import click

from pipelines.schedule import schedule
from pipelines.submit import submit
from solid import __version__
from solid.cli.options import settings_options
from solid.commands import Commands
from solid.console import say
from solid.kinds import BACKBONES

if TYPE_CHECKING:
    from kfp.dsl.graph_component import GraphComponent

    from pipelines.deployment import Deployment

F = TypeVar("F", bound=Callable[..., Any])
NAMES = click.Choice(["training", "retraining", "backbones"])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__)
def main() -> None:
    """Pipelines of SOLID for Kubeflow.

    A pipeline wires the steps of `solid` together. Its parameters are the sections of params.yaml, with the values
    that stand there as defaults. It has a step for each of evaluation.baselines and semantics.modalities, so these are
    no parameters: --set gives them where it is compiled or run.
    """
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


def parameter_options(command: F) -> F:
    """Add --params, --set, --parameter and --backbone to a command."""
    for option in (
        click.option("--backbone", "backbones", multiple=True, type=click.Choice(list(BACKBONES)),
                     help="Of pipeline backbones, one to compare; may be repeated.  [default: all]"),
        click.option("--parameter", "parameters", multiple=True, metavar="NAME=VALUE",
                     help="Another parameter of the pipeline, such as registering=false; may be repeated."),
    ):  # fmt: skip
        command = option(command)
    return settings_options(command)


@main.command("compile")
@click.argument("name", type=NAMES)
@click.option("--image", envvar="SOLID_IMAGE", help="Image of every step, by digest.  [env: SOLID_IMAGE]")
@click.option("--allow-tag", is_flag=True, help="Take an image named by a tag, too.")
@click.option(
    "--accelerator", metavar="RESOURCE", help="Resource that training asks for one of, such as nvidia.com/gpu."
)
@click.option("--deployment", type=click.Path(exists=True, dir_okay=False, path_type=Path), envvar="SOLID_DEPLOYMENT",
              help="YAML file that says how steps run on the cluster, see above.  [env: SOLID_DEPLOYMENT]")  # fmt: skip
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="File to write.  [default: NAME.yaml]")
@click.option("--manifests", is_flag=True, help="Write Pipeline and PipelineVersion resources, for GitOps.")
@click.option("--namespace", help="Namespace of these resources.")
@click.option("--version-name", help="Name of the version in these resources.  [default: the pipeline's]")
@parameter_options
def compile_(
    name: str, image: str | None, allow_tag: bool, accelerator: str | None, deployment: Path | None, out: Path | None,
    manifests: bool, namespace: str | None, version_name: str | None, parameters: tuple[str, ...], **given: Any,
) -> None:  # fmt: skip
    """Write the pipeline NAME as the YAML that Kubeflow takes.

    A deployment file fits it to a cluster. What it leaves out keeps its default; --image and --accelerator count more
    than the file:

    \b
      image: registry.example/solid@sha256:...
      image_pull_secrets: [registry]
      accelerator: nvidia.com/gpu
      labels: {team: recommendations}
      sizes:                                      # by stage of the chain, as in dvc.yaml
        features: {memory_limit: 32Gi, hours: 12}
        solid: {tolerations: [{key: nvidia.com/gpu, operator: Exists}]}

    docs/deployment.yaml is such a file with every key explained. Runs on this machine have no use for one.
    """  # noqa: D301  the backspace tells click to keep the lines
    from kfp.compiler.compiler_utils import KubernetesManifestOptions

    from pipelines import catalogue
    from pipelines.deployment import load_deployment

    how = load_deployment(deployment, image=image, accelerator=accelerator)
    if not allow_tag:
        catalogue.check_pinned(how.image)
    pipeline, values = _pipeline(name, how, **given)
    values = catalogue.arguments(pipeline, values, parameters)
    manifest = KubernetesManifestOptions(
        pipeline_name=name,
        pipeline_version_name=version_name or name,
        namespace=namespace,
        include_pipeline_manifest=True,
    )
    out = out or Path(f"{name}.yaml")
    catalogue.write_yaml(pipeline, values, out, manifest if manifests else None)
    click.echo(f"{out}: pipeline {name} with image {how.image}")


@main.command()
@click.argument("name", type=NAMES)
@click.option("--runner", type=click.Choice(["containers", "processes"]), default="containers", show_default=True,
              help="A container for each task, or a process of this Python.")  # fmt: skip
@click.option("--image", envvar="SOLID_IMAGE", default="solid:dev", show_default=True, help="Image of the containers.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default="runs/pipelines", show_default=True,
              help="Folder in which the run gets a folder of its own.")  # fmt: skip
@click.option("--root", metavar="s3://BUCKET/PREFIX",
              help="Store in which the run gets a prefix of its own, for all artifacts, as on a cluster; --out then "
              "keeps only what the steps say of them.  [default: artifacts stay in --out]")  # fmt: skip
@parameter_options
def run(
    name: str, runner: str, image: str, out: Path, root: str | None, parameters: tuple[str, ...], **given: Any
) -> None:
    """Run the pipeline NAME on this machine; outputs are the same files that `dvc repro` makes.

    Containers speak to the MLflow server that MLFLOW_TRACKING_URI names. Without one they do not track training, and
    nothing is registered.
    """
    from pipelines import catalogue
    from pipelines.deployment import load_deployment
    from pipelines.local import run as run_locally
    from pipelines.results import tell

    pipeline, values = _pipeline(name, load_deployment(image=image), **given)
    source = str(values["data"]["source"])
    if "://" not in source:
        place = Path(source).expanduser().resolve()
        if not place.exists():
            raise click.UsageError(f"data.source {source}: no such folder or file; for sample data: solid sample")
        source = values["data"]["source"] = str(place)
    containers = runner == "containers"
    if containers and not urlsplit(os.environ.get("MLFLOW_TRACKING_URI", "")).scheme.startswith("http"):
        if name == "retraining":
            raise click.UsageError(
                "retraining asks MLflow for the champion: name its server in MLFLOW_TRACKING_URI (make stack has one), "
                "or choose --runner processes, which reads a sqlite store"
            )
        say("MLFLOW_TRACKING_URI names no MLflow server: training is not tracked, nothing is registered")
        os.environ["SOLID_TRACKING"] = "off"
        values["registering"] = False
    mount = source if "://" not in source else None
    arguments = catalogue.arguments(pipeline, values, parameters)
    made = run_locally(pipeline, arguments, out, containers=containers, source=mount, store=root)
    click.echo(tell(made, root))


def _pipeline(
    name: str, deployment: Deployment, params: Path | None, overrides: tuple[str, ...], backbones: tuple[str, ...]
) -> tuple[GraphComponent, dict[str, Any]]:
    """A pipeline for the settings at hand, and these as values of its parameters."""
    from pipelines.catalogue import PIPELINES
    from pipelines.parameters import parameters
    from solid.settings.loading import load_settings

    if backbones and name != "backbones":
        raise click.UsageError(f"--backbone is of pipeline backbones; that of {name} is --set model.backbone=...")
    settings = load_settings(params, overrides)
    more = {"names": backbones} if backbones else {}
    return PIPELINES[name](deployment, settings, **more), parameters(settings)


main.add_command(submit)
main.add_command(schedule)

if __name__ == "__main__":
    main()
