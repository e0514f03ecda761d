"""The orchestrator told to de-identify notes (`MEDMESH_DEIDENTIFY_NOTES`)."""

from __future__ import annotations

from medmesh.language.v1.deidentification_pb2 import Deidentification, DeidentifiedText
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from services.chassis.errors import InvalidInput, ModelUnavailable, Reason
from tests.orchestrator.conftest import running_mesh, states

NOTE = "Mr. Kanarienvogel has pneumonia."
CLEAN = "Mr. [NAME-1] has pneumonia."


def deidentified(request):
    return Deidentification(
        texts=[DeidentifiedText(text=text.replace("Kanarienvogel", "[NAME-1]")) for text in request.texts]
    )


async def test_the_note_is_deidentified_before_anything_else_sees_it(tmp_path):
    async with running_mesh(tmp_path, deidentify_notes=True) as mesh:
        mesh.fakes.answers["Deidentify"] = deidentified
        diagnosis = await mesh.diagnose(pb.DiagnosticCase(note=NOTE))

        assert [request.note for request in mesh.fakes.requests("AnalyzeNote")] == [CLEAN]
        assert [notice.reason for notice in diagnosis.notices] == ["NOTE_DEIDENTIFIED"]
        assert "Kanarienvogel" not in mesh.log.getvalue()
        # The receipt binds the note that was read, so that whoever has the receipt cannot try names.
        other = await mesh.diagnose(pb.DiagnosticCase(note=CLEAN), receipt_salt="ab" * 32)
        same = await mesh.diagnose(pb.DiagnosticCase(note=NOTE), receipt_salt="ab" * 32)
        assert digests(other) == digests(same)


def digests(diagnosis):
    from medmesh.receipt import statement

    return [one.SerializeToString() for one in statement(diagnosis.receipt).predicate.inputs]


async def test_a_note_that_cannot_be_deidentified_goes_no_further(tmp_path):
    async with running_mesh(tmp_path, deidentify_notes=True) as mesh:
        mesh.fakes.answers["Deidentify"] = ModelUnavailable()
        refusal = await mesh.refused(pb.DiagnosticCase(note=NOTE))
        assert refusal.code == "UNAVAILABLE"
        mesh.fakes.answers["Deidentify"] = InvalidInput(Reason.INPUT_TOO_LARGE, "texts", "are too long")
        refusal = await mesh.refused(pb.DiagnosticCase(note=NOTE))
        assert (refusal.reason, refusal.fields) == ("INPUT_TOO_LARGE", ["case.note"])
        assert not mesh.fakes.requests("AnalyzeNote")


async def test_without_the_setting_notes_are_read_as_they_come(mesh):
    diagnosis = await mesh.diagnose(pb.DiagnosticCase(note=NOTE))
    assert mesh.fakes.requests("AnalyzeNote")[0].note == NOTE
    assert not mesh.fakes.requests("Deidentify")
    assert states(diagnosis)["note"] == "answered"
    assert not diagnosis.notices
