"""A recommender for notebooks: fitted on a frame by the steps of the chain, asked about users and items."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Self

from solid.errors import DataError, SettingsError, SolidError
from solid.interface.frames import Events, ItemWords, Kind, make_frame, write_csv
from solid.interface.histories import Histories
from solid.interface.home import Home
from solid.interface.process import run
from solid.kinds import HEADS, Ids
from solid.metrics.catalogue import is_metric
from solid.plan import ModelPlan
from solid.settings.fields import Head, Modality
from solid.settings.loading import validated
from solid.settings.schema import DataSettings
from solid.storage.local import read_json

if TYPE_CHECKING:
    from solid.registry.catalogue import Top

_SHOWN = 5  # unknown ids that an error names


class Recommender:
    """A sequential recommender of any head, trained as ``solid`` trains it on the command line.

    >>> model = Recommender().fit(events, items)
    >>> model.recommend(["u1", "u2"], k=5)

    ``fit`` gives the numbers that the commands give with the same settings on a CSV file of the same frame. Answers are
    frames of the kind that was fitted (after ``load``: of pandas), and call users and items as that frame did.

    Attributes:
        head: where the adaptive weights come from.
        ids: what an item's embedding is.
        settings: of the whole chain.
    """

    def __init__(
        self,
        head: Head = "solid",
        *,
        ids: Ids | None = None,
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        seed: int | None = None,
        verbose: bool = False,
    ) -> None:
        """Say what to train; nothing happens yet.

        Args:
            head: where the adaptive weights come from, as ``solid train --head`` has it; a mixture is of what the
                chain mixes: ``evaluation.baselines``, the item model and SOLID.
            ids: what an item's embedding is: its own (item), its class's (semantic), or the sum (both). None: what is
                usual for the head.
            settings: what differs from the defaults, by section and key: ``{"training": {"epochs": 20}}``
                (docs/settings.md). Unless it names semantics.modalities, classes are made from texts where there are
                any, else from item embeddings.
            seed: of training and clustering, in place of what ``settings`` says.
            verbose: show all that the steps say.

        Raises:
            SettingsError: there is no such head, or a setting does not fit.
        """
        if head not in HEADS:
            raise SettingsError(f"no head {head!r}; there are {', '.join(HEADS)}")
        sections = {name: dict(keys) for name, keys in (settings or {}).items()}
        if seed is not None:
            for section in ("training", "semantics"):
                sections.setdefault(section, {})["seed"] = seed
        self.head = head
        self.settings = validated(sections)
        self.ids: Ids = ids or HEADS[head].default_ids(self.settings)
        self._verbose = verbose
        self._home: Home | None = None
        self._kind: Kind | None = None

    def fit(
        self,
        events: Any,
        items: Any = None,
        *,
        user: str | None = None,
        item: str | None = None,
        time: str | None = None,
    ) -> Self:
        """Train on a frame of interactions, and of texts about items.

        Ids are whole numbers or texts. Every interaction counts, whatever its rating. Users and items with few
        interactions are left out (``prepare.k_core``); of each user the last interaction is kept for ``evaluate``, the
        one before for picking the epoch.

        Args:
            events: a row for each interaction: user, item, and time as a number, date or moment. Without time their
                order counts. pandas, Polars, Arrow, or what else narwhals reads.
            items: a row for each item: its id and any of title, category, text.
            user: name of the column of users; None: user_id, user and the like.
            item: likewise, in both frames.
            time: likewise.

        Raises:
            DataError: a frame does not fit, or too little is left of it.
            SettingsError: a setting does not fit these data.
        """
        given = Events.of(events, user, item, time)
        words = None if items is None else ItemWords.of(items, item)
        modality = self._modality(words is not None)
        scratch = TemporaryDirectory(prefix="solid-")
        home = Home(Path(scratch.name), given.columns, self.settings, scratch)
        source = home.folder / "source"
        source.mkdir()
        write_csv(given.table, source / "interactions.csv")
        if words is not None:
            write_csv(words.table, source / "items.csv")
        read_from = DataSettings(source=str(source), format="csv", order="time" if given.columns.time else "file")
        settings = self.settings.model_copy(update={"data": read_from})
        if modality:
            wanted = settings.semantics.model_copy(update={"modalities": (modality,)})
            settings = settings.model_copy(update={"semantics": wanted})
        model = ModelPlan(settings, modality).model(self.head, self.ids)
        run(model.in_order(), home.folder, settings, verbose=self._verbose)
        home.keep(Histories.of(given))
        self._home, self._kind = home, given.kind
        return self

    def recommend(
        self,
        users: Iterable[Any] | None = None,
        k: int = 10,
        *,
        filter_viewed: bool = True,
        events: Any = None,
        user: str | None = None,
        item: str | None = None,
        time: str | None = None,
    ) -> Any:
        """The k best items for each user, after all that the user did.

        Args:
            users: their ids; None: everybody.
            k: how many items.
            filter_viewed: whether items that a user had are left out.
            events: what to go by in place of the events fitted: a frame of the same form, of new or old users.
            user: name of its column of users; None: as in the frame fitted, or user_id, user and the like.
            item: likewise.
            time: likewise.

        Returns:
            A frame with a row for each recommendation, best first: the user, the item, ``rank`` from 1, ``score``
            (higher is better; scores of different users do not compare), and ``title`` where there are any.

        Raises:
            DataError: a user has no events.
            SolidError: nothing is fitted, or the model comes from a registry and no events are given.
        """
        home, columns, kind = self._fitted(k), self._fitted().columns, self._kind
        if events is None:
            histories = home.histories
        else:
            given = Events.of(events, user, item, time, home.columns)
            histories, columns, kind = Histories.of(given), given.columns, given.kind
        asked = histories.users if users is None else _texts(users)
        starts, ends = histories.of_users(asked)
        numbers = home.catalogue.numbers(histories.items)
        top = home.catalogue.top(numbers, starts, ends, k, exclude_seen=filter_viewed)
        return self._answer(columns.user.name, columns.user.outside(asked), columns.item.name, top, kind)

    def similar_items(self, items: Iterable[Any], k: int = 10) -> Any:
        """The k items that are most like each of these.

        By the cosine of the embeddings of a trained model; a head without embeddings says what it recommends to
        somebody who had this one item.

        Args:
            items: their ids.
            k: how many.

        Returns:
            A frame with a row for each pair, most similar first: the item, ``similar``, ``rank`` from 1, ``score``, and
            ``title`` of the similar one where there are any.

        Raises:
            DataError: the model does not know an item.
            SolidError: nothing is fitted.
        """
        home, asked = self._fitted(k), _texts(items)
        numbers = home.catalogue.numbers(asked)
        if unknown := [item for item, number in zip(asked, numbers, strict=True) if not number]:
            raise DataError(f"the model does not know the items {', '.join(unknown[:_SHOWN])}")
        column = home.columns.item
        return self._answer(
            column.name, column.outside(asked), "similar", home.catalogue.similar(numbers, k), self._kind
        )

    def evaluate(self) -> dict[str, float]:
        """Metrics on the test users by name, as ``solid evaluate`` has them.

        Each user's last event, which training did not see, is ranked among 99 items that the user never had and, with
        ``evaluation.full``, among all of these.

        Raises:
            SolidError: nothing is fitted, or the model comes from a registry.
        """
        folder = self._fitted().data()
        score = ModelPlan(self.settings, None).score(self.head, self.ids)
        run([score], folder, self.settings, verbose=self._verbose)
        summary = read_json(folder / score.folder / "summary.json")  # tells of the training, too
        return {name: value for name, value in summary.items() if is_metric(name)}

    def classes(self) -> Any:
        """The semantic ids: a frame with a row for each item that the model knows, its title, and ``class`` from 1.

        Raises:
            SolidError: nothing is fitted, or the model reads no classes.
        """
        return make_frame(self._items() | {"class": self._fitted().classes.tolist()}, self._kind)

    def item_map(self) -> Any:
        """The items on a plane, neighbours near each other (t-SNE), for a picture of the classes.

        Returns:
            A frame like that of ``classes`` with ``x`` and ``y``; of very many items, a sample.

        Raises:
            SolidError: nothing is fitted, the model reads no classes, or it comes from a registry.
        """
        rows, places = self._fitted().map()
        columns = self._items() | {"class": self._fitted().classes.tolist()}
        shown = {name: [values[row] for row in rows] for name, values in columns.items()}
        return make_frame(shown | {"x": places[:, 0].tolist(), "y": places[:, 1].tolist()}, self._kind)

    def save(self, folder: str | Path) -> None:
        """Write all that is needed to go on elsewhere: the model (safetensors and JSON), its data, the events.

        Args:
            folder: to write, whole or not at all; an older saved recommender there is replaced.

        Raises:
            DataError: something else is there.
            SolidError: nothing is fitted, or the model comes from a registry, which keeps it.
        """
        self._fitted().save(Path(folder))

    @classmethod
    def load(cls, place: str | Path) -> Self:
        """Read a saved recommender, or a registered model such as ``models:/solid@champion``.

        A registered model keeps nobody's events, so its ``recommend`` needs ``events``; it can not be evaluated.

        Args:
            place: the folder, or MLflow's address in the registry that MLFLOW_TRACKING_URI names.

        Raises:
            SolidError: there is no such thing.
        """
        home = Home.registered(str(place)) if ":/" in str(place) else Home.saved(Path(place))
        config = home.catalogue.model.config
        loaded = cls(config.head, ids=getattr(config, "ids", None), settings=home.settings.model_dump(mode="json"))
        loaded._home = home
        return loaded

    def __repr__(self) -> str:
        said = ""
        if self._home:
            about = self._home.catalogue.model.config
            said = f", {about.n_items:,} items"
        return f"<solid.Recommender: head {self.head}, ids {self.ids}{said}>"

    def _modality(self, has_words: bool) -> Modality | None:
        """What classes are made from; None where the model reads none."""
        kind = HEADS[self.head]
        if not kind.reads_classes(self.ids) and kind.by != "mixing":
            return None
        modality, *others = self.settings.semantics.modalities
        if others:
            raise SettingsError("semantics.modalities: a recommender's classes are of one modality; name one")
        return ("text" if has_words else "id") if modality == "auto" else modality

    def _fitted(self, k: int = 1) -> Home:
        if k < 1:
            raise SettingsError(f"k must be at least 1, not {k}")
        if self._home is None:
            raise SolidError("nothing is fitted yet: call fit, or load a saved recommender")
        return self._home

    def _items(self) -> dict[str, list[Any]]:
        """Columns of a frame of all items."""
        home = self._fitted()
        items, column = home.catalogue.items, home.columns.item
        return {column.name: column.outside(items["item_id"].tolist()), "title": items["title"].tolist()}

    def _answer(self, asked: str, values: list[Any], found: str, top: Top, kind: Kind | None) -> Any:
        """A frame with a row for each item found."""
        import numpy as np

        home = self._fitted()
        row, place = np.nonzero(np.isfinite(top.scores))
        items = home.catalogue.items.iloc[top.rows[row, place]]
        columns = {
            asked: [values[n] for n in row],
            found: home.columns.item.outside(items["item_id"].tolist()),
            "rank": (place + 1).tolist(),
            "score": top.scores[row, place].tolist(),
        }
        if (home.catalogue.items["title"] != "").any():
            columns["title"] = items["title"].tolist()
        return make_frame(columns, kind)


def _texts(ids: Iterable[Any]) -> list[str]:
    """Ids as they are inside; a single one stands for a list of it."""
    return [str(one) for one in ([ids] if isinstance(ids, str | int) else ids)]
