"""What a step says to Kubeflow: metadata of its artifacts, metrics, report and summary for the pages of the UI.

Kubeflow gives a container one JSON text, the executor input, and reads another from a file that it names there. This
module is all that knows either, so that the image needs no kfp. Every command with ``--out`` accepts
``--executor-input``; without it nothing here happens.
"""

from __future__ import annotations

import functools
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from solid.console import say
from solid.errors import SolidError
from solid.kinds import MAKES_THE_MODEL
from solid.storage.local import read_json, whole_file, write_json
from solid.storage.places import MOUNTS, address_of

# What is worth reading beside an artifact in the UI, by the file of the output folder that holds it.
_FACTS = {
    "manifest.json": ("format", "source", "digest"),
    "stats.json": ("users", "items", "interactions", "density", "digest"),
    "config.json": ("head", "ids", "model.backbone", "modality", "n_items", "n_classes", "digest"),
    "training.json": ("epochs", "best_epoch"),
    "quality.json": ("modality", "items", "classes", "variance_explained"),
    "comparison.json": ("baseline",),
    "champion.json": (
        *("name", "version", "found", "new.backbone", "new.generator", "new.modalities"),
        *(f"new.{section}" for section in MAKES_THE_MODEL),
    ),
    "checks.json": ("passed", "reason"),
    "registration.json": ("name", "version", "model", "reason", "champion.before", "champion.after"),
}
# Views for the UI, by type of artifact: the file of the output folder that is shown, whichever the step writes.
_VIEWS = {
    "system.HTML": ("report.html",),
    "system.Markdown": ("table.md", "checks.md", "registration.md"),
    "system.Metrics": ("metrics.json",),
}


def accept(command: click.Command) -> None:
    """Add ``--executor-input`` to a command that writes a folder, ``--out``."""
    option = click.Option(
        ["--executor-input"],
        metavar="JSON",
        help="What Kubeflow tells a container; metadata and views for its UI go back. Not for use by hand.",
    )
    command.params.append(option)
    work = command.callback
    assert work is not None

    @functools.wraps(work)
    def callback(*, executor_input: str | None, **options: Any) -> Any:
        if executor_input is None:
            return work(**options)
        executor, began = Executor(executor_input), time.monotonic()
        out = Path(options["out"])
        value = work(**options)
        executor.report(out, address_of(out))
        say(f"{command.name}: {executor.told()}; took {time.monotonic() - began:.0f} s")
        return value

    command.callback = callback


class Executor:
    """One call of a step by Kubeflow."""

    def __init__(self, text: str) -> None:
        try:
            self._input: dict[str, Any] = json.loads(text)
            self._outputs: dict[str, Any] = self._input["outputs"]
        except (json.JSONDecodeError, KeyError, TypeError):
            raise SolidError(
                "--executor-input: not what Kubeflow writes, a JSON object with inputs and outputs"
            ) from None

    def told(self) -> str:
        """What was read and what was written, by name and address, for the last line of a step's log."""
        words = []
        for verb, side in (("read", self._input.get("inputs", {})), ("wrote", self._outputs)):
            places = [
                f"{name} {one['uri']}" for name, of in side.get("artifacts", {}).items() for one in of["artifacts"]
            ]
            words.append(f"{verb} {', '.join(places) or 'nothing'}")
        return ", ".join(words)

    def report(self, out: Path, address: str | None = None) -> None:
        """Tell Kubeflow about the folder a step has written, and put the views of it where Kubeflow shows them.

        Args:
            out: the folder.
            address: in S3, where the step itself puts the folder; views go to their addresses, too. None: paths of
                this machine, from which the launcher takes them.

        Raises:
            SolidError: an artifact or a parameter that Kubeflow waits for is not among what the step wrote.
        """
        facts = dict(_facts(out))
        artifacts = self._outputs.get("artifacts", {})
        for name, entry in artifacts.items():
            artifact = entry["artifacts"][0]
            place = str(artifact["uri"] if address else _path(artifact))
            views = _VIEWS.get(artifact["type"]["schemaTitle"], ())
            view = next((view for view in views if (out / view).is_file()), None)
            if view:
                _show(out / view, place)
                artifact["metadata"] = _metrics(out / view) if view == "metrics.json" else {}
            elif place == (address or str(out)):
                artifact["metadata"] = facts
            elif address or not Path(place).exists():
                raise SolidError(f"{place}: Kubeflow waits for the output {name}, which this step does not write")
        for name, parameter in self._outputs.get("parameters", {}).items():
            if name not in facts:
                raise SolidError(f"Kubeflow waits for the parameter {name}; {out} knows {', '.join(facts)}")
            value = facts[name]
            with whole_file(Path(parameter["outputFile"])) as partial:
                partial.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
        output = Path(self._outputs["outputFile"])
        output.parent.mkdir(parents=True, exist_ok=True)
        write_json(output, {"artifacts": artifacts})


def _path(artifact: dict[str, Any]) -> Path:
    uri = str(artifact["uri"])
    for mount, scheme in MOUNTS.items():
        if uri.startswith(scheme):
            return Path(mount + uri.removeprefix(scheme))
    return Path(uri)


def _show(view: Path, place: str) -> None:
    """Copy a view of an output to the place of its artifact, a path or an address."""
    if place.startswith("s3://"):
        from solid.storage.outputs import upload_file

        upload_file(view, place)
    else:
        with whole_file(Path(place)) as partial:
            shutil.copyfile(view, partial)


def _facts(out: Path) -> Iterator[tuple[str, Any]]:
    """Name and value of what is known of an output folder; ``a.b`` becomes ``a_b``, but ``model.backbone`` backbone."""
    for file, keys in _FACTS.items():
        if not (out / file).is_file():
            continue
        content = read_json(out / file)
        for key in keys:
            value = content
            for part in key.split("."):
                value = value.get(part) if isinstance(value, dict) else None
            if value is not None:
                yield key.removeprefix("model.").replace(".", "_"), value
    if (out / "training.json").is_file():
        training = read_json(out / "training.json")
        yield from ((key, training[key]) for key in training if key.startswith(("valid_", "test_")))
    for matrix in sorted(out.glob("*.npy")):
        yield matrix.stem, " x ".join(map(str, _shape(matrix)))


def _shape(matrix: Path) -> tuple[int, ...]:
    import numpy as np

    shape: tuple[int, ...] = np.load(matrix, mmap_mode="r", allow_pickle=False).shape
    return shape


def _metrics(path: Path) -> dict[str, float]:
    """Metrics of all models by ``model metric``, a name that MLflow accepts, too."""
    return {f"{model} {metric}": value for model, values in read_json(path).items() for metric, value in values.items()}
