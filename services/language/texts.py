"""Is it text? Checks what a caller sends before any model sees it."""

from __future__ import annotations

import re

from services.chassis.errors import InvalidInput, Reason

MAX_NOTE_CODE_POINTS = 200_000
MAX_TEXT_CODE_POINTS = 20_000
MAX_TEXTS = 256

# C0 controls but tab, line feed, vertical tab, form feed and carriage return, which printed reports hold, and
# DEL. C1 controls pass: they are what is left of Windows-1252 quotes in many hospital exports, and the
# tokenizer drops them.
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")

_MOST_REPLACED = 0.05
"""Share of U+FFFD above which a text is bytes that someone decoded with the wrong codec."""


def check_text(text: str, field: str, max_code_points: int) -> None:
    """Raise InvalidInput naming `field` unless `text` is a non-blank text of at most `max_code_points`."""
    if len(text) > max_code_points:
        raise InvalidInput(
            Reason.INPUT_TOO_LARGE, field, f"longer than {max_code_points} Unicode code points"
        )
    if not text.strip():
        raise InvalidInput(Reason.INPUT_MISSING, field, "blank; a text with at least one word is needed")
    if _CONTROL.search(text) or text.count("\ufffd") > _MOST_REPLACED * len(text):
        raise InvalidInput(
            Reason.INPUT_MALFORMED, field, "not text: it holds control characters or undecoded bytes"
        )


def check_texts(texts: list[str], field: str) -> None:
    """Raise InvalidInput unless there are 1 to MAX_TEXTS texts, each good; the field named has the text's
    index.
    """
    if not texts:
        raise InvalidInput(Reason.INPUT_MISSING, field, "empty; at least one text is needed")
    if len(texts) > MAX_TEXTS:
        raise InvalidInput(Reason.INPUT_TOO_LARGE, field, f"more than {MAX_TEXTS} texts")
    for index, text in enumerate(texts):
        check_text(text, f"{field}[{index}]", MAX_TEXT_CODE_POINTS)
