"""The search of settings: what it may try, that all heads get the same, and that it goes on to the same end."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from walks import write_walk

from solid.cli import main
from solid.errors import SettingsError
from solid.settings.schema import Settings
from solid.storage.local import read_json
from solid.tuning.space import read_space, space_of
from solid.tuning.trials import Trial, Trials

SPACE = """\
training.learning_rate: {from: 0.001, to: 0.1, log: true}
model.dim: [8, 16]
apg.rank: {from: 2, to: 4}
"""
SMALL = ("model.dim=8", "model.length=5", "model.layers=1", "training.epochs=2", "training.batch_size=16")


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    folder = tmp_path / "prepared"
    folder.mkdir()
    (tmp_path / "space.yaml").write_text(SPACE)
    return write_walk(folder)


def tune(root: Path, *more: str, out: str = "out", work: str = "work", changes: tuple[str, ...] = ()) -> Result:
    options = ["--prepared", "prepared", "--space", "space.yaml", "--work", work, "--out", out, *more]
    options += [option for change in (*SMALL, *changes) for option in ("--set", change)]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        return CliRunner().invoke(main, ["tune", *options])


def test_a_space_is_lists_and_ranges(tmp_path: Path) -> None:
    file = tmp_path / "space.yaml"
    file.write_text(SPACE)
    space = read_space(file, Settings())
    rate = FloatDistribution(0.001, 0.1, log=True)
    dim = CategoricalDistribution([8, 16])
    assert space == {"training.learning_rate": rate, "model.dim": dim, "apg.rank": IntDistribution(2, 4)}
    assert space_of("static", space, Settings()) == {"training.learning_rate": rate, "model.dim": dim}
    assert space_of("apg", space, Settings()) == space
    assert space_of("transitions", space, Settings()) == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("model.dimm: [8]", r"space.yaml: settings do not fit:\n  model.dimm: unknown key; known here: .*dim"),
        ("modle.dim: [8]", "modle: unknown key"),
        ("dropout: [0.1]", "dropout: write it as section.key"),
        ("model.dropout: [0.1, 2]", r"model.dropout: .*less than .*given 2"),
        ("model.dropout: {from: 0.1, to: 7}", r"model.dropout: .*given 7"),
        ("model.dropout: {from: 0.5, to: 0.1}", "model.dropout: .*from is to be less than to"),
        ("model.dropout: {from: 0, to: 0.1, log: true}", "with log, from is to be more than 0"),
        ("model.dropout: {from: 0.1}", "model.dropout: to: is missing"),
        ("model.dropout: {from: 0.1, to: 0.2, step: 2}", "step: unknown key"),
        ("model.dim: {from: 32.0, to: 64}", "model.dim"),
        ("training.metric: [full_ndcg_10, uauc]", "training.metric: says how trials are judged"),
        ("training.selection: [valid, test]", "training.selection: says how trials are judged"),
        ("model.dropout: 0.3", r"model.dropout: expected \[values\]"),
        ("model.dropout: []", r"model.dropout: expected \[values\]"),
        ("model.dropout: [0.1", "space.yaml: not valid YAML: line 1"),
        ("", "no setting to try"),
    ],
)
def test_what_cannot_be_tried_is_said_before_any_training(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "space.yaml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=words):
        read_space(file, Settings())


def test_proposals_depend_on_what_was_tried_alone(tmp_path: Path) -> None:
    space = {"model.dropout": FloatDistribution(0, 1), "model.dim": CategoricalDistribution([8, 16])}
    first = {"model.dropout": 0.3, "model.dim": 64}  # lies outside of the space

    def search(n: int) -> Trials:
        """The best dropout is .8; trials that failed say nothing."""
        trials = Trials(tmp_path / "trials.json", "f", [])
        for number in range(n):
            values = trials.propose(space, 0, first)
            trials.add(
                Trial(values, None if number == 3 else -abs(values["model.dropout"] - 0.8), "no" if number == 3 else "")
            )
        return trials

    long = search(25)
    assert long.done[0].values == first
    again = Trials.load(long.place, "f")
    assert again.done == long.done
    again.done = again.done[:12]
    assert again.propose(space, 0, first) == long.done[12].values
    assert again.propose(space, 1, first) != long.done[12].values
    assert long.best is not None
    assert abs(long.done[long.best].values["model.dropout"] - 0.8) < 0.05
    assert len({trial.values["model.dropout"] for trial in long.done}) == 25  # none is tried twice
    late = [trial.values["model.dropout"] for trial in long.done[15:]]
    early = [trial.values["model.dropout"] for trial in long.done[1:6]]
    assert sum(abs(value - 0.8) for value in late) / len(late) < sum(abs(value - 0.8) for value in early) / len(early)


def test_every_head_gets_the_same_trials_and_a_stopped_search_comes_to_the_same(
    prepared: Path, tmp_path: Path, mlflow_store: Callable[[Path], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    heads = ("--head", "static", "--head", "apg", "--head", "popular")
    straight = tune(tmp_path, *heads, "--trials", "3", out="straight", work="work-straight")
    assert straight.exit_code == 0, straight.output
    table = pd.read_csv(tmp_path / "straight/trials.csv")
    assert table["head"].value_counts().to_dict() == {"static": 3, "apg": 3, "popular": 1}
    assert table.loc[table["head"] == "static", "apg.rank"].isna().all()
    assert table.loc[table["head"] == "apg", "apg.rank"].tolist()[0] == 16  # as set, though the space ends at 4
    assert table.loc[table["head"] == "apg", "apg.rank"].between(2, 4).sum() == 2
    assert (table["trial"] == 1).sum() == 3
    html = (tmp_path / "straight/report.html").read_text()
    assert all(f'"{key}"' in html for key in ("model.dim", "apg.rank"))

    # In two calls, of which the second is tracked.
    assert tune(tmp_path, *heads, "--trials", "2", out="half").exit_code == 0
    monkeypatch.setenv("SOLID_TRACKING", "on")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_store(tmp_path))
    assert tune(tmp_path, *heads, "--trials", "3", out="halves").exit_code == 0
    for name in ("trials.csv", "report.html", "static.yaml", "apg.yaml", "popular.yaml"):
        assert (tmp_path / "halves" / name).read_bytes() == (tmp_path / "straight" / name).read_bytes()
    import mlflow

    runs = {run.info.run_name: run for run in mlflow.MlflowClient().search_runs(["1"])}
    score = table.loc[(table["head"] == "static") & (table["trial"] == 3), "valid_full_ndcg_10"].item()
    assert runs["tune static"].data.metrics["valid_full_ndcg_10"] == pytest.approx(score)
    assert runs["tune static"].data.params["trials"] == "3"

    # What won trains to what it won with, and its model was kept.
    best = table[table["head"] == "static"]["valid_full_ndcg_10"].max()
    kept = read_json(tmp_path / "work/static/best/model/training.json")
    assert kept["valid_full_ndcg_10"] == best
    options = ["--params", str(tmp_path / "straight/static.yaml"), "--out", str(tmp_path / "again")]
    again = CliRunner().invoke(main, ["train", "--head", "static", "--prepared", str(prepared), *options])
    assert again.exit_code == 0, again.output
    assert read_json(tmp_path / "again/training.json")["valid_full_ndcg_10"] == best


def test_what_a_stopped_trial_left_says_nothing_of_the_next(prepared: Path, tmp_path: Path) -> None:
    assert tune(tmp_path, "--head", "static", "--trials", "2", out="straight", work="other").exit_code == 0
    assert tune(tmp_path, "--head", "static", "--trials", "1").exit_code == 0
    # As if it was stopped when the first trial was counted, and its model still lay there.
    shutil.copytree(tmp_path / "work/static/best", tmp_path / "work/static/trial-1")
    assert tune(tmp_path, "--head", "static", "--trials", "2").exit_code == 0
    assert (tmp_path / "out/trials.csv").read_bytes() == (tmp_path / "straight/trials.csv").read_bytes()


def test_a_training_that_fails_is_a_trial_that_says_why(prepared: Path, tmp_path: Path) -> None:
    (tmp_path / "space.yaml").write_text("training.learning_rate: [1.0e+30]\n")
    result = tune(tmp_path, "--head", "static", "--trials", "2")
    assert result.exit_code == 0, result.output
    table = pd.read_csv(tmp_path / "out/trials.csv")
    assert table["valid_full_ndcg_10"].isna().tolist() == [False, True]
    assert "not a number" in table["why"][1]
    assert "0.001" in (tmp_path / "out/static.yaml").read_text()  # the first one won, and its model was kept
    kept = read_json(tmp_path / "work/static/best/model/training.json")
    assert kept["valid_full_ndcg_10"] == table["valid_full_ndcg_10"][0]
    result = tune(tmp_path, "--head", "static", work="other", changes=("training.learning_rate=1.0e+30",))
    assert result.exit_code == 1
    assert "static: every trial failed; the last said: epoch 1: the loss is not a number" in result.output


def test_what_is_no_search_is_refused(prepared: Path, tmp_path: Path) -> None:
    for options, changes, words in (
        (("--head", "mixture"), (), "its shares are picked on validation when it is made; tune its parts"),
        (("--head", "solid"), (), "--head solid reads classes: name the output of assign with --semantics"),
        (("--head", "static"), ("training.selection=test",), "settings picked on the test users would say nothing"),
    ):
        result = tune(tmp_path, *options, changes=changes)
        assert result.exit_code == 2
        assert words in result.output
    assert not (tmp_path / "work").exists()
    assert tune(tmp_path, "--head", "static", "--trials", "1").exit_code == 0
    other = tune(tmp_path, "--head", "static", "--trials", "1", changes=("training.seed=1",))
    assert other.exit_code == 2
    assert "made with other data, settings or another space; remove" in other.output
