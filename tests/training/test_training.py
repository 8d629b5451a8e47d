"""The training loop and step on a tiny data set: it learns, stops, resumes to the same bytes, and refuses nonsense."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from killed import KILLED
from ring import ITEMS, SMALL, USERS, ring
from safetensors import safe_open

from solid.data.dataset import Dataset
from solid.errors import DataError, SettingsError
from solid.evaluation.scoring import View, score_candidates
from solid.evaluation.trained import Trained
from solid.metrics.measured import candidate_metrics
from solid.models.config import ModelConfig
from solid.models.recommender import Recommender
from solid.models.storage import load_model
from solid.settings.loading import load_settings
from solid.settings.schema import ModelSettings, Settings, TrainingSettings
from solid.storage.local import folder_digest, partial_of, write_json
from solid.training import train
from solid.training.loop import fit
from solid.training.losses.base import Asked
from solid.training.losses.bce import BinaryCrossEntropy
from solid.training.losses.softmax import Softmax
from solid.training.state import TrainingState

RELEASED = ["model.form=released", "model.layers=1", "training.loss=bce", "training.targets=windows",
            "training.metric=uauc", "training.negatives=4", "training.batch_size=204"]  # fmt: skip


@pytest.fixture
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SOLID_TRACKING", "off")
    ring(tmp_path / "prepared")
    return tmp_path / "prepared"


@pytest.fixture
def semantics(tmp_path: Path) -> Path:
    folder = tmp_path / "semantics"
    folder.mkdir()
    ids = np.arange(1, ITEMS + 1, dtype="int32")
    pd.DataFrame({"item": ids, "class": (ids - 1) // 4 + 1}).to_parquet(folder / "semantic_ids.parquet")
    write_json(folder / "quality.json", {"modality": "id_text", "digest": "d.dir"})
    return folder


def settings(*overrides: str) -> Settings:
    return load_settings(None, [*SMALL, *overrides])


def small_model(n_items: int = ITEMS) -> Recommender:
    torch.manual_seed(0)
    config = ModelConfig(
        head="static", ids="item", modality=None, n_items=n_items, n_classes=0, fusion=None, digest="",
        model=ModelSettings(dim=8, attention_heads=2),
    )  # fmt: skip
    return Recommender(config)


def run(
    prepared: Path, out: Path, head: str = "duet", ids: str = "item", *overrides: str, **inputs: Path | None
) -> None:
    options = {"semantics": None, "semantic_model": None} | inputs
    train(prepared, out, head, ids, settings=settings(*overrides), **options)


def test_the_chain_of_models_trains_and_learns(prepared: Path, semantics: Path, tmp_path: Path) -> None:
    more = ("training.epochs=40", "training.patience=40", "training.learning_rate=0.01", "training.seed=1")
    run(prepared, tmp_path / "static", "static", "item", *more)
    run(prepared, tmp_path / "duet", "duet", "item", *more)
    run(prepared, tmp_path / "semantic", "duet", "semantic", *more, semantics=semantics)
    both = {"semantics": semantics, "semantic_model": tmp_path / "semantic"}
    run(prepared, tmp_path / "solid", "solid", "item", *more, **both)
    for name in ("static", "duet", "semantic", "solid"):
        history = pd.read_csv(tmp_path / name / "history.csv")
        assert history["valid_full_ndcg_10"].max() > (0.2 if name == "semantic" else 0.5), name  # a class has 4 items
        assert history["softmax"].iloc[-1] < 0.9 * history["softmax"].iloc[0]
    names = sorted(path.name for path in (tmp_path / "solid").iterdir())
    assert names == ["config.json", "history.csv", "model.safetensors", "training.json"]
    assert load_model(tmp_path / "solid").config.modality == "id_text"


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(prepared: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        run(prepared, tmp_path / name, "duet", "item", f"training.seed={seed}")
    digests = [folder_digest(tmp_path / name) for name in "abc"]
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize(
    ("stop_after", "more"),
    [
        (1, ("training.loss=softmax",)),
        (3, ("training.loss=sampled_softmax", "training.sampling=popularity")),
        (2, ("training.loss=gbce", "training.negatives=8")),
        (2, (*RELEASED, "training.selection=test")),
    ],
)
def test_an_interrupted_training_ends_with_the_same_bytes(
    prepared: Path,
    semantics: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stop_after: int,
    more: tuple[str, ...],
) -> None:
    run(prepared, tmp_path / "whole", "solid", "item", *more, semantics=semantics)

    save = TrainingState.save

    def interrupted(state: TrainingState, path: Path) -> None:
        save(state, path)
        if state.epoch == stop_after:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(TrainingState, "save", interrupted)
        run(prepared, tmp_path / "cut", "solid", "item", *more, semantics=semantics)
    assert not (tmp_path / "cut").exists()
    assert partial_of(tmp_path / "cut").is_dir()

    run(prepared, tmp_path / "cut", "solid", "item", *more, semantics=semantics)
    assert folder_digest(tmp_path / "cut") == folder_digest(tmp_path / "whole")
    assert not partial_of(tmp_path / "cut").exists()


def test_a_state_of_other_settings_is_not_resumed(prepared: Path, tmp_path: Path) -> None:
    run(prepared, tmp_path / "whole", "duet", "item", "training.seed=1")
    partial_of(tmp_path / "out").mkdir()
    TrainingState("other", "valid_full_ndcg_10", [{"epoch": 1, "softmax": 0.0, "valid_full_ndcg_10": 1.0}]).save(
        partial_of(tmp_path / "out") / "state.safetensors"
    )
    run(prepared, tmp_path / "out", "duet", "item", "training.seed=1")
    assert folder_digest(tmp_path / "out") == folder_digest(tmp_path / "whole")


@pytest.mark.slow
def test_a_killed_process_resumes(prepared: Path, programs: Path, tmp_path: Path) -> None:
    training = ["train", "--prepared", str(prepared), "--head", "duet", "--out", tmp_path / "cut"]
    training += [part for setting in [*SMALL, "training.epochs=3"] for part in ("--set", setting)]
    killed = subprocess.run([programs / "python", "-c", KILLED, *training], cwd=tmp_path, check=False)
    assert killed.returncode == -signal.SIGKILL
    with safe_open(partial_of(tmp_path / "cut") / "state.safetensors", "pt") as file:
        assert len(json.loads(file.metadata()["state"])["history"]) == 1
    subprocess.run([programs / "solid", *training], cwd=tmp_path, check=True)
    training[training.index(tmp_path / "cut")] = tmp_path / "whole"
    subprocess.run([programs / "solid", *training], cwd=tmp_path, check=True)
    assert folder_digest(tmp_path / "cut") == folder_digest(tmp_path / "whole")


def test_the_best_epoch_is_chosen_on_validation_and_its_weights_are_kept(prepared: Path) -> None:
    dataset = Dataset.load(prepared)
    model = small_model()
    state = TrainingState("", "valid_uauc")
    seen: list[dict[str, torch.Tensor]] = []
    loop = TrainingSettings(epochs=30, patience=2, learning_rate=0.05, metric="uauc", batch_size=32)
    fit(model, dataset, loop, state, lambda state: seen.append(state.weights))
    values = [row["valid_uauc"] for row in state.history]
    best = values.index(max(values))
    assert state.epoch == min(30, best + 1 + 2)
    assert all(torch.equal(tensor, seen[best][name]) for name, tensor in model.state_dict().items())
    scores = score_candidates(model, View.of(model, dataset, "valid"), 7)
    won = (scores[:, :1] > scores[:, 1:]).mean() + 0.5 * (scores[:, :1] == scores[:, 1:]).mean()
    assert won == pytest.approx(max(values))


@pytest.mark.parametrize("cut", ["sequences", "windows"])
def test_every_epoch_asks_for_every_target_once_in_another_order(
    prepared: Path, monkeypatch: pytest.MonkeyPatch, cut: str
) -> None:
    dataset = Dataset.load(prepared)
    batches: list[torch.Tensor] = []
    lossy = Softmax.__call__

    def recorded(self: Softmax, asked: Asked, rng: np.random.Generator) -> torch.Tensor:
        batches.append(asked.targets_R)
        return lossy(self, asked, rng)

    monkeypatch.setattr(Softmax, "__call__", recorded)
    epochs: list[torch.Tensor] = []

    def done(state: TrainingState) -> None:
        epochs.append(torch.cat(batches))
        batches.clear()

    loop = TrainingSettings(epochs=2, batch_size=16, targets=cut)
    fit(small_model(), dataset, loop, TrainingState("", "valid_full_ndcg_10"), done)
    targets = np.sort(dataset.sequences.items[dataset.sequences.targets("train")])
    for epoch in epochs:
        assert np.array_equal(np.sort(epoch.numpy()), targets)
    assert not torch.equal(*epochs)


def test_combinations_that_make_no_sense_are_refused(prepared: Path, semantics: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--semantics"):
        run(prepared, tmp_path / "out", "solid")
    with pytest.raises(SettingsError, match="leave out --semantics"):
        run(prepared, tmp_path / "out", "duet", semantics=semantics)
    with pytest.raises(SettingsError, match="--semantic-model"):
        run(prepared, tmp_path / "out", "duet", "item", semantic_model=tmp_path)
    with pytest.raises(SettingsError, match=r"training\.device"):
        run(prepared, tmp_path / "out", "duet", "item", "training.device=toaster")
    pd.DataFrame({"item": [1], "class": [1]}).to_parquet(semantics / "semantic_ids.parquet")
    with pytest.raises(DataError, match="run"):
        run(prepared, tmp_path / "out", "solid", semantics=semantics)
    assert not (tmp_path / "out").exists()


ADDING = pytest.mark.parametrize(
    ("head", "ids"), [("solid", "both"), ("solid", "item"), ("duet", "item"), ("static", "both")]
)


def run_on(trunk: Path, prepared: Path, semantics: Path, out: Path, head: str, ids: str, *more: str) -> None:
    """Train a model that adds to a trunk, on classes where it reads them."""
    own = (f"fusion.ids={ids}",) if head == "solid" else ()
    classes = semantics if head == "solid" or ids == "both" else None
    run(prepared, out, head, ids, *own, *more, semantics=classes, trunk=trunk)


@ADDING
def test_a_trunk_stays_as_it_is(head: str, ids: str, prepared: Path, semantics: Path, tmp_path: Path) -> None:
    run(prepared, tmp_path / "trunk", "static", "item", "training.epochs=1")  # so that there is much to add
    more = ("training.epochs=20", "training.patience=20", "training.learning_rate=0.02")
    run_on(tmp_path / "trunk", prepared, semantics, tmp_path / "out", head, ids, *more)
    assert json.loads((tmp_path / "out" / "training.json").read_text())["best_epoch"] > 0
    trunk, out = (load_model(tmp_path / name).state_dict() for name in ("trunk", "out"))
    assert all(torch.equal(tensor, out[name]) for name, tensor in trunk.items())


@ADDING
def test_where_every_epoch_is_worse_than_the_trunk_the_model_scores_as_the_trunk(
    head: str, ids: str, prepared: Path, semantics: Path, tmp_path: Path
) -> None:
    good = ("training.epochs=30", "training.patience=30", "training.learning_rate=0.01")
    run(prepared, tmp_path / "trunk", "static", "item", *good)
    worse = ("training.epochs=2", "training.learning_rate=10")
    run_on(tmp_path / "trunk", prepared, semantics, tmp_path / "out", head, ids, *worse)
    history = pd.read_csv(tmp_path / "out" / "history.csv")
    assert list(history["epoch"]) == [0, 1, 2]
    assert history["softmax"].isna().tolist() == [True, False, False]
    theirs, ours = (json.loads((tmp_path / name / "training.json").read_text()) for name in ("trunk", "out"))
    assert (ours["epochs"], ours["best_epoch"]) == (2, 0)
    assert ours["valid_full_ndcg_10"] == theirs["valid_full_ndcg_10"]
    dataset = Dataset.load(prepared)
    models = [load_model(tmp_path / name) for name in ("trunk", "out")]
    scores = [score_candidates(model, View.of(model, dataset, "test"), 32) for model in models]
    assert np.array_equal(*scores)


def test_what_starts_as_a_trunk_has_a_third_of_the_patience() -> None:
    patient = TrainingSettings(patience=9)
    for first, enough in ((1, 10), (0, 3)):
        rows = [{"epoch": epoch, "valid_uauc": -float(epoch)} for epoch in range(first, enough + 1)]
        assert TrainingState("", "valid_uauc", history=rows).finished(patient)
        assert not TrainingState("", "valid_uauc", history=rows[:-1]).finished(patient)


def test_a_training_on_a_trunk_goes_on_to_the_same_bytes(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(prepared, tmp_path / "trunk", "static")
    run(prepared, tmp_path / "other", "static", "item", "training.seed=1")
    for now in ("trunk", "other"):  # on another trunk it begins anew
        run(prepared, tmp_path / "whole", trunk=tmp_path / now)
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr("solid.training.gradients.say", interrupt)
            run(prepared, tmp_path / "out", trunk=tmp_path / "trunk")
        assert (partial_of(tmp_path / "out") / "state.safetensors").is_file()
        run(prepared, tmp_path / "out", trunk=tmp_path / now)
        assert folder_digest(tmp_path / "out") == folder_digest(tmp_path / "whole")


def interrupt(message: str) -> None:
    if message.startswith("epoch   2"):
        raise KeyboardInterrupt


def test_what_is_no_trunk_is_refused(prepared: Path, semantics: Path, tmp_path: Path) -> None:
    out, trunk = tmp_path / "out", tmp_path / "trunk"
    run(prepared, trunk, "static")
    run(prepared, tmp_path / "duet")
    run(prepared, tmp_path / "both", "static", "both", semantics=semantics)
    for options, inputs, error, words in (
        (("transitions",), {"trunk": trunk}, SettingsError, "--trunk is where a model of weights starts"),
        (("duet",), {"trunk": tmp_path / "duet"}, DataError, "the trunk is duet; train it with --head static"),
        (("duet", "item", "model.dim=16"), {"trunk": trunk}, DataError, "other settings of model"),
        (("static",), {"trunk": trunk}, DataError, "the trunk is all of this model; add --ids both"),
        (("duet",), {"trunk": tmp_path / "both"}, DataError, r"the trunk has items.classes, .*which this model lacks"),
    ):
        with pytest.raises(error, match=words):
            run(prepared, out, *options, **inputs)
    shifted = pd.read_parquet(semantics / "semantic_ids.parquet")
    shifted["class"] = shifted["class"].to_numpy()[::-1]
    shifted.to_parquet(semantics / "semantic_ids.parquet")
    with pytest.raises(DataError, match=r"the trunk has other items\.classes"):
        run(prepared, out, "solid", "both", semantics=semantics, trunk=tmp_path / "both")
    stats = json.loads((prepared / "stats.json").read_text())
    write_json(prepared / "stats.json", stats | {"digest": "other.dir"})
    with pytest.raises(DataError, match="the trunk was trained on other data"):
        run(prepared, out, "duet", trunk=trunk)
    assert not out.exists()


def test_of_two_places_to_start_from_the_settings_take_one(prepared: Path, semantics: Path, tmp_path: Path) -> None:
    """The chain gives both, whatever the settings; what they do not take decides nothing."""
    for more, starts_from in ((("training.trunk=static",), "trunk"), (("training.trunk=own",), "semantic_model")):
        run(prepared, tmp_path / "trunk", "static", "item", *more)
        run(prepared, tmp_path / "semantic_model", "duet", "semantic", *more, semantics=semantics)
        both = {name: tmp_path / name for name in ("trunk", "semantic_model")}
        run(prepared, tmp_path / "solid", "solid", "both", *more, semantics=semantics, **both)
        run(prepared, tmp_path / "one", "solid", "both", *more, semantics=semantics, **{starts_from: both[starts_from]})
        assert folder_digest(tmp_path / "solid") == folder_digest(tmp_path / "one")
    for more in (("training.trunk=own",), RELEASED):
        run(prepared, tmp_path / "static", "static", "item", *more)
        run(prepared, tmp_path / "duet", "duet", "item", *more, trunk=tmp_path / "static")
        run(prepared, tmp_path / "fresh", "duet", "item", *more)
        assert folder_digest(tmp_path / "duet") == folder_digest(tmp_path / "fresh")


def test_the_semantic_model_is_trained_where_solid_starts_from_it(
    prepared: Path, semantics: Path, tmp_path: Path
) -> None:
    run(prepared, tmp_path / "out", "duet", "semantic", semantics=semantics, start_of="solid")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["training.json"]
    why = json.loads((tmp_path / "out" / "training.json").read_text())
    assert why == {"left_out": "solid starts as the static model (training.trunk)"}
    for more in (("training.trunk=own",), RELEASED):
        run(prepared, tmp_path / "out", "duet", "semantic", *more, semantics=semantics, start_of="solid")
        run(prepared, tmp_path / "semantic", "duet", "semantic", *more, semantics=semantics)
        assert folder_digest(tmp_path / "out") == folder_digest(tmp_path / "semantic")


def test_the_released_protocol_trains_on_validation_events_picks_on_the_test_and_cannot_be_evaluated(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    call = BinaryCrossEntropy.__call__
    monkeypatch.setattr(
        BinaryCrossEntropy,
        "__call__",
        lambda self, asked, rng: seen.append(len(asked.targets_R)) or call(self, asked, rng),
    )
    targets = {}
    for selection in ("valid", "test"):
        more = (*RELEASED, f"training.selection={selection}", "training.epochs=1")
        run(prepared, tmp_path / selection, "static", "item", *more)
        targets[selection] = sum(seen)
        seen.clear()
    assert targets["test"] == targets["valid"] + USERS
    history = pd.read_csv(tmp_path / "test" / "history.csv")
    assert list(history) == ["epoch", "bce", "test_uauc"]
    trained, data = load_model(tmp_path / "test"), Dataset.load(prepared)
    uauc = candidate_metrics(score_candidates(trained, View.of(trained, data, "test"), 7)).summarise()["uauc"]
    assert history["test_uauc"].max() == pytest.approx(uauc)
    assert Trained.read_fair(tmp_path / "valid").best > 0
    with pytest.raises(DataError, match="picked on the test users"):
        Trained.read_fair(tmp_path / "test")


def test_finetune_adapts_each_user_to_its_own_history(prepared: Path, tmp_path: Path) -> None:
    more = ("training.epochs=20", "training.learning_rate=0.01", "training.seed=1")
    run(prepared, tmp_path / "static", "static", "item", *more)
    run(prepared, tmp_path / "finetune", "finetune", "item", *more, "finetune.steps=3", "finetune.rate=0.1")
    model = load_model(tmp_path / "finetune")
    histories = torch.tensor([[1, 2, 3, 4, 0], [9, 8, 7, 0, 0], [5, 0, 0, 0, 0]])
    following = torch.tensor([[2], [8], [6]])
    with torch.no_grad():
        before, after = model.read(*model.backbone.question(histories)), model.encode(histories)
        change = (model.score(after, following) - model.score(before, following)).squeeze(1)
    assert change[:2].gt(0).all(), "an item of the history behind others is more likely after the steps"
    assert change[2].abs() < 1e-6, "a single item has nothing before it to learn from"
    assert not any(parameter.grad is not None for parameter in model.parameters())
