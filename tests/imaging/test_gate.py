"""The gate's verdict from its model's probabilities."""

from __future__ import annotations

import numpy as np
import pytest
from google.protobuf import text_format

from medmesh.common.v1.serving_pb2 import ImageGate as GateMessage
from services.imaging.tasks.gate import GateRules, Rejection, sentence
from tests.fakes import real_card

CARD = real_card("image_gate")
COLUMNS = tuple(column.name for column in CARD.serving.image_gate.columns)
FLAWS = tuple(
    Rejection(column.name)
    for column in CARD.serving.image_gate.columns
    if column.role == GateMessage.Column.ROLE_FLAW
)
MINIMUMS = {"chest_xray": (0.9, 0.6), "head_ct": (0.9, 0.5)}


def gate() -> GateRules:
    """Those of the project's gate, with thresholds that a test can reckon with."""
    card = real_card("image_gate")
    for column in card.serving.image_gate.columns:
        if column.name in MINIMUMS:
            column.min_probability, column.min_sound_probability = MINIMUMS[column.name]
    return GateRules(card.serving.image_gate)


def verdict(colourfulness=0.0, **probabilities):
    every = dict.fromkeys(COLUMNS, 0.0) | {"chest_xray": 0.98, "sound": 0.97} | probabilities
    return gate().verdict(np.array(list(every.values())), colourfulness)


def rejections(kind="chest_xray", **probabilities):
    return verdict(**probabilities).rejections({kind})


def test_a_sound_radiograph_is_accepted_without_a_reason():
    assert rejections() == ()


def test_the_kind_says_what_it_shows():
    assert (verdict().kind, verdict().body_parts) == ("chest_xray", ("CHEST",))
    other = verdict(other=0.99)
    assert (other.kind, other.body_parts) == ("other", ())


@pytest.mark.parametrize("flaw", FLAWS)
def test_each_flaw_is_named_and_keeps_the_image_from_being_read(flaw):
    assert rejections(sound=0.1, **{flaw: 0.9}) == (flaw,)


def test_an_image_that_is_not_sound_enough_is_rejected_for_its_likeliest_flaw():
    assert rejections(sound=0.59, blurred=0.2, cropped=0.15) == (Rejection.BLURRED,)
    assert rejections(sound=0.6, blurred=0.2, cropped=0.15) == ()


def test_several_likely_flaws_are_all_named():
    assert rejections(sound=0.1, covered=0.4, cropped=0.5) == (Rejection.COVERED, Rejection.CROPPED)


def test_what_an_image_is_read_as_decides_whether_it_is_of_the_expected_kind():
    assert rejections("head_ct") == (Rejection.NOT_EXPECTED_KIND,)
    assert rejections(chest_xray=0.89) == (Rejection.NOT_EXPECTED_KIND,)


def test_colour_and_an_image_upside_down_are_reasons_too():
    assert rejections(colourfulness=0.2) == (Rejection.COLOR,)
    assert rejections(upside_down=0.7) == (Rejection.UPSIDE_DOWN,)


def test_an_inverted_image_may_be_accepted():
    assert verdict(inverted=0.9).inverted
    assert rejections(inverted=0.9) == ()


def test_the_sentence_names_every_reason():
    told = sentence(rejections(upside_down=0.9, sound=0.1, blurred=0.8, chest_xray=0.1))
    assert told == (
        "The image was not accepted: it does not look like what the model reads; it looks upside down or "
        "turned on its side; it is blurred."
    )


@pytest.mark.parametrize("reason", Rejection)
def test_no_reason_is_without_its_sentence(reason):
    assert sentence([reason]).endswith(".")


def test_a_gate_of_kinds_alone_judges_kinds_alone():
    declared = """
        columns { name: "knee_xray" role: ROLE_KIND body_parts: "KNEE" }
        columns { name: "anything_else" role: ROLE_OTHER }
    """
    knees = GateRules(text_format.Parse(declared, GateMessage()))
    assert knees.verdict(np.array([0.7, 0.3]), 0.9).rejections({"knee_xray"}) == ()
    other = knees.verdict(np.array([0.3, 0.7]), 0.0)
    assert other.rejections({"knee_xray"}) == (Rejection.NOT_EXPECTED_KIND,)
    assert other.body_parts == ()


@pytest.mark.parametrize(
    ("column", "told"),
    [
        ('name: "smudged" role: ROLE_FLAW', "smudged is not one of the contract's rejections"),
        ('name: "knee" role: ROLE_KIND body_parts: "Knee"', "Knee is not a DICOM term"),
        ('name: "knee" role: ROLE_KIND min_probability: 90', "min_probability is not a probability"),
        ('name: "wholesome" role: ROLE_SOUND', "more than one of ROLE_SOUND"),
    ],
)
def test_columns_that_mean_nothing_are_refused(column, told):
    card = real_card("image_gate")
    card.serving.image_gate.columns.append(text_format.Parse(column, GateMessage.Column()))
    with pytest.raises(ValueError, match=told):
        GateRules(card.serving.image_gate)
