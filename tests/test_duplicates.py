"""Lines that stand twice: no six lines of code are the same in two places."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("solid", "components", "pipelines")
RUN = 6
THIN = {"", "(", ")", "[", "]", "{", "}", "),", "],", "},"}


def code(file: Path) -> list[tuple[int, str]]:
    """Its lines and their numbers, but for comments, imports and lone brackets."""
    lines = [(number, line.strip()) for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)]
    return [(n, line) for n, line in lines if line not in THIN and not line.startswith(("#", "import ", "from "))]


def twice(folder: Path) -> list[str]:
    """Pairs of places that share a run of lines."""
    found: dict[tuple[str, ...], list[str]] = {}
    for file in sorted(path for room in ROOMS for path in (folder / room).rglob("*.py")):
        lines = code(file)
        for place in range(len(lines) - RUN + 1):
            run = tuple(line for _, line in lines[place : place + RUN])
            found.setdefault(run, []).append(f"{file.relative_to(folder)}:{lines[place][0]}")
    return [" ~ ".join(pair) for places in found.values() for pair in combinations(places, 2)]


def test_no_six_lines_stand_twice() -> None:
    assert twice(ROOT) == []


@pytest.mark.parametrize("apart", ["", "\n    # a comment counts for nothing\n"])
def test_six_lines_that_stand_twice_are_found(tmp_path: Path, apart: str) -> None:
    lines = [f"    name_{n}: str,\n" for n in range(RUN)]
    for room, text in {"solid": "".join(lines), "pipelines": "import os\n" + apart.join(lines)}.items():
        (tmp_path / room).mkdir()
        (tmp_path / room / "file.py").write_text(text, encoding="utf-8")
    [pair] = twice(tmp_path)
    assert pair == "pipelines/file.py:2 ~ solid/file.py:1"
