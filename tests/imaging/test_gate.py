"""The gate's verdict from its model's probabilities."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.imaging.gate import FLAWS, GATE_LABELS, SOUND, Kind, Rejection, judge

PARAMETERS = {"accept_minimum_probability": 0.9, "sound_minimum_probability_chest_xray": 0.6}


def verdict(colourfulness=0.0, **probabilities):
    every = dict.fromkeys(GATE_LABELS, 0.0) | {Kind.CHEST_XRAY: 0.98, SOUND: 0.97} | probabilities
    return judge(every, PARAMETERS, colourfulness)


def test_a_sound_radiograph_is_accepted_without_a_reason():
    accepted = verdict().accepting(Kind.CHEST_XRAY)
    assert (accepted.accepted, accepted.rejections) == (True, ())


@pytest.mark.parametrize("flaw", FLAWS)
def test_each_flaw_is_named_and_keeps_the_image_from_being_read(flaw):
    rejected = verdict(sound=0.1, **{flaw: 0.9}).accepting(Kind.CHEST_XRAY)
    assert (rejected.accepted, rejected.rejections) == (False, (flaw,))


def test_an_image_that_is_not_sound_enough_is_rejected_for_its_likeliest_flaw():
    rejected = verdict(sound=0.59, blurred=0.2, cropped=0.15).accepting(Kind.CHEST_XRAY)
    assert rejected.rejections == (Rejection.BLURRED,)


def test_several_likely_flaws_are_all_named():
    rejected = verdict(sound=0.1, covered=0.4, cropped=0.5).accepting(Kind.CHEST_XRAY)
    assert rejected.rejections == (Rejection.COVERED, Rejection.CROPPED)


def test_what_an_image_is_read_as_decides_whether_it_is_of_the_expected_kind():
    assert verdict().accepting(Kind.HEAD_CT).rejections == (Rejection.NOT_EXPECTED_KIND,)
    unsure = verdict(chest_xray=0.89).accepting(Kind.CHEST_XRAY)
    assert unsure.rejections == (Rejection.NOT_EXPECTED_KIND,)


def test_colour_and_an_image_upside_down_are_reasons_too():
    assert verdict(colourfulness=0.2).accepting(Kind.CHEST_XRAY).rejections == (Rejection.COLOUR,)
    assert verdict(upside_down=0.7).accepting(Kind.CHEST_XRAY).rejections == (Rejection.UPSIDE_DOWN,)


def test_an_inverted_image_may_be_accepted():
    inverted = verdict(inverted=0.9).accepting(Kind.CHEST_XRAY)
    assert (inverted.inverted, inverted.accepted) == (True, True)


def test_the_sentence_names_every_reason():
    rejected = verdict(upside_down=0.9, sound=0.1, blurred=0.8, chest_xray=0.1).accepting(Kind.CHEST_XRAY)
    assert rejected.reason == (
        "The image was not accepted: it does not look like what the model reads; it looks upside down or "
        "turned on its side; it is blurred."
    )


@pytest.mark.parametrize("reason", Rejection)
def test_no_reason_is_without_its_sentence(reason):
    assert replace(verdict(), rejections=(reason,)).reason.endswith(".")
