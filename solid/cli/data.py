"""Commands that move data: a sample to try, and what this machine holds into S3."""

from __future__ import annotations

from pathlib import Path

import click

from solid.storage.places import FOLDER, PlacesCommand


@click.command(cls=PlacesCommand)
@click.option("--out", type=FOLDER, default="data", show_default=True, help="Folder to write.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Another seed, other data.")
def sample(out: Path, seed: int) -> None:
    """Write a small Amazon-like data set, the same bytes for the same seed."""
    from solid.data.sample import write_sample

    if out.exists():
        raise click.UsageError(f"{out} exists already; remove it first, or name another folder with --out")
    write_sample(out, seed)
    click.echo(f"{out}: sample data set written")


@click.command(cls=PlacesCommand)
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.argument("address", metavar="s3://BUCKET/PREFIX")
def copy(source: Path, address: str) -> None:
    """Copy SOURCE, a folder or a file of this machine, into S3, from where ingest reads it."""
    from solid.storage.s3 import Prefix

    files = [path for path in ([source] if source.is_file() else sorted(source.rglob("*"))) if path.is_file()]
    below = source.parent if source.is_file() else source
    Prefix(address).upload({path.relative_to(below).as_posix(): path for path in files})
    click.echo(f"{address}: {len(files):,} files, {sum(path.stat().st_size for path in files) / 1e6:,.1f} MB")
