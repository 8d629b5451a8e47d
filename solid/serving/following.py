"""What answers now, and how another version takes its place while requests go on."""

from __future__ import annotations

import logging
import threading

from solid.errors import DataError, SolidError
from solid.registry.loading import Address, Loaded, load_version
from solid.serving.metrics import Metrics

_log = logging.getLogger(__name__)


class Follower:
    """Holds the version that answers, and looks now and then whether the registry names another.

    Another one is loaded and held against its kept answers beside the one that answers; only then does it take over,
    for requests that begin after that. One that is damaged or answers otherwise is refused, and the old one stays.

    Attributes:
        current: what answers; read it once a request.
    """

    def __init__(self, address: Address, metrics: Metrics) -> None:
        """Load what the address leads to now.

        Raises:
            SolidError: there is nothing, or it is refused.
        """
        self.address, self._metrics = address, metrics
        self._refused: str | None = None
        self._troubled = False
        self._stop = threading.Event()
        self.current = load_version(address.name, address.now())
        self._tell(self.current)

    def follow(self, seconds: float) -> None:
        """Look every so many seconds, in a thread, until :meth:`stop`."""
        threading.Thread(target=self._run, args=(seconds,), name="follower", daemon=True).start()

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()

    def look(self) -> None:
        """Look once, and take over what is new and sound. Whatever goes wrong is logged and counted, not raised."""
        try:
            wanted = self.address.now()
        except SolidError as error:
            self._fail(error)
            return
        self._troubled = False
        if wanted == self.current.version:
            self._forgive()
        elif wanted != self._refused:
            self._take(wanted)

    def _run(self, seconds: float) -> None:
        while not self._stop.wait(seconds):
            self.look()

    def _take(self, version: str) -> None:
        before = self.current
        try:
            loaded = load_version(self.address.name, version)
        except DataError as error:
            self._refuse(version, error)
        except SolidError as error:  # MLflow is away: the next look tries again
            self._fail(error)
        except Exception as error:  # no version may stop the server, however it is broken
            self._refuse(version, error)
        else:
            self._forgive()
            self.current = loaded
            self._metrics.model.remove(before.name, before.version)
            self._metrics.swaps.inc()
            self._tell(loaded)

    def _tell(self, loaded: Loaded) -> None:
        self._metrics.model.labels(loaded.name, loaded.version).set(1)
        said = "as it did when it was registered" if loaded.checked else "unchecked, for it carries no answers"
        _log.info("%s version %s answers, %s", loaded.name, loaded.version, said)

    def _refuse(self, version: str, error: Exception) -> None:
        self._forgive()
        self._refused = version
        self._metrics.refused.labels(self.address.name, version).set(1)
        _log.error(
            "%s version %s is refused, version %s goes on answering: %s", self.address.name, version,
            self.current.version, error,
        )  # fmt: skip

    def _forgive(self) -> None:
        if self._refused is not None:
            self._metrics.refused.remove(self.address.name, self._refused)
        self._refused = None

    def _fail(self, error: Exception) -> None:
        self._metrics.looks_failed.inc()
        if not self._troubled:  # once, however long it lasts
            _log.warning(
                "version %s goes on answering, for the registry cannot be read: %s", self.current.version, error
            )
        self._troubled = True
