"""What trained a model is what is recorded of it, served, and taken over by a retraining: every head and way in.

Every setting that some head reads has a value here that is not its default, so that one lost on its way shows.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner
from google.protobuf.json_format import MessageToDict

from pipelines.catalogue import PIPELINES
from pipelines.deployment import load_deployment
from solid.cli import main
from solid.compare.grid import read_table
from solid.compare.jobs import Plan
from solid.errors import SettingsError
from solid.kinds import BASELINES, GENERATORS, HEADS, MAKES_THE_MODEL, SECTIONS
from solid.settings.schema import Settings
from solid.storage.local import read_json, write_json

ROOT = Path(__file__).resolve().parent.parent
SET = re.compile(r"([a-z_]+)={{\$\.inputs\.parameters\['(\w+)'\]}}")  # of a whole section, as a component has it
ODD: dict[str, dict[str, Any]] = {
    "model": {
        "form": "released", "backbone": "bert4rec", "dim": 8, "length": 5, "layers": 1, "attention_heads": 4,
        "feed_forward": 2, "dropout": 0.1, "cloze": 0.3, "vectors": [],
    },
    "training": {
        "loss": "gbce", "targets": "windows", "trunk": "own", "epochs": 2, "patience": 3, "batch_size": 512,
        "negatives": 2, "sampling": "popularity", "calibration": 0.5, "softmax_memory": 32, "learning_rate": 0.01,
        "weight_decay": 0.01, "gradient_clip": 1.0, "metric": "uauc", "selection_users": 25, "seed": 3,
    },
    "finetune": {"steps": 1, "rate": 0.2},
    "apg": {"rank": 4, "expansion": 18},
    "fusion": {
        "generator": "apg", "ids": "item", "branches": "semantic", "bound": "clip", "t": 0.1, "alignment": 0.5,
        "codebook": "loss",
    },
    "counting": {
        "users": 2000, "entries": 250, "items": [1], "decay": [0.2], "share": [0.01], "half_life": [0.01],
        "window": [1], "backward": [0.0], "flatten": [0.0], "alike": 10, "power": [2.0], "a": [0.0], "b": [0.0],
        "c": [0.0], "neighbours": [20], "shrink": [0.0], "ridge": [30.0], "side": [1.0], "ease_items": 4000,
        "long_items": [40], "long_decay": [0.6], "sessions": [50],
    },
    "mixture": {"models": 2, "shares": [0.5], "users": 25},
}  # fmt: skip
# What a counted model is made with, which is served with it: each setting, and the key that has its values to try.
READING = {"items": "items", "decay": "decay", "share": "share"}
PICKED: dict[str, dict[str, str]] = {
    "popular": {},
    "lately": {"half_life": "half_life"},
    "transitions": {**READING, "window": "window", "backward": "backward", "flatten": "flatten"},
    "itemknn": {**READING, "neighbours": "neighbours", "shrink": "shrink"},
    "ease": {"ridge": "ridge", "items": "long_items", "decay": "long_decay", "share": "share"},
    "sessions": {**READING, "sessions": "sessions"},
}
NO_HISTORY = {"items": 1, "decay": 1.0, "share": 1.0, "half_life": None}  # popularity reads none
# The epoch of a model that may be registered is chosen on validation, and where training runs decides nothing.
AS_THEY_ARE = {"training.selection", "training.threads", "training.device"}
# How a model was made, which its answers do not depend on.
NOT_SERVED = {"training", "counting", "mixture"}
# Of a mixture.
PARTS = ("popular", "apg")
USERS, ITEMS, EVENTS = 30, 24, 8


def test_no_setting_here_is_the_default() -> None:
    assert tuple(ODD) == SECTIONS
    for section in SECTIONS:
        for key, default in getattr(Settings(), section).model_dump(mode="json").items():
            assert (f"{section}.{key}" in AS_THEY_ARE) or ODD[section][key] != default, f"{section}.{key}"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with prepared data, classes, settings and an MLflow store."""
    folder = tmp_path_factory.mktemp("recorded")
    prepared, semantics = folder / "prepared", folder / "semantics"
    prepared.mkdir(), semantics.mkdir()
    walks = (np.arange(USERS)[:, None] + np.arange(EVENTS)) % ITEMS + 1
    others = np.array([np.setdiff1d(np.arange(1, ITEMS + 1), walk)[:10] for walk in walks], dtype=np.int32)
    pd.DataFrame({"user_id": [f"u{u}" for u in range(USERS)]}).to_parquet(prepared / "users.parquet")
    items = pd.DataFrame({"item_id": [f"i{i}" for i in range(1, ITEMS + 1)]})
    items.assign(title="", text="", category="", image="").to_parquet(prepared / "items.parquet")
    events = {"user": np.repeat(np.arange(USERS, dtype=np.int32), EVENTS), "item": walks.ravel().astype(np.int32)}
    splits = (["train"] * (EVENTS - 2) + ["valid", "test"]) * USERS
    pd.DataFrame({**events, "timestamp": np.tile(np.arange(EVENTS), USERS), "split": splits}).to_parquet(
        prepared / "interactions.parquet"
    )
    for split in ("valid", "test"):
        np.save(prepared / f"candidates_{split}.npy", others)
    write_json(prepared / "stats.json", {"digest": "d.dir", "format": "walk", "origin": "data"})
    ids = np.arange(1, ITEMS + 1, dtype="int32")
    pd.DataFrame({"item": ids, "class": (ids - 1) // 4 + 1}).to_parquet(semantics / "semantic_ids.parquet")
    write_json(semantics / "quality.json", {"modality": "id_text", "digest": "d.dir"})
    (folder / "params.yaml").write_text(yaml.safe_dump({**ODD, "evaluation": {"bootstrap": 100}}))
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
            patch.delenv(name)
        patch.setenv("SOLID_TRACKING", "on")
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
        patch.chdir(folder)
        yield folder


def call(*arguments: object) -> str:
    done = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done.output


def train(head: str, out: str, *more: object) -> None:
    others = ["--semantics", "semantics"] if HEADS[head].on_generator else []
    if HEADS[head].by == "mixing":
        for part in PARTS:
            train(part, f"{out}-{part}", *more)
            others += ["--part", f"{part}={out}-{part}"]
    call("train", "--head", head, "--prepared", "prepared", *others, "--out", out, *more)


@pytest.mark.slow
@pytest.mark.parametrize("head", HEADS)
def test_by_the_command_line(head: str, place: Path) -> None:
    train(head, f"{head}/model")
    name = f"registry.name={head}"
    call("register", "--prepared", "prepared", "--model", f"it={head}/model", "--set", name, "--out", f"{head}/said")
    import mlflow

    version = Path(mlflow.artifacts.download_artifacts(f"models:/{head}/1", dst_path=str(place / head / "version")))
    recorded = yaml.safe_load((version / "artifacts" / "params.yaml").read_text())
    served = read_json(version / "artifacts" / "model" / "config.json")
    settings = Settings.model_validate(ODD)
    read = HEADS[head].sections(settings)
    assert {section for section in SECTIONS if served.get(section)} == set(read) - NOT_SERVED
    of_parts = [section for part in PARTS for section in HEADS[part].sections(settings)]
    for section in {*read, *(of_parts if head == "mixture" else [])}:
        assert ODD[section].items() <= recorded[section].items(), section
    for section in set(read) - NOT_SERVED:
        assert served[section] == recorded[section], section
    if "counting" in read:
        fixed = NO_HISTORY if head in ("popular", "lately") else {}
        assert served["picked"] == fixed | {name: ODD["counting"][key][0] for name, key in PICKED[head].items()}

    # A retraining takes all of it over, whatever the settings of that day, and comes to the same bytes.
    (place / head / "today.yaml").write_text("{}")
    call("champion", "--params", f"{head}/today.yaml", "--set", name, "--out", f"{head}/champion")
    train(head, f"{head}/again", "--params", f"{head}/champion/params.yaml")
    for file in ("config.json", "model.safetensors", "training.json"):
        assert (place / head / "again" / file).read_bytes() == (place / head / "model" / file).read_bytes(), file


@pytest.mark.slow
def test_other_settings_than_the_models_are_refused_with_what_to_give(place: Path) -> None:
    train("apg", "refused/model")
    command = ["register", "--prepared", "prepared", "--model", "it=refused/model", "--out", "refused/said"]
    changes = ["--set", "registry.name=refused", "--set", "apg.rank=3", "--set", "training.learning_rate=0.5"]
    done = CliRunner().invoke(main, [*command, *changes, "--set", "training.threads=2"])
    assert done.exit_code == 2
    assert done.output == (
        "Error: refused/model: trained with other settings than those given, which a retraining would take over:\n"
        "  training.learning_rate: 0.01, but 0.5 is given\n"
        "  apg.rank: 4, but 3 is given\n"
        "Give those that it was made with: --set training.learning_rate=0.01 --set apg.rank=4\n"
    )
    assert not Path("refused/said").exists()
    import mlflow

    assert not mlflow.MlflowClient().search_model_versions("name='refused'")
    call(*command, *changes, "--set", "apg.rank=4", "--set", "training.learning_rate=0.01")


def test_by_dvc() -> None:
    """Each training watches all that its head may read, and the registration all that makes a model."""
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    trained = set()
    for name, stage in stages.items():
        body = stage.get("do", stage)
        words = shlex.split(body["cmd"])
        if words[1] != "train":
            continue
        head = words[words.index("--head") + 1]
        for kind in {"${fusion.generator}": GENERATORS, "${item}": BASELINES}.get(head, (head,)):
            trained.add(kind)
            for generator in GENERATORS:
                settings = Settings.model_validate({"fusion": {"generator": generator}})
                assert set(HEADS[kind].sections(settings)) <= set(body["params"]), (name, kind)
    assert trained == set(HEADS)
    assert set(MAKES_THE_MODEL) <= set(stages["register"]["params"])


@pytest.mark.parametrize("name", ["training", "retraining"])
def test_by_the_pipelines(name: str) -> None:
    """What the run is given, or the champion was made with, comes to each training; the registration is told, too."""
    trained = set()
    for generator in GENERATORS:
        settings = Settings.model_validate({"fusion": {"generator": generator}, "evaluation": {"baselines": BASELINES}})
        spec = MessageToDict(PIPELINES[name](load_deployment(image="x"), settings).pipeline_spec)
        for task in spec["root"]["dag"]["tasks"].values():
            label = spec["components"][task["componentRef"]["name"]]["executorLabel"]
            container = spec["deploymentSpec"]["executors"][label]["container"]
            step, words = container["command"][1], container["args"]
            # of each setting that the command line gets whole, by which parameter
            given = dict(SET.fullmatch(word).groups() for word in words if SET.fullmatch(word))
            if step == "train":
                head = words[words.index("--head") + 1]
                head = {"{{$.inputs.parameters['generator']}}": generator}.get(head, head)
                trained.add(head)
                expected = set(HEADS[head].sections(settings))
            elif step == "register" and name == "training":
                expected = set(MAKES_THE_MODEL)
            else:
                continue
            assert expected <= set(given), task["taskInfo"]["name"]
            sources = {section: task["inputs"]["parameters"][given[section]] for section in expected}
            assert sources == {
                section: {"componentInputParameter": parameter}
                if name == "training"
                else {"taskOutputParameter": {"producerTask": "champion", "outputParameterKey": f"new_{parameter}"}}
                for section, parameter in given.items()
                if section in expected
            }
    assert trained == set(HEADS)


def test_a_retraining_registers_with_the_file_that_the_champion_wrote() -> None:
    spec = MessageToDict(PIPELINES["retraining"](load_deployment(image="x"), Settings()).pipeline_spec)
    label = spec["components"][spec["root"]["dag"]["tasks"]["register"]["componentRef"]["name"]]["executorLabel"]
    words = spec["deploymentSpec"]["executors"][label]["container"]["args"]
    assert words[words.index("--params") + 1].endswith("params.yaml")
    told = {word.partition("=")[0] for option, word in pairwise(words) if option == "--set"}
    assert told.isdisjoint(MAKES_THE_MODEL)


@pytest.mark.parametrize("head", HEADS)
def test_by_compare(head: str, tmp_path: Path) -> None:
    """Two models are one job if and only if they differ in nothing that their head reads."""
    base = Settings.model_validate(ODD)
    ours = {
        section: {key: value for key, value in ODD[section].items() if key not in ("backbone", "seed")}
        for section in ODD
    }

    def job(section: str, key: str, value: Any) -> str:
        settings = {**ours, section: {**ours[section], key: value}}
        grid = {
            "title": "x", "data": {"name": "x", "source": "s3://x/y"}, "settings": settings, "seeds": [3],
            "backbones": ["bert4rec"], "modalities": ["text"],
        }  # fmt: skip
        parts = {part: {"head": part} for part in PARTS} if head == "mixture" else {}
        grid["models"] = {"it": {"head": head, "parts": list(parts)}, **parts}
        (tmp_path / "grid.yaml").write_text(yaml.safe_dump(grid, sort_keys=False))
        scored = next(iter(Plan(tmp_path).cells(read_table(tmp_path / "grid.yaml")).values()))
        model = scored.inputs["model"]
        assert model is not None and model.settings.model_dump(mode="json")[section][key] == value
        return model.digest

    same = job("training", "epochs", ODD["training"]["epochs"])
    for section in SECTIONS:
        for key, default in getattr(Settings(), section).model_dump(mode="json").items():
            if f"{section}.{key}" not in AS_THEY_ARE and key in ours[section]:
                heads = (head, *(PARTS if head == "mixture" else ()))
                read = any(key in HEADS[one].decides(base).get(section, {}) for one in heads)
                try:
                    other = job(section, key, default)
                except SettingsError:  # the form here has one layer, and the default is two
                    assert f"{section}.{key}" == "model.layers"
                    continue
                assert (other != same) == read, f"{section}.{key}"
