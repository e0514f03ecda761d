"""What docs/importing.md and docs/model-folder.md show can be typed in."""

from __future__ import annotations

import re
import shlex

import pytest
from google.protobuf import json_format

from medmesh.common.v1.serving_pb2 import ModelServing
from tools.bootstrap import ROOT
from training.importing import __main__ as command
from training.importing import facts
from training.importing.paths import set_fact

PAGE = (ROOT / "docs" / "importing.md").read_text(encoding="utf-8")
FOLDER = (ROOT / "docs" / "model-folder.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^\$ medmesh models import (.*)$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("words", COMMANDS)
def test_its_commands_are_understood(words):
    parsed = command._parser().parse_args(shlex.split(words.partition("<")[0]))
    assert (parsed.kind, parsed.name) == ("torchxrayvision", "chest_findings")


def test_its_facts_are_all_that_the_command_lists_as_missing(tmp_path):
    [text] = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "facts.toml").write_text(text, encoding="utf-8")
    given = facts.read_file(tmp_path / "facts.toml")
    listed = re.findall(r"^  ([a-z_.0]+): ", PAGE, re.MULTILINE)
    assert len(COMMANDS) == 2
    assert listed == [path for path in facts.QUESTIONS if path in listed]
    assert not set(facts.missing(given, given, ())) & set(listed)


def test_its_kinds_are_those_of_the_command():
    kinds = re.findall(r"^\| `([a-z-]+)` \| an? ", PAGE, re.MULTILINE)
    for kind in kinds:
        assert command._parser().parse_args([kind, "x", "--name", "x"]).kind == kind
    [of_command] = (action.choices for action in command._parser()._actions if action.dest == "kind")
    assert sorted(kinds) == sorted(of_command)


def test_the_words_of_set_are_understood():
    said = {}
    for words in re.findall(r"^--set (.*)$", PAGE, re.MULTILINE):
        path, _, text = shlex.split(words)[0].partition("=")
        set_fact(said, path, text)
    assert said["serving"]["image_classification"]["applies_to"] == {"body_parts": ["CHEST"]}


def test_the_card_that_is_shown_has_the_form_of_one():
    [text] = re.findall(r"^```json\n(.*?)^```", FOLDER, re.MULTILINE | re.DOTALL)
    serving = json_format.Parse(text, ModelServing())
    assert serving.WhichOneof("task") == "image_classification"
