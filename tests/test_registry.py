"""Registering, promoting, serving: against a real MLflow store in a sqlite file, with tiny models."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from numpy.typing import NDArray

from solid.cli import main
from solid.data.dataset import Dataset
from solid.errors import DataError, SettingsError, SolidError, UnavailableError
from solid.evaluation.measure import measure
from solid.evaluation.scoring import View
from solid.kinds import HEADS, MAKES_THE_MODEL
from solid.metrics.catalogue import metric
from solid.metrics.measured import candidate_metrics
from solid.models.config import ModelConfig
from solid.models.recommender import Recommender
from solid.models.storage import save_model
from solid.registry.answers import Answers
from solid.registry.catalogue import Catalogue
from solid.registry.champion import fetch_champion
from solid.registry.checks import check
from solid.registry.counted import Counted
from solid.registry.profile import Profile
from solid.registry.promotion import Verdict, judge, require_better_than_counting, view_of
from solid.registry.recommend import recommend
from solid.registry.register import register
from solid.registry.version import fetch_version, log_version
from solid.settings.heads import FusionSettings
from solid.settings.loading import load_settings
from solid.settings.schema import CheckSettings, ModelSettings, Settings, TrainingSettings
from solid.storage.local import read_json, write_json
from solid.training.loop import fit
from solid.training.state import TrainingState

pytestmark = pytest.mark.usefixtures("store")

USERS, ITEMS, EVENTS, LENGTH = 80, 24, 8, 4
DIGEST = "0" * 32 + ".dir"
MODEL = {"form": "released", "dim": 8, "length": LENGTH, "layers": 1, "attention_heads": 2}
SETTINGS = Settings.model_validate({"model": MODEL, "evaluation": {"bootstrap": 200}, "registry": {"name": "tiny"}})


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every user walks the items in order, around and around, from a place of its own: easy to learn."""
    folder = tmp_path_factory.mktemp("prepared")
    walks = (np.arange(USERS)[:, None] + np.arange(EVENTS)) % ITEMS + 1
    rng = np.random.default_rng(0)
    others = np.array([rng.permutation(np.setdiff1d(np.arange(1, ITEMS + 1), walk))[:10] for walk in walks])
    pd.DataFrame({"user_id": [f"u{u}" for u in range(USERS)]}).to_parquet(folder / "users.parquet")
    items = pd.DataFrame({"item_id": [f"i{i}" for i in range(1, ITEMS + 1)]})
    items["title"] = "Item " + items["item_id"]
    items.assign(text="", category="", image="").to_parquet(folder / "items.parquet")
    pd.DataFrame(
        {
            "user": np.repeat(np.arange(USERS, dtype=np.int32), EVENTS),
            "item": walks.ravel().astype(np.int32),
            "timestamp": np.tile(np.arange(EVENTS), USERS),
            "split": (["train"] * (EVENTS - 2) + ["valid", "test"]) * USERS,
        }
    ).to_parquet(folder / "interactions.parquet")
    for split in ("valid", "test"):
        np.save(folder / f"candidates_{split}.npy", others.astype(np.int32))
    write_json(folder / "stats.json", {"digest": DIGEST, "format": "walk", "origin": "data"})
    return folder


def build(seed: int, digest: str = DIGEST, n_items: int = ITEMS) -> Recommender:
    torch.manual_seed(seed)
    config = ModelConfig(
        head="solid", ids="item", modality="id_text", n_items=n_items, n_classes=3, digest=digest,
        model=ModelSettings.model_validate(MODEL), fusion=FusionSettings(),
    )  # fmt: skip
    classes = torch.cat([torch.zeros(1, dtype=torch.long), torch.arange(n_items) % 3 + 1])
    return Recommender(config, classes).eval()


def saved(model: Recommender, folder: Path, valid_uauc: float = 0.5) -> Path:
    folder.mkdir()
    save_model(folder, model)
    write_json(folder / "training.json", {"valid_uauc": valid_uauc, "settings": HEADS["solid"].decides(SETTINGS)})
    (folder / "history.csv").write_text(f"epoch,bce,valid_uauc\n1,0.5,{valid_uauc}\n")
    return folder


@pytest.fixture(scope="module")
def weak(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(build(0), tmp_path_factory.mktemp("weak") / "model")


@pytest.fixture(scope="module")
def strong(tmp_path_factory: pytest.TempPathFactory, prepared: Path) -> Path:
    model, loop = build(1), TrainingSettings(epochs=8, learning_rate=0.03, batch_size=40, metric="uauc")
    fit(model, Dataset.load(prepared), loop, TrainingState("test", "valid_uauc"), lambda state: None)
    return saved(model, tmp_path_factory.mktemp("strong") / "model", valid_uauc=0.9)


def evaluated(folder: Path, prepared: Path, counted: dict[str, tuple[float, float]]) -> Path:
    """An output of evaluate: a trained model, and counted ones with their value on validation and of every user."""
    folder.mkdir()
    models = {"SOLID": {"head": "solid", "counted": False, "validation": {"metric": "uauc", "value": 1.0}}}
    rows = []
    for name, (valid, value) in counted.items():
        models[name] = {"head": "counts", "counted": True, "validation": {"metric": "uauc", "value": valid}}
        users = pd.read_parquet(prepared / "users.parquet")["user_id"]
        rows.append(pd.DataFrame({"model": name, "user_id": users, "full_ndcg_10": value}))
    write_json(folder / "models.json", models)
    empty = pd.DataFrame({"model": [], "user_id": [], "full_ndcg_10": []})
    pd.concat(rows or [empty]).to_parquet(folder / "per_user.parquet", index=False)
    return folder


@pytest.fixture(scope="module")
def registrations(
    store: str, prepared: Path, weak: Path, strong: Path, tmp_path_factory: pytest.TempPathFactory
) -> list[tuple[str, dict[str, Any]]]:
    """What is said and written for weak, weak again, strong (weak is offered beside it) and weak once more."""
    out, results = tmp_path_factory.mktemp("register") / "out", []
    evaluation = evaluated(tmp_path_factory.mktemp("runs") / "evaluation", prepared, {})
    for models in ({"weak": weak}, {"weak": weak}, {"weak": weak, "strong": strong}, {"weak": weak}):
        said = register(settings=SETTINGS, prepared=prepared, models=models, evaluation=evaluation, out=out)
        results.append((said, read_json(out / "registration.json")))
    return results


@pytest.fixture
def client(store: str) -> Any:
    import mlflow

    return mlflow.MlflowClient(store)


def test_the_first_is_champion_and_later_ones_must_win(registrations: Any) -> None:
    first, same, better, worse = (written for _, written in registrations)
    assert [w["version"] for w in (first, same, better, worse)] == ["1", "2", "3", "4"]
    assert first["champion"] == {"before": None, "after": "1"}
    assert first["aliases"] == ["challenger", "champion"]
    assert same["champion"] == {"before": "1", "after": "1"}
    assert same["comparison"] is None
    assert same["aliases"] == ["challenger"]
    assert better["model"] == "strong"
    assert better["champion"] == {"before": "1", "after": "3"}
    assert better["comparison"]["win_share"] == 1.0
    assert better["comparison"]["n"] == USERS
    gain = better["test"]["full_ndcg_10"] - first["test"]["full_ndcg_10"]
    assert better["comparison"]["difference"] == pytest.approx(gain, abs=2e-6)
    assert better["counting"] is None
    assert worse["champion"] == {"before": "3", "after": "3"}
    assert worse["comparison"]["difference"] == -better["comparison"]["difference"]


def test_the_sentence_says_what_happened_and_why(registrations: Any) -> None:
    said = [sentence for sentence, _ in registrations]
    assert said[0].startswith(
        "tiny version 1 (weak) is registered as challenger and champion: there was no champion.\n"
    )
    assert "it equals the champion, version 1, byte for byte" in said[1]
    assert "against version 1, the champion, on the same 80 test users; ahead in 100.0% of the resamples" in said[2]
    assert said[3].startswith("tiny version 4 (weak) is registered as challenger: full_ndcg_10 -0.")
    assert said[3].endswith("The champion is version 3: mlflow.pyfunc.load_model('models:/tiny@champion')")


def test_the_registry_has_aliases_tags_and_figures(registrations: Any, client: Any) -> None:
    aliases = client.get_registered_model("tiny").aliases
    assert {alias: str(version) for alias, version in aliases.items()} == {"champion": "3", "challenger": "4"}
    written = registrations[2][1]
    version = client.get_model_version("tiny", "3")
    assert {key: version.tags[key] for key in ("backbone", "head", "modality", "data_digest")} == {
        "backbone": "sasrec", "head": "solid", "modality": "id_text", "data_digest": DIGEST,
    }  # fmt: skip
    assert "### tiny: Version 3 is the new champion" in version.description
    old, new = (written[name]["full_ndcg_10"] for name in ("champion_test", "test"))
    assert f"| full_ndcg_10 | {old:.4f} | {new:.4f} |" in version.description
    experiment = client.get_experiment(client.get_run(version.run_id).info.experiment_id)
    assert f"[run and files](#/experiments/{experiment.experiment_id}/runs/{version.run_id})" in version.description
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"  # opens on its runs
    run = client.get_run(version.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.metrics["test_ndcg_10"] == pytest.approx(written["test"]["ndcg_10"])
    assert [file.path for file in client.list_artifacts(version.run_id, "evaluation")] == [
        "evaluation/models.json", "evaluation/per_user.parquet",
    ]  # fmt: skip
    logged = client.get_logged_model(version.source.removeprefix("models:/"))
    (figure,) = [figure for figure in logged.metrics if figure.key == "test_uauc"]
    assert (figure.dataset_name, figure.dataset_digest) == ("walk", DIGEST)


def test_the_files_need_no_pickle_and_pin_what_they_need(registrations: Any, client: Any) -> None:
    import mlflow

    files = Path(mlflow.artifacts.download_artifacts("models:/tiny/3"))
    kept = {path.relative_to(files / "artifacts").as_posix() for path in (files / "artifacts").rglob("*.*")}
    assert kept == {
        "model/config.json", "model/model.safetensors", "items.parquet",
        "profile/profile.json", "profile/popularity.parquet", "params.yaml", "answers.json",
    }  # fmt: skip
    assert not [path for path in files.rglob("*") if path.suffix in (".pkl", ".pt", ".pyc")]
    signature = mlflow.models.get_model_info("models:/tiny/3").signature
    assert [(param.name, param.default) for param in signature.params] == [("k", 10), ("exclude_seen", True)]
    requirements = (files / "requirements.txt").read_text().split()
    assert f"torch=={torch.__version__.partition('+')[0]}" in requirements
    assert all("==" in requirement and "+" not in requirement for requirement in requirements)


def test_a_fresh_process_needs_only_the_registry(registrations: Any, store: str, served: Any, tmp_path: Path) -> None:
    """The package comes with the version: where it is hidden, the champion still loads by its alias."""
    script = f"""
import json, sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name == "solid" and not any("code" in entry for entry in sys.path):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Hidden())
import mlflow
mlflow.set_tracking_uri({store!r})
model = mlflow.pyfunc.load_model("models:/tiny@champion")
answer = model.predict([["i1", "i2", "nonsense", "i3"], []], params={{"k": 3}})
import solid
print(json.dumps([answer, solid.__file__]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    answers, place = json.loads(done.stdout.splitlines()[-1])
    assert "/code/solid.zip/solid/" in place
    expected = served.predict(None, [["i1", "i2", "nonsense", "i3"], []], {"k": 3})
    for answer, wanted in zip(answers, expected, strict=True):
        assert answer["scores"] == pytest.approx(wanted.pop("scores"))
        assert answer == wanted | {"scores": answer["scores"]}
    assert answers[0]["unknown"] == ["nonsense"]
    assert answers[0]["titles"] == [f"Item {item}" for item in answers[0]["items"]]
    assert [len(answer["items"]) for answer in answers] == [3, 3]


def test_recommend_prints_a_table(registrations: Any, served: Any, caplog: pytest.LogCaptureFixture) -> None:
    (wanted,) = served.predict(None, [["i1", "i2", "i3"]], {"k": 2})
    lines = recommend("models:/tiny@champion", ["i1", "i2", "i3", "who"], 2).splitlines()
    assert lines[0].split() == ["rank", "item", "score", "title"]
    second = wanted["items"][1]
    assert lines[2].split() == ["2", second, f"{wanted['scores'][1]:.3f}", "Item", second]
    assert lines[3] == "ignored, unknown to the model: who"
    assert len(lines) == 4
    assert "who" not in caplog.text  # it is said once


def test_an_id_that_begins_with_a_hyphen_is_an_id(registrations: Any) -> None:
    asked = ["recommend", "--model", "models:/tiny@champion", "-who", "i1", "-k", "2", "--what"]
    done = CliRunner().invoke(main, asked)
    assert done.exit_code == 0, done.output
    assert done.output.endswith("ignored, unknown to the model: -who, --what\n")
    assert CliRunner().invoke(main, ["recommend", "-k", "0", "i1"]).exit_code == 2
    assert "0 is not in the range" in CliRunner().invoke(main, ["recommend", "-k0", "i1"]).output


def test_recommend_without_such_a_model(registrations: Any) -> None:
    with pytest.raises(SolidError, match="nobody"):
        recommend("models:/nobody@champion", ["i1"], 2)
    with pytest.raises(SolidError, match="k must be at least 1"):
        recommend("models:/tiny@champion", ["i1"], 0)


def test_where_nobody_asked_for_it_nothing_is_registered(
    prepared: Path, weak: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOLID_TRACKING", "off")  # MLflow is not spoken to
    out, settings = tmp_path / "out", settings_named("unasked")
    said = register(settings, prepared, {"it": weak}, None, out, registering=False)
    assert said == "Nothing is registered: nobody asked for it, registering is false."
    written = read_json(out / "registration.json")
    assert (written["name"], written["version"], written["aliases"]) == ("unasked", None, [])
    assert (out / "registration.md").read_text() == (
        "### unasked: Nothing is registered\n\nWhy: nobody asked for it, registering is false.\n"
    )


def test_refusals_leave_no_version(registrations: Any, prepared: Path, weak: Path, tmp_path: Path, client: Any) -> None:
    other = saved(build(0, digest="other"), tmp_path / "other")
    with pytest.raises(DataError, match=r"trained on .* items of data 'other'"):
        register(SETTINGS, prepared, {"other": other}, None, tmp_path / "out")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOLID_TRACKING", "off")
        with pytest.raises(SolidError, match="SOLID_TRACKING=off"):
            register(SETTINGS, prepared, {"weak": weak}, None, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert len(client.search_model_versions("name='tiny'")) == 4


def test_a_champion_of_an_older_version_is_left_to_a_person(
    prepared: Path, weak: Path, strong: Path, store: str, client: Any, tmp_path: Path
) -> None:
    settings = SETTINGS.model_copy(update={"registry": SETTINGS.registry.model_copy(update={"name": "older"})})
    register(settings, prepared, {"weak": weak}, None, tmp_path / "out")
    model_id = client.get_model_version("older", "1").source.removeprefix("models:/")
    files = Path(store.removeprefix("sqlite:///")).parent / "mlartifacts" / "models" / model_id / "artifacts"
    config = files / "artifacts" / "model" / "config.json"
    assert config.is_file()
    config.write_text('{"head": "of another kind"}')
    said = register(settings, prepared, {"strong": strong}, None, tmp_path / "out")
    assert "(strong) is registered as challenger: the champion, version 1, cannot be compared (" in said


def settings_named(name: str, **sections: Any) -> Settings:
    return Settings.model_validate(SETTINGS.model_dump() | {"registry": {"name": name}, **sections})


def checked(folder: Path, passed: bool = True, version: str | None = None, digest: str | None = DIGEST) -> Path:
    """An output of check."""
    folder.mkdir()
    report = {
        "passed": passed,
        "reason": "all checks passed" if passed else "new items: 90.0% (checks.max_new_items: 30.0%)",
        "digest": digest,
        "reference": {"is": "compared with nothing", "version": version, "digest": None},
        "settings": {"min_users": 10},
        "checks": [{"name": "new items", "passed": passed, "found": "90.0%", "allowed": "30.0%", "value": 0.9}],
    }
    write_json(folder / "checks.json", report)
    return folder


def test_the_champion_moves_only_on_data_that_passed_its_checks(
    prepared: Path, weak: Path, strong: Path, tmp_path: Path, client: Any
) -> None:
    settings, out = settings_named("gate"), tmp_path / "out"

    def go(model: Path, checks: Path) -> tuple[str, dict[str, Any], str]:
        said = register(settings, prepared, {"it": model}, None, out, checks)
        return said, read_json(out / "registration.json"), (out / "registration.md").read_text()

    said, first, _ = go(weak, checked(tmp_path / "broken", passed=False))
    assert first["champion"] == {"before": None, "after": None}
    assert first["aliases"] == ["challenger"]
    assert said.endswith("There is no champion.")
    said, second, text = go(weak, checked(tmp_path / "first"))
    assert second["champion"] == {"before": None, "after": "2"}
    assert text.startswith("### gate: Version 2 is the new champion\n\nChallenger: version 2 (it). Why: there was no")
    said, third, text = go(strong, checked(tmp_path / "drifted", passed=False, version="2"))
    assert third["champion"] == {"before": "2", "after": "2"}
    assert third["comparison"]["win_share"] == 1  # it would have won
    assert third["reason"].startswith(
        "the data checks did not pass, new items: 90.0% (checks.max_new_items: 30.0%); of the models: full_ndcg_10 +0."
    )
    assert "### gate: Version 2 stays champion" in text
    assert "| new items | 90.0% | 30.0% | **failed** |" in text
    said, fourth, text = go(strong, checked(tmp_path / "good", version="2"))
    assert fourth["champion"] == {"before": "2", "after": "4"}
    old, new = fourth["champion_test"]["full_ndcg_10"], fourth["test"]["full_ndcg_10"]
    assert f"| full_ndcg_10 | {old:.4f} | {new:.4f} | {new - old:+.4f} |" in text
    assert "logloss" not in text  # says nothing of a champion that does not know all items
    run = client.get_model_version("gate", "4").run_id
    logged = {file.path for file in client.list_artifacts(run, "registration")}
    assert logged == {"registration/registration.json", "registration/registration.md"}


def test_data_that_was_checked_against_an_older_champion_is_checked_again(
    prepared: Path, weak: Path, strong: Path, tmp_path: Path
) -> None:
    settings, out = settings_named("stale"), tmp_path / "out"
    register(settings, prepared, {"it": weak}, None, out, checked(tmp_path / "first"))
    register(settings, prepared, {"it": strong}, None, out, checked(tmp_path / "late"))
    assert read_json(out / "registration.json")["champion"] == {"before": "1", "after": "2"}
    assert "compared with the data of version 1 of stale, the champion" in (out / "registration.md").read_text()
    late = checked(tmp_path / "other", digest="other")
    with pytest.raises(DataError, match=r"the data checks are of data other, .* run solid check again"):
        register(settings, prepared, {"it": strong}, None, out, late)


@pytest.mark.parametrize(("first", "second", "champion"), [("weak", "strong", "2"), ("strong", "weak", "1")])
def test_of_two_registrations_at_once_the_better_model_is_champion(
    prepared: Path, weak: Path, strong: Path, client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    first: str, second: str, champion: str,
) -> None:  # fmt: skip
    """Both began when there was no champion; the first takes its place while the second one is being uploaded."""
    settings, models = settings_named(f"both-{first}"), {"weak": weak, "strong": strong}
    upload = "solid.registry.register.log_version"

    def meanwhile(*given: Any) -> Any:
        with monkeypatch.context() as patch:
            patch.setattr(upload, log_version)
            register(settings, prepared, {first: models[first]}, None, tmp_path / "first")
        return log_version(*given)

    with monkeypatch.context() as patch:
        patch.setattr(upload, meanwhile)
        register(settings, prepared, {second: models[second]}, None, tmp_path / "second")
    assert str(client.get_registered_model(settings.registry.name).aliases["champion"]) == champion
    assert read_json(tmp_path / "second" / "registration.json")["champion"] == {"before": "1", "after": champion}
    assert read_json(tmp_path / "second" / "registration.json")["comparison"]["n"] == USERS


def test_a_version_is_few_files_and_each_can_be_had_by_itself(registrations: Any, tmp_path: Path) -> None:
    import mlflow

    files = sorted(
        path.relative_to(tmp_path / "all").as_posix()
        for path in Path(mlflow.artifacts.download_artifacts("models:/tiny/3", dst_path=str(tmp_path / "all"))).rglob(
            "*"
        )
        if path.is_file()
    )
    assert len(files) == 16, files
    assert [file for file in files if file.startswith("code/")] == ["code/solid.zip"]
    held = fetch_version("tiny", "3", ["params.yaml", "profile"], tmp_path / "some")
    assert sorted(path.name for path in held.rglob("*") if path.is_file()) == [
        "params.yaml", "popularity.parquet", "profile.json",
    ]  # fmt: skip
    assert not list((tmp_path / "some").rglob("*.safetensors"))


def test_a_version_leads_back_to_code_image_pipeline_and_data(
    prepared: Path, weak: Path, tmp_path: Path, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lineage = {"git_sha": "c0ffee", "image": "registry.example/solid@sha256:12", "kfp_run_id": "run-7"}
    for variable, value in zip(("SOLID_GIT_SHA", "SOLID_IMAGE", "SOLID_KFP_RUN_ID"), lineage.values(), strict=True):
        monkeypatch.setenv(variable, value)
    register(settings_named("lineage"), prepared, {"it": weak}, None, tmp_path / "out")
    version = client.get_model_version("lineage", "1")
    assert lineage.items() <= version.tags.items()
    assert version.tags["data_digest"] == DIGEST
    assert (lineage | {"dvc_hash": DIGEST}).items() <= client.get_run(version.run_id).data.tags.items()


@pytest.fixture
def params(tmp_path: Path) -> Path:
    """Settings of today, which differ from those that the champion was made with."""
    today = {
        "prepare": {"negatives": 10},
        "model": {"dim": 64},
        "training": {"epochs": 3},
        "semantics": {"modalities": ["text"]},
        "evaluation": {"bootstrap": 500},
    }
    path = tmp_path / "params.yaml"
    write_json(path, today)  # JSON is YAML
    return path


def test_a_retraining_takes_what_makes_the_model_from_the_champion(
    prepared: Path, weak: Path, params: Path, tmp_path: Path
) -> None:
    modalities = {"modalities": ["text", "id_text"]}  # of the run; the model reads the latter
    made_with = settings_named("heir", training={"threads": 7}, prepare={"negatives": 5}, semantics=modalities)
    register(made_with, prepared, {"it": weak}, None, tmp_path / "out")
    out, today = tmp_path / "champion", load_settings(params, ["registry.name=heir"])
    said = fetch_champion(today, "champion", {"training": {"seed": 5}}, out)
    assert said == "version 1 of heir is champion: the settings are its own, with changes to training"
    written = read_json(out / "champion.json")
    assert (written["name"], written["version"], written["found"]) == ("heir", "1", said)
    settings = load_settings(out / "params.yaml")
    assert settings.model == build(0).config.model
    assert settings.semantics.modalities == ("id_text",)
    assert (settings.training.epochs, settings.training.seed, settings.training.threads) == (100, 5, 7)
    assert (settings.prepare.negatives, settings.evaluation.bootstrap) == (10, 500)  # today's
    new, values = written["new"], settings.model_dump(mode="json")
    assert (new.pop("backbone"), new.pop("generator"), new.pop("modalities")) == ("sasrec", "duet", ["id_text"])
    assert new == {section: values[section] for section in MAKES_THE_MODEL}
    profile, trained_on = Profile.load(out / "profile"), Profile.of(Dataset.load(prepared))
    assert profile.counts == trained_on.counts
    pd.testing.assert_series_equal(profile.popularity, trained_on.popularity, check_names=False)

    said = fetch_champion(today, "params", {}, out)
    assert said == "version 1 of heir is champion: the settings are those given, not its own"
    assert load_settings(out / "params.yaml") == today
    assert (out / "profile").is_dir()


def test_without_a_champion_the_settings_are_those_given(params: Path, tmp_path: Path, store: str) -> None:
    out, today = tmp_path / "champion", load_settings(params, ["registry.name=no-one"])
    assert fetch_champion(today, "champion", {}, out) == "no-one has no champion: the settings are those given"
    assert read_json(out / "champion.json")["version"] is None
    assert load_settings(out / "params.yaml") == today
    assert not (out / "profile").exists()


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"training": {"epoch": 1}}, "training.epoch: unknown key"),
        ({"evaluation": {"bootstrap": 1}}, "evaluation is none of them"),
        ({"training": 3}, "training is none of them or has none"),
    ],
)
def test_a_change_that_does_not_fit_is_named(
    params: Path, tmp_path: Path, store: str, changes: Any, fault: str
) -> None:
    today = load_settings(params, ["registry.name=no-one"])
    with pytest.raises(SettingsError, match=fault):
        fetch_champion(today, "champion", changes, tmp_path / "champion")
    assert not (tmp_path / "champion").exists()


def test_a_pipeline_that_lacks_a_modality_of_the_champion_says_how_to_compile_it(
    prepared: Path, weak: Path, params: Path, tmp_path: Path
) -> None:
    made_with = settings_named("lacking", semantics={"modalities": ["id_text"]})
    register(made_with, prepared, {"it": weak}, None, tmp_path / "out")
    out, today = tmp_path / "champion", load_settings(params, ["registry.name=lacking", "semantics.modalities=[image]"])
    with pytest.raises(SettingsError) as refused:
        fetch_champion(today, "champion", {}, out, modalities="image,text")
    assert str(refused.value) == (
        "version 1 of lacking is champion: the settings are its own. They are for semantics.modalities [id_text], but "
        "this pipeline is compiled for [image, text]: give --set 'semantics.modalities=[id_text]' to solid-pipeline "
        "compile or run, or train with today's settings: --parameter settings_of=params"
    )
    with pytest.raises(
        SettingsError, match=r"changes to semantics. They are for semantics.modalities \[image\], but this"
    ):
        fetch_champion(today, "champion", {"semantics": {"modalities": ["image"]}}, out, modalities="image,text")
    assert not out.exists()
    for given, changes in (("image,id_text", {}), ("text,image", {"semantics": {"modalities": ["image", "text"]}})):
        fetch_champion(today, "champion", changes, out, modalities=given)
        compiled_for = tuple(given.split(","))
        assert load_settings(out / "params.yaml").semantics.modalities == compiled_for  # what is going to be trained
    fetch_champion(today, "params", {}, out, modalities="image")
    assert load_settings(out / "params.yaml") == today


def test_a_champion_made_with_settings_unknown_today_is_named(
    prepared: Path, weak: Path, params: Path, store: str, client: Any, tmp_path: Path
) -> None:
    register(settings_named("ancient"), prepared, {"it": weak}, None, tmp_path / "out")
    model_id = client.get_model_version("ancient", "1").source.removeprefix("models:/")
    files = Path(store.removeprefix("sqlite:///")).parent / "mlartifacts" / "models" / model_id / "artifacts"
    made_with = files / "artifacts" / "params.yaml"
    made_with.write_text(made_with.read_text().replace("weight_decay", "decay"))
    today = load_settings(params, ["registry.name=ancient"])
    remedy = r"version 1, the champion, was made .* --settings-of params(.|\n)*training.decay"
    with pytest.raises(SettingsError, match=remedy):
        fetch_champion(today, "champion", {}, tmp_path / "champion")


def test_a_champion_whose_files_are_gone_is_no_champion_without_settings(
    prepared: Path, weak: Path, strong: Path, params: Path, store: str, client: Any, tmp_path: Path
) -> None:
    register(settings_named("emptied"), prepared, {"it": weak}, None, tmp_path / "out")
    today = load_settings(params, ["registry.name=emptied"])
    fetch_champion(today, "champion", {}, tmp_path / "before")
    model_id = client.get_model_version("emptied", "1").source.removeprefix("models:/")
    files = Path(store.removeprefix("sqlite:///")).parent / "mlartifacts" / "models" / model_id / "artifacts"
    for gone, named in (("artifacts/profile", "profile"), (".", "model, items.parquet, profile, params.yaml")):
        shutil.rmtree(files / gone)
        for settings_of in ("champion", "params"):
            with pytest.raises(UnavailableError, match=f"emptied/1: registered, but {named} of its files are gone"):
                fetch_champion(today, settings_of, {}, tmp_path / "champion")
        with pytest.raises(UnavailableError, match="of its files are gone"):
            register(settings_named("emptied"), prepared, {"it": strong}, None, tmp_path / "out")
    assert not (tmp_path / "champion").exists()
    assert len(client.search_model_versions("name='emptied'")) == 1
    shutil.rmtree(tmp_path / "before" / "profile")  # and a reference that lost some is none of a champion without
    with pytest.raises(DataError, match="before/profile"):
        check(prepared, tmp_path / "before", tmp_path / "checked", CheckSettings(min_users=10))
    client.delete_registered_model_alias("emptied", "champion")  # as the message says
    register(settings_named("emptied"), prepared, {"it": strong}, None, tmp_path / "out")
    assert read_json(tmp_path / "out" / "registration.json")["champion"] == {"before": None, "after": "2"}


@pytest.fixture
def served(strong: Path, prepared: Path, tmp_path: Path) -> Any:
    from solid.registry.serving import SolidRecommender

    Profile.of(Dataset.load(prepared)).save(tmp_path / "profile")
    artifacts = {
        "model": str(strong), "items": str(prepared / "items.parquet"), "profile": str(tmp_path / "profile"),
    }  # fmt: skip
    recommender = SolidRecommender()
    recommender.load_context(SimpleNamespace(artifacts=artifacts))
    return recommender


def test_serving_ranks_all_items_as_the_model_scores_them(served: Any, strong: Path, prepared: Path) -> None:
    model = Catalogue.load(strong, prepared / "items.parquet").model
    history = [3, 9, 1, 20, 7]  # longer than the model reads: the oldest falls off
    (answer,) = served.predict(None, [[f"i{i}" for i in history]], {"k": ITEMS, "exclude_seen": False})
    with torch.inference_mode():
        logits = model.score_all(model.encode(torch.tensor([history[-LENGTH:]])))[0].numpy()
    assert answer["items"] == [f"i{i + 1}" for i in np.argsort(-logits)]
    assert answer["scores"] == pytest.approx(np.sort(logits)[::-1].tolist(), abs=1e-6)


def test_serving_leaves_out_what_was_seen_even_before_the_window(served: Any) -> None:
    history = [f"i{i}" for i in range(1, 21)]
    (answer,) = served.predict(None, [history], {"k": 10})
    assert sorted(answer["items"]) == ["i21", "i22", "i23", "i24"]


def test_serving_ignores_unknown_ids_and_says_so(served: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        mixed, known, nothing, empty = served.predict(None, [["x", "i1", "y", "i2"], ["i1", "i2"], ["x"], []], {"k": 4})
    assert mixed["unknown"] == ["x", "y"]
    assert nothing["unknown"] == ["x"]
    assert known["unknown"] == empty["unknown"] == []
    assert mixed["items"] == known["items"]
    assert nothing["items"] == empty["items"]
    assert [answer["cold"] for answer in (mixed, known, nothing, empty)] == [False, False, True, True]
    assert "ignored 2 unknown item ids, such as 'x'" in caplog.text


def test_a_cold_history_gets_what_is_popular_by_its_share_of_all_interactions() -> None:
    items = pd.DataFrame({"item_id": ["a", "b", "c", "d"], "title": ""})
    catalogue = Catalogue(build(0, n_items=4), items, np.array([2, 5, 0, 1]))
    numbers, starts, ends = np.array([1, 0]), np.array([0, 1, 2]), np.array([1, 2, 2])
    top = catalogue.top(numbers, starts, ends, 3, exclude_seen=True, omit=(np.array([2]), np.array([4])))
    assert top.cold.tolist() == [False, True, True]
    assert catalogue.ids[top.rows[1]].tolist() == ["b", "a", "d"]
    assert catalogue.ids[top.rows[2]].tolist() == ["b", "a", "c"]  # not d, which is to be left out
    assert top.scores[1] == pytest.approx(np.log([5 / 8, 2 / 8, 1 / 8]))
    assert np.isfinite(top.scores[2]).all()
    without = Catalogue(build(0, n_items=4), items).top(numbers, starts, ends, 3, exclude_seen=True)
    assert without.scores[1] != pytest.approx(top.scores[1])  # what the model says
    assert (without.scores[0] == top.scores[0]).all()


def test_answers_kept_with_a_version_tell_of_a_model_that_answers_otherwise(prepared: Path, tmp_path: Path) -> None:
    dataset = Dataset.load(prepared)
    catalogue = Catalogue(build(0), dataset.items)
    Answers.of(catalogue, dataset).save(tmp_path / "answers.json")
    kept = Answers.load(tmp_path / "answers.json")
    assert len(kept.histories) == 20
    assert kept.histories[0] == ["i4", "i5", "i6", "i7"]  # of u0, before the last event, as much as the model reads
    assert not set(kept.histories[0]) & set(kept.items[0])
    kept.check(catalogue)
    with pytest.raises(DataError, match=r"answers another .* to test user \d+ of 20: scores differ by"):
        kept.check(Catalogue(build(1), dataset.items))
    swapped = [kept.items[0][1::-1] + kept.items[0][2:], *kept.items[1:]]
    with pytest.raises(DataError, match="to test user 1 of 20"):
        replace(kept, items=swapped).check(catalogue)
    even = [[kept.scores[0][0], kept.scores[0][0], *kept.scores[0][2:]], *kept.scores[1:]]
    with pytest.raises(DataError, match="to test user 1 of 20"):
        replace(kept, scores=even).check(catalogue)
    (tmp_path / "answers.json").write_text("{}")
    with pytest.raises(DataError, match="no answers"):
        Answers.load(tmp_path / "answers.json")


def test_an_id_that_is_not_unicode_is_unknown(served: Any) -> None:
    odd, known = served.predict(None, [["\ud800", "i1"], ["i1"]], {"k": 4})
    assert odd["unknown"] == ["\ud800"]
    assert odd["items"] == known["items"]


def test_serving_gives_the_same_in_parts(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import solid.registry.catalogue

    histories = [[f"i{(u + n) % ITEMS + 1}" for n in range(u % 6)] for u in range(11)]
    whole = served.predict(None, histories)
    monkeypatch.setattr(solid.registry.catalogue, "_SCORES_AT_ONCE", 3 * ITEMS)
    parts = served.predict(None, histories)
    assert [answer["items"] for answer in parts] == [answer["items"] for answer in whole]
    assert len(whole) == 11
    assert served.predict(None, []) == []


def test_histories_keep_the_last_known_items_of_each_sequence() -> None:
    items = pd.DataFrame({"item_id": [f"i{i}" for i in range(1, ITEMS + 1)], "title": ""})
    catalogue = Catalogue(build(0), items)
    numbers = np.array([0, 5, 0, 6, 7, 8, 9, 0, 0, 3, 0])
    histories = catalogue.histories(numbers, np.array([0, 0, 7, 9]), np.array([7, 4, 9, 11]))
    assert histories.tolist() == [[6, 7, 8, 9], [5, 6, 0, 0], [0, 0, 0, 0], [3, 0, 0, 0]]


def test_measure_agrees_with_evaluation_on_the_models_own_data(strong: Path, prepared: Path) -> None:
    dataset = Dataset.load(prepared)
    catalogue = Catalogue.load(strong, prepared / "items.parquet")
    expected = measure(catalogue.model, View.of(catalogue.model, dataset, "test"), SETTINGS.evaluation)
    found = measure(catalogue.model, view_of(catalogue, dataset), SETTINGS.evaluation)
    assert found.summarise() == pytest.approx(expected.summarise())


def test_measure_goes_by_original_ids(strong: Path, prepared: Path, tmp_path: Path) -> None:
    """The same items under other numbers, and some that the champion has never seen."""
    dataset = Dataset.load(prepared)
    catalogue = Catalogue.load(strong, prepared / "items.parquet")

    def measured(data: Dataset) -> Mapping[str, NDArray[np.float64]]:
        return measure(catalogue.model, view_of(catalogue, data), SETTINGS.evaluation).per_user

    reference = measured(dataset)
    order = np.random.default_rng(1).permutation(ITEMS)
    number = np.empty(ITEMS + 1, np.int32)
    number[order + 1] = np.arange(1, ITEMS + 1)
    moved = Dataset(
        dataset.users,
        dataset.items.iloc[order].reset_index(drop=True),
        type(dataset.sequences)(number[dataset.sequences.items], dataset.sequences.offsets, ITEMS),
        {split: number[drawn] for split, drawn in dataset.candidates.items()},
        dataset.stats,
    )
    found = measured(moved)
    for name, values in reference.items():
        assert found[name] == pytest.approx(values), name

    test_item = dataset.items["item_id"][dataset.sequences.items[EVENTS - 1] - 1]
    renamed = dataset.items.assign(item_id=dataset.items["item_id"].replace(test_item, "new"))
    strange = Dataset(dataset.users, renamed, dataset.sequences, dataset.candidates, dataset.stats)
    values = measured(strange)
    positives = dataset.sequences.items[dataset.sequences.targets("test")]
    last = positives == dataset.sequences.items[EVENTS - 1]
    for name in ("auc", "full_auc", "unmasked_auc", "full_hr_10"):
        assert (values[name][last] == 0).all(), name


def test_confidence_and_metric_decide() -> None:
    """Three users, and a challenger better for one: the resamples without that user, 8 of 27, are ties."""
    champion = candidate_metrics(np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
    challenger = candidate_metrics(np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]]))

    def decide(**registry: Any) -> Verdict:
        values = {"evaluation": {"bootstrap": 20_000}, "registry": {"metric": "uauc", **registry}}
        return judge(challenger, champion, "7", Settings.model_validate(values))

    assert decide(confidence=0.8).promote
    verdict = decide(confidence=0.9)
    assert not verdict.promote
    assert verdict.comparison is not None
    assert verdict.comparison.win_share == pytest.approx(1 - 8 / 27 / 2, abs=0.01)
    assert decide(metric="hr_5").reason.startswith("hr_5 +0.0000 ")


@pytest.mark.parametrize(("value", "beaten"), [(0.0, False), (1.0, True)])
def test_a_model_that_counting_beats_is_no_champion_unless_a_setting_allows_it(
    value: float, beaten: bool, prepared: Path, weak: Path, tmp_path: Path, client: Any
) -> None:
    # Of the counted models the one that validation picked is the mark, whatever the others reach on the test users.
    counted = {"popular": (0.1, 1 - value), "pairs": (0.2, value)}
    evaluation, out = evaluated(tmp_path / "evaluation", prepared, counted), tmp_path / "out"
    name = "beaten" if beaten else "unbeaten"
    said = register(settings_named(name), prepared, {"it": weak}, evaluation, out)
    written = read_json(out / "registration.json")
    assert written["champion"]["after"] == (None if beaten else "1")
    assert written["counting"]["model"] == "pairs"
    assert written["counting"]["win_share"] == (0 if beaten else 1)
    assert written["counting"]["difference"] == pytest.approx(written["test"]["full_ndcg_10"] - value, abs=2e-6)
    if not beaten:
        assert "counting" not in said
        return
    assert "registered as challenger: counting beats it: full_ndcg_10 -0." in said
    assert " against pairs, behind in 100.0% of the resamples; such a model is no champion unless" in said
    assert said.endswith("There is no champion.")
    allowed = settings_named(name, registry={"name": name, "allow_below_counting": True})
    said = register(allowed, prepared, {"it": weak}, evaluation, out)
    assert read_json(out / "registration.json")["champion"]["after"] == "2"
    assert "there was no champion; counting beats it: full_ndcg_10 -0." in said


def test_a_little_behind_counting_may_be_luck() -> None:
    """Behind counting for one user of three: the resamples without that user, 8 of 27, are ties."""
    measured = candidate_metrics(np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
    counted = Counted("pairs", np.array([1.0, 1.0, 1.0]))

    def decide(confidence: float) -> Verdict:
        values = {"evaluation": {"bootstrap": 20_000}, "registry": {"metric": "uauc", "confidence": confidence}}
        settings = Settings.model_validate(values)
        return require_better_than_counting(Verdict(True, "fine"), measured, counted, settings)

    assert decide(0.9).promote  # behind in 85 % of the resamples
    assert not decide(0.8).promote


def test_what_counting_reaches_is_of_the_same_users_or_refused(prepared: Path, tmp_path: Path) -> None:
    dataset = Dataset.load(prepared)
    evaluation = evaluated(tmp_path / "evaluation", prepared, {"pairs": (0.2, 0.5)})
    found = Counted.best_of(evaluation, dataset, metric("full_ndcg_10"))
    assert found is not None and found.values.tolist() == [0.5] * USERS
    with pytest.raises(DataError, match=r"per_user\.parquet: no full_hr_10 of pairs .*run solid evaluate again"):
        Counted.best_of(evaluation, dataset, metric("full_hr_10"))
    fewer = Dataset(dataset.users.iloc[1:], dataset.items, dataset.sequences, dataset.candidates, dataset.stats)
    with pytest.raises(DataError, match="of other users than the prepared data"):
        Counted.best_of(evaluation, fewer, metric("full_ndcg_10"))
    assert Counted.best_of(evaluated(tmp_path / "none", prepared, {}), dataset, metric("uauc")) is None


def test_models_that_were_picked_by_different_metrics_are_not_ranked(
    prepared: Path, weak: Path, strong: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(strong, other)
    kept = read_json(other / "training.json") | {"valid_full_ndcg_10": 0.9}
    del kept["valid_uauc"]
    write_json(other / "training.json", kept)
    (other / "history.csv").write_text("epoch,bce,valid_full_ndcg_10\n1,0.5,0.9\n")
    with pytest.raises(DataError, match=r"different metrics.*weak: uauc, other: full_ndcg_10.*train them alike"):
        register(SETTINGS, prepared, {"weak": weak, "other": other}, None, tmp_path / "out")


def test_a_table_of_other_items_is_refused(strong: Path, prepared: Path) -> None:
    model = Catalogue.load(strong, prepared / "items.parquet").model
    with pytest.raises(DataError, match="knows 24 items and the table lists 3"):
        Catalogue(model, pd.DataFrame({"item_id": ["a", "b", "c"], "title": ""}))


@pytest.mark.parametrize("where", ["set_registered_model_alias", "whole_folder"])
def test_an_interrupted_registration_goes_on_with_its_version(
    where: str, store: str, prepared: Path, weak: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, client: Any
) -> None:
    name = f"cut-{where}"
    settings = settings_named(name)

    def killed(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    target = "solid.registry.register.whole_folder" if where == "whole_folder" else f"mlflow.MlflowClient.{where}"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(target, killed)
        register(settings, prepared, {"weak": weak}, None, tmp_path / "out")
    assert not (tmp_path / "out").exists()

    register(settings, prepared, {"weak": weak}, None, tmp_path / "out")
    written = read_json(tmp_path / "out" / "registration.json")
    assert (written["version"], written["aliases"]) == ("1", ["challenger", "champion"])
    assert written["champion"] == {"before": None, "after": "1"}
    assert written["reason"] == "there was no champion"
    assert len(client.search_model_versions(f"name='{name}'")) == 1
    register(settings, prepared, {"weak": weak}, None, tmp_path / "again")
    assert len(client.search_model_versions(f"name='{name}'")) == 2, "a registration that ended is not gone on with"


def test_an_interrupted_registration_that_was_overtaken_cannot_take_the_champion(
    store: str, prepared: Path, weak: Path, strong: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_named("overtaken")

    def killed(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("mlflow.MlflowClient.set_registered_model_alias", killed)
        register(settings, prepared, {"weak": weak}, None, tmp_path / "out")
    register(settings, prepared, {"strong": strong}, None, tmp_path / "strong")
    register(settings, prepared, {"weak": weak}, None, tmp_path / "out")
    written = read_json(tmp_path / "out" / "registration.json")
    assert (written["version"], written["aliases"]) == ("3", ["challenger"])
    assert written["champion"] == {"before": "2", "after": "2"}
