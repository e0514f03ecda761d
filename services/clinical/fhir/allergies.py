"""AllergyIntolerance."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from services.clinical.code_systems import RXNORM, SNOMED
from services.clinical.fhir.bounded_json import Node
from services.clinical.fhir.codings import VERIFICATION_CODES, concept_of, status_of
from services.clinical.fhir.remarks import Remark, Remarks, place_of
from services.clinical.record import Allergy
from services.clinical.statuses import AllergyType, ClinicalStatus, Criticality, Verification, is_present

_CRITICALITIES: Final = {item.value for item in Criticality}
_TYPES: Final = {item.value for item in AllergyType}
_CLINICAL_CODES: Final = {"active", "inactive", "resolved"}


def read_allergy(node: Node, remarks: Remarks) -> Iterator[Allergy]:
    """An AllergyIntolerance, if it still holds: by its code, and by each substance that a reaction names."""
    verification = Verification(status_of(node, "verificationStatus", VERIFICATION_CODES, remarks))
    clinical = ClinicalStatus(status_of(node, "clinicalStatus", _CLINICAL_CODES, remarks))
    if not is_present(clinical, verification):
        remarks.add(Remark.RESOURCES_NOT_USABLE, node)
        return
    # A server that codes the reaction's substance may leave the allergy itself as text.
    codes = [node.get("code"), *(reaction.get("substance") for reaction in node.items("reaction"))]
    found = (None if code is None else concept_of(code, remarks, SNOMED, RXNORM) for code in codes)
    concepts = {concept.key: concept for concept in found if concept is not None}
    if not concepts:
        remarks.add(Remark.ALLERGY_NOT_UNDERSTOOD, node)
    criticality = node.text("criticality")
    for concept in concepts.values():
        yield Allergy(
            concept,
            clinical,
            verification,
            AllergyType(_type(node, remarks)),
            Criticality(criticality if criticality in _CRITICALITIES else ""),
            place_of(node),
        )


def _type(node: Node, remarks: Remarks) -> str:
    """`allergy` or `intolerance`: a plain code, in R5 a CodeableConcept."""
    member = node.get("type")
    if member is None:
        return ""
    if isinstance(member.value, str):
        words = [member.value]
    else:
        remarks.add(Remark.FHIR_R5, node)
        words = [coding.text("code") for coding in member.items("coding")]
    return next((word for word in words if word in _TYPES), "")
