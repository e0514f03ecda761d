"""Is it text? Checks what a caller sends before any model sees it; how long it may be stands in the
contract.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from services.chassis.errors import InvalidInput, Reason

# C0 controls but tab, line feed, vertical tab, form feed and carriage return, which printed reports hold, and
# DEL. C1 controls pass: they are what is left of Windows-1252 quotes in many hospital exports, and the
# tokenizer drops them.
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")

_MOST_REPLACED = 0.05
"""Share of U+FFFD above which a text is bytes that someone decoded with the wrong codec."""


def check_text(text: str, field: str) -> None:
    """Raises InvalidInput naming `field` unless `text` is a text that is not blank."""
    if not text.strip():
        raise InvalidInput(Reason.INPUT_MISSING, field, "blank; a text with at least one word is needed")
    if _CONTROL.search(text) or text.count("\ufffd") > _MOST_REPLACED * len(text):
        raise InvalidInput(
            Reason.INPUT_MALFORMED, field, "not text: it holds control characters or undecoded bytes"
        )


def check_texts(texts: Sequence[str], field: str) -> None:
    """Raises InvalidInput unless each is a text that is not blank; the field named has the text's index."""
    for index, text in enumerate(texts):
        check_text(text, f"{field}[{index}]")
