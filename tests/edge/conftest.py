"""What the edge's tests share."""

import os
from pathlib import Path

import pytest


@pytest.fixture
def recorded() -> Path:
    """The folder of recorded footage and models that WAYSIDE_DATA names."""
    folder = os.environ.get("WAYSIDE_DATA")
    if not folder:
        pytest.skip("WAYSIDE_DATA names no folder with footage and models")
    return Path(folder)
