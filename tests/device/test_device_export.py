"""The export command: what it writes, that its figures are those of PyTorch, and what it refuses."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from walks import ITEMS, USERS, write_walk

from solid.cli import main
from solid.data.dataset import Dataset
from solid.evaluation.measure import measure_one
from solid.evaluation.scoring import View
from solid.metrics.catalogue import MAIN, metric
from solid.models.storage import load_model
from solid.settings.schema import Settings
from solid.storage.local import read_json
from solid.training.step import train

pytest.importorskip("onnxruntime", reason="no ONNX Runtime; pip install 'solid-rec[device]'")
SETTINGS = Settings.model_validate({
    "model": {"dim": 8, "length": 5, "layers": 1, "attention_heads": 2},
    "training": {"epochs": 3, "batch_size": 16, "learning_rate": 0.03},
})  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepared data and models of some heads."""
    folder = tmp_path_factory.mktemp("root")
    (folder / "prepared").mkdir()
    prepared = write_walk(folder / "prepared")
    for head in ("duet", "popular"):
        train(prepared, folder / head, head, None, None, None, SETTINGS)
    return folder


def export(root: Path, *options: str) -> Result:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        return CliRunner().invoke(main, ["export", *options])


def test_an_export_has_graphs_items_and_what_they_cost(root: Path) -> None:
    done = export(root, "--model", "duet", "--prepared", "prepared", "--out", "out")
    assert done.exit_code == 0, done.output
    out = root / "out"
    assert sorted(str(file.relative_to(out)) for file in out.rglob("*.*")) == [
        "cloud.onnx", "export.json",
        *(f"{name}/{file}" for name in ("float16", "float32", "int8") for file in ("device.onnx", "items.bin")),
        "items.json",
    ]  # fmt: skip
    told = read_json(out / "export.json")
    assert (told["head"], told["backbone"], told["n_items"], told["opset"]) == ("duet", "sasrec", ITEMS, 20)
    model, dataset = load_model(root / "duet"), Dataset.load(root / "prepared")
    expected = measure_one(model, View.of(model, dataset, "test"), metric(MAIN), 7)
    assert told["test_users"] == USERS
    assert told["device"]["float32"]["ndcg"] == pytest.approx(expected, abs=1e-6)
    assert told["device"]["float32"]["weights"] == 4 * 2 * (8 * 8 + 8)
    assert told["difference"] <= 1e-5
    assert told["cloud"]["bytes"] == (out / "cloud.onnx").stat().st_size
    for name, cost in told["device"].items():
        assert cost["items"] == (out / name / "items.bin").stat().st_size
        assert cost["graph"] == (out / name / "device.onnx").stat().st_size
    table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in done.output.splitlines() if "|" in line]
    assert table[0] == ["duet, 24 items", "float32", "float16", "int8", "without generation"]
    lost = {row[0]: row[1:] for row in table}["lost"]
    assert lost == [f"{expected - cost['ndcg']:+.4f}" for cost in told["device"].values()] + [""]
    assert read_json(out / "items.json") == [{"id": f"i{n}"} for n in range(1, ITEMS + 1)]
    vectors = np.frombuffer((out / "float32" / "items.bin").read_bytes(), "<f4").reshape(ITEMS + 1, 8)
    np.testing.assert_allclose(vectors[1:], model.item_embeddings(), atol=1e-6)


def test_a_subset_of_test_users_is_said(root: Path) -> None:
    done = export(root, "--model", "duet", "--prepared", "prepared", "--users", "10", "--out", "few")
    assert "on 10 test users" in done.output
    assert read_json(root / "few" / "export.json")["test_users"] == 10


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            ["--model", "popular", "--prepared", "prepared"],
            "Error: head popular: .*export a head that is a graph: static",
        ),
        (["--model", "duet"], "Error: --model duet is a folder, .*: name the output of prepare, --prepared"),
        (["--model", "nothing", "--prepared", "prepared"], "Error: --model nothing: no such folder, and no address"),
        (["--model", "duet", "--semantics", "prepared"], "Error: --semantics is of the data"),
        ([], "Error: name what to write: --model, or --prepared of the data"),
    ],
)
def test_what_cannot_be_exported_is_one_error_and_leaves_nothing(root: Path, options: list[str], words: str) -> None:
    done = export(root, *options, "--out", "refused")
    assert done.exit_code != 0
    assert re.search(words, done.output.replace("\n", " "))
    assert not list(root.glob("refused*"))


def test_a_missing_extra_is_one_line(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    done = export(root, "--model", "duet", "--prepared", "prepared", "--out", "refused")
    assert done.output == "Error: solid export --model needs onnx, onnxruntime; install 'solid-rec[device]'\n"


def test_an_older_export_is_replaced_and_nothing_else(root: Path) -> None:
    (root / "mine").mkdir()
    (root / "mine" / "letter.txt").write_text("dear")
    done = export(root, "--model", "duet", "--prepared", "prepared", "--out", "mine")
    assert "is no older output of this step" in done.output
    again = export(root, "--model", "duet", "--prepared", "prepared", "--users", "5", "--out", "few")
    assert again.exit_code == 0
    assert read_json(root / "few" / "export.json")["test_users"] == 5
