"""Fixtures shared by all tests; what a machine lacks is said in one line and skipped."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def _folder(variable: str, default: str) -> Path:
    folder = Path(os.environ.get(variable, ROOT.parent / "shared" / default))
    if not folder.is_dir():
        pytest.skip(f"no folder {folder}; {variable} can name another")
    return folder


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets (SOLID_REAL_DATA)."""
    return _folder("SOLID_REAL_DATA", "data")


@pytest.fixture(scope="session")
def golden() -> Path:
    """The folder of inputs, weights and outputs of the released models (SOLID_GOLDEN)."""
    return _folder("SOLID_GOLDEN", "golden")
