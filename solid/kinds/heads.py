"""Heads by name: what each reads and starts from, and where its code is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from solid.kinds.code import imported
from solid.kinds.settings import IDS, Ids, Settings, Wired

Way = Literal["gradients", "counting", "mixing"]
Start = Literal["trunk", "semantic_model"]
# Settings of training that say where it runs, not what comes out.
_WHERE_IT_RUNS = {"device", "threads"}
# And those that say how a trained model is judged on validation, whatever way it was trained.
_HOW_IT_IS_JUDGED = {"metric", "selection_users"}


@dataclass(frozen=True)
class HeadKind:
    """A head as those see it who only wire it.

    Attributes:
        name: as ``--head`` takes it.
        about: one line for people.
        code: of its class, as module:name: a :class:`~solid.models.heads.base.Head` inside ``model`` where it is
            trained by gradients, a :class:`~solid.counting.method.Method` where it counts; none where it mixes.
        model: of the class that reads a folder trained with it, a :class:`~solid.models.protocols.Model`.
        trainer: of the function that writes such a folder, from :class:`~solid.training.inputs.Inputs` and a path.
        own_sections: sections of settings that it reads beside ``model`` and ``training``.
        generates: whether it generates weights, so that ``fusion.generator`` may name it.
        on_generator: whether ``fusion.generator`` names another head whose sections it reads, too.
        ids: what its embeddings may be of.
        by: how it is trained: by gradients, in epochs, on a backbone, as ``model`` and ``training`` say; by counting;
            or by mixing models that are trained already.
        reads_vectors: whether it takes the output of features where there is one.
    """

    name: str
    about: str
    code: str = ""
    own_sections: tuple[str, ...] = ()
    generates: bool = False
    on_generator: bool = False
    ids: tuple[Ids, ...] = IDS
    model: str = "solid.models.recommender:Recommender"
    trainer: str = "solid.training.gradients:train_by_gradients"
    by: Way = "gradients"
    reads_vectors: bool = False

    @property
    def by_gradients(self) -> bool:
        """Whether it is trained in epochs."""
        return self.by == "gradients"

    def load(self) -> Any:
        """Its class."""
        return imported(self.code)

    def load_model(self) -> Any:
        """The class of models that have it."""
        return imported(self.model)

    def load_trainer(self) -> Any:
        """What trains it."""
        return imported(self.trainer)

    def sections(self, settings: Wired) -> tuple[str, ...]:
        """All sections that decide what training makes of it, ``model`` and ``training`` first where it has them."""
        if not self.by_gradients:
            return self.own_sections
        of_generator = HEADS[settings.fusion.generator].own_sections if self.on_generator else ()
        return ("model", "training", *of_generator, *self.own_sections)

    def decides(self, settings: Settings) -> dict[str, dict[str, Any]]:
        """The values of those sections, as JSON; but for what only says where training runs."""
        include: dict[str, Any] = dict.fromkeys(self.sections(settings), True)
        if not self.by_gradients:
            include["training"] = _HOW_IT_IS_JUDGED
        return settings.model_dump(mode="json", include=include, exclude={"training": _WHERE_IT_RUNS})

    def default_ids(self, settings: Settings) -> Ids:
        """What its embeddings are of where nobody says."""
        return settings.fusion.ids if self.on_generator else "item"

    def reads_classes(self, ids: Ids) -> bool:
        """Whether it needs the output of assign."""
        return self.on_generator or ids != "item"

    def reads_features(self, ids: Ids, settings: Settings) -> bool:
        """Whether it needs the output of features: vectors are part of what its items are, or say which are alike."""
        if not self.by_gradients:
            return self.reads_vectors
        return ids != "semantic" and settings.model.form != "released" and bool(settings.model.vectors)

    def inputs(self, ids: Ids, settings: Settings) -> set[str]:
        """The inputs of train that it needs, of one that does not mix."""
        start = self.starts_from(ids, settings)
        needed = {"prepared", *([start] if start else [])}
        if self.reads_classes(ids):
            needed.add("semantics")
        if self.reads_features(ids, settings):
            needed.add("features")
        return needed

    def starts_from(self, ids: Ids, settings: Settings) -> Start | None:
        """The input of train that it starts from: the trunk that it adds to, or a model trained on classes.

        Weights made from items alone, with a codebook that has no codes, take nothing from a model trained on classes.
        """
        fusion = settings.fusion
        adds = self.by_gradients and ids != "semantic" and (self.generates or self.on_generator or ids == "both")
        if adds and has_trunk(settings):
            return "trunk"
        if self.on_generator and not (fusion.branches == "item" and fusion.codebook in ("none", "vae")):
            return "semantic_model"
        return None


def has_trunk(settings: Settings) -> bool:
    """Whether models add to a trained static one; in the released form there is nothing to add to."""
    return settings.model.form != "released" and settings.training.trunk == "static"


def _counted(name: str, about: str, code: str, *, reads_vectors: bool = False) -> HeadKind:
    return HeadKind(
        name,
        about,
        code,
        own_sections=("counting",),
        ids=("item",),
        model="solid.counting.model:CountedModel",
        trainer="solid.training.counted:train_by_counting",
        by="counting",
        reads_vectors=reads_vectors,
    )


HEADS: dict[str, HeadKind] = {
    kind.name: kind
    for kind in (
        HeadKind("static", "one set of weights for everybody", "solid.models.heads.static:StaticHead"),
        HeadKind(
            "finetune",
            "static weights adapted to each user's history by gradient steps",
            "solid.models.heads.finetune:FinetuneHead",
            ("finetune",),
        ),
        HeadKind(
            "duet",
            "weights generated from the history, every entry",
            "solid.models.heads.duet:DuetHead",
            generates=True,
        ),
        HeadKind(
            "apg",
            "weights generated from the history, as the core of a low-rank product",
            "solid.models.heads.apg:ApgHead",
            ("apg",),
            generates=True,
        ),
        HeadKind(
            "solid",
            "a semantic branch and a bounded item branch of fusion.generator, with a codebook",
            "solid.models.heads.solid:SolidHead",
            ("fusion",),
            on_generator=True,
            ids=("item", "both"),
        ),
        _counted("popular", "how often an item was touched, the same for everybody", "solid.counting.methods:Popular"),
        _counted("lately", "how often an item was touched, lately more than long ago", "solid.counting.methods:Lately"),
        _counted(
            "transitions",
            "what followed what, smoothed by which items are alike",
            "solid.counting.methods:Transitions",
            reads_vectors=True,
        ),
        _counted("itemknn", "what was touched by the same users", "solid.counting.methods:ItemKNN"),
        _counted(
            "ease",
            "the linear item-item model of what the same users touched",
            "solid.counting.methods:Ease",
            reads_vectors=True,
        ),
        _counted(
            "sessions",
            "what the users with the histories most like this one touched",
            "solid.counting.methods:Sessions",
        ),
        HeadKind(
            "mixture",
            "trained and counted models together, their shares picked on validation (--part)",
            own_sections=("mixture",),
            ids=("item",),
            model="solid.mixture.model:Mixture",
            trainer="solid.training.mixed:train_by_mixing",
            by="mixing",
        ),
    )
}
GENERATORS = tuple(name for name, kind in HEADS.items() if kind.generates)
"""Heads that ``fusion.generator`` may name."""
TRUNK = "static"
"""The head that others add to; one of the baselines always."""
BASELINES = tuple(name for name, kind in HEADS.items() if not kind.on_generator and kind.by != "mixing")
"""Heads that need nothing but items, so that ``evaluation.baselines`` may name them."""
SECTIONS = ("model", "training", *dict.fromkeys(name for kind in HEADS.values() for name in kind.own_sections))
"""All that some head reads."""
MAKES_THE_MODEL = ("features", "semantics", *SECTIONS)
"""All that decides what a model becomes; the data apart."""
