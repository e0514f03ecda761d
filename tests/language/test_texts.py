"""What is not text is refused with its field named and nothing of it quoted."""

from __future__ import annotations

import pytest

from services.chassis.errors import InvalidInput, Reason
from services.language.texts import check_text, check_texts


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", Reason.INPUT_MISSING),
        (" \n\t ", Reason.INPUT_MISSING),
        ("\u00a0\u2003", Reason.INPUT_MISSING),
        ("fever\x00", Reason.INPUT_MALFORMED),
        ("\x89PNG\r\n\x1a\n", Reason.INPUT_MALFORMED),
        ("%PDF-1.7 \x01\x02", Reason.INPUT_MALFORMED),
        ("\ufffd\ufffd a \ufffd", Reason.INPUT_MALFORMED),
        ("Secret Name has a fever.\x07", Reason.INPUT_MALFORMED),
    ],
)
def test_bad_notes_are_refused(text, reason):
    with pytest.raises(InvalidInput) as caught:
        check_text(text, "note")
    assert caught.value.reason is reason
    assert caught.value.field == "note"
    assert "Secret" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "Fièvre à 39\u00b0C.\r\n\fSeite 2",
        "patient\x92s",
        "病",
        "🙂",
        "The scan reads \ufffd 5 mg in two places.",
    ],
)
def test_notes_as_hospitals_write_them_pass(text):
    check_text(text, "note")


def test_a_bad_text_among_good_ones_is_named_by_its_index():
    with pytest.raises(InvalidInput) as caught:
        check_texts(["fever", " "], "passages")
    assert caught.value.field == "passages[1]"
