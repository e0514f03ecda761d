"""What may carry patient data is masked wherever a message is shown."""

from __future__ import annotations

import logging

from google.protobuf.struct_pb2 import Struct

from medmesh.common.v1 import model_card_pb2, patient_pb2, quantity_pb2
from medmesh.imaging.v1 import imaging_pb2
from medmesh.orchestrator.v1 import orchestrator_pb2
from services.chassis.observability.redaction import redacted
from tests.chassis.conftest import Handlers, Text

SECRETS = ["Mrs Example", "44054006", "Diabetes", "mmol", "1950"]


def test_marked_fields_show_their_size_and_nothing_else():
    record = patient_pb2.PatientRecord(gender=2)
    condition = record.conditions.add(onset=quantity_pb2.PartialDate(value="1950-03"))
    condition.code.codings.add(system="http://snomed.info/sct", code="44054006", display="Diabetes")
    case = orchestrator_pb2.DiagnosticCase(
        note="Mrs Example, born 1950", patient=patient_pb2.PatientInput(record=record), max_treatment_count=3
    )
    image = case.images.add(options=imaging_pb2.ImageOptions(include_heat_map=True))
    image.sources.add(content=b"\x00" * 9)
    shown = redacted(orchestrator_pb2.DiagnoseRequest(case=case))
    coding = {
        "system": "<phi: 22 characters>",
        "code": "<phi: 8 characters>",
        "display": "<phi: 8 characters>",
    }
    assert shown == {
        "case": {
            "images": [
                {"sources": [{"content": "<phi: 9 bytes>"}], "options": {"include_heat_map": True}},
            ],
            "note": "<phi: 22 characters>",
            "patient": {
                "record": {
                    "gender": "<phi>",
                    "conditions": [
                        {"code": {"codings": [coding]}, "onset": {"value": "<phi: 7 characters>"}},
                    ],
                }
            },
            "max_treatment_count": 3,
        }
    }
    assert not [secret for secret in SECRETS if secret in str(shown)]


def test_repeated_fields_show_their_number():
    heat_map = imaging_pb2.HeatMap(row_count=1, column_count=2, values=[0.1, 0.9])
    assert redacted(heat_map)["values"] == "<phi: 2 items>"
    card = model_card_pb2.ModelCard(limitations=["a", "b"])
    assert redacted(card) == {"limitations": "<text: 2 items>"}


def test_free_form_fields_of_foreign_messages_are_masked():
    foreign = Struct()
    foreign["name"] = "Mrs Example"
    assert "Mrs Example" not in str(redacted(foreign))


async def test_the_debug_log_shows_messages_redacted(serve, log_lines):
    async def echo(parts, message, context):
        return message

    async with serve(Handlers(unary=echo)) as sample:
        logging.getLogger("medmesh").setLevel(logging.DEBUG)
        await sample.call("Unary")(Text(note="Mrs Example"))
    (line,) = log_lines("received")
    assert line["content"] == {"note": "<phi: 11 characters>"}
    assert "Mrs Example" not in log_lines.text()
