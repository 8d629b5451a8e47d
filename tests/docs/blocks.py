"""The fenced blocks of a page, and the commands in them.

A block is run as it stands, unless the line above it is one of these comments, which nobody sees on the page:

    <!-- not run: why -->       and, where a test runs the like, tests/file.py::test_name
    <!-- shrunk: commands -->   the same on settings that a test can bear; they run instead
    <!-- as shown -->           of a console: the output must be what the page shows, to the letter
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

COMMANDS = ("sh", "console", "python")
OTHERS = ("text", "yaml", "mermaid")
DIGEST = "<digest>"  # of an image: any will do
PLACEHOLDER = re.compile(r"<[\w ,:/.()'-]+>")


@dataclass(frozen=True)
class Block:
    """A fenced block: where it begins, its tag, its text, and what the comment above it says."""

    page: str
    line: int
    tag: str
    text: str
    notes: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    def entries(self) -> Iterator[tuple[str, str]]:
        """What is typed and what is shown for it; of anything but a console all of it, and nothing."""
        text = self.notes.get("shrunk", self.text).replace(DIGEST, "0" * 64)
        if self.tag != "console":
            yield text, ""
            return
        for entry in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            typed, _, shown = entry.partition("\n")
            yield typed, shown

    def commands(self) -> Iterator[list[str]]:
        """Every simple command as words, those of blocks that do not run among them; here-documents are left out."""
        for typed, _ in self.entries():
            plain = re.sub(r"<<(\w+)\n.*?^\1$", "", PLACEHOLDER.sub("X", typed), flags=re.DOTALL | re.MULTILINE)
            for line in plain.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                while words:
                    end = next((n for n, word in enumerate(words) if word in ("&&", "|", "||", "&")), len(words))
                    if words[:end]:
                        yield words[:end]
                    words = words[end + 1 :]


def blocks(path: Path, page: str) -> Iterator[Block]:
    """The blocks of a page from its first to its last."""
    text = path.read_text(encoding="utf-8")
    for found in re.finditer(
        r"^(?: *<!-- ([^\n]+?) -->\n)?( *)```([^\n]*)\n(.*?)^\2```$", text, re.DOTALL | re.MULTILINE
    ):
        comment, indent, tag, body = found.groups()
        kind, _, what = (comment or "").partition(": ")
        yield Block(
            page,
            text[: found.start(2)].count("\n") + 1,
            tag,
            re.sub(f"^{indent}", "", body, flags=re.MULTILINE),
            {kind: what} if kind else {},
        )
