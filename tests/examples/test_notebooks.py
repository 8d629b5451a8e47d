"""The notebooks run from the first cell to the last, and show what they say they show."""

from __future__ import annotations

import base64
import os
import struct
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
# Lines that each stand in one cell, and what runs for them: a person waits a minute or two for better models.
SHRUNK = {
    'settings = {"training": {"epochs": 10}}\n': (
        'settings = {"training": {"epochs": 1}, "model": {"dim": 16, "length": 10, "layers": 1}}\n'
    ),
    'Recommender("static", seed=0)': 'Recommender("static", settings=settings, seed=0)',
}


def test_notebooks_are_kept_without_outputs() -> None:
    paths = sorted(EXAMPLES.glob("*.ipynb"))
    assert paths
    for path in paths:
        cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        assert all(cell.outputs == [] and cell.execution_count is None for cell in cells), path.name


def shrink(notebook: nbformat.NotebookNode) -> None:
    for line, shrunk in SHRUNK.items():
        [cell] = [cell for cell in notebook.cells if line in cell.source]
        cell.source = cell.source.replace(line, shrunk)


@pytest.mark.slow
def test_from_a_frame_to_recommendations(quick_python: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOLID_TRACKING", raising=False)
    notebook = nbformat.read(EXAMPLES / "recommend.ipynb", as_version=4)
    shrink(notebook)
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert [output for output in outputs if output.output_type == "error"] == []
    pictures = [base64.b64decode(o.data["image/png"]) for o in outputs if "image/png" in o.get("data", {})]
    if folder := os.environ.get("SOLID_NOTEBOOK_PICTURES"):  # to look at
        for number, picture in enumerate(pictures):
            (Path(folder) / f"{number}.png").write_bytes(picture)
    assert len(pictures) == 2
    for picture in pictures:
        width, height = struct.unpack(">II", picture[16:24])
        assert width > 500
        assert height > 200
        assert len(picture) > 10_000
    tables = "\n".join(output.data["text/plain"] for output in outputs if "text/plain" in output.get("data", {}))
    assert "rank" in tables
    assert "full_ndcg_10" in tables
    said = "".join(output.text for output in outputs if output.output_type == "stream" and output.name == "stdout")
    assert "1,100 shoppers" in said
    assert said.endswith("True\n")
    assert list(tmp_path.iterdir()) == []  # nothing is left beside the notebook
