"""docs/settings.md: it is what the schema says, and which stages a change reruns is what DVC would run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.append(str(ROOT / "scripts"))

import settings_page  # noqa: E402

from solid.settings.schema import Settings  # noqa: E402

STAGES: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
PAGE = settings_page.settings_page(STAGES)


def test_the_page_is_current_and_make_check_says_when_it_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = ROOT / "scripts" / "settings_page.py"
    assert subprocess.run([sys.executable, script, "--check"], check=False).returncode == 0
    monkeypatch.setattr(settings_page, "ROOT", tmp_path)
    monkeypatch.setattr(settings_page, "PAGE", tmp_path / "settings.md")
    monkeypatch.setattr(sys, "argv", ["settings_page.py", "--check"])
    (tmp_path / "dvc.yaml").symlink_to(ROOT / "dvc.yaml")
    for content in (None, PAGE.replace("1024", "512")):
        if content:
            (tmp_path / "settings.md").write_text(content, encoding="utf-8")
        with pytest.raises(SystemExit, match=r"settings\.md is stale: run make docs, and commit it"):
            settings_page.main()
    monkeypatch.setattr(sys, "argv", ["settings_page.py"])
    settings_page.main()
    assert (tmp_path / "settings.md").read_text(encoding="utf-8") == PAGE


def test_every_setting_has_a_row_with_default_and_meaning() -> None:
    for name, section in Settings():
        rows = PAGE.partition(f"\n## {name}\n")[2].partition("\n## ")[0].splitlines()
        for key, default in section.model_dump(mode="json").items():
            [row] = [row for row in rows if row.startswith(f"| `{key}` |")]
            _, _, _, given, meaning, _ = row.split("|")
            assert yaml.safe_load(given.strip().strip("`")) == default
            assert len(meaning.strip()) > 5


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("max_bad_share", "number, at least 0, at most 1"),
        ("classes", "whole number, at least 2, or `auto`"),
        ("full", "`true` or `false`"),
        ("confidence", "number, above 0.5, below 1"),
        ("source", "text"),
        ("baselines", "list of `static`, "),
    ],
)
def test_what_may_be_given_is_said_in_words(key: str, value: str) -> None:
    assert f"\n| `{key}` | {value}" in PAGE


def test_what_a_change_reruns_by_hand() -> None:
    stages: dict[str, Any] = {
        "read": {"cmd": "x --from ${data.source}", "deps": ["${data.source}"], "outs": ["raw"]},
        "train": {
            "foreach": "${evaluation.baselines}",
            "do": {"cmd": "t", "deps": ["raw"], "params": ["training"], "outs": ["models/${item}"]},
        },
        "look": {"cmd": "l", "deps": ["raw"], "params": ["evaluation.seed"], "outs": [{"looks": {"cache": False}}]},
        "judge": {"cmd": "j", "deps": ["models"], "outs": ["table"]},
    }
    page = settings_page.settings_page(stages)

    def of(section: str) -> list[str]:
        lines = page.partition(f"\n## {section}\n")[2].partition("\n## ")[0].splitlines()
        return [line for line in lines if line.startswith("A change")]

    assert of("data") == [
        "A change of `source` reruns read, train, look, judge.",
        "A change of `format`, `order` reruns no stage: [retraining](retraining.md) reads these settings.",
    ]
    assert of("training") == ["A change reruns train, judge."]
    assert "A change of `baselines` reruns train, judge." in of("evaluation")
    assert "A change of `seed` reruns look." in of("evaluation")
