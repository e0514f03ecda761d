"""The messages of a patient's record to the dataclasses of `services.clinical`, and back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from medmesh.common.v1 import patient_pb2 as patient
from medmesh.recommendation.v1 import recommendation_pb2 as pb
from services.chassis.errors import InvalidInput
from services.chassis.notices import Notice
from services.chassis.rpc.notices import notice_messages
from services.clinical.dates import PartialDate
from services.clinical.fhir import ReadBundle, read_bundle
from services.clinical.fhir.medications import planned
from services.clinical.fhir.remarks import Remark, Remarks
from services.clinical.measurements import in_used_units
from services.clinical.record import (
    Allergy,
    Condition,
    Medication,
    Observation,
    PatientRecord,
    Procedure,
    Quantity,
)
from services.clinical.statuses import (
    AllergyType,
    ClinicalStatus,
    Criticality,
    Gender,
    MedicationIntent,
    MedicationSource,
    MedicationStatus,
    Verification,
    is_present,
)
from services.recommendation.convert_values import (
    EnumMap,
    age_from,
    age_message,
    coded_from,
    coded_message,
    date_from,
    date_message,
    quantity_from,
    quantity_message,
)

_GENDERS = EnumMap(patient.AdministrativeGender, "ADMINISTRATIVE_GENDER", Gender.UNSPECIFIED)
_CLINICAL = EnumMap(patient.ClinicalStatus, "CLINICAL_STATUS", ClinicalStatus.UNSPECIFIED)
_VERIFICATIONS = EnumMap(patient.VerificationStatus, "VERIFICATION_STATUS", Verification.UNSPECIFIED)
_TYPES = EnumMap(patient.AllergyType, "ALLERGY_TYPE", AllergyType.UNSPECIFIED)
_CRITICALITIES = EnumMap(patient.Criticality, "CRITICALITY", Criticality.UNSPECIFIED)
_SOURCES = EnumMap(patient.MedicationSource, "MEDICATION_SOURCE", MedicationSource.UNSPECIFIED)
_STATUSES = EnumMap(patient.MedicationStatus, "MEDICATION_STATUS", MedicationStatus.UNSPECIFIED)
_INTENTS = EnumMap(patient.MedicationIntent, "MEDICATION_INTENT", MedicationIntent.UNSPECIFIED)


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


def reading_message(read: ReadBundle) -> pb.RecordReading:
    """A record as it was read."""
    return pb.RecordReading(record=record_message(read.record), notices=notice_messages(read.notices))


def record_message(record: PatientRecord) -> patient.PatientRecord:
    """The typed record."""
    return patient.PatientRecord(
        age=age_message(record.age),
        gender=_GENDERS.number(record.gender),
        conditions=map(_condition_message, record.conditions),
        medications=map(_medication_message, record.medications),
        procedures=(
            patient.Procedure(
                code=coded_message(item.concept), performed=date_message(item.performed), place=item.place
            )
            for item in record.procedures
        ),
        allergies=(
            patient.Allergy(
                code=coded_message(item.concept),
                clinical_status=_CLINICAL.number(item.clinical_status),
                verification_status=_VERIFICATIONS.number(item.verification),
                type=_TYPES.number(item.type),
                criticality=_CRITICALITIES.number(item.criticality),
                place=item.place,
            )
            for item in record.allergies
        ),
        observations=map(_observation_message, record.observations),
    )


def _of_the_future(record: PatientRecord, today: date) -> Iterator[Notice]:
    places = record.places_after(today + timedelta(days=1))  # it may be tomorrow already where it was written
    if places:
        text = f"Facts dated after today: {len(places)}. The latest of them counts as the record's today."
        yield Notice("DATE_IN_FUTURE", text, review_required=True, places=places)


def _read(message: patient.PatientInput) -> ReadBundle:
    if message.HasField("record"):
        return _RecordReader().read(message.record)
    try:
        return read_bundle(message.fhir_bundle)
    except InvalidInput as error:
        path = f"patient.fhir_bundle.{error.field}" if error.field else "patient.fhir_bundle"
        # `from None`: the inner error says the same without the path's beginning.
        raise InvalidInput(error.reason, path, error.description) from None


class _RecordReader:
    """Reads a typed record: what FHIR's statuses call no fact is left out, as it is of a bundle."""

    def __init__(self) -> None:
        self._remarks = Remarks()

    def read(self, message: patient.PatientRecord) -> ReadBundle:
        record = PatientRecord(
            age=age_from(message),
            gender=_GENDERS[message.gender],
            conditions=tuple(self._conditions(message)),
            medications=tuple(self._medications(message)),
            procedures=tuple(
                Procedure(
                    coded_from(item.code, f"{path}.code"),
                    date_from(item, "performed", path),
                    _place(item, path),
                )
                for item, path in _each(message, "procedures")
            ),
            allergies=tuple(self._allergies(message)),
            observations=tuple(_observation(*item) for item in _each(message, "observations")),
        )
        return ReadBundle(record, self._remarks.notices())

    def _conditions(self, message: patient.PatientRecord) -> Iterator[Condition]:
        for item, path in _each(message, "conditions"):
            place = _place(item, path)
            verification = _VERIFICATIONS[item.verification_status]
            if verification.is_retracted:
                self._remarks.add_at(Remark.RESOURCES_NOT_USABLE, place)
                continue
            yield Condition(
                coded_from(item.code, f"{path}.code"),
                _CLINICAL[item.clinical_status],
                verification,
                date_from(item, "onset", path),
                date_from(item, "abated_on", path),
                abated=item.abated,
                place=place,
            )

    def _medications(self, message: patient.PatientRecord) -> Iterator[Medication]:
        for item, path in _each(message, "medications"):
            place = _place(item, path)
            status, intent = _STATUSES[item.status], _INTENTS[item.intent]
            if status.is_no_fact:
                self._remarks.add_at(Remark.RESOURCES_NOT_USABLE, place)
                continue
            if not intent.is_taken(reported=item.reported):
                self._remarks.add_at(planned(status, intent), place)
                continue
            until = date_from(item, "supplied_until", path)
            yield Medication(
                coded_from(item.code, f"{path}.code"),
                _SOURCES[item.source],
                status,
                intent,
                item.reported,
                date_from(item, "authored", path),
                None if until is None else until.day,
                coded_from(item.reason, f"{path}.reason") if item.HasField("reason") else None,
                place,
            )

    def _allergies(self, message: patient.PatientRecord) -> Iterator[Allergy]:
        for item, path in _each(message, "allergies"):
            place = _place(item, path)
            clinical, verification = (
                _CLINICAL[item.clinical_status],
                _VERIFICATIONS[item.verification_status],
            )
            if not is_present(clinical, verification):
                self._remarks.add_at(Remark.RESOURCES_NOT_USABLE, place)
                continue
            yield Allergy(
                coded_from(item.code, f"{path}.code"),
                clinical,
                verification,
                _TYPES[item.type],
                _CRITICALITIES[item.criticality],
                place,
            )


def _observation(item: patient.Observation, path: str) -> Observation:
    return Observation(
        coded_from(item.code, f"{path}.code"),
        quantity_from(item.quantity)
        if item.HasField("quantity")
        else coded_from(item.coded, f"{path}.coded"),
        date_from(item, "effective", path),
        _place(item, path),
    )


def _condition_message(item: Condition) -> patient.Condition:
    message = patient.Condition(
        code=coded_message(item.concept),
        clinical_status=_CLINICAL.number(item.clinical_status),
        verification_status=_VERIFICATIONS.number(item.verification),
        onset=date_message(item.onset),
        abated_on=date_message(item.abatement),
        place=item.place,
    )
    if item.abated:
        message.abated = True
    return message


def _medication_message(item: Medication) -> patient.Medication:
    until = None if item.supplied_until is None else PartialDate.of(item.supplied_until)
    return patient.Medication(
        code=coded_message(item.concept),
        source=_SOURCES.number(item.source),
        status=_STATUSES.number(item.status),
        intent=_INTENTS.number(item.intent),
        reported=item.reported,
        authored=date_message(item.authored),
        supplied_until=date_message(until),
        reason=None if item.reason is None else coded_message(item.reason),
        place=item.place,
    )


def _observation_message(item: Observation) -> patient.Observation:
    return patient.Observation(
        code=coded_message(item.concept),
        quantity=quantity_message(item.value) if isinstance(item.value, Quantity) else None,
        coded=None if isinstance(item.value, Quantity) else coded_message(item.value),
        effective=date_message(item.effective),
        place=item.place,
    )


def _each(message: patient.PatientRecord, name: str) -> Iterator[tuple[Any, str]]:
    """The items of a list of the record, each with its path."""
    return ((item, f"patient.record.{name}[{index}]") for index, item in enumerate(getattr(message, name)))


def _place(item: Any, path: str) -> str:
    """Where the item stood in its bundle, else where it stands in the message."""
    place: str = item.place
    return place or path
