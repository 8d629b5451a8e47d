"""The steps: what each reads and writes, and the function that does its work.

The command line offers them, dvc.yaml and the components of Kubeflow call them there, and a comparison calls their
functions. What they say here stands in the command line's help and in Kubeflow's pages. Quick to import: a function
stands here by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, ParamSpec

from solid.kinds import HEADS, IDS

if TYPE_CHECKING:
    from pathlib import Path

    from solid.settings.schema import Settings

P = ParamSpec("P")
Kind = Literal["Artifact", "Dataset", "HTML", "Markdown", "Metrics", "Model"]


@dataclass(frozen=True)
class Input:
    """A folder that a step reads.

    Attributes:
        name: argument of the step's function; with hyphens its option.
        about: what it is.
        required: whether the step cannot do without.
        many: whether there may be several, each with a name: NAME=FOLDER.
    """

    name: str
    about: str
    required: bool = True
    many: bool = False


@dataclass(frozen=True)
class Option:
    """What a step takes besides folders and settings.

    Attributes:
        name: argument of the step's function; with hyphens its option.
        about: what it is.
        default: where nobody says; its type is the option's. None: the function's own, a text.
        choices: what a text may be; none: any.
        required: whether somebody has to say.
    """

    name: str
    about: str
    default: str | bool | Mapping[str, Any] | None = None
    choices: tuple[str, ...] = ()
    required: bool = False


@dataclass(frozen=True)
class Step:
    """A sub-command of ``solid`` that reads folders and writes one.

    Attributes:
        name: of the sub-command.
        function: that does the work, as module:name; its arguments are the inputs, ``out``, the settings, and the
            options that only this step has. What it returns is for people to read.
        about: what it does.
        inputs: folders that it reads.
        writes: what it puts into its folder.
        kind: of that folder, in Kubeflow's words.
        views: of the folder's files, what Kubeflow shows on its pages: name -> kind.
        settings: argument of the function -> the section or section.key of settings that it gets, "" for all.
        options: what it takes besides.
    """

    name: str
    function: str
    about: str
    inputs: tuple[Input, ...]
    writes: str
    kind: Kind = "Artifact"
    views: Mapping[str, Kind] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    options: tuple[Option, ...] = ()

    def option_of(self, name: str) -> str:
        """How the command line takes an argument; of several folders each by an option of its own."""
        many = any(folder.name == name and folder.many for folder in self.inputs)
        return option(name.removesuffix("s") if many else name)

    def run(self, settings: Settings | None, **arguments: Any) -> Any:
        """Call the function with its part of the settings; arguments of the same name count more."""
        module, _, name = self.function.partition(":")
        parts = {argument: value_of(settings, place) for argument, place in self.settings.items()}
        return getattr(import_module(module), name)(**parts | arguments)


def option(name: str) -> str:
    """Of the command line, for an argument of a function."""
    return f"--{name.replace('_', '-')}"


def value_of(settings: Any, place: str) -> Any:
    """What stands at a place of the settings: at "section" or "section.key", at "" all of them."""
    for name in filter(None, place.split(".")):
        settings = getattr(settings, name)
    return settings


STEPS: dict[str, Step] = {}
"""By name, in the order of the chain."""


def _listed(make: Callable[P, Step]) -> Callable[P, Step]:
    def listed(*what: P.args, **more: P.kwargs) -> Step:
        step = make(*what, **more)
        STEPS[step.name] = step
        return step

    return listed


_step = _listed(Step)


_PREPARED = Input("prepared", "Output of prepare.")

INGEST = _step(
    "ingest",
    "solid.data.ingest:ingest",
    "Fetch raw data (folder, https:// or s3://), find its format, record a checksum of every file.",
    (),
    "The raw files, unchanged, and manifest.json: format, source, digest.",
    "Dataset",
    settings={"settings": "data"},
)
PREPARE = _step(
    "prepare",
    "solid.data.prepare:prepare",
    "Parse, filter (k-core) and split the data by time; draw the validation and test candidates.",
    (Input("raw", "Output of ingest."),),
    "Users, items, interactions, candidates, and stats.json with all that was dropped and why.",
    "Dataset",
    settings={"settings": "prepare"},
)
FEATURES = _step(
    "features",
    "solid.features:extract_features",
    "Turn item texts and pictures into vectors.",
    (Input("raw", "Output of ingest: texts, pictures, or vectors that the source brings."), _PREPARED),
    "One float32 matrix a modality; row i is item i + 1 of prepare.",
    "Dataset",
    settings={"settings": "features", "modalities": "semantics.modalities"},
)
TRAIN = _step(
    "train",
    "solid.training:train",
    "Train one model: a baseline, the item or semantic model, or SOLID.",
    (
        _PREPARED,
        Input("features", "Output of features: what items are, or which are alike.", required=False),
        Input("semantics", "Output of assign (with --ids semantic or both, or --head solid).", required=False),
        Input("semantic_model", "Trained duet or apg on classes, from which solid starts.", required=False),
        Input("trunk", "Trained static model to start as; only what is added to it is trained.", required=False),
        Input("parts", "A trained model and its name, for --head mixture.", required=False, many=True),
    ),
    "Weights (safetensors), configuration, and history: every epoch, or setting, tried, and its worth on validation.",
    "Model",
    settings={"settings": ""},
    options=(
        Option(
            "head",
            "Where the adaptive weights come from, or what is counted; see above.",
            choices=tuple(HEADS),
            required=True,
        ),
        Option(
            "ids",
            "What an item's embedding is: the item's own, its class's, or the sum of both  [default: item; for solid "
            "fusion.ids]",
            choices=IDS,
        ),
        Option(
            "start_of",
            "Only as the model from which this head starts: where it has a trunk instead (training.trunk), nothing is "
            "trained, and the folder says so.",
            choices=tuple(name for name, kind in HEADS.items() if kind.on_generator),
        ),
    ),
)
EMBED = _step(
    "embed",
    "solid.embeddings:write_embeddings",
    "Write the item embeddings of a trained model, the `id` modality of semantic ids.",
    (_PREPARED, Input("model", "Trained duet or apg model on items.")),
    "One float32 matrix, id.npy.",
    "Dataset",
)
ASSIGN = _step(
    "assign",
    "solid.semantics.assign:assign",
    "Cluster item vectors into semantic ids.",
    (
        _PREPARED,
        Input("features", "Output of features (for modalities with text or image).", required=False),
        Input("embeddings", "Output of embed (for modalities with id).", required=False),
    ),
    "semantic_ids.parquet, the classes of every item, and quality.json: what they explain, how many items share them.",
    "Dataset",
    settings={"settings": "semantics"},
    options=(
        Option(
            "modality",
            "id, text, image or a mix such as id_text_image; auto: texts and pictures where there are any, else id.",
            required=True,
        ),
    ),
)
EVALUATE = _step(
    "evaluate",
    "solid.evaluation.evaluate:evaluate",
    "Score the test users with every model, compare each with the first one user by user, write the report.",
    (
        _PREPARED,
        Input(
            "models",
            "A trained model and its name in the table, the baseline first; {modality} and {baseline} stand for each "
            "of semantics.modalities and evaluation.baselines.",
            many=True,
        ),
        Input("features", "Output of features: for the map of the semantic space.", required=False),
        Input("embeddings", "Output of embed: likewise.", required=False),
    ),
    "Metrics, per-user values, comparison, learning curves, table, report.html.",
    views={"metrics": "Metrics", "report": "HTML", "summary": "Markdown"},
    settings={"settings": "evaluation"},
)
CHAMPION = _step(
    "champion",
    "solid.registry.champion:fetch_champion",
    "Take settings and data profile of the registry's champion, for retraining.",
    (),
    "champion.json, params.yaml with all settings to train with, and the profile of the champion's data.",
    settings={"settings": ""},
    options=(
        Option(
            "settings_of",
            "Whose settings the next model is made with: those of the champion, or those given.",
            default="champion",
            choices=("champion", "params"),
        ),
        Option("changes", 'What to change of either, by section, such as {"training": {"seed": 1}}.', default={}),
        Option(
            "modalities",
            "What a pipeline is compiled for, with commas; settings with others are refused.  [default: take any]",
            default="",
        ),
    ),
)
CHECK = _step(
    "check",
    "solid.registry.checks:check",
    "Check new data against the champion's: schema, volume, new items, drift of popularity.",
    (
        Input("prepared", "Output of prepare: the new data."),
        Input("reference", "What to compare with: output of champion, or of prepare.", required=False),
    ),
    "checks.json and checks.md: whether the data passed, and why not.",
    views={"summary": "Markdown"},
    settings={"settings": "checks"},
)
REGISTER = _step(
    "register",
    "solid.registry.register:register",
    "Register the best model in MLflow: challenger always, champion when it wins on the test users.",
    (
        _PREPARED,
        Input("models", "A trained model and its name, as for evaluate; the best on validation is taken.", many=True),
        Input("evaluation", "Output of evaluate; its files go along with the version.", required=False),
        Input("checks", "Output of check: no new champion on data that did not pass.", required=False),
    ),
    "registration.json and registration.md: version, champion, and the reason in words.",
    views={"report": "Markdown"},
    settings={"settings": ""},
    options=(
        Option("registering", "Whether the best model goes to the registry; else say so, and no more.", default=True),
    ),
)
SCORE = Step(
    "score",
    "solid.evaluation.score:score",
    "Score the test users with one model, for a table.",
    (_PREPARED, Input("model", "Output of train.")),
    "One number a metric, values of each user, and how training went.",
    settings={"settings": "evaluation"},
)


def call(step: str, settings: Settings, out: Path, **arguments: Any) -> Any:
    """Do what the sub-command of this name does, or score a model for a table.

    Args:
        step: name.
        settings: of the whole chain; a step takes what it reads.
        out: folder that the step writes.
        arguments: of the step besides.

    Raises:
        SolidError: the step's own; nothing is left of its output then.
    """
    return {**STEPS, SCORE.name: SCORE}[step].run(settings, out=out, **arguments)
