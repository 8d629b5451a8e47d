"""Write dvc.yaml from the description of the chain, solid/chain.py; with --check only say whether it is stale."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from solid.chain import EACH, TRAINING, From, Stage
from solid.settings.schema import Settings
from solid.steps import option

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "dvc.yaml"
WIDTH = 120
HEAD = """# The whole chain. A stage only calls a step of `solid`; every setting stands in params.yaml.
# Written by `make docs` from solid/chain.py; edit that.

stages:
"""
TAIL = """metrics:
  - work/${model.backbone}/evaluation/metrics.json

plots:
  - work/${model.backbone}/evaluation/learning_curves: # a file for each model
      x: epoch
      y: valid
  - class sizes:
      template: scatter # several sets of classes share the file
      x: rank
      y:
        work/${model.backbone}/evaluation/class_sizes.csv: size
"""


def main() -> None:
    """Write the file, or say that it is stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the file is stale")
    text = dvc_yaml()
    if not parser.parse_args().check:
        FILE.write_text(text, encoding="utf-8")
    elif FILE.read_text(encoding="utf-8") != text:
        sys.exit(f"{FILE.relative_to(ROOT)} is stale: change solid/chain.py and run make docs, and commit both")


def dvc_yaml() -> str:
    """The file."""
    return HEAD + "\n".join("\n".join([*_stage(stage), ""]) for stage in TRAINING.stages) + "\n" + TAIL


def _stage(stage: Stage) -> Iterator[str]:
    yield f"  {stage.name}:"
    indent = "    "
    if stage.each:
        yield f"    foreach: ${{{stage.each}}}"
        yield "    do:"
        indent += "  "
    yield f"{indent}desc: {stage.about}"
    words = list(_command(stage))
    line = f"{indent}cmd: {' '.join(words)}"
    if len(line) <= WIDTH:
        yield line
    else:
        yield f"{indent}cmd: >-"
        yield from _folded(words, f"{indent}  ")
    for name, entries in (("deps", [*_folders(stage), *sorted(stage.code)]), ("params", list(_params(stage)))):
        if entries:
            yield f"{indent}{name}:"
            yield from (f"{indent}  - {entry}" for entry in entries)
    yield f"{indent}outs:"
    yield f"{indent}  - {_place(stage, stage)}{'' if stage.cached else ':'}"
    if not stage.cached:
        yield f"{indent}      cache: false # from a cache it would come back without what it speaks of"


def _command(stage: Stage) -> Iterator[str]:
    """Its command line: the program, and each option with its value."""
    yield f"solid {stage.step.name}"
    for name, value in stage.options.items():
        yield f"{option(name)} {value}"
    for source in stage.inputs:
        yield f"{stage.step.option_of(source.input)} {_given(source, stage)}"
    yield f"--out {_place(stage, stage)}"


def _given(source: From, stage: Stage) -> str:
    maker = TRAINING[source.stage]
    place = _folder(source, stage)
    if not source.label:
        return place
    named = f"{source.label}={place}" + (f"/{{{EACH[maker.each]}}}" if maker.each else "")
    return f'"{named}"' if re.search(r" |(?<!\$)\{", named) else named


def _folder(source: From, stage: Stage) -> str:
    """What a stage reads."""
    place = _place(TRAINING[source.stage], stage)
    return f"{place}/{source.entry}" if source.entry else place


def _place(maker: Stage, reader: Stage) -> str:
    """Where a stage writes, or where all of its turns do, for a stage that reads them all."""
    backbone = "${model.backbone}/" if maker.name in TRAINING.of_backbone else ""
    item = "/${item}" if maker.each and maker.each == reader.each else ""
    return f"work/{backbone}{maker.folder}{item}"


def _folders(stage: Stage) -> Iterator[str]:
    yield from dict.fromkeys(_folder(source, stage) for source in stage.inputs)


def _params(stage: Stage) -> Iterator[str]:
    """The settings that it reads: a section where it reads all keys, else the keys."""
    read = stage.keys()
    for section, fields in Settings():
        keys = [f"{section}.{key}" for key, _ in fields]
        yield from [section] if read.issuperset(keys) else [key for key in keys if key in read]


def _folded(words: list[str], indent: str) -> Iterator[str]:
    """Lines of a folded text, broken between options."""
    line = indent + words[0]
    for word in words[1:]:
        if len(line) + 1 + len(word) > WIDTH:
            yield line
            line = indent + word
        else:
            line += f" {word}"
    yield line


if __name__ == "__main__":
    main()
