"""What runs in a process of its own: calls of steps, one after another.

A process begins with the variables that make numbers the same everywhere, which a notebook that has imported NumPy
already can set no more; and what is stopped leaves nothing behind. It reads one line of JSON, the calls, and answers
with a line for each that begins, for all that they say, and for one that fails.
"""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import threading
import traceback
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, TextIO

from solid.errors import SolidError
from solid.settings.schema import Settings
from solid.steps import call


def main() -> None:
    """Do the calls until one fails."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the notebook's, which stops this process by SIGTERM
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    calls = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    answers = _Answers(sys.stdout)
    with redirect_stdout(answers), redirect_stderr(answers):
        for given in calls:
            answers.send(begins=given["name"])
            folders: dict[str, Any] = {name: place and Path(place) for name, place in given["folders"].items()}
            if given["parts"]:
                folders["parts"] = {name: Path(place) for name, place in given["parts"].items()}
            try:
                settings = Settings.model_validate(given["settings"])
                call(given["step"], settings, Path(given["out"]), **folders, **given["options"])
            except (SolidError, OSError) as error:
                answers.send(fails=str(error), kind=type(error).__name__)
                return
            except Exception:
                answers.send(fails=traceback.format_exc(), kind="")
                return


class _Answers(io.TextIOBase):
    """A stream of text that sends each line as an answer."""

    def __init__(self, out: TextIO) -> None:
        self._out, self._line = out, ""

    def send(self, **answer: str) -> None:
        """Send one answer."""
        self._out.write(f"{json.dumps(answer)}\n")
        self._out.flush()

    def write(self, text: str) -> int:
        """Take some text."""
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            self.send(says=line)
        return len(text)


def _end_with_parent() -> None:
    sys.stdin.read()  # ends when the other side is gone
    os._exit(1)


if __name__ == "__main__":
    main()
