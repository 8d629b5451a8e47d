"""dvc.yaml: what the description of the chain says, and `make check` knows when it is not."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.append(str(ROOT / "scripts"))

import dvc_yaml  # noqa: E402

from solid.chain import TRAINING, Chain  # noqa: E402


def test_the_file_is_current() -> None:
    assert (ROOT / "dvc.yaml").read_text(encoding="utf-8") == dvc_yaml.dvc_yaml()


def test_a_stale_file_is_told_and_written_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "dvc.yaml"
    file.write_text(dvc_yaml.dvc_yaml().replace("solid ingest", "solid fetch"), encoding="utf-8")
    monkeypatch.setattr(dvc_yaml, "ROOT", tmp_path)
    monkeypatch.setattr(dvc_yaml, "FILE", file)
    monkeypatch.setattr(sys, "argv", ["dvc_yaml.py", "--check"])
    with pytest.raises(SystemExit, match=r"dvc\.yaml is stale: change solid/chain\.py and run make docs"):
        dvc_yaml.main()
    monkeypatch.setattr(sys, "argv", ["dvc_yaml.py"])
    dvc_yaml.main()
    assert file.read_text(encoding="utf-8") == dvc_yaml.dvc_yaml()


def test_one_more_setting_or_input_of_a_stage_is_one_more_line(monkeypatch: pytest.MonkeyPatch) -> None:
    prepare = replace(TRAINING["prepare"], settings=("prepare", "semantics.seed"))
    changed = Chain("training", tuple(prepare if stage.name == "prepare" else stage for stage in TRAINING.stages))
    before = yaml.safe_load(dvc_yaml.dvc_yaml())["stages"]
    monkeypatch.setattr(dvc_yaml, "TRAINING", changed)
    after = yaml.safe_load(dvc_yaml.dvc_yaml())["stages"]
    assert after["prepare"] == before["prepare"] | {"params": ["prepare", "semantics.seed"]}
    assert after | {"prepare": before["prepare"]} == before
