"""Records that MLflow has not taken: kept on this machine, and sent by the next command that reaches the same store.

A note lies in the cache (SOLID_CACHE), in a folder for each store: the run, the values that were not sent, and which
folder holds its files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from solid.console import say
from solid.errors import SolidError
from solid.masking import mask
from solid.storage.cache import cache
from solid.storage.local import folder_digest, write_json
from solid.tracking.server import clear_errors, store

_METRICS_A_BATCH = 1000  # MLflow's limit
_left: list[str] = []


def leaves_owed() -> bool:
    """Whether a record was left behind that MLflow has not taken, since somebody asked last."""
    left = bool(_left)
    _left.clear()
    return left


@dataclass
class Record:
    """What is still to be told of a run that ended well.

    Attributes:
        run_id: of the run.
        values: metrics that were not sent: name, value, time in milliseconds, step.
        folder: whose files belong to the run; None: there is none.
        digest: of the folder, when it was made; "" before.
        place: what the folder is called in the run.
    """

    run_id: str
    values: list[tuple[str, float, int, int]] = field(default_factory=list)
    folder: str | None = None
    digest: str = ""
    place: str = "model"

    def send_values(self, client: Any) -> None:
        """Send the metrics; those that are sent are forgotten."""
        from mlflow.entities import Metric

        while self.values:
            some = self.values[:_METRICS_A_BATCH]
            client.log_batch(self.run_id, metrics=[Metric(*value) for value in some])
            del self.values[: len(some)]

    def send(self, client: Any) -> None:
        """Send all of it and end the run.

        Raises:
            SolidError: MLflow does not answer or refuses.
        """
        with clear_errors():
            self.send_values(client)
            if self.folder is not None:
                client.log_artifacts(self.run_id, self.folder, self.place)
            client.set_terminated(self.run_id, "FINISHED")

    def owe(self) -> None:
        """Write it down for later commands."""
        _left.append(self.run_id)
        if self.folder is not None:
            self.digest = folder_digest(Path(self.folder))
        write_json(_note(self.run_id), asdict(self))

    @classmethod
    def read(cls, note: Path) -> Self:
        """What was written down."""
        return cls(**json.loads(note.read_text(encoding="utf-8")))


def settled(run_id: str) -> None:
    """Forget what was owed of a run."""
    with suppress(SolidError):  # a user without a cache has no notes
        _note(run_id).unlink(missing_ok=True)


def send_owed(client: Any) -> None:
    """Send what earlier commands owe this store; what cannot be sent now is said, and stays."""
    for note, record in _owed():
        folder = None if record.folder is None else Path(record.folder)
        if folder is not None and not (folder.is_dir() and folder_digest(folder) == record.digest):
            say(f"MLflow: run {record.run_id} goes without its files, for {folder} is gone or another one")
            record.folder = None
        try:
            record.send(client)
        except SolidError as error:
            say(f"MLflow: run {record.run_id} is still owed: {error}")
            if error.exit_code == SolidError.exit_code:  # understood and refused: it would be so every time
                note.unlink(missing_ok=True)
            continue
        note.unlink(missing_ok=True)
        say(f"MLflow: run {record.run_id} is whole now, of which an earlier command could not tell all")


def _owed() -> Iterator[tuple[Path, Record]]:
    try:
        notes = sorted(_folder().glob("*.json"))
    except SolidError:
        return
    for note in notes:
        with suppress(FileNotFoundError):  # another process has sent it
            yield note, Record.read(note)


def _note(run_id: str) -> Path:
    return _folder() / f"{run_id}.json"


def _folder() -> Path:
    folder = cache("owed") / hashlib.sha256(_where().encode()).hexdigest()[:12]
    folder.mkdir(exist_ok=True)
    return folder


def _where() -> str:
    """The store, without a password that may be another one tomorrow."""
    return mask(store())
