"""Write the tables of what can be chosen by name into the pages; with --check only say whether one is stale.

A table stands on its page between `<!-- NAME: written by make docs -->` and `<!-- end -->`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from solid.cli import main as solid
from solid.data.readers import READERS
from solid.kinds import HEADS, LOSSES

ROOT = Path(__file__).resolve().parent.parent
STEPS = {f"solid {name}": step.get_short_help_str(500) for name, step in solid.commands.items()}
TABLES = {
    "steps": ("docs/steps.md", "step", "does", STEPS),
    "readers": ("docs/data.md", "reader", "reads", {reader.name: reader.description for reader in READERS}),
    "losses": ("docs/models.md", "`training.loss`", "is", {loss.name: loss.about for loss in LOSSES.values()}),
    "heads": ("docs/models.md", "`--head`", "weights", {head.name: head.about for head in HEADS.values()}),
}


def main() -> None:
    """Write the pages, or say which is stale."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a page is stale")
    only_check = parser.parse_args().check
    for name, (page, what, about, entries) in TABLES.items():
        path = ROOT / page
        rows = [f"| {what} | {about} |", "|---|---|", *(f"| `{key}` | {text} |" for key, text in entries.items())]
        begin, end = f"<!-- {name}: written by make docs -->", "<!-- end -->"
        text = path.read_text(encoding="utf-8")
        above, rest = text.split(begin)
        _, below = rest.split(end, 1)
        found = "\n".join([above + begin, *rows, end + below])
        if found != text and only_check:
            sys.exit(f"{page} is stale: run make docs, and commit it")
        path.write_text(found, encoding="utf-8")


if __name__ == "__main__":
    main()
