"""CodeableConcepts, R5's CodeableReferences, and the statuses that are coded."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Final

from services.clinical.concepts import CodedConcept, Concept, canonical_concept
from services.clinical.fhir.bounded_json import Node
from services.clinical.fhir.remarks import Remark, Remarks
from services.clinical.limits import MAX_CODE, MAX_CODINGS, MAX_DISPLAY, MAX_SYSTEM
from services.clinical.statuses import ClinicalStatus, Verification
from services.clinical.tables import rows
from services.clinical.terminology import translated

STATUSES_FILE: Final = Path(__file__).with_name("statuses.tsv")

VERIFICATION_CODES: Final = {item.value for item in Verification if item.value}
CLINICAL_CODES: Final = {item.value for item in ClinicalStatus if item.value}


def concept_of(node: Node, remarks: Remarks, *systems: str) -> CodedConcept | None:
    """What a CodeableConcept says, with the codings of these systems first; None where it says nothing.

    Long displays and texts are cut. Codings that are longer than those of any known system are left out with
    a remark. The display of a coding that cannot be used stands in for a text that is missing.
    """
    codings: list[Concept] = []
    spare = ""
    for coding in node.items("coding"):
        system, code = coding.text("system"), coding.text("code")
        display = coding.words("display", MAX_DISPLAY)
        if len(system) > MAX_SYSTEM or len(code.strip()) > MAX_CODE:
            remarks.add(Remark.CODING_TOO_LONG, coding)
        elif system.strip() and code.strip():
            codings += translated(canonical_concept(system, code, display))
            continue
        spare = spare or display
    if len(codings) > 1:
        rank = {system: index for index, system in enumerate(systems)}
        codings.sort(key=lambda item: rank.get(item.system, len(rank)))
        codings = list(dict.fromkeys(codings))[:MAX_CODINGS]
    text = node.words("text", MAX_DISPLAY) or ("" if codings else spare)
    return CodedConcept(tuple(codings), text) if codings or text else None


def status_of(node: Node, name: str, known: set[str], remarks: Remarks) -> str:
    """The FHIR code of a status: of a CodeableConcept, or STU3's plain code. Empty: absent or not understood.

    What is there and not among `known` is remarked on.
    """
    member = node.get(name)
    if member is None:
        return ""
    if isinstance(member.value, str):
        remarks.add(Remark.FHIR_STU3, node)
        words = [node.text(name)]
    else:
        words = [*(coding.text("code") for coding in member.items("coding")), member.text("text")]
    for word in words:
        code = meaning(name, word)
        if code in known:
            return code
    if any(word.strip().lower() not in {"", "unknown"} for word in words):
        remarks.add(Remark.STATUS_NOT_UNDERSTOOD, member)
    return ""


def meaning(element: str, word: str) -> str:
    """The FHIR code that a word stands for; the word in lower case where the table does not have it."""
    word = " ".join(word.split()).lower()
    return _meanings().get((element, word), word)


@functools.cache
def _meanings() -> dict[tuple[str, str], str]:
    return {(element, word): code for element, word, code, _ in rows(STATUSES_FILE, 4)}
