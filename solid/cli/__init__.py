"""The command line: one sub-command per step. It parses, calls and prints; heavy imports stay inside the commands."""

from __future__ import annotations

import os
import signal
import sys

import click

from solid import __version__, kubeflow
from solid.cli import steps
from solid.cli.answers import recommend, serve
from solid.cli.data import copy, sample
from solid.cli.elsewhere import demo, export
from solid.cli.many import compare, tune
from solid.commands import Commands
from solid.environment import SAME_ON_EVERY_PROCESSOR


class _Commands(Commands):
    """Lists commands in the order of the chain."""

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


for _command in (sample, *steps.COMMANDS, compare, tune, export, demo, copy, recommend, serve):
    main.add_command(_command)
