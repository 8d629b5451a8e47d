"""Runs: begun, told of every epoch, and ended as the block that they track ends."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from solid.console import say
from solid.errors import SolidError, UnavailableError
from solid.masking import mask, public
from solid.storage.in_place import once_in_place
from solid.storage.patience import patience, pauses
from solid.tracking.ended import close_killed, signs
from solid.tracking.experiment import experiment_id
from solid.tracking.made_by import lineage
from solid.tracking.owed import Record, send_owed, settled
from solid.tracking.server import clear_errors, connect, one_try, tracking_is_on

_PARAMS_A_BATCH, _PARAM_LENGTH = 100, 6000  # MLflow's limits
_AWAY = 60.0
"""Seconds that a server may be away when there is work to be lost, though SOLID_PATIENCE be less."""


@dataclass(frozen=True)
class DatasetInfo:
    """The data behind a run.

    Attributes:
        name: for people.
        digest: as DVC names the raw data, so that a run leads back to ``dvc.lock``; at most 36 characters.
        source: folder or address the data came from, without credentials.
    """

    name: str
    digest: str
    source: str

    @classmethod
    def of(cls, stats: Mapping[str, Any]) -> DatasetInfo:
        """Take it from the statistics of prepared data."""
        return cls(stats["format"], stats["digest"], stats["origin"])


class Run:
    """A run that nobody tracks; its methods do nothing."""

    id: str | None = None

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Log the metrics of one epoch; names have no '@'."""

    def artifacts(self, folder: Path, place: str = "model") -> None:
        """Log the files of a folder under the name ``place``."""


class _MlflowRun(Run):
    id: str

    def __init__(self, client: Any, run_id: str) -> None:
        self.id = run_id
        self._client = client
        self._record = Record(run_id)

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Log at once; while the server does not answer, keep the values for the next epoch and train on."""
        now = time.time_ns() // 1_000_000
        self._record.values += [(name, value, now, epoch) for name, value in metrics.items()]
        try:
            with one_try(), clear_errors():
                self._record.send_values(self._client)
                for tag, value in signs().items():
                    self._client.set_tag(self.id, tag, value)
        except SolidError as error:
            say(f"epoch {epoch} is not tracked yet: {error}")

    def artifacts(self, folder: Path, place: str = "model") -> None:
        with clear_errors():
            self._client.log_artifacts(self.id, str(folder), place)

    def fail(self, status: str) -> None:
        """End as one that has come to nothing; what went wrong matters more than whether MLflow hears of it."""
        with suppress(SolidError), clear_errors(), one_try():
            self._record.send_values(self._client)
            self._client.set_terminated(self.id, status)

    def settle(self, out: Path | None, forget: Callable[[], object]) -> None:
        """Send what is left to tell, and wait for a server that is away; what it does not take is owed."""
        self._record.folder = None if out is None else str(out.resolve())
        for pause in (*pauses(max(patience(), _AWAY)), None):
            try:
                self._record.send(self._client)
            except SolidError as error:
                if pause is not None and isinstance(error, UnavailableError) and error.passes:
                    say(f"{error}\nTrying again in {pause:g} s")
                    time.sleep(pause)
                    continue
                self._owe(error, out)
                return
            settled(self.id)
            forget()
            return

    def _owe(self, error: SolidError, out: Path | None) -> None:
        try:
            self._record.owe()
            sends = "the next command that reaches it sends it"
        except (SolidError, OSError) as failed:
            sends = f"and it cannot be noted down here ({failed}): the same command again sends it"
        say(f"Warning: {out or 'all'} is whole, but MLflow has not taken the record of run {self.id}; {sends}. {error}")


@contextmanager
def track(
    name: str,
    params: Mapping[str, Any],
    dataset: DatasetInfo,
    run_id: str | None = None,
    *,
    out: Path | None = None,
    forget: Callable[[], object] = lambda: None,
) -> Iterator[Run]:
    """Track the block as one MLflow run, which ends as FINISHED, FAILED (an error) or KILLED (an interruption).

    Where MLflow is away when the block has ended well, it is waited for; then the record is owed: a warning says so,
    the command exits with UNRECORDED, and the next command that reaches MLflow sends it.

    Args:
        name: of the run.
        params: settings, nested or flat; nested names are joined by dots.
        dataset: what the run learns from.
        run_id: the run of an interrupted training to go on with. A run that is gone, or had other params, is left
            alone and a new one begun. MLFLOW_RUN_ID comes first.
        out: folder that the block makes, whose files belong to the run.
        forget: what to do once all is recorded, such as removing what another try would need.

    Raises:
        SolidError: the MLflow server does not answer or refuses, before the block begins.
        SettingsError: SOLID_TRACKING is neither on nor off.
    """
    if not tracking_is_on():
        yield Run()
        if out is not None:
            once_in_place(out, forget)
        return
    with clear_errors():
        client = connect()
        send_owed(client)
        run = _MlflowRun(client, _open(client, name, _texts(params), dataset, run_id))
    try:
        yield run
    except BaseException as error:
        run.fail("FAILED" if isinstance(error, Exception) else "KILLED")
        raise
    if out is None:
        run.settle(None, forget)
    else:
        once_in_place(out, lambda: run.settle(out, forget))


def _open(client: Any, name: str, params: dict[str, str], dataset: DatasetInfo, run_id: str | None) -> str:
    """Begin a run or go on with one, write down what it is given, and return its id."""
    from mlflow.entities import Dataset, DatasetInput, InputTag, Param

    given = os.environ.get("MLFLOW_RUN_ID") or None
    around = client.get_run(given) if given else None
    experiment = experiment_id(client) if around is None else around.info.experiment_id
    close_killed(client, experiment)
    tags = {**lineage(), "dvc_hash": dataset.digest}
    if around is not None and around.data.params.items() <= params.items():
        run = around
    else:
        # Where it holds another step of a chain already, whose params it keeps, this one is a run below it.
        run = _resumable(client, run_id, params) or client.create_run(
            experiment, run_name=name, tags={} if around is None else {"mlflow.parentRunId": given}
        )
        tags |= signs()
    opened = str(run.info.run_id)
    client.update_run(opened, status="RUNNING")
    for tag, value in tags.items():
        client.set_tag(opened, tag, mask(value))
    entries = [Param(key, value) for key, value in params.items()]
    for start in range(0, len(entries), _PARAMS_A_BATCH):
        client.log_batch(opened, params=entries[start : start + _PARAMS_A_BATCH])
    kind = {"http": "http", "https": "http", "s3": "s3"}.get(urlsplit(dataset.source).scheme, "local")
    source = json.dumps({"url" if kind == "http" else "uri": public(dataset.source)})
    entry = Dataset(dataset.name, dataset.digest, kind, source)
    client.log_inputs(opened, [DatasetInput(entry, [InputTag("mlflow.data.context", "training")])])
    return opened


def _resumable(client: Any, run_id: str | None, params: dict[str, str]) -> Any:
    from mlflow.exceptions import MlflowException

    if run_id is None:
        return None
    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None
    return run if run.info.lifecycle_stage == "active" and run.data.params == params else None


def _texts(params: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Flatten nested settings into the texts that MLflow stores."""
    texts: dict[str, str] = {}
    for key, value in params.items():
        if isinstance(value, Mapping):
            texts |= _texts(value, f"{prefix}{key}.")
        else:
            texts[f"{prefix}{key}"] = mask(str(value))[:_PARAM_LENGTH]
    return texts
