"""Settings: every fault is named by its key, and params.yaml states defaults."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from solid.errors import SettingsError
from solid.settings.fields import MODALITIES
from solid.settings.loading import load_settings
from solid.settings.schema import Settings

ROOT = Path(__file__).resolve().parent.parent.parent
SECTIONS = (
    "data, prepare, features, semantics, model, training, finetune, apg, fusion, counting, mixture, evaluation, "
    "checks, registry"
)
FUSION = "generator, ids, branches, bound, t, alignment, codebook"
MODALITY_LIST = "semantics.modalities: expected all, or a list of different modalities such as [id, id_text]"


def fault(path: Path | None, *overrides: str) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(path, overrides)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("trainig: {seed: 1}", [f"trainig: unknown key; known here: {SECTIONS}"]),
        ("fusion: {lambda: 1}", [f"fusion.lambda: unknown key; known here: {FUSION}"]),
        (
            "training: {epochs: many}",
            ["training.epochs: Input should be a valid integer, unable to parse string as an integer (given 'many')"],
        ),
        ("training: {epochs: 0}", ["training.epochs: Input should be greater than or equal to 1 (given 0)"]),
        ("training: {learning_rate: .inf}", ["training.learning_rate: Input should be a finite number (given inf)"]),
        ("fusion: {bound: tahn}", ["fusion.bound: Input should be 'clip', 'tanh' or 'none' (given 'tahn')"]),
        (
            "prepare: {k_core: -1}",
            ["prepare.k_core: Input should be greater than or equal to 0; or Input should be 'auto' (given -1)"],
        ),
        ("training: 3", ["training: expected a section, with its keys indented below it (given 3)"]),
        ("model: {dim: 11}", ["model: attention_heads must divide dim, but 11 / 2 leaves a rest"]),
        (
            "evaluation: {baselines: [ease]}",
            ["evaluation.baselines: static has to be among them, for models that generate weights add to it"],
        ),
        ("semantics: {modalities: id}", [f"{MODALITY_LIST} (given 'id')"]),
        ("semantics: {modalities: [id, id]}", [f"{MODALITY_LIST} (given ['id', 'id'])"]),
        (
            "semantics: {modalities: [id, txt]}",
            [
                "semantics.modalities: Input should be 'id', 'text', 'image', 'id_text', 'id_image', 'text_image', "
                "'id_text_image' or 'auto' (given 'txt')"
            ],
        ),
        (
            "fusion: {t: 0, beta: 1}\nregistry: {confidence: 2}",
            [
                "fusion.t: Input should be greater than 0 (given 0)",
                f"fusion.beta: unknown key; known here: {FUSION}",
                "registry.confidence: Input should be less than 1 (given 2)",
            ],
        ),
    ],
)
def test_every_value_that_does_not_fit_is_named(tmp_path: Path, text: str, faults: list[str]) -> None:
    (tmp_path / "p.yaml").write_text(text)
    assert fault(tmp_path / "p.yaml") == "\n  ".join(["settings do not fit:", *faults])


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    place = tmp_path / "p.yaml"
    assert fault(place) == f"{place}: no such settings file"
    place.write_text("training:\n  epochs: [1\n")
    message = fault(place)
    assert message.startswith(f"{place}: not valid YAML: line 3, column 1: expected ',' or ']'")
    place.write_bytes(b"\xff\xfe")
    assert fault(place) == f"{place}: not valid YAML: line 1: byte 0xff is not UTF-8; save it as UTF-8"
    place.write_text("- training")
    assert fault(place) == f"{place}: expected sections such as 'training:', found list"


@pytest.mark.parametrize("override", ["training.seed", "seed=1", "=", ""])
def test_an_override_needs_section_key_and_value(override: str) -> None:
    assert fault(None, override) == f"--set {override}: write it as section.key=value, for example training.seed=1"


def test_overrides_are_checked_like_the_file(tmp_path: Path) -> None:
    assert fault(None, "training.seed=[").startswith("--set training.seed=[: not valid YAML: line 1, column 2: ")
    assert fault(None, "x.y=1") == f"settings do not fit:\n  x: unknown key; known here: {SECTIONS}"
    (tmp_path / "p.yaml").write_text("training: 3")
    assert "training: expected a section" in fault(tmp_path / "p.yaml", "training.seed=1")


def test_overrides_win_and_the_rest_stays(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("training:\n  seed: 1\n  epochs: 7\nfusion:\n")
    found = load_settings(tmp_path / "p.yaml", ["training.seed=2", "fusion.alignment=1e-3", "training.seed=3"])
    assert (found.training.seed, found.training.epochs, found.fusion.alignment) == (3, 7, 0.001)
    assert found.model == Settings().model


def test_several_keys_of_a_section_are_overridden_at_once(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("training:\n  seed: 1\n  epochs: 7\n")
    found = load_settings(tmp_path / "p.yaml", ['training={"seed": 2.0, "learning_rate": 1e-05}', "training.seed=3"])
    assert (found.training.seed, found.training.epochs, found.training.learning_rate) == (3, 7, 1e-5)
    assert fault(None, "x={a: 1}") == f"settings do not fit:\n  x: unknown key; known here: {SECTIONS}"


def test_params_yaml_of_the_current_folder_is_read_if_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings() == Settings()
    Path("params.yaml").write_text("training: {seed: 5}")
    assert load_settings().training.seed == 5


def test_all_stands_for_the_seven_modalities() -> None:
    assert load_settings(None, ["semantics.modalities=all"]).semantics.modalities == MODALITIES
    assert len(set(MODALITIES)) == 7
    assert load_settings(None, ["semantics.modalities=[image, id]"]).semantics.modalities == ("image", "id")


def test_params_yaml_states_defaults_in_the_order_of_the_schema() -> None:
    """So a container without params.yaml behaves as the chain does. A new setting need not stand there."""
    stated = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    defaults = Settings().model_dump(mode="json")
    assert list(stated) == list(defaults)
    for section, keys in stated.items():
        assert list(keys.items()) == [pair for pair in defaults[section].items() if pair[0] in keys]


def test_settings_survive_being_written_and_read(tmp_path: Path) -> None:
    found = load_settings(None, ["semantics.modalities=all", "prepare.k_core=3", "training.learning_rate=1e-5"])
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(found.model_dump(mode="json"), sort_keys=False))
    assert load_settings(tmp_path / "p.yaml") == found
