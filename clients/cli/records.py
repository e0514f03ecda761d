"""`medmesh treatments`, `similar` and `outcome`: what the recommendation service makes of a record or a
stay.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from google.protobuf.message import Message
from rich.console import RenderableType

from clients.cli import inputs, machine
from clients.cli.failures import explained
from clients.cli.show import marks
from clients.cli.show import outcome as show_outcome
from clients.cli.show import patients as show_patients
from clients.cli.show import treatments as show_treatments
from medmesh import Client, stays

Record = Annotated[
    Path, typer.Argument(metavar="FILE", help="The patient's record: a FHIR R4 bundle as JSON.")
]


class Gender(StrEnum):
    """FHIR's administrative genders."""

    MALE = "male"
    FEMALE = "female"
    OTHER = "other"
    UNKNOWN = "unknown"


def treatments(
    patient: Record,
    max_treatments: inputs.MaxTreatments = None,
    model: inputs.Model = None,
    as_json: inputs.Json = False,
    url: inputs.ServiceUrl = None,
    timeout: inputs.Timeout = 30.0,
) -> None:
    """Rank treatments for a patient's record.

    Example:
      medmesh treatments samples/patient.json --max-treatments 5
    """
    with explained(), Client(recommendation=url, timeout_s=timeout) as client:
        answer = client.rank_treatments(patient, max_results=max_treatments, model=model or "")
    _print(
        answer, [*show_treatments.treatments(answer), marks.provenance(answer.provenance)], as_json=as_json
    )


def similar(
    patient: Record,
    count: Annotated[
        int | None, typer.Option("--count", min=1, max=100, metavar="N", help="How many. Default: 10.")
    ] = None,
    model: inputs.Model = None,
    as_json: inputs.Json = False,
    url: inputs.ServiceUrl = None,
    timeout: inputs.Timeout = 30.0,
) -> None:
    """Find the patients of the reference population whose records are most alike.

    Example:
      medmesh similar samples/patient.json --count 3
    """
    with explained(), Client(recommendation=url, timeout_s=timeout) as client:
        answer = client.similar_patients(patient, max_results=count, model=model or "")
    _print(answer, [*show_patients.patients(answer), marks.provenance(answer.provenance)], as_json=as_json)


def outcome(
    measurements: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="What was measured during the stay: a CSV file with the columns code (LOINC), value, unit "
            "(UCUM) and hours since the start, or time; a FHIR R4 bundle; or a HospitalStay as JSON.",
        ),
    ],
    start: Annotated[
        str | None,
        typer.Option(
            "--start",
            metavar="TIME",
            help="When the stay began, in ISO 8601, UTC unless it says otherwise. Default: the bundle's "
            "encounter, else the first measurement.",
        ),
    ] = None,
    age: Annotated[
        int | None, typer.Option("--age", min=0, max=130, metavar="YEARS", help="The patient's age.")
    ] = None,
    gender: Annotated[Gender | None, typer.Option("--gender", help="The administrative gender.")] = None,
    height: Annotated[
        float | None, typer.Option("--height", min=1, max=300, metavar="CM", help="The patient's height.")
    ] = None,
    care_unit: Annotated[
        str | None,
        typer.Option(
            "--care-unit",
            metavar="NAME",
            help="The kind of care unit, as the model's card names it, e.g. medical.",
        ),
    ] = None,
    model: inputs.Model = None,
    as_json: inputs.Json = False,
    url: inputs.ServiceUrl = None,
    timeout: inputs.Timeout = 30.0,
) -> None:
    """Predict an outcome of a hospital stay from what was measured, e.g. death after 48 hours in intensive
    care.

    Values may be in any unit that can be converted to the model's. What cannot be used is counted and
    reported.

    Examples:
      medmesh outcome samples/stay.csv --age 67 --gender female --care-unit medical

      medmesh outcome stay-bundle.json
    """
    with explained(), Client(recommendation=url, timeout_s=timeout) as client:
        reading = stays.read(measurements, start=start)
        stay = reading.stay
        if age is not None:
            stay.age.years = age
        if gender is not None:
            stay.gender = stays.GENDERS[gender]
        if height is not None:
            stay.height_cm = height
        if care_unit is not None:
            stay.care_unit = care_unit
        answer = client.predict_outcome(stay, model=model or "")
    said = [marks.note(sentence) for sentence in reading.sentences()]
    parts = [*show_outcome.outcome(answer), *said, marks.provenance(answer.provenance)]
    _print(answer, parts, as_json=as_json)


def _print(answer: Message, parts: list[RenderableType], *, as_json: bool) -> None:
    if as_json:
        machine.write(answer)
        return
    marks.present(parts)
