"""The command line: one sub-command per step. It parses, calls and prints; heavy imports stay inside the commands."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from solid import __version__, kubeflow, steps
from solid.commands import Commands
from solid.environment import SAME_ON_EVERY_PROCESSOR
from solid.errors import SettingsError, UnavailableError
from solid.kinds import HEADS
from solid.steps import STEPS
from solid.storage.places import FILE, FOLDER, INPUT, PlacesCommand, input_folder

if TYPE_CHECKING:
    from solid.settings.fields import Head
    from solid.settings.schema import Settings

F = TypeVar("F", bound=Callable[..., Any])


class _Commands(Commands):
    """Lists commands in the order of the chain."""

    command_class = PlacesCommand

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        if any(param.name == "out" for param in cmd.params):
            kubeflow.accept(cmd)
        super().add_command(cmd, name)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__)
def main() -> None:
    """SOLID: recommenders whose weights are generated from semantic sequences.

    The steps run in the order of this list; each reads files and writes files. `dvc repro` calls them all.
    Every folder may be an s3://bucket/prefix address instead: inputs are copied to this machine and checked, an output
    goes up whole once its step has ended well.
    """
    for variable, value in SAME_ON_EVERY_PROCESSOR.items():
        os.environ.setdefault(variable, value)
    # Asked to stop (by a container engine, by Kubernetes), clean up as for Ctrl-C.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


def settings_options(command: F) -> F:
    """Add --params and --set to a command; it receives them as ``params`` and ``overrides``."""
    command = click.option(
        "--set", "overrides", multiple=True, metavar="SECTION.KEY=VALUE", help="Override one setting; may be repeated."
    )(command)
    return click.option(
        "--params",
        type=FILE,
        help="YAML file of settings  [default: params.yaml if it exists, else built-in defaults]",
    )(command)


@main.command()
@click.option("--out", type=FOLDER, default="data", show_default=True, help="Folder to write.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Another seed, other data.")
def sample(out: Path, seed: int) -> None:
    """Write a small Amazon-like data set, the same bytes for the same seed."""
    from solid.data.sample import write_sample

    if out.exists():
        raise click.UsageError(f"{out} exists already; remove it first, or name another folder with --out")
    write_sample(out, seed)
    click.echo(f"{out}: sample data set written")


def _require(command: str, extra: str, *packages: str) -> None:
    """Say what to install where an extra of this project is missing."""
    from importlib.util import find_spec

    if missing := [package for package in packages if find_spec(package) is None]:
        raise UnavailableError(f"{command} needs {', '.join(missing)}; install 'solid-rec[{extra}]'")


def _models(option: str, patterns: tuple[str, ...], settings: Settings) -> dict[str, Path]:
    """Expand NAME=FOLDER pairs; {modality} in one stands for every modality of the settings, {baseline} likewise."""
    models: dict[str, Path] = {}
    for pattern in patterns:
        each = {"{modality}": settings.semantics.modalities, "{baseline}": settings.evaluation.baselines}
        written = [pattern]
        for mark, values in each.items():
            written = [text.replace(mark, value) for text in written for value in (values if mark in text else [""])]
        for text in written:
            name, equals, place = text.partition("=")
            folder = input_folder(place)
            if not (name and equals and folder.is_dir()):
                raise click.UsageError(
                    f"{option} {pattern}: no folder {place!r}; write it as NAME=FOLDER of a trained model"
                )
            if name in models:
                raise click.UsageError(f"{option} {pattern}: a second model of the name {name!r}")
            models[name] = folder
    return models


class _Mapping(click.ParamType[dict[str, Any]]):
    """A mapping of sections to mappings of keys to values, in YAML (of which JSON is a part)."""

    name = "YAML"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, Any]:
        from solid.settings.strict_yaml import parse_yaml

        try:
            mapping = parse_yaml(value, repr(value)) if isinstance(value, str) else value
        except SettingsError as error:
            self.fail(str(error), param, ctx)
        if not isinstance(mapping, Mapping):
            self.fail(f"expected a mapping such as {{training: {{seed: 1}}}}, not {value!r}", param, ctx)
        return dict(mapping)


_TRAIN = f"""{STEPS["train"].about}

Any head goes with any backbone (model.backbone). Heads:

\b
""" + "\n".join(f"  {kind.name:{max(map(len, HEADS)) + 2}}{kind.about}" for kind in HEADS.values())


def _option(given: steps.Option) -> click.Option:
    """An option of a step as the command line takes it."""
    kind: Any = str
    if isinstance(given.default, Mapping):
        kind = _Mapping()
    elif isinstance(given.default, bool):
        kind = bool
    elif given.choices:
        kind = click.Choice(given.choices)
    default: dict[str, Any] = (
        {"default": given.default, "show_default": bool(given.default)} if given.default is not None else {}
    )
    return click.Option([steps.option(given.name)], type=kind, required=given.required, help=given.about, **default)


def _command(step: steps.Step) -> click.Command:
    """The sub-command of a step."""

    def run(**given: Any) -> None:
        settings = None
        if step.settings:
            from solid.settings.loading import load_settings

            settings = load_settings(given.pop("params"), given.pop("overrides"))
        for folder in step.inputs:
            if folder.many:
                assert settings is not None
                given[folder.name] = _models(step.option_of(folder.name), given[folder.name], settings)
        if said := step.run(settings, **given):
            click.echo(said)

    folders: list[click.Parameter] = [
        click.Option([step.option_of(folder.name), folder.name], multiple=True, required=folder.required,
                     metavar="NAME=FOLDER", help=folder.about)
        if folder.many
        else click.Option([step.option_of(folder.name)], type=INPUT, required=folder.required, help=folder.about)
        for folder in step.inputs
    ]  # fmt: skip
    out = click.Option(["--out"], type=FOLDER, required=True, help=f"Folder to write: {step.writes}")
    options = [*folders, *map(_option, step.options), out]
    if step.settings:
        options += reversed(settings_options(run).__click_params__)  # type: ignore[attr-defined]
    return PlacesCommand(step.name, callback=run, params=options, help=_TRAIN if step is steps.TRAIN else step.about)


for _step in STEPS.values():
    main.add_command(_command(_step))


@main.command()
@click.argument("grids", nargs=-1, required=True, type=click.Path(dir_okay=False, exists=True, path_type=Path))
@click.option("--work", type=FOLDER, required=True, help="Folder that keeps what was trained; a second call goes on.")
@click.option("--out", type=FOLDER, required=True, help="Folder for tables and report; of several grids, one for each.")
@click.option("--jobs", type=click.IntRange(min=1), help="How many jobs at once.  [default: the number of cores]")
@click.option("--data-root", type=FOLDER, envvar="SOLID_REAL_DATA", default=".", show_default=True,
              help="Where relative data sources lie; SOLID_REAL_DATA says it, too.")  # fmt: skip
@click.option("--set", "overrides", multiple=True, metavar="SECTION.KEY=VALUE",
              help="Override one setting of all models; may be repeated.")  # fmt: skip
def compare(
    grids: tuple[Path, ...], work: Path, out: Path, jobs: int | None, data_root: Path, overrides: tuple[str, ...]
) -> None:
    """Train and compare the models of GRIDS over seeds, and write a table of each.

    A grid is a YAML file with all that its table depends on; params.yaml is not read:

    \b
      title: SOLID against DUET
      data: {name: scientific, source: amazon_scientific_mm_subset, format: unisrec}
      settings: {training: {epochs: 50}}       # for all models; sections as in params.yaml
      seeds: [0, 1, 2]
      backbones: [sasrec, gru4rec]
      modalities: [id_text_image]              # or all; what classes are made from
      models:                                  # rows of the table, the first is the baseline
        static: {head: static}
        static with classes: {head: static, ids: both}
        SOLID: {head: solid}
        SOLID as published: {head: solid, settings: {fusion: {ids: item, bound: clip}}}
        lambda: {head: solid, vary: {fusion.alignment: [1, 0.1, 0.01]}}     # a row for each
        transitions: {head: transitions}
        SOLID and transitions: {head: mixture, parts: [SOLID, transitions]}

    What is done is kept in --work and shared between models and grids. Ctrl-C stops; the same command goes on, in the
    middle of a training, too. A job that fails stops only what depends on it. Nothing is tracked in MLflow unless
    SOLID_TRACKING=on.
    """  # noqa: D301  the backspace tells click to keep the lines
    import os

    from solid.compare.command import compare as run

    lanes = jobs or len(os.sched_getaffinity(0))
    click.echo(run(grids, work, out, lanes, data_root, overrides))


@main.command()
@click.option("--prepared", type=INPUT, required=True, help="Output of prepare.")
@click.option("--features", type=INPUT, help="Output of features.")
@click.option("--semantics", type=INPUT, help="Output of assign, for heads that read classes.")
@click.option("--head", "heads", type=click.Choice(list(HEADS)), multiple=True, required=True,
              help="Whose settings to search; may be repeated.")  # fmt: skip
@click.option("--space", type=FILE, help="YAML file of what to try.  [default: solid/tuning/space.yaml]")
@click.option("--trials", type=click.IntRange(min=1), default=20, show_default=True, help="Models to train a head.")
@click.option("--work", type=FOLDER, required=True, help="Folder that keeps the trials; a second call goes on.")
@click.option("--out", type=FOLDER, required=True, help="Folder to write: trials.csv, report.html, HEAD.yaml.")
@settings_options
def tune(
    heads: tuple[Head, ...], space: Path | None, params: Path | None, overrides: tuple[str, ...], **given: Any
) -> None:
    """Search settings on validation, with the same number of trials for every head.

    \b
      solid tune --prepared work/prepared --features work/features --semantics work/sasrec/semantics/auto \\
        --head static --head solid --head transitions --trials 20 --work tuning --out tuned

    The space is a YAML file of values or ranges:

    \b
      training.learning_rate: {from: 0.0003, to: 0.003, log: true}
      model.dim: [32, 64, 128]

    The first trial is the settings as they are; the next are proposed by Optuna from those before. A head that counts
    searches its own lists, in one trial. Ctrl-C stops; the same command goes on, in the middle of a training, too, and
    comes to the same. Every training is a run in MLflow, and the search of a head is one.
    """  # noqa: D301  the backspace tells click to keep the lines
    from solid.settings.loading import load_settings

    _require("solid tune", "tune", "optuna")
    from solid.tuning.command import tune as run
    from solid.tuning.space import DEFAULT

    click.echo(run(heads=heads, space=space or DEFAULT, settings=load_settings(params, overrides), **given))


@main.command()
@click.option("--model", metavar="FOLDER|models:/NAME@ALIAS",
              help="A trained model to write as ONNX graphs; left out, the data are written.")  # fmt: skip
@click.option("--prepared", type=INPUT, help="Output of prepare; a registered model does without.")
@click.option("--users", type=click.IntRange(min=1), default=2000, show_default=True,
              help="Of a model: most test users that tell its NDCG@10.")  # fmt: skip
@click.option("--semantics", type=INPUT, multiple=True, help="Of the data: output of assign; may be repeated.")
@click.option("--negatives", type=click.IntRange(min=1), default=4, show_default=True,
              help="Of the data: training negatives a positive.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True,
              help="Of the data: seed of the negatives.")  # fmt: skip
@click.option("--out", type=FOLDER, required=True, help="Folder to write.")
def export(
    model: str | None, prepared: Path | None, users: int, semantics: tuple[Path, ...], negatives: int, seed: int,
    out: Path,
) -> None:  # fmt: skip
    """Write for other programs: a model as ONNX graphs, or the data as the released code reads them.

    \b
      solid export --model work/sasrec/item --prepared work/prepared --out device
      solid export --prepared work/prepared --semantics work/sasrec/semantics/auto --out released

    A model becomes graphs in 32-bit and 16-bit floats and 8-bit integers, each with its NDCG@10; where its weights are
    generated, one that makes them from a history and one that takes them in. The data become train.txt and test.txt,
    on items and on classes.
    """  # noqa: D301  the backspace tells click to keep the lines
    if model is not None:
        if semantics:
            raise click.UsageError("--semantics is of the data; a model that reads classes has them in itself")
        _require("solid export --model", "device", "onnx", "onnxruntime")
        from solid.device.export import export as export_model

        click.echo(export_model(model, out, prepared, users))
    elif prepared is None:
        raise click.UsageError("name what to write: --model, or --prepared of the data")
    else:
        from solid.data.export import export as export_data

        export_data(prepared, semantics, out, negatives, seed)


@main.command()
@click.option(
    "--model", required=True, metavar="FOLDER|models:/NAME@ALIAS", help="A model whose weights are generated."
)
@click.option("--static", metavar="FOLDER|models:/NAME@ALIAS", help="A static model of the same data, to compare with.")
@click.option("--prepared", type=INPUT, required=True, help="Output of prepare.")
@click.option("--raw", type=INPUT, help="Output of ingest, for pictures.")
@click.option(
    "--out", type=FOLDER, required=True, help="Folder to write: a page that any static file server can serve."
)
def demo(model: str, static: str | None, prepared: Path, raw: Path | None, out: Path) -> None:
    """Write a page that recommends on the device, in a browser, with weights that were generated.

    \b
      solid demo --model work/sasrec/item --static work/sasrec/baseline/static \\
        --prepared work/prepared --raw work/raw --out demo

    It needs npm, which has ONNX Runtime Web, and no network once it is written. The histories of a few users of the
    data are in it, without their ids.
    """  # noqa: D301  the backspace tells click to keep the lines
    _require("solid demo", "device", "onnx", "onnxruntime")
    from solid.device.demo import write_demo

    click.echo(write_demo(model, static, prepared, raw, out))


@main.command()
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.argument("address", metavar="s3://BUCKET/PREFIX")
def copy(source: Path, address: str) -> None:
    """Copy SOURCE, a folder or a file of this machine, into S3, from where ingest reads it."""
    from solid.storage.s3 import Prefix

    files = [path for path in ([source] if source.is_file() else sorted(source.rglob("*"))) if path.is_file()]
    below = source.parent if source.is_file() else source
    Prefix(address).upload({path.relative_to(below).as_posix(): path for path in files})
    click.echo(f"{address}: {len(files):,} files, {sum(path.stat().st_size for path in files) / 1e6:,.1f} MB")


class _WithIds(PlacesCommand):
    """What begins with a hyphen and is none of its options is an id."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the options first, and ids behind the mark that ends them."""
        takes_value = {name: not option.is_flag for option in self.get_params(ctx) if isinstance(option, click.Option)
                       for name in option.opts}  # fmt: skip
        options: list[str] = []
        ids: list[str] = []
        rest = iter(args)
        for arg in rest:
            if arg == "--":
                ids += rest
            elif arg in takes_value:
                options += [arg, *([next(rest, "")] if takes_value[arg] else [])]
            elif arg.partition("=")[0] in takes_value and "=" in arg:
                options.append(arg)
            else:
                ids.append(arg)
        return super().parse_args(ctx, [*options, "--", *ids])


@main.command(cls=_WithIds)
@click.option("--model", default="models:/solid@champion", show_default=True, help="MLflow model address.")
@click.option("-k", type=click.IntRange(min=1), default=10, show_default=True, help="How many items to recommend.")
@click.option("--all", "everybody", is_flag=True, help="Recommend to every user of --prepared, into --out.")
@click.option("--prepared", type=INPUT, help="Output of prepare; with --all.")
@click.option("--out", "file", type=click.Path(dir_okay=False, path_type=Path),
              help="Parquet file to write: user_id, rank, item_id, title, score; with --all.")  # fmt: skip
@click.argument("history", nargs=-1, type=click.UNPROCESSED)
def recommend(
    model: str, k: int, everybody: bool, prepared: Path | None, file: Path | None, history: tuple[str, ...]
) -> None:
    """Recommend items after HISTORY (original item ids, oldest first) with a registered model, or to all users.

    What begins with a hyphen and is no option is an id.

    \b
      solid recommend -k 5 B00GLAVJ0U B01DM3IMRX
      solid recommend --all --prepared work/prepared --out recommendations.parquet
    """  # noqa: D301  the backspace tells click to keep the lines
    if not everybody:
        if not history or prepared or file:
            raise click.UsageError("give a HISTORY; or --all with --prepared and --out")
        from solid.registry.recommend import recommend as run

        click.echo(run(model, list(history), k))
        return
    if history or prepared is None or file is None:
        raise click.UsageError("--all needs --prepared and --out, and no HISTORY")
    from solid.registry.everybody import recommend_all

    click.echo(recommend_all(model, prepared, k, file))


@main.command()
@click.option("--model", default="models:/solid@champion", show_default=True,
              help="MLflow model address; where it names an alias, the server follows it.")  # fmt: skip
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at; 0.0.0.0 is all of them.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="Port to listen at.")
@click.option("--look-every", type=click.FloatRange(min=0.1), default=10, show_default=True,
              help="Seconds between looks at the registry.")  # fmt: skip
@click.option("--prepared", type=INPUT, help="Output of prepare, whose users requests may name.")
@click.option("--token-file", type=FILE, help="File with the bearer token that requests need.  [default: none]")
@click.option("--waiting", type=click.IntRange(min=1), default=64, show_default=True,
              help="Requests that may wait; more are told to come again.")  # fmt: skip
@click.option("--timeout", type=click.FloatRange(min=0.01), default=5, show_default=True,
              help="Seconds to read a request, and to answer it.")  # fmt: skip
def serve(model: str, waiting: int, timeout: float, **given: Any) -> None:
    """Serve a registered model over HTTP.

    \b
      solid serve &
      curl -s localhost:8080/recommend -H 'content-type: application/json' -d '{"history": ["B00GLAVJ0U"], "k": 5}'

    POST /recommend and /similar, the Open Inference Protocol below /v2, /metrics, /healthz, /readyz; /docs shows all.
    A new champion takes over without a gap once it has answered as it did when it was registered.
    """  # noqa: D301  the backspace tells click to keep the lines
    _require("solid serve", "serve", "fastapi", "uvicorn", "prometheus_client")
    from solid.serving.command import serve as run
    from solid.serving.limits import Limits

    run(model, limits=Limits(waiting=waiting, seconds=timeout), **given)


if __name__ == "__main__":
    main()
