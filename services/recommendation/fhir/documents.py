"""Composition: the sections of a document. Their entries are read as any others; of their
text it is only said that it is not read.
"""

from __future__ import annotations

from typing import Final

from services.recommendation.bounded_json import Node
from services.recommendation.fhir.remarks import Remark, Remarks

BEAR_ON_SAFETY: Final = {"48765-2", "10160-0", "11450-4"}
"""LOINC of the sections on allergies, medications and problems (IPS 2.0, Composition)."""


def remark_on_sections(composition: Node, remarks: Remarks) -> None:
    """Remark on the sections that bear on safety and have text alone."""
    for section in composition.items("section"):
        code = section.get("code")
        codes = set() if code is None else {item.text("code") for item in code.items("coding")}
        said_empty = section.has("emptyReason")
        if codes & BEAR_ON_SAFETY and not said_empty and not any(section.items("entry")):
            remarks.add(Remark.SECTION_NOT_READ, section)
        remark_on_sections(section, remarks)
