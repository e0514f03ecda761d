"""The messages of a patient's record to its dataclasses, and back. Typed records are bounded here."""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, TypeVar, cast

from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from medmesh.common.v1 import concept_pb2
from medmesh.common.v1 import patient_pb2 as patient
from medmesh.recommendation.v1 import recommendation_pb2 as pb
from services.chassis.errors import InvalidInput, Reason
from services.chassis.notices import Notice
from services.chassis.rpc.notices import notice_messages
from services.clinical.concepts import CodedConcept, Concept, canonical_concept
from services.clinical.fhir import ReadBundle, read_bundle
from services.clinical.limits import (
    MAX_AGE_YEARS,
    MAX_CODE,
    MAX_CODINGS,
    MAX_DISPLAY,
    MAX_ITEMS,
    MAX_SYSTEM,
)
from services.clinical.measurements import in_used_units
from services.clinical.record import (
    Allergy,
    AllergyType,
    ClinicalStatus,
    Comparator,
    Condition,
    Criticality,
    Finding,
    Gender,
    Medication,
    Observation,
    PatientRecord,
    Procedure,
    Verification,
)

E = TypeVar("E", bound=enum.Enum)

MAX_PLACE = 256
_PLACE = re.compile(
    r"Bundle(?:\.entry\[\d{1,5}\]\.resource)+|patient\.record\.(?:" + "|".join(MAX_ITEMS) + r")\[\d{1,5}\]"
)
"""An entry of a bundle, or an item of a typed record: nothing of the content fits into it."""


def _members(kind: EnumTypeWrapper, prefix: str, values: type[E], **others: E) -> Mapping[int, E]:
    """The member of a domain enum for each number of a message's; what is not named alike is in `others`."""
    return {
        number: others[name] if (name := label.removeprefix(prefix + "_")) in others else values[name]
        for label, number in kind.items()
    }


_GENDERS = _members(patient.AdministrativeGender, "ADMINISTRATIVE_GENDER", Gender)
_CLINICAL = _members(patient.ClinicalStatus, "CLINICAL_STATUS", ClinicalStatus)
_VERIFICATIONS = _members(patient.VerificationStatus, "VERIFICATION_STATUS", Verification)
_TYPES = _members(patient.AllergyType, "ALLERGY_TYPE", AllergyType)
_CRITICALITIES = _members(patient.Criticality, "CRITICALITY", Criticality)
_COMPARATORS = _members(patient.Comparator, "COMPARATOR", Comparator, UNSPECIFIED=Comparator.EXACT)
_NUMBERS: Mapping[enum.Enum, int] = {
    member: number
    for members in (_GENDERS, _CLINICAL, _VERIFICATIONS, _TYPES, _CRITICALITIES, _COMPARATORS)
    for number, member in members.items()
}


def record_from(message: patient.PatientInput, today: date | None = None) -> ReadBundle:
    """The record of either form, its measurements in the units in which they are used; InvalidInput with the
    field's path from `patient` on. Long bundles take seconds.

    Facts of a bundle that are dated after `today` are noticed: they make the patient older than is true.
    """
    read = _read(message)
    record, notices = in_used_units(read.record)
    if today is not None and message.HasField("fhir_bundle"):
        notices += tuple(_of_the_future(record, today))
    return ReadBundle(record, read.notices + notices)


def _of_the_future(record: PatientRecord, today: date) -> Iterator[Notice]:
    places = record.places_after(today + timedelta(days=1))  # it may be tomorrow already where it was written
    if places:
        text = f"Facts that are dated after today: {len(places)}. The patient counts as of the last of them."
        yield Notice("DATE_IN_FUTURE", text, review_required=True, places=places)


def _read(message: patient.PatientInput) -> ReadBundle:
    match message.WhichOneof("form"):
        case "record":
            return ReadBundle(_record(message.record))
        case "fhir_bundle":
            try:
                return read_bundle(message.fhir_bundle)
            except InvalidInput as error:
                path = f"patient.fhir_bundle.{error.field}" if error.field else "patient.fhir_bundle"
                # `from None`: the inner error says the same without the path's beginning.
                raise InvalidInput(error.reason, path, error.description) from None
        case _:
            raise InvalidInput(Reason.INPUT_MISSING, "patient", "needs a record or a FHIR bundle")


def record_message(read: ReadBundle) -> pb.ReadRecordResponse:
    """The answer of ReadRecord."""
    record = read.record
    message = patient.PatientRecord(
        gender=_number(record.gender),
        conditions=[
            patient.Condition(
                active=item.active,
                onset_time=_time(item.onset),
                abatement_time=_time(item.abatement),
                clinical_status=_number(item.clinical_status),
                verification_status=_number(item.verification),
                **_named(item),
            )
            for item in record.conditions
        ],
        medications=[
            patient.Medication(
                active=item.active,
                authored_time=_time(item.authored),
                reason=None if item.reason is None else concept_message(item.reason),
                **_named(item),
            )
            for item in record.medications
        ],
        procedures=[
            patient.Procedure(performed_time=_time(item.performed), **_named(item))
            for item in record.procedures
        ],
        allergies=[
            patient.Allergy(
                verification_status=_number(item.verification),
                type=_number(item.type),
                criticality=_number(item.criticality),
                **_named(item),
            )
            for item in record.allergies
        ],
        observations=[
            patient.Observation(
                value=item.value,
                unit=item.unit,
                observed_time=_time(item.observed),
                comparator=_number(item.comparator),
                **_named(item),
            )
            for item in record.observations
        ],
        findings=[
            patient.Finding(
                code=_coded_message(item.concept),
                value=_coded_message(item.value),
                observed_time=_time(item.observed),
                place=item.place,
            )
            for item in record.findings
        ],
    )
    if record.age_years is not None:
        message.age_years = record.age_years
    return pb.ReadRecordResponse(record=message, notices=notice_messages(read.notices))


def concept_message(concept: Concept) -> concept_pb2.Concept:
    """A coding."""
    return concept_pb2.Concept(system=concept.system, code=concept.code, display=concept.display)


def concept_from(message: concept_pb2.Concept, path: str) -> Concept:
    """A coding under its canonical system and code; InvalidInput by field."""
    for name, limit, required in (
        ("system", MAX_SYSTEM, True),
        ("code", MAX_CODE, True),
        ("display", MAX_DISPLAY, False),
    ):
        value = getattr(message, name)
        if required and not value.strip():
            raise InvalidInput(Reason.INPUT_MISSING, f"{path}.{name}", "is required")
        _bounded(value, limit, f"{path}.{name}")
    return canonical_concept(message.system, message.code, message.display)


def named_concept_from(message: concept_pb2.Concept, path: str) -> CodedConcept:
    """A coding, or words alone where system and code are empty; InvalidInput by field."""
    if message.display.strip() and not message.system and not message.code:
        _bounded(message.display, MAX_DISPLAY, f"{path}.display")
        return CodedConcept(text=message.display)
    return CodedConcept((concept_from(message, path),))


def _named(item: Condition | Medication | Procedure | Allergy | Observation) -> dict[str, Any]:
    """The fields that every item of a record has."""
    concept = item.concept
    says_all = len(concept.codings) <= 1 and concept.text in {"", concept.preferred.display}
    return {
        "concept": concept_message(concept.preferred),
        "code": None if says_all else _coded_message(concept),
        "place": item.place,
    }


def _coded_message(concept: CodedConcept) -> concept_pb2.CodedConcept:
    return concept_pb2.CodedConcept(codings=map(concept_message, concept.codings), text=concept.text)


def _record(message: patient.PatientRecord) -> PatientRecord:
    for name, limit in MAX_ITEMS.items():
        if len(getattr(message, name)) > limit:
            description = f"must have at most {limit} items"
            raise InvalidInput(Reason.INPUT_TOO_LARGE, f"patient.record.{name}", description)
    if message.HasField("age_years") and not 0 <= message.age_years <= MAX_AGE_YEARS:
        description = f"must lie between 0 and {MAX_AGE_YEARS}"
        raise InvalidInput(Reason.INPUT_OUT_OF_RANGE, "patient.record.age_years", description)
    return PatientRecord(
        age_years=message.age_years if message.HasField("age_years") else None,
        gender=_member(_GENDERS, message.gender),
        conditions=tuple(_condition(*item) for item in _each(message, "conditions")),
        medications=tuple(_medication(*item) for item in _each(message, "medications")),
        procedures=tuple(_procedure(*item) for item in _each(message, "procedures")),
        allergies=tuple(_allergy(*item) for item in _each(message, "allergies")),
        observations=tuple(_observation(*item) for item in _each(message, "observations")),
        findings=tuple(_finding(*item) for item in _each(message, "findings")),
    )


def _each(message: patient.PatientRecord, name: str) -> Iterator[tuple[Any, str]]:
    """The items of a list of the record, each with its path."""
    return ((item, f"patient.record.{name}[{index}]") for index, item in enumerate(getattr(message, name)))


def _condition(item: patient.Condition, path: str) -> Condition:
    return Condition(
        _concept_of(item, path),
        item.active if item.HasField("active") else None,
        _day(item, "onset_time", path),
        _day(item, "abatement_time", path),
        _member(_CLINICAL, item.clinical_status),
        _member(_VERIFICATIONS, item.verification_status),
        _place(item, path),
    )


def _medication(item: patient.Medication, path: str) -> Medication:
    return Medication(
        _concept_of(item, path),
        item.active if item.HasField("active") else None,
        _day(item, "authored_time", path),
        concept_from(item.reason, f"{path}.reason") if item.HasField("reason") else None,
        _place(item, path),
    )


def _procedure(item: patient.Procedure, path: str) -> Procedure:
    return Procedure(_concept_of(item, path), _day(item, "performed_time", path), _place(item, path))


def _allergy(item: patient.Allergy, path: str) -> Allergy:
    return Allergy(
        _concept_of(item, path),
        _member(_VERIFICATIONS, item.verification_status),
        _member(_TYPES, item.type),
        _member(_CRITICALITIES, item.criticality),
        _place(item, path),
    )


def _observation(item: patient.Observation, path: str) -> Observation:
    if not math.isfinite(item.value):
        raise InvalidInput(Reason.INPUT_OUT_OF_RANGE, f"{path}.value", "must be finite")
    _bounded(item.unit, MAX_CODE, f"{path}.unit")
    return Observation(
        _concept_of(item, path),
        item.value,
        item.unit,
        _moment(item, "observed_time", path),
        _member(_COMPARATORS, item.comparator),
        _place(item, path),
    )


def _finding(item: patient.Finding, path: str) -> Finding:
    return Finding(
        _coded(item.code, f"{path}.code"),
        _coded(item.value, f"{path}.value"),
        _moment(item, "observed_time", path),
        _place(item, path),
    )


def _concept_of(item: Any, path: str) -> CodedConcept:
    """What an item is: its `code`, else its `concept`."""
    if item.HasField("code"):
        return _coded(item.code, f"{path}.code")
    return named_concept_from(item.concept, f"{path}.concept")


def _coded(message: concept_pb2.CodedConcept, path: str) -> CodedConcept:
    if not message.codings and not message.text.strip():
        raise InvalidInput(Reason.INPUT_MISSING, path, "needs a coding or a text")
    if len(message.codings) > MAX_CODINGS:
        raise InvalidInput(
            Reason.INPUT_TOO_LARGE, f"{path}.codings", f"must have at most {MAX_CODINGS} items"
        )
    _bounded(message.text, MAX_DISPLAY, f"{path}.text")
    codings = (concept_from(item, f"{path}.codings[{i}]") for i, item in enumerate(message.codings))
    return CodedConcept(tuple(codings), message.text)


def _bounded(value: str, limit: int, path: str) -> None:
    if len(value) > limit:
        raise InvalidInput(Reason.INPUT_TOO_LARGE, path, f"must have at most {limit} characters")


def _place(item: Any, path: str) -> str:
    """Where the item stood in its bundle, else where it stands in the message."""
    place: str = item.place
    if not place:
        return path
    if len(place) > MAX_PLACE or not _PLACE.fullmatch(place):
        raise InvalidInput(
            Reason.INPUT_MALFORMED,
            f"{path}.place",
            "must be the place of a bundle's entry, such as Bundle.entry[3].resource",
        )
    return place


def _member(members: Mapping[int, E], number: int) -> E:
    """The enum's member; a number of a later contract counts as not stated."""
    return members.get(number, members[0])


def _number(member: enum.Enum) -> Any:
    return _NUMBERS[member]


def _moment(item: Message, name: str, path: str) -> datetime | None:
    """A timestamp in UTC; None where it is absent."""
    if not item.HasField(name):
        return None
    try:
        return cast("datetime", getattr(item, name).ToDatetime(UTC))
    except (ValueError, OverflowError):
        # `from None`: the cause quotes the time.
        raise InvalidInput(Reason.INPUT_OUT_OF_RANGE, f"{path}.{name}", "must be a valid time") from None


def _day(item: Message, name: str, path: str) -> date | None:
    """The day of a timestamp in UTC; None where it is absent."""
    moment = _moment(item, name, path)
    return None if moment is None else moment.date()


def _time(moment: date | datetime | None) -> Timestamp | None:
    """The moment, or the beginning of the day in UTC."""
    if moment is None:
        return None
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time(), UTC)
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp
