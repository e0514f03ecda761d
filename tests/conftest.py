"""Fixtures that all tests share."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest
from hypothesis import settings

REPOSITORY = Path(__file__).resolve().parents[1]


# The same examples in every run: what passes here passes there, however busy the machine is.
# HYPOTHESIS_PROFILE=default searches anew.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


def pytest_collection_finish():
    """What stays to the end of the run is not looked through again and again for garbage.

    A collection of everything takes half a second in a process of some thousand tests, which a test that
    measures processor time would take for its own.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data (`MEDMESH_DATA`, else `../shared/data`); skips the test without it."""
    folder = Path(os.environ.get("MEDMESH_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "README.md").is_file():
        pytest.skip(f"the real data is not here ({folder}); set MEDMESH_DATA to its folder to run this test")
    return folder
