"""Answers as rows, and rows as cases: what pandas and csv take and give, without either being needed.

    import pandas
    from medmesh import Client, tables

    with Client() as client:
        frame = pandas.read_csv("cases.csv")                # columns: image, note, patient, and any others
        found = pandas.DataFrame(tables.diagnose(client, frame))

Each function answers with a list of flat dicts of the same keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from medmesh.blocking.client import Client
from medmesh.common.v1.concept_pb2 import Concept
from medmesh.errors import MedmeshError
from medmesh.language.v1 import language_pb2 as language
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from medmesh.recommendation.v1 import recommendation_pb2 as recommendation

GIVEN = ("image", "note", "patient")
"""Columns of a case; each may be missing or empty."""
Row = dict[str, Any]


def assessments(diagnosis: pb.Diagnosis) -> list[Row]:
    """One row a condition: probability and interval in [0, 1], and what each source adds, in log-odds."""
    return [_assessment(one) for one in diagnosis.assessments]


def entities(analysis: language.NoteAnalysis) -> list[Row]:
    """One row a mention, in the order of the note; offsets in Unicode code points, confidence in [0, 1]."""
    speaking = [mention.entities[0] for mention in analysis.mentions if mention.entities]
    found = [analysis.results[at.result_index].entities[at.entity_index] for at in speaking]
    return [
        {
            "text": one.text,
            "type": one.type,
            "assertion": name(language.Assertion, one.assertion, "ASSERTION_"),
            "triggers": ", ".join(trigger.text for trigger in one.triggers),
            "code": code(one.concept),
            "display": one.concept.display,
            "confidence": one.confidence,
            "start_offset": one.start_offset,
            "end_offset": one.end_offset,
        }
        for one in found
    ]


def treatments(ranking: recommendation.TreatmentRanking) -> list[Row]:
    """One row a treatment: its score in [0, 1], what drives it, and what argues against it."""
    return [
        {
            "treatment": one.treatment.display or one.treatment.code,
            "code": code(one.treatment),
            "score": one.score,
            "contraindicated": one.contraindicated,
            "because_of": ", ".join(driver.entry.concept.display for driver in one.drivers),
            "alerts": " ".join(alert.explanation for alert in one.alerts),
        }
        for one in ranking.treatments
    ]


def diagnose(client: Client, cases: Any, **options: Any) -> list[Row]:
    """Diagnoses one case after the other; one row a case and condition, `case` is its place among the cases.

    `cases` is a pandas DataFrame, or dicts with the keys `image`, `note` and `patient`, as in
    `Client.diagnose`; their other keys stand in the rows of the case. A case that fails is one row with its
    `error`, and the next ones go on. `options` go to `Client.diagnose`.
    """
    rows: list[Row] = []
    records: Iterable[Mapping[str, Any]] = cases.to_dict("records") if hasattr(cases, "to_dict") else cases
    for index, record in enumerate(records):
        given = {key: record[key] for key in GIVEN if key in record and not _is_empty(record[key])}
        base: Row = {"case": index} | {key: value for key, value in record.items() if key not in GIVEN}
        try:
            diagnosis = client.diagnose(**given, **options)
        except MedmeshError as error:
            rows.append(base | _standing(None, str(error)))
            continue
        except OSError as error:  # a file of the case; its name stays out of tables that are handed on
            rows.append(base | _standing(None, error.strerror or "a file cannot be read"))
            continue
        base |= _standing(diagnosis, "")
        rows += [base | row for row in assessments(diagnosis)] or [base]
    return rows


def code(concept: Concept) -> str:
    """`system|code`, as FHIR's searches write it; empty where there is no code."""
    return f"{concept.system}|{concept.code}" if concept.code else ""


def name(enum: Any, value: int, prefix: str) -> str:
    """An enum's value in lower case, without its prefix; of a newer contract its number."""
    try:
        named: str = enum.Name(value)
    except ValueError:
        return str(value)
    return named.removeprefix(prefix).lower()


def _assessment(one: pb.ConditionAssessment) -> Row:
    adds = dict.fromkeys(("prior", "image", "note", "record"), 0.0)
    for contribution in one.contributions:
        source = name(pb.Source, contribution.source, "SOURCE_")
        adds[source] = adds.get(source, 0.0) + contribution.log_odds
    return {
        "condition": one.condition.display,
        "code": code(one.condition),
        "probability": one.probability,
        "probability_low": one.probability_low,
        "probability_high": one.probability_high,
        **{f"{source}_log_odds": value for source, value in adds.items()},
    }


def _standing(diagnosis: pb.Diagnosis | None, error: str) -> Row:
    complete = diagnosis is not None and diagnosis.completeness == pb.COMPLETENESS_COMPLETE
    review = diagnosis is None or diagnosis.review_required
    return {"complete": complete, "review_required": review, "error": error}


def _is_empty(value: Any) -> bool:
    """Whether a cell holds nothing: None, an empty text, or pandas' NaN, which does not equal itself."""
    return value is None or (isinstance(value, str) and not value.strip()) or value != value  # noqa: PLR0124
