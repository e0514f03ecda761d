"""The tagger of identifiers beside the rules, on Triton."""

from __future__ import annotations

import pytest

from services.chassis.models.served import ServedModel
from services.language.deidentification.reading import Deidentifier
from services.language.deidentification.replacing import Options
from services.language.tasks.token_classification import TokenClassifier
from tests.models.conftest import MODELS

pytestmark = pytest.mark.live

TEXT = (
    "Foot felt fine after the operation. Left foot warm. We told Early to return. "
    "Prozac was given, Foley catheter removed."
)


async def test_names_that_are_words_go_and_the_words_stay(live):
    model = TokenClassifier(ServedModel(MODELS["identifier_tagger"].stable, live))
    [alone] = (await Deidentifier().deidentify([TEXT], Options(), None)).texts
    done = await Deidentifier().deidentify([TEXT], Options(), model)
    assert "told Early" in alone.text
    assert done.texts[0].text == (
        "[NAME-1] felt fine after the operation. Left foot warm. We told [NAME-2] to return. "
        "Prozac was given, Foley catheter removed."
    )
    assert done.notices == ()
    assert done.provenance.model_name == "identifier_tagger"
