"""Starts the process that does the steps, and shows how far it is."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import solid
from solid import errors
from solid.environment import SAME_ON_EVERY_PROCESSOR
from solid.plan import Call
from solid.settings.schema import Settings
from solid.steps import TRAIN

_PACKAGE = Path(solid.__file__).parent.parent
_WIDTH = 110  # of the line that shows what a step says


def run(calls: Iterable[Call], home: Path, settings: Settings, *, verbose: bool) -> None:
    """Do the calls in a process of their own, which stops when this is interrupted.

    Args:
        calls: in their order.
        home: holds the folders that they read and write.
        settings: of the whole chain.
        verbose: show all that the steps say; else one line a step, with the last of it.

    Raises:
        SolidError: what a step raised; or the process ended by itself.
    """
    path = os.pathsep.join(filter(None, [str(_PACKAGE), os.environ.get("PYTHONPATH")]))
    # Trials in a notebook are tracked in MLflow only when asked for.
    environment = {"SOLID_TRACKING": "off", **SAME_ON_EVERY_PROCESSOR, **os.environ, "PYTHONPATH": path}
    command = [sys.executable, "-P", "-m", "solid.interface.worker"]
    show, folder = _Show(verbose), json.dumps(f"{home}{os.sep}")[1:-1]
    failure: dict[str, str] | None = None
    with Popen(  # noqa: S603 - this interpreter, on this package
        command, env=environment, stdin=PIPE, stdout=PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        try:
            process.stdin.write(f"{json.dumps([_as_json(call, home, settings) for call in calls])}\n")
            process.stdin.flush()
            for line in process.stdout:
                answer = json.loads(line.replace(folder, ""))  # a scratch folder tells nobody anything
                if "fails" in answer:
                    failure = answer
                else:
                    show.tell(**answer)
        except BaseException:
            process.terminate()
            raise
        finally:
            show.end()
    if failure:
        raise getattr(errors, failure["kind"], errors.SolidError)(failure["fails"])
    if process.returncode:
        raise errors.SolidError(f"the process that trains ended with {process.returncode}; was there enough memory?")


def _as_json(call: Call, home: Path, settings: Settings) -> dict[str, Any]:
    step = call.stage.step
    places = {argument: str(home / source.folder) for argument, source in call.inputs.items()}
    return {
        "name": _title(call),
        "step": step.name,
        "out": str(home / call.folder),
        "settings": settings.model_dump(mode="json"),
        "folders": {folder.name: places.get(folder.name) for folder in step.inputs if not folder.many},
        "parts": {name: str(home / part.folder) for name, part in call.parts.items()},
        "options": dict(call.options),
    }


def _title(call: Call) -> str:
    """What people call it: prepare, train static; train item model, where it is on the way to another one."""
    if call.stage.step is not TRAIN:
        return call.stage.name
    return f"train {f'{call.folder} model' if call.folder == call.stage.folder else call.options['head']}"


class _Show:
    """What a person sees: all that the steps say, or one line a step, which tells the last of it."""

    def __init__(self, verbose: bool) -> None:
        self._verbose, self._step = verbose, ""

    def tell(self, begins: str = "", says: str = "") -> None:
        """Show that a step begins, or what it says."""
        if self._verbose:
            text = f"{begins or says}\n"
        else:
            if begins:
                self.end()
                self._step = begins
            line = f"{self._step}: {says.strip()}" if says else self._step
            line = line if len(line) <= _WIDTH else f"{line[: _WIDTH - 1]}…"
            text = f"\r{line:{_WIDTH}}"  # over the one before
        sys.stderr.write(text)
        sys.stderr.flush()

    def end(self) -> None:
        """Leave the line."""
        if self._step:
            sys.stderr.write("\n")
            self._step = ""
