"""The evaluate step: its files hold what a hand computes, whole or not at all, the same bytes every time."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from math import log, log2
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from threadpoolctl import threadpool_limits

from solid.data.dataset import Dataset
from solid.errors import DataError, SolidError
from solid.evaluation.comparison import paired_bootstrap
from solid.evaluation.evaluate import evaluate
from solid.evaluation.inspection import codebook_use, extremes, semantic_spaces, tell
from solid.evaluation.projection import project
from solid.metrics.catalogue import COMPARED
from solid.models.storage import load_model
from solid.settings.schema import EvaluationSettings
from solid.storage.local import folder_digest

SETTINGS = EvaluationSettings(bootstrap=100, batch_size=2)
NAMES = [
    "class_sizes.csv", "comparison.json", "groups.csv", "learning_curves", "metrics.json", "models.json",
    "per_user.parquet", "reliability.csv", "report.html", "table.md",
]  # fmt: skip
#           ann: 3 of 3 4 5 6   bob: 6 of 6 1 2 3   cy: 2 of 2 4 6 8
STATIC_AUC = [0, 1, 0]
SOLID_AUC = [2.5 / 3, 1 / 3, 2.5 / 3]  # tied with item 4; behind items 2 and 3; tied with item 8
# Among all:  ann: 3 of 3 4 5 6 7 8   bob: 6 of 6 1 2 3 7 8   cy: 2 of 2 4 6 8
STATIC_FULL_AUC = [0, 3 / 5, 0]
SOLID_FULL_AUC = [3.5 / 5, 2 / 5, 2.5 / 3]  # behind 8, tied with 4; behind 2, 3 and 8; tied with 8
TIE = (1 + 1 / log2(3)) / 2
BEST_FIRST = ["SOLID <text>", "static"]


@pytest.fixture
def out(prepared: Path, models: dict[str, Path], features: Path, tmp_path: Path) -> Path:
    evaluate(prepared, models, features, None, tmp_path / "out", SETTINGS)
    return tmp_path / "out"


def test_metrics_by_hand(out: Path) -> None:
    metrics = json.loads((out / "metrics.json").read_text())
    assert list(metrics) == BEST_FIRST
    solid, static = metrics.values()
    assert static["uauc"] == pytest.approx(1 / 3)
    assert static["auc"] == pytest.approx((2.5 + 7 + 1.5) / 27)  # wins of .3, .6, .2 over the nine negatives
    assert static["ndcg_10"] == pytest.approx((1 + 2 / log2(5)) / 3)
    assert solid["uauc"] == pytest.approx(2 / 3)
    assert solid["ndcg_10"] == pytest.approx((TIE + 1 / log2(4) + TIE) / 3)
    assert static["hr_5"] == solid["hr_5"] == 1
    scores = np.tanh([[0.3, 0.4, 0.5, 0.6], [0.6, 0.1, 0.2, 0.3], [0.2, 0.4, 0.6, 0.8]])
    loss = np.log1p(np.exp(scores * [-1, 1, 1, 1])).mean()
    assert static["logloss"] == pytest.approx(loss, rel=1e-6)
    assert static["full_uauc"] == pytest.approx(1 / 5)
    assert static["full_ndcg_10"] == pytest.approx((1 / log2(7) + 1 / log2(4) + 1 / log2(5)) / 3)
    assert (static["full_hr_5"], static["full_hr_10"]) == (pytest.approx(2 / 3), 1)
    assert solid["full_uauc"] == pytest.approx(sum(SOLID_FULL_AUC) / 3)
    assert solid["full_ndcg_10"] == pytest.approx(((1 / log2(3) + 1 / log2(4)) / 2 + 1 / log2(5) + TIE) / 3)
    assert static["full_mrr_10"] == pytest.approx((1 / 6 + 1 / 3 + 1 / 4) / 3)
    assert static["full_recall_5"] == pytest.approx(2 / 3)
    # Nothing left out: 5, 2 and 6 items stand above. SOLID's 3 of .5 is behind 2 and 8 and tied with 4, and so on.
    assert static["unmasked_ndcg_10"] == pytest.approx((1 / log2(7) + 1 / log2(4) + 1 / log2(8)) / 3)
    assert static["unmasked_uauc"] == pytest.approx((2 + 5 + 1) / 7 / 3)
    assert solid["unmasked_uauc"] == pytest.approx((4.5 + 3 + 6.5) / 7 / 3)
    # The first five not touched before: 8 7 6 5 4, 8 7 6 3 2 and, for nothing else is left, 8 6 4 2.
    assert static["coverage_5"] == 7 / 8
    assert static["popularity_5"] == pytest.approx(5 / 14)  # of 7, 4, 7, 3 and 4, once each in training


def test_a_cutoff_is_a_setting_and_ten_is_always_there(prepared: Path, models: dict[str, Path], tmp_path: Path) -> None:
    evaluate(prepared, models, None, None, tmp_path / "out", EvaluationSettings(bootstrap=100, cutoffs=[1, 3]))
    static = json.loads((tmp_path / "out" / "metrics.json").read_text())["static"]
    cut = {int(name.rpartition("_")[2]) for name in static if name[-1].isdigit()}
    assert cut == {1, 3, 10}
    assert static["full_ndcg_3"] == pytest.approx((1 / log2(4)) / 3)
    assert (static["full_hr_3"], static["unmasked_hr_3"], static["hr_1"]) == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    assert static["coverage_1"] == 1 / 8


def test_groups_by_hand(out: Path) -> None:
    table = pd.read_csv(out / "groups.csv")
    # In training item 1 was touched twice, and 3, 4 and 7 once; so 3 is tail, and 6 and 2 are cold.
    assert table[["model", "by", "group", "users"]].to_numpy().tolist() == [
        row
        for model in BEST_FIRST
        for row in (
            [model, "popularity of the target", "tail", 1],
            [model, "popularity of the target", "cold", 2],
            [model, "length of the history", "1 to 4", 3],
        )
    ]
    static = table[table["model"] == "static"]
    ranks = [(1 / log2(7)), (1 / log2(4) + 1 / log2(5)) / 2, (1 / log2(7) + 1 / log2(4) + 1 / log2(5)) / 3]
    assert static["full_ndcg_10"].tolist() == pytest.approx(ranks)
    assert static["uauc"].tolist() == pytest.approx([0, 1 / 2, 1 / 3])


def test_models_are_told_with_what_validation_said(out: Path) -> None:
    models = json.loads((out / "models.json").read_text())
    assert list(models) == BEST_FIRST
    validation = {"metric": "uauc", "value": 0.75}
    assert models["static"] == {"head": "static", "counted": False, "validation": validation}


def test_reliability_is_written_of_models_whose_scores_are_probabilities(out: Path) -> None:
    table = pd.read_csv(out / "reliability.csv")
    assert set(table["model"]) == set(BEST_FIRST)
    assert table.groupby("model")["candidates"].sum().tolist() == [12, 12]


def test_per_user_values_by_hand(out: Path) -> None:
    table = pd.read_parquet(out / "per_user.parquet")
    assert table["model"].tolist() == ["SOLID <text>"] * 3 + ["static"] * 3
    assert table["user_id"].tolist() == ["ann", "bob", "<i>cy</i>"] * 2
    assert table["auc"].tolist() == pytest.approx(SOLID_AUC + STATIC_AUC)
    assert table["ndcg_5"].tolist()[3:] == pytest.approx([1 / log2(5), 1, 1 / log2(5)])
    assert table["full_auc"].tolist() == pytest.approx(SOLID_FULL_AUC + STATIC_FULL_AUC)
    assert table["full_hr_5"].tolist() == [1, 1, 1, 0, 1, 1]
    names = ["auc", *(f"{name}_{k}" for k in (5, 10, 20) for name in ("ndcg", "hr", "mrr", "recall"))]
    rankings = ["", "full_", "unmasked_"]
    assert table.columns.tolist()[2:] == [f"{ranking}{name}" for ranking in rankings for name in names]


def test_comparison_pairs_the_users(out: Path) -> None:
    comparison = json.loads((out / "comparison.json").read_text())
    assert comparison["baseline"] == "static"
    assert list(comparison["models"]) == ["SOLID <text>"]
    gains = comparison["models"]["SOLID <text>"]
    table = pd.read_parquet(out / "per_user.parquet")
    columns = {name: "auc" if name == "uauc" else name for name in COMPARED}
    assert list(gains) == list(columns)
    for metric, column in columns.items():
        values = table[column].to_numpy()
        assert gains[metric] == asdict(paired_bootstrap(values[:3], values[3:], 100, 0))
    assert gains["uauc"]["difference"] == pytest.approx(1 / 3)


def test_table_is_aligned_markdown(out: Path, prepared: Path, models: dict[str, Path], tmp_path: Path) -> None:
    text = (out / "table.md").read_text()
    assert evaluate(prepared, models, None, None, tmp_path / "again", SETTINGS) == text
    header, rule, solid, static, _, note = text.splitlines()
    assert [cell.strip() for cell in header.strip("|").split("|")] == [
        "model", "full NDCG@10", "full HR@10", "unmasked NDCG@10", "unmasked HR@10", "NDCG@10", "UAUC", "coverage@10",
        "full NDCG@10 against baseline",
    ]  # fmt: skip
    assert len({len(line) for line in (header, rule, static, solid)}) == 1
    assert [[n for n, c in enumerate(line) if c == "|"] for line in (rule, static, solid)] == [
        [n for n, c in enumerate(header) if c == "|"]
    ] * 3
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in (static, solid)]
    assert cells[0][0] == "static" and cells[0][-1] == "baseline"
    assert [row[1] for row in cells] == ["0.4290", "**0.6039**"]  # the sums of test_metrics_by_hand
    assert cells[1][-1].startswith("+0.1749 [")
    assert cells[0][2] == cells[1][2] == "**1.0000**"  # equals are all the best
    assert [row[6] for row in cells] == ["0.3333", "**0.6667**"]
    assert note == (
        "full: among all items but for those that the user touched before; unmasked: among all items. "
        "3 test users, an item each; 2 of them were never trained."
    )


def test_without_the_full_ranking_only_candidates_count(
    prepared: Path, models: dict[str, Path], tmp_path: Path
) -> None:
    text = evaluate(prepared, models, None, None, tmp_path / "out", EvaluationSettings(bootstrap=100, full=False))
    assert "full" not in text and "NDCG@10" in text and "UAUC against baseline" in text
    for name in ("metrics.json", "comparison.json"):
        assert "full" not in (tmp_path / "out" / name).read_text()
    assert not [name for name in pd.read_parquet(tmp_path / "out" / "per_user.parquet") if "full" in name]
    assert "full NDCG@10" not in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_files_for_plots(out: Path) -> None:
    curves = {path.name: path.read_text() for path in (out / "learning_curves").iterdir()}
    expected = "epoch,loss,valid\n1,0.7,0.5\n2,0.5,0.75\n"
    assert curves == {"static.csv": expected, "SOLID_text_.csv": expected}
    assert (out / "class_sizes.csv").read_text() == "semantics,rank,size\ntext,1,3\ntext,2,2\ntext,3,2\ntext,4,1\n"


def test_without_classes_and_rivals(prepared: Path, models: dict[str, Path], tmp_path: Path) -> None:
    text = evaluate(prepared, {"static": models["static"]}, None, None, tmp_path / "out", SETTINGS)
    assert text.splitlines()[2].split("|")[-2].strip() == "baseline"
    assert (tmp_path / "out" / "class_sizes.csv").read_text() == "semantics,rank,size\n"


def test_twice_the_same_bytes(
    out: Path, prepared: Path, models: dict[str, Path], features: Path, tmp_path: Path
) -> None:
    again = tmp_path / "elsewhere" / "again"
    evaluate(prepared, models, features, None, again, SETTINGS)
    assert sorted(path.name for path in out.iterdir()) == NAMES
    assert folder_digest(again) == folder_digest(out)


@pytest.mark.parametrize(
    "missing",
    ["prepared/users.parquet", "prepared/stats.json", "models/solid/model.safetensors", "models/solid/config.json",
     "models/static/history.csv", "features/text.npy"],
)  # fmt: skip
def test_a_missing_file_is_named_and_nothing_is_left(
    missing: str, prepared: Path, models: dict[str, Path], features: Path, tmp_path: Path
) -> None:
    (tmp_path / missing).unlink()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SolidError, match=Path(missing).name):
        evaluate(prepared, models, features, None, tmp_path / "out", SETTINGS)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_failure_while_writing_leaves_the_old_output(
    out: Path, prepared: Path, models: dict[str, Path], features: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path: path.read_bytes() for path in out.parent.rglob("*") if path.is_file()}

    def fail(*args: object, **kwargs: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_csv", fail)
    with pytest.raises(OSError, match="no space"):
        evaluate(prepared, models, features, None, out, EvaluationSettings(bootstrap=101))
    assert {path: path.read_bytes() for path in out.parent.rglob("*") if path.is_file()} == before


def test_a_model_of_other_data_is_refused(prepared: Path, make_model: Callable[..., Path], tmp_path: Path) -> None:
    stranger = make_model("stranger", "static", [0.0] * 8, digest="f" * 32 + ".dir")
    with pytest.raises(DataError, match=r"stranger: trained on 8 items of data 'f+\.dir'"):
        evaluate(prepared, {"static": stranger}, None, None, tmp_path / "out", SETTINGS)


def test_a_history_without_its_columns_is_refused(prepared: Path, models: dict[str, Path], tmp_path: Path) -> None:
    (models["static"] / "history.csv").write_text("epoch,bce\n1,0.5\n")
    with pytest.raises(DataError, match=r"history\.csv: no column valid_uauc"):
        evaluate(prepared, models, None, None, tmp_path / "out", SETTINGS)


def test_codebook_use_by_hand(prepared: Path, models: dict[str, Path]) -> None:
    dataset = Dataset.load(prepared)
    # The model reads 1 2, 4 5 and 1 3 5. Their values 0 .9, .5 .1 and 0 .5 .1 lie next to 0 .9, .5 0 and 0 .5 0.
    use = codebook_use(load_model(models["SOLID <text>"]), dataset, batch_size=2)
    assert use is not None
    assert use.counts.tolist() == [4, 2, 1, 0]
    entropy = -(4 / 7 * log(4 / 7) + 2 / 7 * log(2 / 7) + 1 / 7 * log(1 / 7))
    assert use.perplexity == pytest.approx(np.exp(entropy))
    assert use.dead == 1 / 4
    assert codebook_use(load_model(models["static"]), dataset, batch_size=2) is None


def test_stories_by_hand(prepared: Path, models: dict[str, Path]) -> None:
    dataset = Dataset.load(prepared)
    best, worst = extremes(np.array(SOLID_AUC), np.array([3, 3, 5]), 2)
    assert best.tolist() == [2, 0]  # equal, and user 2 has the longer history
    assert worst.tolist() == [1, 2]
    bob, cy = tell(load_model(models["SOLID <text>"]), dataset, worst, np.array(SOLID_AUC)[worst])
    assert (bob.user_id, bob.history, bob.unread, bob.target) == (
        "bob",
        ["Tape", "I5"],
        0,
        "</script><script>alert(1)</script>",
    )
    assert (bob.rank, bob.candidates, bob.favourite) == (3, 4, "<b>Bit & Brace</b>")
    assert (cy.history, cy.unread, cy.rank) == (["Saw", "Glue", "I5"], 1, pytest.approx(1.5))


def test_spaces_are_told_apart_by_their_classes(models: dict[str, Path], make_model: Callable[..., Path]) -> None:
    same, other = (load_model(make_model(name, "solid", [0.0] * 8)) for name in ("same", "other"))
    other.items.classes.copy_(torch.tensor([[0], [4], [3], [3], [2], [2], [1], [1], [1]]))
    spaces = semantic_spaces(
        {**{name: load_model(path) for name, path in models.items()}, "same": same, "other": other}
    )
    assert [(space.name, space.reader) for space in spaces] == [("text", "SOLID <text>"), ("text (other)", "other")]


def test_the_map_does_not_depend_on_threads() -> None:
    vectors = np.random.default_rng(0).normal(size=(300, 600)).astype(np.float32)
    vectors[:100, 0] += 30
    planes = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            planes.append(project(vectors, seed=0))
    np.testing.assert_array_equal(*planes)
    assert planes[0].shape == (300, 2)
    # The hundred that lie apart stay together: each one's nearest neighbour is one of them.
    distance = np.linalg.norm(planes[0][:, None] - planes[0], axis=2) + np.diag([np.inf] * 300)
    assert ((distance.argmin(axis=1) < 100) == (np.arange(300) < 100)).mean() > 0.98
