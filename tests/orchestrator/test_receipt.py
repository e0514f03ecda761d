"""Receipts: what they digest, what a replay finds, and that the chain shows every change."""

from __future__ import annotations

import json
import os
import resource
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from medmesh import receipt as receipts
from medmesh.common.v1 import patient_pb2
from medmesh.imaging.v1 import imaging_pb2
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from services.chassis.errors import ReceiptNotWritten
from services.chassis.settings import SettingsError
from services.orchestrator.receipt import ReceiptLog, draft, fusion_digest
from tests.orchestrator.cards import FIGURES, catalogue_of
from tests.orchestrator.conftest import analysis, entity, full_case, note, provenance, running_mesh

CATALOGUE = catalogue_of(FIGURES)


def diagnosis(probability: float = 0.85, **fields) -> pb.Diagnosis:
    return pb.Diagnosis(
        completeness=pb.COMPLETENESS_COMPLETE,
        images=[pb.ImageResult(index=0, analysis=analysis(probability).analysis)],
        note=note(entity("233604007")),
        assessments=[pb.ConditionAssessment(probability=probability)],
        **fields,
    )


def receipt_of(case: pb.DiagnosticCase, answer: pb.Diagnosis) -> pb.EvidenceReceipt:
    return draft(case, answer, CATALOGUE)


def replayed(case: pb.DiagnosticCase, answer: pb.Diagnosis) -> pb.Diagnosis:
    """The answer as a second computation gives it: with receipt, salt, request id and timings of its own."""
    second = pb.Diagnosis()
    second.CopyFrom(answer)
    second.receipt.CopyFrom(receipt_of(case, answer))
    second.request_id, second.elapsed_ms = "another", 12.5
    return second


def differences(first_case, first, second_case, second) -> set[tuple[str, str]]:
    found = receipts.compare(receipt_of(first_case, first), second_case, replayed(second_case, second))
    return {(one.kind, one.name) for one in found}


def test_the_same_case_computed_the_same_way_differs_in_nothing():
    assert differences(full_case(), diagnosis(), full_case(), diagnosis()) == set()


def test_numbers_count_to_three_decimals():
    assert differences(full_case(), diagnosis(0.85), full_case(), diagnosis(0.85000004)) == set()
    assert differences(full_case(), diagnosis(0.85), full_case(), diagnosis(0.852)) == {
        ("output", "imaging[0]"),
        ("output", "assessment"),
    }


def test_each_input_is_named_when_it_differs():
    changed = full_case(image_count=2)
    changed.note = "Pneumonia!"
    changed.patient.fhir_bundle = b"{ }"
    changed.max_treatment_count = 3
    expected = {("input", name) for name in ("image[1]", "note", "patient", "options")}
    assert differences(full_case(), diagnosis(), changed, diagnosis()) == expected


def test_which_pictures_are_drawn_changes_nothing():
    drawn = full_case()
    drawn.images[0].options.include_overlay = True
    answer = diagnosis()
    answer.images[0].analysis.overlay_png = b"png"
    answer.images[0].analysis.findings[0].heat_map.values.append(0.5)
    assert differences(full_case(), diagnosis(), drawn, answer) == set()


def test_the_default_number_of_treatments_may_be_written_out():
    case = full_case()
    case.max_treatment_count = 10
    assert differences(full_case(), diagnosis(), case, diagnosis()) == set()


def test_a_typed_record_is_digested_by_content():
    def typed(age: int) -> pb.DiagnosticCase:
        return pb.DiagnosticCase(
            patient=patient_pb2.PatientInput(record=patient_pb2.PatientRecord(age_years=age))
        )

    assert differences(typed(4), diagnosis(), typed(4), diagnosis()) == set()
    assert differences(typed(4), diagnosis(), typed(5), diagnosis()) == {("input", "patient")}


def test_other_weights_are_named_and_another_runtime_is_not():
    answer = diagnosis()
    answer.images[0].analysis.provenance.runtime = "triton 26.07"
    assert differences(full_case(), diagnosis(), full_case(), answer) == set()
    answer.images[0].analysis.provenance.weights_sha256 = "other"
    assert differences(full_case(), diagnosis(), full_case(), answer) == {("model", "chest_xray")}


def test_another_catalogue_is_named():
    answer = replayed(full_case(), diagnosis())
    answer.receipt.fusion_sha256 = fusion_digest(catalogue_of({}))
    found = receipts.compare(receipt_of(full_case(), diagnosis()), full_case(), answer)
    assert [(one.kind, one.name) for one in found] == [("fusion", "catalogue")]


def test_a_lost_branch_is_named():
    partial = diagnosis()
    partial.ClearField("note")
    partial.completeness = pb.COMPLETENESS_PARTIAL
    assert differences(full_case(), diagnosis(), full_case(), partial) == {
        ("model", "clinical_ner"),
        ("output", "language"),
        ("output", "assessment"),
    }


def test_receipts_of_the_same_case_cannot_be_linked_by_their_digests():
    first, second = (receipt_of(full_case(), diagnosis()) for _ in range(2))
    assert first.salt != second.salt
    digests = [{d.sha256 for d in (*r.inputs, *r.outputs)} for r in (first, second)]
    assert digests[0].isdisjoint(digests[1])


def test_the_models_are_listed_once_each():
    answer = diagnosis()
    answer.images.add(index=1, analysis=imaging_pb2.ImageAnalysis(provenance=provenance("chest_xray")))
    models = [model.model_name for model in receipt_of(full_case(), answer).models]
    assert models == ["chest_xray", "clinical_ner"]


@pytest.fixture
def log(tmp_path):
    made = ReceiptLog(tmp_path / "receipts")
    for _ in range(4):
        made.append(receipt_of(full_case(), diagnosis()))
    return made


def lines(log: ReceiptLog) -> list[str]:
    return log.path.read_text().splitlines()


def test_the_chain_as_written_holds(log):
    assert receipts.verify_chain(lines(log)) == []
    records = [receipts.from_line(line) for line in lines(log)]
    assert records[0].previous_sha256 == ""
    assert [r.previous_sha256 for r in records[1:]] == [r.record_sha256 for r in records[:-1]]


def test_a_log_goes_on_where_another_process_left_it(log):
    sealed = ReceiptLog(log.path.parent).append(receipt_of(full_case(), diagnosis()))
    assert sealed.previous_sha256 == receipts.from_line(lines(log)[3]).record_sha256
    assert receipts.verify_chain(lines(log)) == []


def test_only_the_owner_reads_the_log(log):
    assert stat.S_IMODE(log.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(log.path.parent.stat().st_mode) == 0o700


def tampered(records: list[str], how: str) -> list[str]:
    changed = list(records)
    if how == "changed":
        content = json.loads(changed[1])
        content["models"][0]["weights_sha256"] = "other"
        changed[1] = json.dumps(content)
    elif how == "changed and sealed again":
        receipt = receipts.from_line(changed[1])
        receipt.receipt_id = "other"
        receipt.record_sha256 = receipts.record_digest(receipt)
        changed[1] = receipts.to_line(receipt)
    elif how == "removed":
        del changed[1]
    elif how == "first removed":
        del changed[0]
    elif how == "swapped":
        changed[1], changed[2] = changed[2], changed[1]
    elif how == "repeated":
        changed.insert(1, changed[1])
    elif how == "torn":
        changed[1] = changed[1][:100]
    return changed


@pytest.mark.parametrize(
    ("how", "line"),
    [
        ("changed", 2),
        ("changed and sealed again", 3),
        ("removed", 2),
        ("first removed", 1),
        ("swapped", 2),
        ("repeated", 3),
        ("torn", 2),
    ],
)
def test_tampering_is_found_where_it_was_done(log, how, line):
    faults = receipts.verify_chain(tampered(lines(log), how))
    assert faults
    assert faults[0].line == line


def test_a_torn_line_is_kept_for_the_check_and_the_chain_goes_on(log):
    """As after a power cut in the middle of a write."""
    whole = log.path.read_bytes()
    log.path.write_bytes(whole[:-200])
    sealed = log.append(receipt_of(full_case(), diagnosis()))
    assert sealed.previous_sha256 == receipts.from_line(whole.decode().splitlines()[2]).record_sha256
    assert [fault.line for fault in receipts.verify_chain(lines(log))] == [4]


@contextmanager
def full_after(count: int):
    """No file of this process grows beyond `count` bytes, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (count, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("room", [0, 1, 700])
def test_a_full_disk_refuses_the_receipt_and_leaves_no_torn_line(log, room):
    before = log.path.read_bytes()
    with full_after(len(before) + room), pytest.raises(ReceiptNotWritten):
        log.append(receipt_of(full_case(), diagnosis()))
    assert log.path.read_bytes() == before
    log.append(receipt_of(full_case(), diagnosis()))
    assert len(lines(log)) == before.count(b"\n") + 1
    assert receipts.verify_chain(lines(log)) == []


def test_the_log_says_when_it_cannot_take_receipts(log, monkeypatch):
    assert log.problem() == ""
    full = SimpleNamespace(f_flag=0, f_bavail=1, f_frsize=4096)
    monkeypatch.setattr(os, "statvfs", lambda folder: full)
    assert "full" in log.problem()
    monkeypatch.setattr(os, "statvfs", lambda folder: SimpleNamespace(f_flag=os.ST_RDONLY))
    assert "cannot be written" in log.problem()


def test_writers_that_share_the_log_keep_one_chain(tmp_path):
    """Each write opens the file anew, so threads stand to the lock as processes do."""
    logs = [ReceiptLog(tmp_path) for _ in range(8)]
    with ThreadPoolExecutor(len(logs)) as pool:
        pool.map(lambda number: logs[number % 8].append(receipt_of(full_case(), diagnosis())), range(160))
    records = lines(logs[0])
    assert len(records) == 160
    assert receipts.verify_chain(records) == []


def test_what_is_no_receipt_is_refused():
    for text in ("", "[]", "{}", '{"receipt_id": 3}', '{"salt": "no"}', "{"):
        with pytest.raises(ValueError, match="not an evidence receipt"):
            receipts.from_line(text)


async def test_a_folder_that_cannot_be_written_is_found_at_the_start(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="MEDMESH_RECEIPT_FOLDER"):
        async with running_mesh(tmp_path, receipt_folder=tmp_path / "file"):
            pass
