"""docs/consuming.md shows excerpts of the examples that `make test-consumers` runs, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "consuming.md").read_text(encoding="utf-8")
SOURCES = {
    "ts": ROOT / "clients" / "typescript" / "src",
    "go": ROOT / "clients" / "go" / "diagnose",
    "java": ROOT / "clients" / "java",
}


@pytest.mark.parametrize("language", SOURCES)
def test_each_line_of_an_excerpt_stands_in_the_example(language):
    shown = [
        line.strip()
        for excerpt in re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
        for line in excerpt.splitlines()
    ]
    code = [
        line.strip()
        for path in SOURCES[language].glob(f"*.{language}")
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    assert len(shown) > 6
    assert [line for line in shown if line not in code] == []
