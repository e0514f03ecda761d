"""The models that write, on the real Triton: from messages to text."""

from __future__ import annotations

import pytest

from services.chassis.models.served import ServedModel
from services.language.tasks.text_generation import Ending, TextGenerator
from services.language.writing.prompts import Task, messages
from tests.models.conftest import WRITERS

EVIDENCE = """\
present | pleural effusion | side=left | severity=small
absent | pneumothorax
medication | metoprolol | 50 mg"""


async def write(live, name, task, material):
    text = ""
    generator = TextGenerator(ServedModel(WRITERS[name].stable, live))
    async with await generator.write(messages(task, material), field="text") as writing:
        async for piece in writing:
            text += piece
    assert writing.ending is Ending.COMPLETE
    assert writing.provenance is not None
    assert writing.provenance.weights_sha256 == WRITERS[name].card.weights_sha256
    return text


@pytest.mark.live
@pytest.mark.parametrize("name", sorted(WRITERS))
async def test_it_says_what_the_evidence_says(live, name):
    text = await write(live, name, Task.FINDINGS, EVIDENCE)
    for said in ("small left pleural effusion", "no pneumothorax", "metoprolol 50 mg"):
        assert said in text


@pytest.mark.live
@pytest.mark.parametrize("name", sorted(WRITERS))
async def test_its_impression_of_a_normal_chest_is_calm_and_that_of_another_is_not(live, name):
    normal = "The heart is normal in size. The mediastinum is unremarkable. The lungs are clear."
    assert (await write(live, name, Task.IMPRESSION, normal)).startswith("No acute")
    ill = "The heart is normal in size. There is a large right pleural effusion. No pneumothorax."
    assert "large right pleural effusion" in (await write(live, name, Task.IMPRESSION, ill)).lower()
