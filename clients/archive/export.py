"""The results of a run as one table, as JSON lines or Parquet: a row for each entry that has ended, or for
each study.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict

from clients.archive.entries import Entry
from clients.archive.reading import unpack
from clients.archive.run import Run, RunError
from clients.archive.studies import studies
from medmesh.common.v1.concept_pb2 import Concept
from medmesh.imaging.v1.imaging_pb2 import ImageAnalysis, ImageModelResult
from medmesh.orchestrator.v1.orchestrator_pb2 import Completeness, Diagnosis
from medmesh.receipt import statement
from services.queue.items import Item, State

ENTRIES_PER_GROUP = 2_000
"""Entries in memory at a time, and in a row group of Parquet; more only where one study has more."""
PARQUET_NEEDS = "Parquet needs pyarrow: pip install pyarrow. Or name a .jsonl file, which needs nothing."
_COMPLETENESS = "COMPLETENESS_"

Row = dict[str, Any]


def rows(run: Run, *, with_answers: bool = False) -> Iterator[Row]:
    """A row for each entry that is done or set aside, in the order of the archive."""
    for item, payload, result in run.queue.ended():
        yield _row(item, Entry.unpacked(item.key, payload), result, with_answers=with_answers)


def study_rows(run: Run, *, with_answers: bool = False) -> Iterator[Row]:
    """A row for each study of which an entry has ended, in the order of their first entries.

    An entry whose study is not known is a row by itself, since nobody knows what belongs to it.
    """
    for kept, waiting_count in studies(run.queue):
        entries = [
            _row(item, Entry.unpacked(item.key, payload), result, with_answers=with_answers)
            for item, payload, result in kept
        ]
        answered_count = sum(row["state"] == "done" for row in entries)
        yield {
            "study_uid": entries[0]["study_uid"],
            "entry_count": len(entries) + waiting_count,
            "answered_count": answered_count,
            "set_aside_count": len(entries) - answered_count,
            "waiting_count": waiting_count,
            "file_count": sum(row["file_count"] for row in entries),
            "ended": max(row["ended"] for row in entries),
            "reasons": sorted({row["reason"] for row in entries if row["reason"]}),
            "entries": entries,
        }


def export(run: Run, path: Path, *, by_study: bool = False, with_answers: bool = False) -> int:
    """Writes the rows to a `.jsonl` or `.parquet` file, whole or not at all, and returns how many.

    Raises RunError for another ending, and where Parquet is not to be had.
    """
    if path.suffix not in {".jsonl", ".parquet"}:
        raise RunError(f"{path} must end in .jsonl or .parquet")
    found = (study_rows if by_study else rows)(run, with_answers=with_answers)
    partial = path.with_name(f".{path.name}.partial")
    os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    try:
        if path.suffix == ".jsonl":
            count = _write_json_lines(found, partial)
        else:
            count = _write_parquet(found, partial, by_study=by_study)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return count


def _write_json_lines(found: Iterator[Row], path: Path) -> int:
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for count, row in enumerate(found, 1):  # noqa: B007 - the count is what is wanted
            file.write(json.dumps(row, ensure_ascii=False, default=_iso) + "\n")
    return count


def _iso(value: datetime) -> str:
    return value.isoformat(timespec="milliseconds")


def _groups(found: Iterator[Row]) -> Iterator[list[Row]]:
    group: list[Row] = []
    entry_count = 0
    for row in found:
        group.append(row)
        entry_count += len(row.get("entries", "1"))
        if entry_count >= ENTRIES_PER_GROUP:
            yield group
            group, entry_count = [], 0
    if group:
        yield group


def _write_parquet(found: Iterator[Row], path: Path, *, by_study: bool) -> int:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise RunError(PARQUET_NEEDS) from None
    schema = _study_schema(pa) if by_study else _schema(pa)
    count = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for group in _groups(found):
            writer.write_table(pa.Table.from_pylist(group, schema=schema))
            count += len(group)
    return count


def _schema(pa: Any) -> Any:
    finding = pa.struct(
        [
            ("label", pa.string()),
            ("code", pa.string()),
            ("probability", pa.float64()),
            ("threshold", pa.float64()),
        ]
    )
    mask = pa.struct([("label", pa.string()), ("area_mm2", pa.float64()), ("volume_ml", pa.float64())])
    result = pa.struct(
        [
            ("model", pa.string()),
            ("version", pa.string()),
            ("weights_sha256", pa.string()),
            ("calibrated", pa.bool_()),
            ("abstained", pa.bool_()),
            ("rejections", pa.list_(pa.string())),
            ("not_ruled_out", pa.list_(pa.string())),
            ("findings", pa.list_(finding)),
            ("masks", pa.list_(mask)),
        ]
    )
    assessment = pa.struct(
        [
            ("condition", pa.string()),
            ("code", pa.string()),
            ("probability", pa.float64()),
            ("probability_low", pa.float64()),
            ("probability_high", pa.float64()),
        ]
    )
    return pa.schema(
        [
            ("id", pa.string()),
            ("state", pa.string()),
            ("reason", pa.string()),
            ("detail", pa.string()),
            ("study_uid", pa.string()),
            ("series_uid", pa.string()),
            ("file_count", pa.int32()),
            ("attempts", pa.int32()),
            ("ended", pa.timestamp("ms", tz="UTC")),
            ("body_part", pa.string()),
            ("modality", pa.string()),
            ("view", pa.string()),
            ("results", pa.list_(result)),
            ("completeness", pa.string()),
            ("review_required", pa.bool_()),
            ("receipt_id", pa.string()),
            ("assessments", pa.list_(assessment)),
            ("notices", pa.list_(pa.string())),
            ("answer", pa.string()),
        ]
    )


def _study_schema(pa: Any) -> Any:
    return pa.schema(
        [
            ("study_uid", pa.string()),
            ("entry_count", pa.int32()),
            ("answered_count", pa.int32()),
            ("set_aside_count", pa.int32()),
            ("waiting_count", pa.int32()),
            ("file_count", pa.int32()),
            ("ended", pa.timestamp("ms", tz="UTC")),
            ("reasons", pa.list_(pa.string())),
            ("entries", pa.list_(pa.struct(list(_schema(pa))))),
        ]
    )


def _row(item: Item, entry: Entry, result: bytes, *, with_answers: bool) -> Row:
    row: Row = {
        "id": item.key,
        "state": "done" if item.state is State.DONE else "set_aside",
        "reason": item.reason or None,
        "detail": None,
        "study_uid": entry.study_uid or None,
        "series_uid": entry.series_uid or None,
        "file_count": len(entry.files),
        "attempts": item.attempts,
        "ended": datetime.fromtimestamp(item.ended or 0.0, UTC),
    }
    if item.state is State.FAILED:
        return row | {"detail": result.decode() or None}
    answer = unpack(entry, result)
    row |= _of_diagnosis(answer) if isinstance(answer, Diagnosis) else _of_analysis(answer)
    if with_answers:
        row["answer"] = json.dumps(
            MessageToDict(answer, preserving_proto_field_name=True), ensure_ascii=False
        )
    return row


def _of_analysis(answer: ImageAnalysis) -> Row:
    return {
        "body_part": answer.body_part or None,
        "modality": answer.properties.modality or None,
        "view": answer.properties.view or None,
        "results": [_of_result(one) for one in answer.results],
        "notices": [notice.reason for notice in answer.notices],
    }


def _of_diagnosis(answer: Diagnosis) -> Row:
    image = _of_analysis(answer.images[0].analysis) if answer.images else {}
    return image | {
        "completeness": Completeness.Name(answer.completeness).removeprefix(_COMPLETENESS),
        "review_required": answer.review_required,
        "receipt_id": statement(answer.receipt).predicate.receipt_id if answer.HasField("receipt") else None,
        "assessments": [
            {
                "condition": one.condition.display,
                "code": one.condition.code,
                "probability": one.probability,
                "probability_low": one.probability_low,
                "probability_high": one.probability_high,
            }
            for one in answer.assessments
        ],
        "notices": [notice.reason for notice in answer.notices],
    }


def _of_result(one: ImageModelResult) -> Row:
    from medmesh.imaging.v1.imaging_pb2 import Rejection

    return {
        "model": one.provenance.model_name,
        "version": one.provenance.model_version,
        "weights_sha256": one.provenance.weights_sha256,
        "calibrated": one.calibrated,
        "abstained": one.abstained,
        "rejections": [Rejection.Name(why).removeprefix("REJECTION_") for why in one.rejections],
        "not_ruled_out": list(one.prediction_set.labels),
        "findings": [
            {
                "label": finding.label,
                "code": _code(finding.concepts),
                "probability": finding.probability,
                "threshold": finding.threshold if finding.HasField("threshold") else None,
            }
            for finding in one.findings
        ],
        "masks": [
            {
                "label": mask.label,
                "area_mm2": mask.area_mm2 if mask.HasField("area_mm2") else None,
                "volume_ml": mask.volume_ml if mask.HasField("volume_ml") else None,
            }
            for mask in one.masks
        ],
    }


def _code(concepts: Any) -> str | None:
    found: list[Concept] = list(concepts)
    return found[0].code if found else None
