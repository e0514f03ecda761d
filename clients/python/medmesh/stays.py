"""What was measured during a hospital stay, read from a file for `Client.predict_outcome`.

    reading = stays.read("measurements.csv")
    prediction = client.predict_outcome(reading.stay)

- CSV with a header: `code` (LOINC, or of the system whose FHIR URI stands in the column `system`), `value` (a
  number, behind `<`, `<=`, `>=` or `>` where it is a bound), `unit` (UCUM, may be empty), and `hours` since
  the start or `time` (ISO 8601); further columns do not count.
- JSON: a FHIR R4 bundle (Patient, Encounter and Observations), or a HospitalStay in its JSON form.

What of a file cannot be used is counted by kind, never dropped in silence. Units are converted by the
service, which knows the model's.
"""

from __future__ import annotations

import csv
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from medmesh.common.v1 import patient_pb2, quantity_pb2
from medmesh.common.v1.concept_pb2 import Concept
from medmesh.recommendation.v1.recommendation_pb2 import HospitalStay
from medmesh.requests import hospital_stay

LOINC = "http://loinc.org"
LOINC_NAMES = frozenset({LOINC, "urn:oid:2.16.840.1.113883.6.1"})
BODY_HEIGHT = frozenset({"8302-2", "3137-7", "8301-4"})
"""LOINC codes of the body height, measured, and estimated."""
CENTIMETRES = {"cm": 1.0, "m": 100.0, "[in_i]": 2.54}
GENDERS: Mapping[str, patient_pb2.AdministrativeGender] = {
    "male": patient_pb2.ADMINISTRATIVE_GENDER_MALE,
    "female": patient_pb2.ADMINISTRATIVE_GENDER_FEMALE,
    "other": patient_pb2.ADMINISTRATIVE_GENDER_OTHER,
    "unknown": patient_pb2.ADMINISTRATIVE_GENDER_UNKNOWN,
}
COMPARATORS = {
    "<": quantity_pb2.COMPARATOR_LESS,
    "<=": quantity_pb2.COMPARATOR_LESS_OR_EQUAL,
    ">=": quantity_pb2.COMPARATOR_GREATER_OR_EQUAL,
    ">": quantity_pb2.COMPARATOR_GREATER,
}
_NOT_A_FACT = frozenset({"entered-in-error", "cancelled", "registered"})


@dataclass
class Reading:
    """A stay, and what of its file was left out or taken for granted."""

    stay: HospitalStay = field(default_factory=HospitalStay)
    left_out: Counter[str] = field(default_factory=Counter)
    """How many measurements were left out, by why."""
    assumed_start: bool = False
    """Whether the stay was taken to begin with the first measurement, as nothing says when it did."""

    def sentences(self) -> Iterator[str]:
        """What of it people should know."""
        if self.assumed_start:
            yield "The file does not say when the stay began; its first measurement was taken as the start."
        for why, count in sorted(self.left_out.items()):
            yield f"Left out: {count} {why}."


@dataclass(frozen=True)
class _Measured:
    """A measurement before it is known when the stay began."""

    code: Concept
    value: float
    unit: str
    comparator: quantity_pb2.Comparator
    when: datetime | float
    """A time, or hours since the start."""


def read(path: Path | str, *, start: datetime | str | None = None) -> Reading:
    """Reads a file. `start`, when the stay began, overrides what the file says; without a zone it is UTC.

    ValueError: it is none of the forms, or holds no measurement. OSError: it cannot be read.
    """
    began = _utc(datetime.fromisoformat(start) if isinstance(start, str) else start) if start else None
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8 text") from None
    if text.lstrip().startswith("{"):
        try:
            content = json.loads(text)
        except ValueError:
            raise ValueError(f"{path} is not JSON") from None
        if content.get("resourceType") != "Bundle":
            return Reading(hospital_stay(content))
        try:
            reading, measured, encounter = _bundle(content)
        except (AttributeError, TypeError):  # without its text: it may quote the patient's values
            raise ValueError(f"{path} does not have the form of a FHIR bundle") from None
        began = began or encounter
    else:
        reading = Reading()
        measured = list(_rows(text, path, reading.left_out))
    _place(reading, measured, began)
    if not reading.stay.measurements:
        raise ValueError(f"{path} holds no measurement that can be used")
    return reading


def _place(reading: Reading, measured: list[_Measured], began: datetime | None) -> None:
    """Adds the measurements by their time since the start."""
    times = [one.when for one in measured if isinstance(one.when, datetime)]
    if times and began is None:
        began = min(times)
        reading.assumed_start = True
    for one in measured:
        seconds = (
            (one.when - began).total_seconds()
            if isinstance(one.when, datetime) and began is not None
            else 3600 * float(one.when)  # type: ignore[arg-type]  # no time without a start
        )
        if seconds < 0:
            reading.left_out["measurement(s) before the start"] += 1
            continue
        added = reading.stay.measurements.add()
        added.code.CopyFrom(one.code)
        added.value.value, added.value.unit, added.value.comparator = one.value, one.unit, one.comparator
        added.since_start.FromNanoseconds(round(seconds * 1e9))


def _rows(text: str, path: Path | str, left_out: Counter[str]) -> Iterator[_Measured]:
    rows = csv.DictReader(text.splitlines())
    names = {name.strip().lower() for name in rows.fieldnames or ()}
    if not {"code", "value"} <= names or not names & {"hours", "time"}:
        raise ValueError(
            f"{path} needs the columns code, value, unit and hours (since the start) or time; it has "
            f"{len(names)} of other names" if names else f"{path} is empty"
        )  # fmt: skip
    for row in rows:
        cells = {str(name).strip().lower(): (cell or "").strip() for name, cell in row.items() if name}
        bound, number = _number(cells["value"])
        when = _when(cells)
        if not cells["code"] or number is None or when is None:
            left_out["row(s) without a code, a number or a time"] += 1
            continue
        code = Concept(system=cells.get("system") or LOINC, code=cells["code"])
        yield _Measured(code, number, cells.get("unit", ""), bound, when)


def _number(text: str) -> tuple[quantity_pb2.Comparator, float | None]:
    for sign in ("<=", ">=", "<", ">"):
        if text.startswith(sign):
            return COMPARATORS[sign], _number(text[len(sign) :].strip())[1]
    try:
        number = float(text)
    except ValueError:
        return quantity_pb2.COMPARATOR_UNSPECIFIED, None
    return quantity_pb2.COMPARATOR_UNSPECIFIED, number if math.isfinite(number) else None


def _when(cells: Mapping[str, str]) -> datetime | float | None:
    if cells.get("hours"):
        return _number(cells["hours"])[1]
    return _instant(cells.get("time", ""))


def _instant(text: Any) -> datetime | None:
    """A time to the minute at least: of a day alone nobody knows the hour."""
    if not isinstance(text, str) or "T" not in text.replace(" ", "T"):
        return None
    try:
        return _utc(datetime.fromisoformat(text))
    except ValueError:
        return None


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _bundle(bundle: Mapping[str, Any]) -> tuple[Reading, list[_Measured], datetime | None]:
    """What a bundle says: patient, measurements, and the start of its only encounter that has one."""
    reading = Reading()
    measured: list[_Measured] = []
    resources = [entry.get("resource", {}) for entry in bundle.get("entry", ()) if isinstance(entry, dict)]
    starts = {
        began
        for one in resources
        if one.get("resourceType") == "Encounter"
        and (began := _instant(one.get("period", {}).get("start"))) is not None
    }
    for one in resources:
        if one.get("resourceType") == "Observation":
            measured += _observed(one, reading)
    start = starts.pop() if len(starts) == 1 else None
    for one in resources:
        if one.get("resourceType") == "Patient":
            _patient(one, reading.stay, start)
    return reading, measured, start


def _patient(patient: Mapping[str, Any], stay: HospitalStay, start: datetime | None) -> None:
    stay.gender = GENDERS.get(str(patient.get("gender", "")), patient_pb2.ADMINISTRATIVE_GENDER_UNSPECIFIED)
    try:
        born = date.fromisoformat(str(patient.get("birthDate", "")))
    except ValueError:
        return
    if start is not None and start.date() >= born:
        stay.age.years = start.year - born.year - ((start.month, start.day) < (born.month, born.day))


def _observed(observation: Mapping[str, Any], reading: Reading) -> Iterator[_Measured]:
    """The measurements of an Observation: its own value, and those of its components."""
    if observation.get("status") in _NOT_A_FACT:
        reading.left_out[f"observation(s) with the status {observation['status']}"] += 1
        return
    when = _instant(
        observation.get("effectiveDateTime")
        or observation.get("effectiveInstant")
        or observation.get("effectivePeriod", {}).get("start")
    )
    parts = [one for one in (observation, *observation.get("component", ())) if _has_value(one)]
    if not parts:
        reading.left_out["observation(s) without a value"] += 1
    for part in parts:
        code = _concept(part)
        bound, number, unit = _quantity(part)
        if number is None:
            reading.left_out["observation(s) whose value is not a number"] += 1
        elif code is None:
            reading.left_out["observation(s) without a code"] += 1
        elif code.system in LOINC_NAMES and code.code in BODY_HEIGHT and unit in CENTIMETRES:
            reading.stay.height_cm = number * CENTIMETRES[unit]
        elif when is None:
            reading.left_out["observation(s) without a time of day"] += 1
        else:
            yield _Measured(code, number, unit, bound, when)


def _concept(part: Mapping[str, Any]) -> Concept | None:
    """The LOINC coding, else the first one that has a system and a code; whether it means anything to a model
    is the service's to say.
    """
    codings = [
        Concept(system=str(one["system"]), code=str(one["code"]), display=str(one.get("display", "")))
        for one in part.get("code", {}).get("coding", ())
        if one.get("system") and one.get("code")
    ]
    return next((one for one in codings if one.system in LOINC_NAMES), next(iter(codings), None))


def _has_value(part: Mapping[str, Any]) -> bool:
    return any(name.startswith("value") for name in part)


def _quantity(part: Mapping[str, Any]) -> tuple[quantity_pb2.Comparator, float | None, str]:
    quantity = part.get("valueQuantity") or {"value": part.get("valueInteger")}
    value = quantity.get("value")
    number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    bound = COMPARATORS.get(quantity.get("comparator", ""), quantity_pb2.COMPARATOR_UNSPECIFIED)
    return bound, number, str(quantity.get("code") or quantity.get("unit") or "")
