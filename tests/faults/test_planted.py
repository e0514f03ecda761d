"""The bugs that `make planted` plants fit the source as it stands, and one of them is found."""

from __future__ import annotations

import pytest

from tests.faults import planted
from tools.bootstrap import ROOT


@pytest.mark.parametrize("bug", planted.BUGS, ids=lambda bug: bug.name)
def test_a_bug_can_be_planted_and_its_tests_are_there(bug):
    """Where the source has changed, its text in `planted.toml` does too."""
    assert (ROOT / bug.path).read_text(encoding="utf-8").count(bug.text) == 1
    assert bug.text != bug.planted
    assert all((ROOT / test).exists() for test in bug.tests)


@pytest.mark.slow
def test_a_planted_bug_is_found_in_the_copy_and_leaves_it_as_it_was(tmp_path):
    bug = next(bug for bug in planted.BUGS if bug.path == "services/clinical/conformal.py")
    project = planted.copy_into(tmp_path)
    assert planted.find(project, bug)
    assert planted.passes(project, bug.tests)
