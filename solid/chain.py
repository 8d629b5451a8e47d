"""The chain: which steps follow one another, what each gets from which, and the settings and code that decide it.

This is the one description. dvc.yaml is written from it (``scripts/dvc_yaml.py``), components and pipelines of Kubeflow
are built from it, a comparison plans its jobs by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from solid import steps
from solid.kinds import BASELINES, GENERATORS, HEADS, MAKES_THE_MODEL, SECTIONS, TRUNK
from solid.settings.schema import Settings

EACH = {"semantics.modalities": "modality", "evaluation.baselines": "baseline"}
"""The settings that stages run for each entry of, and what one entry is called."""

CHOICES = ("model.backbone", "fusion.generator")
"""The settings that choose what steps are made of."""

_HEADS = {"${fusion.generator}": GENERATORS, "${item}": BASELINES}  # what an option --head may come to


@dataclass(frozen=True)
class From:
    """An input of a stage.

    Attributes:
        input: of the step, by its name.
        stage: whose folder it is.
        label: where the step takes NAME=FOLDER, the name; ``{modality}`` or ``{baseline}`` in it stands for each entry
            that the other stage runs for.
        entry: the one that is read, of those that the other stage runs for.
        file: of the folder, where the step takes a file.
    """

    input: str
    stage: str
    label: str = ""
    entry: str = ""
    file: str = ""


@dataclass(frozen=True)
class Stage:
    """A step at its place in the chain.

    Attributes:
        name: of the stage.
        step: that it runs.
        about: what it does.
        folder: that it writes, below the work folder.
        output: what its folder is called where another stage reads it.
        inputs: in the order of the command line.
        options: of the step alone: name -> text, ``${section.key}`` for a setting, or ``${item}`` for the entry of
            ``each`` that it runs for.
        switches: options that pipelines give besides, where whoever calls the step by hand can do without.
        settings: that it reads: sections and keys. A section stands for its keys but those of EACH and CHOICES, which
            are named on their own.
        code: files and folders that decide what it writes.
        each: the setting for each entry of which it runs.
        cached: whether the same inputs and settings give the same output. Not where it reads what changes by itself.
        cache_keys: what it does not read, but Kubeflow's cache has to tell its outputs apart by.
        gives: settings that stages after it take from it.
    """

    name: str
    step: steps.Step
    about: str
    folder: str
    output: str
    inputs: tuple[From, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    switches: Mapping[str, str] = field(default_factory=dict)
    settings: tuple[str, ...] = ()
    code: tuple[str, ...] = ()
    each: str = ""
    cached: bool = True
    cache_keys: tuple[str, ...] = ()
    gives: tuple[str, ...] = ()

    def keys(self) -> set[str]:
        """The settings that it reads, each as section.key."""
        own = {*EACH, *CHOICES}
        found = {place for place in self.settings if "." in place}
        for section, fields in Settings():
            if section in self.settings:
                found |= {f"{section}.{key}" for key, _ in fields} - own
        return found


@dataclass(frozen=True)
class Chain:
    """Stages, each after those that it reads from."""

    name: str
    stages: tuple[Stage, ...]

    def __getitem__(self, name: str) -> Stage:
        return next(stage for stage in self.stages if stage.name == name)

    @cached_property
    def of_backbone(self) -> frozenset[str]:
        """Names of the stages whose output depends on the backbone."""
        found: set[str] = set()
        for stage in self.stages:
            if "model.backbone" in stage.settings or any(source.stage in found for source in stage.inputs):
                found.add(stage.name)
        return frozenset(found)


def whole(*sections: str) -> tuple[str, ...]:
    """Sections with the keys that are named on their own."""
    own = [*EACH, *CHOICES]
    return tuple(
        name for section in sections for name in (section, *(key for key in own if key.startswith(f"{section}.")))
    )


def _training(heads: Iterable[str]) -> tuple[str, ...]:
    """All settings that training any of these heads may read."""
    kinds = [HEADS[head] for head in heads]
    kinds += [HEADS[head] for head in GENERATORS if any(kind.on_generator for kind in kinds)]
    own = {section for kind in kinds for section in kind.own_sections}
    return whole(*(section for section in SECTIONS if section in ("model", "training") or section in own))


_READING_MODELS = (
    *("solid/data/dataset.py", "solid/data/sequences.py", "solid/data/untouched.py"),
    *("solid/counting", "solid/kinds", "solid/mixture", "solid/models"),
)
_SCORING = (
    *("solid/evaluation/exposure.py", "solid/evaluation/measure.py", "solid/evaluation/popularity.py"),
    *("solid/evaluation/scoring.py", "solid/evaluation/trained.py", "solid/metrics"),
)


_TRAINING_CODE = (*_READING_MODELS, *_SCORING, "solid/semantics/vectors.py", "solid/training")


_TRUNK = From("trunk", "baseline", entry=TRUNK)


def _train(name: str, about: str, head: str, *inputs: From, ids: str = "", start_of: str = "", each: str = "") -> Stage:
    return Stage(
        name,
        steps.TRAIN,
        about,
        folder=name,
        output="trained",
        inputs=(
            From("prepared", "prepare"),
            *([] if ids == "semantic" else [From("features", "features")]),  # the vectors of a class there are none of
            *inputs,
        ),
        options={"head": head} | ({"ids": ids} if ids else {}) | ({"start_of": start_of} if start_of else {}),
        settings=_training(_HEADS.get(head, (head,))),
        code=_TRAINING_CODE,
        each=each,
    )


_PARTS = (
    From("parts", "baseline", "{baseline}"),
    From("parts", "item", "${fusion.generator}"),
    From("parts", "solid", "SOLID {modality}"),
)
"""What may be part of the mixture."""
_CANDIDATES = (*(replace(source, input="models") for source in _PARTS), From("models", "mixture", "mixture"))
"""What is compared, and of which the best on validation is registered, whatever its head."""

TRAINING = Chain(
    "training",
    (
        Stage(
            "ingest", steps.INGEST, "fetch the raw data and record its checksums", "raw", "raw",
            settings=("data",), code=("${data.source}", "solid/data"), cache_keys=("data_version",),
        ),
        Stage(
            "prepare", steps.PREPARE, "parse, filter and split; draw the candidates", "prepared", "prepared",
            inputs=(From("raw", "ingest"),),
            settings=("prepare",), code=("solid/data",),
        ),
        Stage(
            "features", steps.FEATURES, "item texts and pictures into vectors", "features", "vectors",
            inputs=(From("raw", "ingest"), From("prepared", "prepare")),
            settings=("features", "semantics.modalities"),
            code=("solid/data/readers", "solid/features", "solid/kinds"),
        ),
        _train("baseline", "a model on items for SOLID to be compared with", "${item}", each="evaluation.baselines"),
        _train("item", "the item model, weights generated from item sequences; of it is the id part of semantic ids",
            "${fusion.generator}", _TRUNK),
        Stage(
            "embed", steps.EMBED, "item embeddings of the item model", "embeddings", "embeddings",
            inputs=(From("prepared", "prepare"), From("model", "item")),
            code=(*_READING_MODELS, "solid/embeddings.py"),
        ),
        Stage(
            "assign", steps.ASSIGN, "item vectors into semantic ids", "semantics", "classes",
            options={"modality": "${item}"},
            inputs=(From("prepared", "prepare"), From("features", "features"), From("embeddings", "embed")),
            settings=("semantics",), code=("solid/semantics",), each="semantics.modalities",
        ),
        _train(
            "semantic", "the semantic model, weights generated from sequences of classes, where SOLID starts from it",
            "${fusion.generator}",
            From("semantics", "assign"), ids="semantic", start_of="solid", each="semantics.modalities",
        ),
        _train(
            "solid", "SOLID, weights from classes, a bounded correction from items, a codebook for both",
            "solid",
            From("semantics", "assign"), From("semantic_model", "semantic"), _TRUNK, each="semantics.modalities",
        ),
        Stage(
            "mixture", steps.TRAIN, "models that rank better together, with shares that validation picks", "mixture",
            "trained",
            options={"head": "mixture"},
            inputs=(From("prepared", "prepare"), *_PARTS),
            settings=("semantics.modalities", "evaluation.baselines", "mixture", "training"),
            code=_TRAINING_CODE,
        ),
        Stage(
            "evaluate", steps.EVALUATE, "compare the models on the test users", "evaluation", "results",
            inputs=(
                From("prepared", "prepare"), From("features", "features"), From("embeddings", "embed"),
                *_CANDIDATES,
            ),
            settings=("semantics.modalities", *whole("evaluation")),
            code=(*_READING_MODELS, "solid/evaluation", "solid/metrics", "solid/semantics"),
        ),
        Stage(
            "register", steps.REGISTER, "a version in the MLflow registry; champion when it wins", "registration",
            "registration",
            switches={"registering": "${registering}"},
            inputs=(From("prepared", "prepare"), *_CANDIDATES, From("evaluation", "evaluate")),
            settings=(*whole(*MAKES_THE_MODEL, "evaluation"), "registry"),
            code=tuple(
                f"solid/{name}"
                for name in ("counting", "data", "evaluation", "kinds", "metrics", "mixture", "models", "registry")
            ),
            cached=False,
        ),
    ),
)  # fmt: skip

_CHAMPION = Stage(
    "champion", steps.CHAMPION, "the model in use, what it was made with, and the profile of its data",
    folder="champion", output="reference",
    options={"settings_of": "${settings_of}", "changes": "${changes}"},
    switches={"modalities": "${semantics.modalities}"},
    settings=(*whole(*MAKES_THE_MODEL), "registry"), cached=False, gives=whole(*MAKES_THE_MODEL),
)  # fmt: skip
_CHECK = Stage(
    "check", steps.CHECK, "new data against the champion's", "checks", "checked",
    inputs=(From("prepared", "prepare"), From("reference", "champion")), settings=("checks",),
)  # fmt: skip


def _retraining() -> tuple[Stage, ...]:
    """The stages of training, with the champion's settings and checks of the new data."""
    stages = {stage.name: stage for stage in TRAINING.stages}
    # The source and the registry change behind the same arguments; a cached answer would be yesterday's.
    stages["ingest"] = replace(stages["ingest"], cached=False)
    register = stages["register"]
    # What made the challengers goes along with the version; champion has written it down.
    stages["register"] = replace(
        register,
        inputs=(*register.inputs, From("checks", "check"), From("params", "champion", file="params.yaml")),
        settings=("semantics.modalities", *whole("evaluation"), "registry"),
    )
    first = ("ingest", "prepare")
    rest = (stage for name, stage in stages.items() if name not in first)
    return (*(stages[name] for name in first), _CHAMPION, _CHECK, *rest)


RETRAINING = Chain("retraining", _retraining())
