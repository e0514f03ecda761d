"""The table in training/README.md is that of the cards."""

from __future__ import annotations

import json
import shutil

import pytest

from medmesh.common.v1.model_card_pb2 import Metric
from training import table
from training.model_card import MODEL_REPOSITORY


def test_the_table_is_fresh():
    """Run `python -m training.table` when this fails."""
    readme = table.README.read_text(encoding="utf-8")
    assert table.renewed(readme, table.table()) == readme


@pytest.mark.slow
def test_a_changed_figure_changes_the_table(tmp_path):
    path = tmp_path / "icu_outcome" / "metadata.json"
    path.parent.mkdir()
    shutil.copyfile(MODEL_REPOSITORY / "icu_outcome" / "metadata.json", path)
    before = table.table(tmp_path)
    assert "icu_outcome" in before
    card = json.loads(path.read_text())
    card["metrics"][0]["value"] = 0.123
    path.write_text(json.dumps(card))
    assert "0.123" in table.table(tmp_path)
    card["metrics"] = card["metrics"][1:2]
    path.write_text(json.dumps(card))
    with pytest.raises(LookupError, match="the card of icu_outcome has no auroc"):
        table.table(tmp_path)


def test_numbers_read_as_they_are_meant():
    found = Metric(name="auroc", value=0.85123, ci_low=-0.0004, ci_high=0.9, case_count=10)
    assert table.ours(found) == "0.851 (-4.0e-04 to 0.900), n = 10"
    assert table.ours(Metric(name="distance", value=8.6e-5, case_count=200)) == "8.6e-05, n = 200"
