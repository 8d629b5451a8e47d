"""Commands that ask a registered model: for one history or all users, and over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from solid.cli.options import require
from solid.storage.places import FILE, INPUT, PlacesCommand


class _WithIds(PlacesCommand):
    """What begins with a hyphen and is none of its options is an id."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the options first, and ids behind the mark that ends them."""
        takes_value = {name: not option.is_flag for option in self.get_params(ctx) if isinstance(option, click.Option)
                       for name in option.opts}  # fmt: skip

        def has_value(arg: str) -> bool:
            """Whether it is an option together with its value: --model=x, -k5."""
            name, equals, _ = arg.partition("=")
            return bool(equals and name in takes_value) or bool(takes_value.get(arg[:2]) and arg[2:].isdigit())

        options: list[str] = []
        ids: list[str] = []
        rest = iter(args)
        for arg in rest:
            if arg == "--":
                ids += rest
            elif arg in takes_value:
                options += [arg, *([next(rest, "")] if takes_value[arg] else [])]
            elif has_value(arg):
                options.append(arg)
            else:
                ids.append(arg)
        return super().parse_args(ctx, [*options, "--", *ids])


@click.command(cls=_WithIds)
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


@click.command(cls=PlacesCommand)
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
    require("solid serve", "serve", "fastapi", "uvicorn", "prometheus_client")
    from solid.serving.command import serve as run
    from solid.serving.limits import Limits

    run(model, limits=Limits(waiting=waiting, seconds=timeout), **given)
