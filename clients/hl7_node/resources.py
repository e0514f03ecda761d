"""From segments to the FHIR resources that the mesh reads: whose record it is, what stands in it. Pure."""

from __future__ import annotations

import re
from typing import Any, Final

from clients.hl7_node.faults import Condition
from clients.hl7_node.messages import Segment

Resource = dict[str, Any]

_GENDERS: Final = {"F": "female", "M": "male", "O": "other", "A": "other"}
_STATUSES: Final = {
    "F": "final",
    "U": "final",
    "C": "corrected",
    "P": "preliminary",
    "R": "preliminary",
    "S": "preliminary",
    "D": "entered-in-error",
    "W": "entered-in-error",
    "X": "cancelled",
    "I": "registered",
    "N": "registered",
    "O": "registered",
}
"""Of HL7's table 0085 (OBX-11) in FHIR."""
_SYSTEMS: Final = {"I10C": "ICD-10-CM", "I9C": "ICD9CM"}
"""Names of HL7's table 0396 that the mesh does not know under that name; the others go as they are."""
_CATEGORIES: Final = {
    "DA": "medication",
    "FA": "food",
    "EA": "environment",
    "PA": "environment",
    "AA": "environment",
}
_TIME = re.compile(r"(\d{4})(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:\.\d+)?)?)?)?)?)?([+-]\d{4})?")
_NUMBER = re.compile(r"([<>]=?)?\s*([+-]?(?:\d+(?:\.\d*)?|\.\d+))")
_CODED: Final = frozenset({"CE", "CF", "CWE", "CNE", "CX", "IS", "ID"})
_VERIFIED: Final = {"A": "provisional", "W": "provisional"}
"""Admitting and working diagnoses (DG1-6); a final one is confirmed."""


def patient(pid: Segment) -> Resource:
    """Gender and date of birth: nothing else of PID is asked for, and so nothing else is sent."""
    return _present(
        {
            "resourceType": "Patient",
            "gender": _GENDERS.get(pid.text(8).upper(), "unknown"),
            "birthDate": time(pid, 7)[:10],
        }
    )


def age(pid: Segment, on: str) -> Resource | None:
    """The patient's age in whole years on a day; None: one of the two days is not known."""
    born, day = (one[:10].replace("-", "") for one in (time(pid, 7), on))
    if not len(born) == len(day) == len("YYYYMMDD"):
        return None
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"code": "30525-0", "display": "Age", "system": "LN"}]},
        "effectiveDateTime": on,
        "valueQuantity": {"value": (int(day) - int(born)) // 10_000, "unit": "a"},
    }


def observation(obx: Segment, obr: Segment | None) -> Resource | None:
    """What was measured or found, at OBX-14, else OBR-7; None: a value of a type that is not read."""
    value = _value(obx)
    if value is None:
        return None
    when = time(obx, 14) or (time(obr, 7) if obr else "")
    status = _STATUSES.get(obx.text(11).upper(), "unknown")
    known = {
        "resourceType": "Observation",
        "status": status,
        "code": coded(obx, 3),
        "effectiveDateTime": when,
    }
    return _present(known | value)


def allergy(segment: Segment) -> Resource:
    """AL1 or IAM: the substance, what kind it is, and whether it was taken back (IAM-6)."""
    kind = _CATEGORIES.get(segment.text(2).upper())
    taken_back = segment.name == "IAM" and segment.text(6).upper() == "D"
    status = "entered-in-error" if taken_back else "confirmed"
    return _present(
        {
            "resourceType": "AllergyIntolerance",
            "verificationStatus": {"coding": [{"code": status}]},
            "category": [kind] if kind else [],
            "code": coded(segment, 3),
        }
    )


def condition(dg1: Segment) -> Resource:
    """DG1: the diagnosis, by its code or its description (DG1-4), and how certain it is."""
    verified = (
        "entered-in-error" if dg1.text(21).upper() == "D" else _VERIFIED.get(dg1.text(6).upper(), "confirmed")
    )
    code = coded(dg1, 3)
    if description := dg1.text(4):
        code.setdefault("text", description)
    return _present(
        {
            "resourceType": "Condition",
            "clinicalStatus": {"coding": [{"code": "active"}]},
            "verificationStatus": {"coding": [{"code": verified}]},
            "code": code,
            "onsetDateTime": time(dg1, 5),
        }
    )


def order(
    drug: Segment, *, code: int, amount: int, unit: int, pattern: str, route: Segment | None
) -> Resource:
    """A drafted order of RXO, RXE or RXC, whose fields hold the drug, the amount and its unit."""
    number, unit_text = _NUMBER.fullmatch(drug.text(amount)), drug.text(unit)
    dosage: Resource = {"text": " ".join(filter(None, [drug.text(amount), unit_text, pattern]))}
    if number:
        dosage["doseAndRate"] = [{"doseQuantity": _present({"value": float(number[2]), "unit": unit_text})}]
    if route:
        dosage["route"] = coded(route, 1)
    return {
        "resourceType": "MedicationRequest",
        "status": "draft",
        "intent": "order",
        "medicationCodeableConcept": coded(drug, code),
        "dosageInstruction": [dosage] if dosage["text"] else [],
    }


def coded(segment: Segment, number: int) -> Resource:
    """A coded element: both triplets of code, name and system, and the original text (component 9)."""
    parts = [*segment.repetitions(number)[0], *[""] * 9]
    codings = [
        _present({"code": code, "display": name, "system": _SYSTEMS.get(system.upper(), system)})
        for code, name, system in (parts[0:3], parts[3:6])
        if code or name
    ]
    said = parts[8] or parts[1] or parts[4]
    return _present({"coding": codings, "text": said})


def time(segment: Segment, number: int) -> str:
    """A point in time as FHIR writes it, as precisely as it was written; empty: none stands there.

    Without an offset it is taken as UTC, so that those of one sender keep their order. Raises Fault.
    """
    written = segment.text(number)
    if not written.strip("0"):
        return ""
    found = _TIME.fullmatch(written)
    if found is None:
        raise segment.fault(
            Condition.DATA, "a point in time is YYYYMMDDHHMMSS, as far as it is known", number
        )
    year, month, day, hour, minute, second, offset = found.groups()
    date = "-".join(filter(None, [year, month, day]))
    if hour is None:
        return date
    zone = f"{offset[:3]}:{offset[3:]}" if offset else "Z"
    return f"{date}T{hour}:{minute or '00'}:{second or '00'}{zone}"


def _value(obx: Segment) -> Resource | None:
    kind = obx.text(2).upper()
    if kind in _CODED:
        return {"valueCodeableConcept": coded(obx, 5)}
    if kind == "SN":
        comparator, low, separator, high = [*obx.repetitions(5)[0], *[""] * 4][:4]
        written = (
            f"{comparator}{low}" if not separator and not high else f"{comparator}{low}{separator}{high}"
        )
        return _quantity(written, obx)
    return _quantity(obx.text(5), obx) if kind in {"NM", "ST"} else None


def _quantity(written: str, obx: Segment) -> Resource:
    """A number with its comparator and unit (OBX-6), else the words: `hemolyzed` where a number was due."""
    number = _NUMBER.fullmatch(written)
    if number is None:
        return {"valueString": written}
    unit = obx.text(6) or obx.text(6, 2)
    return {"valueQuantity": _present({"comparator": number[1], "value": float(number[2]), "unit": unit})}


def _present(resource: Resource) -> Resource:
    return {name: value for name, value in resource.items() if value not in (None, "", [], {})}
