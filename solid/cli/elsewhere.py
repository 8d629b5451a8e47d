"""Commands that write for elsewhere: other programs, devices, a browser."""

from __future__ import annotations

from pathlib import Path

import click

from solid.cli.options import require
from solid.storage.places import FOLDER, INPUT, PlacesCommand


@click.command(cls=PlacesCommand)
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
        require("solid export --model", "device", "onnx", "onnxruntime")
        from solid.device.export import export as export_model

        click.echo(export_model(model, out, prepared, users))
    elif prepared is None:
        raise click.UsageError("name what to write: --model, or --prepared of the data")
    else:
        from solid.data.export import export as export_data

        export_data(prepared, semantics, out, negatives, seed)


@click.command(cls=PlacesCommand)
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
    require("solid demo", "device", "onnx", "onnxruntime")
    from solid.device.demo import write_demo

    click.echo(write_demo(model, static, prepared, raw, out))
