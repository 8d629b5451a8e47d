"""Where a fitted recommender lives: a folder with what the steps wrote, kept, copied, or taken from a registry."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Self

from solid.errors import DataError, SolidError
from solid.interface.frames import Columns
from solid.interface.histories import Histories
from solid.settings.loading import validated
from solid.settings.schema import Settings
from solid.storage.local import read_json, whole_folder, write_json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from solid.registry.catalogue import Catalogue

_ABOUT = "recommender.json"
_EVENTS = "events.parquet"
_KEPT = ("model", "prepared", "features", "embeddings")  # of what the steps wrote, where they did


@dataclass(frozen=True)
class Home:
    """A fitted recommender's folder.

    Attributes:
        folder: holds it.
        columns: how the frame of events called users, items and time.
        settings: with which it was made.
        scratch: keeps a temporary folder as long as this refers to it.
    """

    folder: Path
    columns: Columns
    settings: Settings
    scratch: TemporaryDirectory[str] | None = None

    @classmethod
    def saved(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote.

        Raises:
            DataError: it is something else.
        """
        if not (folder / _ABOUT).is_file():
            raise DataError(f"{folder}: no saved recommender; name a folder that save wrote, or models:/NAME@ALIAS")
        about = read_json(folder / _ABOUT)
        return cls(folder.resolve(), Columns.from_json(about["columns"]), validated(about["settings"]))

    @classmethod
    def registered(cls, uri: str) -> Self:
        """Take a version of a registry, which holds model and items and nobody's events.

        Raises:
            SolidError: there is no such version, or MLflow does not answer.
        """
        from solid.registry.version import ITEMS, MODEL, PROFILE, fetch
        from solid.tracking import clear_errors, connect

        scratch = TemporaryDirectory(prefix="solid-")
        with clear_errors():
            connect()
            folder = fetch(uri, (MODEL, ITEMS, PROFILE), Path(scratch.name))
        return cls(folder, Columns(), Settings(), scratch)

    def save(self, folder: Path) -> None:
        """Write all that :meth:`saved` needs.

        Raises:
            DataError: something else is there.
            SolidError: this comes from a registry.
        """
        self.data()
        with whole_folder(folder, holds=_ABOUT) as copy:
            shutil.copy(self.folder / _EVENTS, copy)
            for name in _KEPT:
                if (self.folder / name).is_dir():
                    shutil.copytree(self.folder / name, copy / name)
            about = {"columns": asdict(self.columns), "settings": self.settings.model_dump(mode="json")}
            write_json(copy / _ABOUT, about)

    def keep(self, histories: Histories) -> None:
        """Put the events beside what the steps wrote."""
        histories.save(self.folder / _EVENTS)

    def data(self) -> Path:
        """The folder, where it holds the data that the model was made from.

        Raises:
            SolidError: this comes from a registry, which keeps no data.
        """
        if not (self.folder / "prepared").is_dir():
            raise SolidError("a model from a registry comes without the data that it was made from; fit one, or load a "
                             "folder that save wrote")  # fmt: skip
        return self.folder

    @cached_property
    def histories(self) -> Histories:
        """What the users did whom it was fitted on."""
        return Histories.load(self.data() / _EVENTS)

    @cached_property
    def catalogue(self) -> Catalogue:
        """The model and its items."""
        from solid.registry.catalogue import Catalogue

        prepared = self.folder / "prepared"
        items = (prepared if prepared.is_dir() else self.folder) / "items.parquet"
        return Catalogue.load(self.folder / "model", items, self.folder / "profile")

    @property
    def head(self) -> str:
        """Of the model."""
        return str(self.catalogue.model.config.head)

    @cached_property
    def classes(self) -> NDArray[np.int64]:
        """The class of every item [N].

        Raises:
            SolidError: the model reads none.
        """
        from solid.evaluation.inspection import classes_of

        classes = classes_of(self.catalogue.model)
        if classes is None:
            raise SolidError(f"a {self.head} model reads no classes; head solid does, and others with ids='both'")
        return classes

    def map(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Rows [R] of the items that a map shows, and their places on it [R, 2].

        Raises:
            SolidError: the model reads no classes, or this comes from a registry.
        """
        from solid.evaluation.inspection import SemanticSpace
        from solid.evaluation.projection import map_rows, project

        folder, seed = self.data(), self.settings.evaluation.seed
        features, embeddings = (folder / name for name in ("features", "embeddings"))
        modality = self.catalogue.model.config.about["modality"]
        rows = map_rows(len(self.classes), seed)
        space = SemanticSpace(modality, modality, self.head, self.classes, self.catalogue.model.config.digest)
        vectors = space.vectors(rows, features, embeddings)
        assert vectors is not None
        return rows, project(vectors, seed)
