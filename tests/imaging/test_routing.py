"""Which models read an image, by what is said of it and what their cards say."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from services.chassis.errors import InvalidInput, Reason
from services.imaging.applicability import Applicability
from services.imaging.images import DecodedImage, FileFormat
from services.imaging.routing import choose, outside, stated
from services.imaging.tasks.gate import GateVerdict


@dataclass
class Model:
    name: str
    body_parts: tuple[str, ...] = ()
    modalities: tuple[str, ...] = ()
    applies_to: Applicability = field(init=False)

    def __post_init__(self):
        self.applies_to = Applicability(self.modalities, self.body_parts)


CHEST = Model("chest", ("CHEST",), ("CR", "DX"))
CHEST_CT = Model("chest_ct", ("CHEST", "ABDOMEN"), ("CT",))
LUNGS = Model("lungs", ("LUNG",))
HEAD = Model("head", ("HEAD",))
ANYTHING = Model("anything")


def image(body_part="", modality="") -> DecodedImage:
    grey = np.zeros((40, 40), np.uint8)
    return DecodedImage(file_format=FileFormat.DICOM, grey=grey, body_part=body_part, modality=modality)


def sees(*parts, probability=0.9, kind="some_kind") -> GateVerdict:
    return GateVerdict(kind, probability, parts, False, (), frozenset(), frozenset({kind}), None)


def chosen(models, body_part="", modality="", asked="", verdicts=None, named=False):
    """Names of the models, what the image is read as, and the notices; None: it depends on the gates."""
    shown = image(body_part, modality)
    choice = choose(models, shown, stated(shown, asked), verdicts, named=named)
    if choice is None:
        return None
    return [m.name for m in choice.models], choice.body_part, [n.reason for n in choice.notices]


def refusal(*args, **kwargs) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        chosen(*args, **kwargs)
    return caught.value


def test_every_model_of_the_body_part_reads_it():
    assert chosen([CHEST, LUNGS, HEAD], "CHEST") == (["chest"], "CHEST", [])
    assert chosen([CHEST, LUNGS, HEAD], "LUNG") == (["chest", "lungs"], "CHEST", [])
    assert chosen([CHEST, ANYTHING], "CHEST") == (["chest", "anything"], "CHEST", [])


def test_a_model_of_another_modality_is_left_out_where_others_read_it():
    models = [CHEST, CHEST_CT]
    assert chosen(models, "CHEST", "CT")[0] == ["chest_ct"]
    assert chosen(models, "CHEST", "DX")[0] == ["chest"]
    assert chosen(models, "CHEST")[0] == ["chest", "chest_ct"]


def test_where_no_model_reads_the_modality_those_that_are_read_are_named():
    error = refusal([CHEST, HEAD], "CHEST", "CT")
    assert error.reason is Reason.INPUT_UNSUPPORTED
    assert error.description == ("is of a DICOM modality that chest does not read; supported: CR, DX")
    several = refusal([CHEST, Model("other", ("CHEST",), ("MG",))], "CHEST", "CT")
    assert "chest and other do not read; supported: CR, DX, MG" in several.description


def test_a_body_part_that_no_model_reads_is_refused_with_what_is_served():
    error = refusal([CHEST, HEAD, ANYTHING][:2], "KNEE")
    assert error.reason is Reason.INPUT_UNSUPPORTED
    assert "served are chest (CHEST: CR, DX); head (HEAD)" in error.description
    assert chosen([CHEST, ANYTHING], "KNEE") == (["anything"], "KNEE", [])


def test_the_request_goes_before_the_file():
    assert chosen([CHEST, HEAD], "HEAD", asked="CHEST") == (["chest"], "CHEST", ["BODY_PART_OVERRIDDEN"])
    assert chosen([CHEST, HEAD], "LUNG", asked="CHEST") == (["chest"], "CHEST", [])


def test_a_term_that_only_a_card_has_is_read_where_the_request_states_it():
    own = Model("own", ("LEFTPAW",))
    assert chosen([own, CHEST], asked="LEFTPAW") == (["own"], "LEFTPAW", [])
    assert chosen([ANYTHING], asked="MEIER", verdicts=[])[1] == ""  # what may be a name is not repeated


def test_where_nobody_says_what_it_shows_the_most_certain_gate_does():
    models = [CHEST, HEAD]
    assert chosen(models) is None
    verdicts = [sees("CHEST", probability=0.6), sees("HEAD", probability=0.8)]
    assert chosen(models, verdicts=verdicts) == (["head"], "HEAD", ["BODY_PART_RECOGNISED"])
    assert chosen(models, verdicts=[sees()]) is None
    expected = ["BODY_PART_NOT_UNDERSTOOD", "BODY_PART_RECOGNISED"]
    assert chosen(models, "Gurkha", verdicts=verdicts)[2] == expected


def test_a_model_of_any_body_part_reads_what_no_gate_recognises():
    assert chosen([ANYTHING, CHEST]) is None
    assert chosen([ANYTHING, CHEST], verdicts=[]) == (["anything"], "", [])
    assert chosen([ANYTHING, CHEST], verdicts=[sees("CHEST")]) == (
        ["anything", "chest"],
        "CHEST",
        ["BODY_PART_RECOGNISED"],
    )


def test_of_several_stated_parts_with_models_of_their_own_the_gate_decides():
    assert chosen([CHEST, HEAD], "HEAD CHEST") is None
    assert chosen([CHEST, HEAD], "HEAD CHEST", verdicts=[sees("HEAD")])[:2] == (["head"], "HEAD")


def test_a_model_of_all_stated_parts_reads_them_and_one_of_some_says_so():
    shown = image("CHESTABDOMEN", "CT")
    statement = stated(shown, "")
    assert chosen([CHEST_CT], "CHESTABDOMEN", "CT")[:2] == (["chest_ct"], "ABDOMEN")
    assert outside(CHEST_CT, shown, statement) == []
    assert [n.reason for n in outside(Model("one", ("CHEST",)), shown, statement)] == ["BODY_PART_NOT_ALONE"]


def test_each_named_model_must_apply():
    error = refusal([CHEST, HEAD], "CHEST", named=True)
    assert (error.reason, error.field) == (Reason.INPUT_UNSUPPORTED, "options.models")
    assert "names head, which reads HEAD" in error.description
    assert chosen([HEAD], "CHEST", asked="HEAD", named=True)[0] == ["head"]
    modality = refusal([CHEST, CHEST_CT], "CHEST", "CT", named=True)
    assert modality.field == "options.models"
    assert "names chest, which does not read" in modality.description


def test_a_named_model_is_taken_at_its_word_where_nobody_says_what_the_image_shows():
    assert chosen([HEAD], named=True) is None
    assert chosen([HEAD], named=True, verdicts=[sees()]) == (["head"], "HEAD", ["BODY_PART_ASSUMED"])
    assert chosen([HEAD], named=True, verdicts=[sees("HEAD")])[2] == ["BODY_PART_RECOGNISED"]
    assert chosen([ANYTHING], named=True, verdicts=[]) == (["anything"], "", [])
