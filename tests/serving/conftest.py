"""Data of users who walk items in order, for models that are served."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny import write_data


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("prepared"))
