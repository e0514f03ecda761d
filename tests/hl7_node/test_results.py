"""A result has the structure that HL7 2.5.1 gives it, as hl7apy holds it to it."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message

from clients.hl7_node import results
from clients.hl7_node.cases import case
from clients.hl7_node.configuration import Destination, Node
from clients.hl7_node.messages import header, message
from medmesh.orchestrator.v1.orchestrator_pb2 import Branch
from tests.clients.fake_mesh import stored_diagnosis
from tests.hl7_node.stand_ins import LAB, NOTE, PID, oru

NOW = datetime(2026, 11, 28, 8, 15, tzinfo=UTC)
KEY = str(uuid.UUID(int=1))
TO = Destination(name="engine", address="127.0.0.1:1", application="ENGINE", facility="H")


def made(diagnosis, *segments):
    block = oru(*segments or (PID, LAB, NOTE))
    source = message(block, header(block), "ASCII")
    read = case(source)
    report = results.of_diagnosis(diagnosis, read)
    return results.message(report, source, read, KEY, NOW, Node(), TO).decode()


def test_a_result_is_valid():
    diagnosis = stored_diagnosis()
    parsed = parse_message(
        made(diagnosis).strip(), validation_level=VALIDATION_LEVEL.TOLERANT, find_groups=True
    )
    assert parsed.validate()
    [group] = parsed.oru_r01_patient_result
    assert group.oru_r01_patient.pid.pid_5.to_er7() == "Canaryname^Given"
    assert parsed.msh.msh_5.to_er7() == "ENGINE"
    [order] = group.oru_r01_order_observation
    assert {one.obx.obx_11.to_er7() for one in order.oru_r01_observation} == {"P"}
    assert len(order.oru_r01_observation) > len(diagnosis.assessments)


def test_what_is_missing_contradicts_or_was_not_read_is_said():
    diagnosis = stored_diagnosis()
    diagnosis.completeness = 2
    branch = diagnosis.branches.add(state=Branch.STATE_FAILED, reason="UPSTREAM_UNAVAILABLE")
    branch.message, branch.effect = "It is away.", "Less is known."
    said = made(diagnosis, PID, NOTE, "ZZ1|1")
    assert "PARTIAL: a part of the mesh did not answer." in said
    assert "UPSTREAM_UNAVAILABLE: It is away. Less is known." in said
    assert "The image supports pleural effusion; the note denies it." in said
    assert "Not read: segment ZZ1, 1 of them." in said


def test_a_repetition_has_the_same_control_id():
    first, second = (made(stored_diagnosis()).split("\r")[0].split("|") for _ in range(2))
    assert first[9] == second[9]
    assert len(first[9]) == 20


def test_text_cannot_leave_its_field():
    diagnosis = stored_diagnosis()
    diagnosis.disagreements[0].message = "a|b^c\rOBX|99|TX|forged\n\\"
    said = made(diagnosis)
    assert "\rOBX|99" not in said
    assert "a\\F\\b\\S\\c OBX\\F\\99" in said
