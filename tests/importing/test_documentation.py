"""What docs/adding-a-model.md shows can be typed in."""

from __future__ import annotations

import re
import shlex

import pytest

from tools.bootstrap import ROOT
from training.importing import __main__ as command
from training.importing import facts

PAGE = (ROOT / "docs" / "adding-a-model.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^\$ medmesh models import (.*)$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("words", COMMANDS)
def test_its_commands_are_understood(words):
    parsed = command._parser().parse_args(shlex.split(words.partition("<")[0]))
    names = {"torchxrayvision": "chest_findings", "sentence-encoder": "note_embedding"}
    assert parsed.name == names[parsed.kind]


def test_its_facts_are_all_that_the_command_lists_as_missing(tmp_path):
    [text] = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "facts.toml").write_text(text, encoding="utf-8")
    given = facts.read_file(tmp_path / "facts.toml")
    listed = re.findall(r"^  ([a-z_.0]+): ", PAGE, re.MULTILINE)
    assert len(COMMANDS) == 3
    assert listed == [path for path in facts.QUESTIONS if path in listed]
    assert not set(facts.missing(given, given, ())) & set(listed)


def test_its_kinds_are_those_of_the_command():
    kinds = re.findall(r"^\| `([a-z-]+)` \| a", PAGE, re.MULTILINE)
    with pytest.raises(SystemExit):
        command._parser().parse_args(["nothing"])
    for kind in kinds:
        assert command._parser().parse_args([kind, "x", "--name", "x"]).kind == kind
    assert sorted(kinds) == ["onnx", "sentence-encoder", "token-classifier", "torchxrayvision"]
