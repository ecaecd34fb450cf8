"""Secrets as the script makes them, once for all tests that only read them."""

from pathlib import Path

import pytest

from tests.fixtures.deploy import make_secrets


@pytest.fixture(scope="session")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("secrets")
    done = make_secrets(folder, "localhost", "kerb-north", "kerb-south")
    assert done.returncode == 0, done.stderr
    return folder
