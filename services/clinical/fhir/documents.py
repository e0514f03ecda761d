"""Composition: the sections of a document. Their entries are read as any others; of their text it is only
said that it is not read.
"""

from __future__ import annotations

from typing import Final

from services.clinical.fhir.bounded_json import Node
from services.clinical.fhir.remarks import Remark, Remarks

BEAR_ON_SAFETY: Final = {"48765-2", "10160-0", "11450-4"}
"""LOINC of the sections on allergies, medications and problems (IPS 2.0, Composition)."""
NOTHING_KNOWN: Final = "nilknown"
"""FHIR list-empty-reason of a section whose author knows that there is nothing to list."""


def remark_on_sections(composition: Node, remarks: Remarks) -> None:
    """Remark on the sections that bear on safety and list nothing, unless nothing is known."""
    for section in composition.items("section"):
        if (
            _codes(section, "code") & BEAR_ON_SAFETY
            and not any(section.items("entry"))
            and NOTHING_KNOWN not in _codes(section, "emptyReason")
        ):
            remarks.add(Remark.SECTION_NOT_READ, section)
        remark_on_sections(section, remarks)


def _codes(section: Node, name: str) -> set[str]:
    concept = section.get(name)
    return set() if concept is None else {coding.text("code") for coding in concept.items("coding")}
