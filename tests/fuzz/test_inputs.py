"""What fuzzing has kept is read, or refused, by the parser that it was found with."""

from __future__ import annotations

import pytest

from tests.fuzz.inputs import FOLDER
from tests.fuzz.parsers import PARSERS


def test_each_parser_has_inputs():
    assert {path.name for path in FOLDER.iterdir()} == PARSERS.keys()


@pytest.mark.parametrize("name", sorted(PARSERS))
def test_no_kept_input_breaks_its_parser(name):
    read = []
    for path in sorted((FOLDER / name).iterdir()):
        try:
            read.append(PARSERS[name].try_on(path.read_bytes()))
        except Exception as error:
            raise AssertionError(path.name) from error
    assert any(read), "no input is sound: the parser sees nothing but refusals"
