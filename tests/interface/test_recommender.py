"""The Python interface: the numbers of the command line, answers in the words of the frame, kept and taken up again."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file

from solid import Recommender
from solid.cli import main
from solid.errors import DataError, SettingsError, SolidError
from solid.models.storage import load_model
from solid.storage.local import read_json

PYTHON = sys.executable
SETTINGS: dict[str, dict[str, Any]] = {
    "prepare": {"k_core": 3, "negatives": 20},
    "features": {"dim": 8},
    "semantics": {"classes": 6},
    "model": {"dim": 8, "length": 5},
    "training": {"epochs": 2, "batch_size": 256},
}
KINDS = ["tent", "lamp", "pan", "drum"]


@pytest.fixture(scope="module")
def events() -> pd.DataFrame:
    """Shoppers 100 to 159 who stay with a kind of product, 9 events each in no order, and shopper 7 who came once."""
    rng = np.random.default_rng(5)
    rows = [
        {"shopper": 100 + user, "product": f"p{4 * item + (user + (rng.random() < 0.2)) % 4}", "when": when}
        for user in range(60)
        for when, item in enumerate(rng.choice(10, 9, replace=False))
    ]
    rows = [rows[place] for place in rng.permutation(len(rows))]
    return pd.DataFrame([*rows, {"shopper": 7, "product": "p3", "when": 1}])


@pytest.fixture(scope="module")
def items() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "product": [f"p{item}" for item in range(40)],
            "title": [f"{KINDS[item % 4]}, no. {item}" for item in range(40)],
            "description": [f'the "{KINDS[item % 4]}" for all days' for item in range(40)],
        }
    )


FOLDERS = {"--out", "--raw", "--prepared", "--features", "--semantics", "--trunk"}
COLUMNS = {"user": "shopper", "item": "product", "time": "when"}


@pytest.fixture(scope="module")
def solid(events: pd.DataFrame, items: pd.DataFrame, quick_python: None) -> Recommender:
    return Recommender(settings=SETTINGS, seed=3).fit(events, items, **COLUMNS)


@pytest.fixture(scope="module")
def static(events: pd.DataFrame, quick_python: None) -> Recommender:
    model = Recommender("static", settings=SETTINGS)
    return model.fit(pl.from_pandas(events), **COLUMNS)


@pytest.fixture(scope="module")
def commands(events: pd.DataFrame, items: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a person makes of a CSV file of the same frames on the command line."""
    folder = tmp_path_factory.mktemp("commands")
    (folder / "data").mkdir()
    events.rename(columns={"shopper": "user_id", "product": "item_id", "when": "timestamp"}).to_csv(
        folder / "data" / "interactions.csv", index=False
    )
    items.rename(columns={"product": "item_id", "description": "text"}).to_csv(
        folder / "data" / "items.csv", index=False
    )
    chosen = {section: dict(keys) for section, keys in SETTINGS.items()}
    chosen["training"]["seed"] = chosen["semantics"]["seed"] = 3
    chosen["semantics"]["modalities"] = ["text"]
    (folder / "params.yaml").write_text(json.dumps(chosen))
    for step in [
        f"ingest --set data.source={folder}/data --out raw",
        "prepare --raw raw --out prepared",
        "features --raw raw --prepared prepared --out features",
        "assign --prepared prepared --features features --modality text --out semantics",
        "train --head static --prepared prepared --features features --out static",
        "train --head solid --prepared prepared --features features --semantics semantics --trunk static --out model",
        "train --head transitions --prepared prepared --features features --out transitions",
        "train --head duet --prepared prepared --features features --trunk static --out duet",
        "train --head mixture --prepared prepared --part transitions=transitions --part static=static --part duet=duet "
        "--part SOLID=model --out mixture",
        "evaluate --prepared prepared --model solid=model --model static=static --model transitions=transitions "
        "--model mixture=mixture --out evaluation",
    ]:
        words = step.split()
        pairs = zip(["", *words], words, strict=False)
        places = [str(folder / word) if before in FOLDERS else word for before, word in pairs]
        places = [re.sub(r"^(\w+)=(\w+)$", rf"\1={folder}/\2", word) for word in places]
        done = CliRunner().invoke(main, [*places, "--params", str(folder / "params.yaml")])
        assert done.exit_code == 0, f"{step}: {done.output}"
    return folder


@pytest.mark.slow
def test_the_numbers_are_those_of_the_command_line(solid: Recommender, commands: Path, tmp_path: Path) -> None:
    solid.save(tmp_path / "saved")
    for name in ("model/model.safetensors", "model/history.csv", "features/text.npy", "prepared/interactions.parquet"):
        assert (tmp_path / "saved" / name).read_bytes() == (commands / name).read_bytes(), name
    loaded = Recommender.load(tmp_path / "saved")
    assert loaded.evaluate() == read_json(commands / "evaluation" / "metrics.json")["solid"]


@pytest.mark.slow
@pytest.mark.parametrize("head", ["static", "transitions", "mixture"])
def test_whatever_the_head_the_numbers_are_those_of_the_chain_with_texts_as_vectors(
    head: Any, events: pd.DataFrame, items: pd.DataFrame, commands: Path, tmp_path: Path
) -> None:
    settings = {
        **SETTINGS,
        "model": {**SETTINGS["model"], "vectors": ["text"]},
        "evaluation": {"baselines": ["transitions", "static"]},
    }
    model = Recommender(head, settings=settings, seed=3).fit(events, items, **COLUMNS)
    model.save(tmp_path / "saved")
    trained, by_hand = tmp_path / "saved" / "model", commands / head
    assert (trained / "history.csv").read_bytes() == (by_hand / "history.csv").read_bytes()
    ours, theirs = (load_file(folder / "model.safetensors") for folder in (trained, by_hand))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], tensor) for name, tensor in theirs.items())
    assert model.evaluate() == read_json(commands / "evaluation" / "metrics.json")[head]
    assert len(model.recommend([130], k=4)) == 4


def test_recommendations_are_the_models_best_after_all_events(
    solid: Recommender, events: pd.DataFrame, tmp_path: Path
) -> None:
    solid.save(tmp_path / "saved")
    model = load_model(tmp_path / "saved" / "model")
    ids = pd.read_parquet(tmp_path / "saved" / "prepared" / "items.parquet")["item_id"].tolist()
    history = events[events["shopper"] == 130].sort_values("when")["product"].tolist()
    with torch.inference_mode():
        read = torch.tensor([[ids.index(item) + 1 for item in history[-5:]]])
        scores = model.score_all(model.encode(read))[0].numpy()
    best = [ids[place] for place in np.argsort(-scores)]
    answer = solid.recommend([130], k=4, filter_viewed=False)
    assert list(answer.columns) == ["shopper", "product", "rank", "score", "title"]
    assert answer["product"].tolist() == best[:4]
    assert answer["score"].tolist() == pytest.approx(np.sort(scores)[::-1][:4].tolist(), abs=1e-6)
    assert answer["shopper"].tolist() == [130] * 4
    assert answer["rank"].tolist() == [1, 2, 3, 4]
    unseen = solid.recommend(130, k=100)  # one user needs no list
    assert unseen["product"].tolist() == [item for item in best if item not in history]
    assert unseen["title"].tolist() == [f"{KINDS[int(item[1:]) % 4]}, no. {item[1:]}" for item in unseen["product"]]


def test_everybody_gets_recommendations_also_those_left_out_of_training(
    solid: Recommender, events: pd.DataFrame
) -> None:
    everybody = solid.recommend(k=3)
    assert everybody["shopper"].unique().tolist() == events["shopper"].unique().tolist()
    assert (everybody.groupby("shopper").size() == 3).all()
    assert "p3" not in everybody[everybody["shopper"] == 7]["product"].tolist()
    some = solid.recommend([7, 101], k=3)
    rest = everybody[everybody["shopper"].isin([7, 101])].sort_values(["shopper", "rank"])
    assert some["product"].tolist() == rest["product"].tolist()


def test_other_events_may_be_given(
    solid: Recommender, events: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    old = solid.recommend([130], k=3)
    again = events[events["shopper"] == 130].assign(shopper="guest")
    new = solid.recommend(k=3, events=pl.from_pandas(again))
    assert isinstance(new, pl.DataFrame)
    assert new["shopper"].to_list() == ["guest"] * 3
    assert new["product"].to_list() == old["product"].tolist()
    nothing_known = pd.DataFrame({"user": [1, 2], "item": ["new", "p3"]})
    assert solid.recommend([1], k=2, events=nothing_known)["user"].tolist() == [1, 1]
    assert "events: no column of time among user, item, so the order of the rows counts" in capsys.readouterr().err


def test_answers_are_frames_of_the_kind_that_was_fitted(static: Recommender) -> None:
    answer = static.recommend([101, 100], k=2)
    assert isinstance(answer, pl.DataFrame)
    assert answer.columns == ["shopper", "product", "rank", "score"]  # no titles were given
    assert answer["shopper"].to_list() == [101, 101, 100, 100]
    assert answer.schema["shopper"] == pl.Int64


def test_similar_items_by_hand(solid: Recommender, static: Recommender, tmp_path: Path) -> None:
    static.save(tmp_path / "saved")
    model: Any = load_model(tmp_path / "saved" / "model")
    ids = pd.read_parquet(tmp_path / "saved" / "prepared" / "items.parquet")["item_id"].tolist()
    vectors = model.item_embeddings().numpy()
    cosines = vectors @ vectors.T / np.outer(np.linalg.norm(vectors, axis=1), np.linalg.norm(vectors, axis=1))
    answer = static.similar_items(["p5", "p0"], k=3)
    assert answer["product"].to_list() == ["p5"] * 3 + ["p0"] * 3
    for item, part in answer.group_by("product", maintain_order=True):
        row = cosines[ids.index(item[0])]
        expected = [place for place in np.argsort(-row) if ids[place] != item[0]][:3]
        assert part["similar"].to_list() == [ids[place] for place in expected]
        assert part["score"].to_list() == pytest.approx(row[expected].tolist(), abs=1e-5)
    assert len(static.similar_items("p5", k=100)) == len(ids) - 1
    assert solid.similar_items("p5", k=1)["title"].str.contains("no.").all()


def test_classes_and_their_map(solid: Recommender, static: Recommender) -> None:
    classes = solid.classes()
    assert sorted(classes["class"].unique()) == list(range(1, classes["class"].max() + 1))
    kinds = classes["title"].str.partition(",")[0]
    assert (pd.crosstab(classes["class"], kinds) > 0).sum(axis=1).tolist() == [1] * classes["class"].max()
    plane = solid.item_map()
    assert plane.drop(columns=["x", "y"]).equals(classes)
    assert np.isfinite(plane[["x", "y"]].to_numpy()).all()
    with pytest.raises(
        SolidError, match="a static model reads no classes; head solid does, and others with ids='both'"
    ):
        static.classes()


def test_what_is_saved_goes_on(solid: Recommender, tmp_path: Path) -> None:
    solid.save(tmp_path / "saved")
    solid.save(tmp_path / "saved")  # over an older one
    loaded = Recommender.load(tmp_path / "saved")
    assert (loaded.head, loaded.ids, loaded.settings) == (solid.head, solid.ids, solid.settings)
    pd.testing.assert_frame_equal(loaded.recommend([130, 7]), solid.recommend([130, 7]))
    pd.testing.assert_frame_equal(loaded.item_map(), solid.item_map())
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("")
    with pytest.raises(DataError, match="exists and is no older output"):
        loaded.save(tmp_path / "other")
    with pytest.raises(DataError, match="other: no saved recommender; name a folder that save wrote, or models:/"):
        Recommender.load(tmp_path / "other")


@pytest.mark.slow
def test_a_champion_is_loaded_from_the_registry(
    solid: Recommender, events: pd.DataFrame, commands: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOLID_TRACKING", "on")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.chdir(tmp_path)
    arguments = ["--prepared", commands / "prepared", "--model", f"text={commands / 'model'}", "--out", "registration"]
    done = CliRunner().invoke(main, ["register", *map(str, arguments), "--params", str(commands / "params.yaml")])
    assert done.exit_code == 0, done.output
    champion = Recommender.load("models:/solid@champion")
    answer = champion.recommend([130], k=3, events=events, **COLUMNS)
    pd.testing.assert_frame_equal(answer, solid.recommend([130], k=3))
    assert len(champion.similar_items(["p5"])) == 10
    assert len(champion.classes()) == len(solid.classes())
    for ask in (champion.recommend, champion.evaluate, champion.item_map, lambda: champion.save(tmp_path / "x")):
        with pytest.raises(SolidError, match="a model from a registry comes without the data that it was made from"):
            ask()
    with pytest.raises(SolidError, match="MLflow at sqlite"):
        Recommender.load("models:/solid@nobody")


def test_what_cannot_be_is_told(static: Recommender, events: pd.DataFrame, capsys: pytest.CaptureFixture[str]) -> None:
    head: Any = "svd"
    with pytest.raises(SettingsError, match="no head 'svd'; there are static, finetune, duet"):
        Recommender(head)
    with pytest.raises(SettingsError, match=r"training\.epoks: unknown key"):
        Recommender(settings={"training": {"epoks": 1}})
    with pytest.raises(SolidError, match="nothing is fitted yet: call fit, or load a saved recommender"):
        Recommender().recommend([1])
    with pytest.raises(SettingsError, match="k must be at least 1, not 0"):
        static.recommend(k=0)
    with pytest.raises(DataError, match="no events of the users 5; give"):
        static.recommend([5])
    with pytest.raises(DataError, match="the model does not know the items x, y"):
        static.similar_items(["p5", "x", "y"])
    two = Recommender(settings={"semantics": {"modalities": ["id", "text"]}})
    with pytest.raises(SettingsError, match="a recommender's classes are of one modality; name one"):
        two.fit(events, **COLUMNS)
    # From a step, and before any of them trains.
    wanted = Recommender(settings={**SETTINGS, "semantics": {"modalities": ["text_image"]}})
    with pytest.raises(
        DataError, match=r"semantics\.modalities: text_image needs text and image, which this data does not"
    ):
        wanted.fit(events, **COLUMNS)
    wordless = Recommender("static", settings={**SETTINGS, "model": {**SETTINGS["model"], "vectors": ["text"]}})
    with pytest.raises(DataError, match=r"model\.vectors is text, but features has none of text:"):
        wordless.fit(events, **COLUMNS)
    few = Recommender("static", settings={"prepare": {"k_core": 500}})
    with pytest.raises(DataError, match="nothing is left of 541 interactions") as caught:
        few.fit(events, **COLUMNS)
    assert "/solid-" not in str(caught.value) + capsys.readouterr().err  # scratch folders tell nobody anything


def test_a_person_sees_one_line_a_step_or_all_and_nothing_is_tracked_unless_asked(
    events: pd.DataFrame,
    quick_python: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for variable in ("SOLID_TRACKING", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)
    Recommender("static", settings=SETTINGS).fit(events, **COLUMNS)
    lines = capsys.readouterr().err.split("\n")
    assert [line.split("\r")[1].split(":")[0].strip() for line in lines[:4]] == [
        "ingest",
        "prepare",
        "features",
        "train static",
    ]
    assert lines[4:] == [""]
    assert "train static: epoch   2: " in lines[3]
    Recommender("static", settings=SETTINGS, verbose=True).fit(events, **COLUMNS)
    said = capsys.readouterr().err
    assert "\r" not in said
    assert "\ntrain static\nepoch   1: " in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_an_interrupted_fit_leaves_no_process_and_no_folder(events: pd.DataFrame, tmp_path: Path) -> None:
    events.to_parquet(tmp_path / "events.parquet")
    (tmp_path / "scratch").mkdir()
    endless = {**SETTINGS, "training": {"epochs": 100_000, "patience": 100_000}}
    script = f"""
import pandas as pd
from solid import Recommender
events = pd.read_parquet({str(tmp_path / "events.parquet")!r})
Recommender("static", settings={endless!r}, verbose=True).fit(events, **{COLUMNS!r})
"""
    environment = os.environ | {"TMPDIR": str(tmp_path / "scratch")}
    with subprocess.Popen([PYTHON, "-c", script], env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        for line in process.stderr:
            if "epoch   3" in line:
                break
        [child] = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
        process.wait(60)
    assert "KeyboardInterrupt" in said
    deadline = time.monotonic() + 30
    while Path(f"/proc/{child}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert not list((tmp_path / "scratch").glob("solid-*"))


def test_importing_solid_is_light() -> None:
    code = (
        "import sys, solid; before = set(sys.modules); from solid import Recommender; print(*before);"
        "print(*sys.modules); print(Recommender.__name__, solid.__version__)"
    )
    done = subprocess.run([PYTHON, "-c", code], capture_output=True, text=True, check=True)
    alone, with_recommender, said = done.stdout.splitlines()
    heavy = {"torch", "sklearn", "mlflow", "boto3", "plotly", "transformers"}
    assert heavy.isdisjoint(with_recommender.split())
    assert {*heavy, "pandas", "numpy", "pydantic", "narwhals", "solid.interface"}.isdisjoint(alone.split())
    assert said.startswith("Recommender 0.")
    with pytest.raises(ImportError, match="Recomender"):
        exec("from solid import Recomender")
