"""The examples of docs/fusion.md run, and its numbers are those in the data."""

from __future__ import annotations

import doctest
import re

from services.orchestrator.knowledge import load
from tests.conftest import REPOSITORY

PAGE = REPOSITORY / "docs" / "fusion.md"


def test_the_worked_example_runs():
    results = doctest.testfile(str(PAGE), module_relative=False)
    assert results.attempted > 10
    assert results.failed == 0


def test_the_table_of_assertions_is_the_data():
    rows = re.findall(
        r"^\| (\w+)[^|]*\| ([\d.]+) \| ([\d.]+) \| ([\d/]+) \|$", PAGE.read_text(), re.MULTILINE
    )
    table = {name: (float(ill), float(well)) for name, ill, well, _ in rows}
    note = load().note
    assert table == {name: (entry.rate_if_ill, entry.rate_if_well) for name, entry in note.items()}
