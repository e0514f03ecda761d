"""What people read: goldens of the views, and that no answer, however empty, breaks one."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from clients.cli.show import diagnosis, image, marks, models, note, treatments
from medmesh.common.v1.answer_pb2 import Notice
from medmesh.common.v1.catalog_pb2 import ListModelsResponse, ModelSummary
from medmesh.common.v1.model_card_pb2 import Change, Dataset, Metric, ModelCard, TensorContract
from medmesh.imaging.v1 import imaging_pb2
from medmesh.language.v1 import language_pb2
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from tests.clients.fake_mesh import stored
from tests.clients.golden import assert_golden

LONG = "120 ACTUAT Fluticasone propionate 0.044 MG/ACTUAT Metered Dose Inhaler by mouth twice a day"
NOTE = "Fever. No effusion. Mother has asthma.\n"


def text_of(parts) -> str:
    out = io.StringIO()
    marks.present(parts, out)
    return out.getvalue()


def partial() -> pb.Diagnosis:
    answer = stored("diagnosis", pb.Diagnosis)
    answer.completeness = pb.COMPLETENESS_PARTIAL
    answer.ClearField("note")
    for one in answer.assessments:
        kept = [c for c in one.contributions if c.source != pb.SOURCE_NOTE]
        del one.contributions[:]
        one.contributions.extend(kept)
    language = answer.branches[1]
    language.state = pb.Branch.STATE_FAILED
    language.reason = "UPSTREAM_UNAVAILABLE"
    language.message = (
        "The language service does not answer: start it or correct its address, then ask again."
    )
    language.effect = "The intervals are wider by all that the note could have added."
    return answer


def test_a_whole_diagnosis_reads_well():
    assert_golden(
        "diagnosis", text_of(diagnosis.diagnosis(stored("diagnosis", pb.Diagnosis), NOTE, colour=False))
    )


def test_a_partial_diagnosis_names_what_is_missing_and_what_that_does():
    text = text_of(diagnosis.diagnosis(partial(), NOTE, colour=False))
    assert_golden("diagnosis_partial", text)
    flat = " ".join(text.split())
    assert "note is missing. The language service does not answer" in flat
    assert "The intervals are wider by all that the note could have added." in flat


def test_an_image_that_is_not_accepted_says_so_and_why():
    analysis = stored("diagnosis", pb.Diagnosis).images[0].analysis
    analysis.results[0].gate_decision = imaging_pb2.GATE_DECISION_REJECTED
    analysis.results[0].rejections.append(imaging_pb2.REJECTION_BLURRED)
    reason = "The image was not accepted: it is blurred."
    analysis.notices.add(reason="IMAGE_NOT_ACCEPTED", message=reason, review_required=True)
    text = text_of(image.image(analysis))
    assert "Image  not accepted, the model abstains" in text
    assert f"review: {reason}" in text


def test_each_of_several_models_on_an_image_has_its_findings_and_standing():
    analysis = stored("diagnosis", pb.Diagnosis).images[0].analysis
    second = analysis.results.add()
    second.CopyFrom(analysis.results[0])
    second.provenance.model_name = "chest_findings"
    second.abstained = False
    del second.findings[1:]
    second.masks.add(label="left_lung", area_mm2=12345.0)
    lines = text_of(image.image(analysis)).splitlines()
    assert "  chest xray  the model abstains" in lines
    assert "  chest findings" in lines
    assert sum("bacterial pneumonia" in line for line in lines) >= 2
    assert "  left lung: 123.5 cm²" in lines


def test_what_another_model_says_is_shown_as_not_counted():
    answer = stored("diagnosis", pb.Diagnosis)
    answer.assessments[0].uncounted.add(description="second: pneumonia in image 0", log_odds=-1.5)
    text = text_of(diagnosis.diagnosis(answer, NOTE, colour=False))
    assert "second: pneumonia in image 0 (-1.50, not counted)" in text


def test_labels_of_a_note_are_shown():
    analysis = language_pb2.NoteAnalysis(
        results=[
            language_pb2.NoteModelResult(labels=[language_pb2.TextLabel(name="urgent", probability=0.75)])
        ]
    )
    assert "urgent 75.0 %" in text_of(note.note("", analysis, colour=False))


def test_an_empty_answer_breaks_no_view():
    assert "Not stated by the mesh" in text_of(diagnosis.diagnosis(pb.Diagnosis(), "", colour=False))
    text_of(image.image(imaging_pb2.ImageAnalysis()))
    text_of(note.note("", language_pb2.NoteAnalysis(), colour=False))
    text_of(treatments.treatments(pb.Diagnosis().treatments))
    text_of(models.inventory(ListModelsResponse()))
    text_of(models.card(ModelCard()))


def test_values_of_a_newer_contract_break_no_view():
    answer = stored("diagnosis", pb.Diagnosis)
    answer.completeness = 99
    answer.branches[0].state = 99
    answer.note.results[0].entities[0].assertion = 99
    answer.treatments.treatments[0].alerts[0].severity = 99
    answer.assessments[0].contributions[1].source = 99
    assert "99" in text_of(diagnosis.diagnosis(answer, NOTE, colour=False))


def test_no_line_is_wider_than_100_columns():
    text = text_of(diagnosis.diagnosis(stored("diagnosis", pb.Diagnosis), NOTE, colour=False))
    assert max(len(line) for line in text.splitlines()) <= 100


def lines_of(parts, columns: int) -> list[str]:
    console = Console(file=io.StringIO(), width=columns, highlight=False, markup=False, emoji=False)
    with console.capture() as captured:
        for part in parts:
            console.print(part)
    return captured.get().splitlines()


@pytest.mark.parametrize("columns", [40, 79, 80, 100])
def test_names_and_codes_stay_whole_in_a_terminal_of_any_width(columns):
    answer = stored("diagnosis", pb.Diagnosis)
    answer.treatments.treatments[0].treatment.display = LONG
    answer.treatments.treatments[0].drivers[0].entry.concept.display = LONG
    answer.assessments[0].condition.display = LONG
    answer.note.results[0].entities[0].text = LONG
    lines = lines_of(diagnosis.diagnosis(answer, NOTE, colour=False), columns)
    assert max(len(line) for line in lines) <= columns
    assert not any("…" in line for line in lines)
    flat = " ".join(" ".join(lines).split())
    if columns < marks.NARROW:  # beside another cell a name wraps within its column
        assert flat.count(LONG) >= 3
        assert "RxNorm" in flat or "SNOMED" in flat
    for entity in answer.note.results[0].entities:
        assert entity.concept.code in flat


def test_a_notice_says_that_it_asks_for_review_and_where():
    places = [f"Bundle.entry[{index}]" for index in range(5)]
    text = text_of([marks.notice(Notice(message="Not checked.", review_required=True, places=places))])
    assert text.strip() == "review: Not checked. (Bundle.entry[0], Bundle.entry[1], Bundle.entry[2], …)"
    assert text_of([marks.notice(Notice(message="Said."))]).strip() == "note: Said."


def test_content_is_never_read_as_markup():
    """A note may hold brackets; a display may too."""
    answer = language_pb2.NoteAnalysis(notices=[Notice(reason="R", message="[red]said[/red]")])
    text = text_of(note.note("BP [bold]120[/bold] :smile:", answer, colour=False))
    assert "BP [bold]120[/bold] :smile:" in text
    assert "[red]said[/red]" in text


def test_offsets_are_code_points():
    text = "Größe 🙂 fever"
    entity = language_pb2.Entity(start_offset=8, end_offset=13, assertion=language_pb2.ASSERTION_PRESENT)
    shown = note.marked(text, [entity], colour=False)
    assert shown.plain == "Größe 🙂 [fever: present]"


def test_offsets_beyond_the_note_are_left_out():
    entity = language_pb2.Entity(start_offset=2, end_offset=99)
    assert note.marked("short", [entity], colour=False).plain == "short"


def test_colour_only_where_asked_for():
    answer = stored("diagnosis", pb.Diagnosis)
    assert "\x1b[" not in text_of(diagnosis.diagnosis(answer, NOTE, colour=False))
    assert note.marked(NOTE, note.entities(answer.note), colour=True).plain == NOTE.rstrip("\n")


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0, "0.0 %"), (0.0004, "<0.1 %"), (0.5, "50.0 %"), (0.9997, ">99.9 %"), (1.0, "100.0 %")],
)
def test_what_is_not_certain_never_looks_certain(value, shown):
    assert marks.percent(value) == shown


@pytest.mark.parametrize("share", [-1.0, 0.0, 0.03, 0.5, 0.999, 1.0, 7.0])
def test_a_bar_is_always_as_wide(share):
    assert len(marks.bar(share).plain) == marks.BAR_CELLS


def test_the_inventory_says_what_is_not_served_and_why():
    answer = ListModelsResponse(
        models=[
            ModelSummary(
                name="chest_xray", service="imaging", version="1.0.0", summary="Reads X-rays.", ready=True
            ),
            ModelSummary(
                name="head_ct", service="imaging", version="1.0.0", summary="Reads CT.", reason="No weights."
            ),
        ],
        unreachable_services=["language"],
    )
    assert_golden("models", text_of(models.inventory(answer)))


def test_a_card_says_everything():
    card = ModelCard(
        name="chest_xray",
        version="1.2.0",
        summary="Tells normal, bacterial and viral pneumonia apart on chest X-rays of children.",
        intended_use="Research only. Not for diagnosis.",
        architecture="ResNet, 2.8 M parameters, trained from scratch.",
        labels=["normal", "bacterial_pneumonia", "viral_pneumonia"],
        datasets=[
            Dataset(
                name="Kermany 2018",
                source="Mendeley Data",
                licence="CC-BY-4.0",
                population="Children of 1 to 5 years",
            )
        ],
        metrics=[
            Metric(
                name="auroc_normal_vs_pneumonia",
                value=0.987,
                ci_low=0.981,
                ci_high=0.992,
                case_count=517,
                measured_on="Kermany 2018, val",
                published="0.968, Kermany 2018",
            ),
            Metric(
                name="ece",
                value=0.021,
                case_count=517,
                measured_on="Kermany 2018, val",
                subgroup="sex=female",
            ),
        ],
        calibration="Temperature 1.3, fitted on a calibration split.",
        limitations=["Children of one hospital.", "Frontal views only."],
        inputs=[
            TensorContract(name="image", datatype="UINT8", shape=[1, -1, 224], description="Grey values.")
        ],
        outputs=[TensorContract(name="logits", datatype="FP32", shape=[3], description="Unscaled.")],
        weights_sha256="ab" * 32,
        precision="int8",
        preprocessing_version="chest-xray/1",
        licence="CC-BY-4.0",
        reproduce="make train MODEL=chest_xray, seed 7",
        changelog=[
            Change(version="1.2.0", description="Better."),
            Change(version="1.0.0", description="First."),
        ],
    )
    text = text_of(models.card(card))
    assert_golden("card", text)
    words = re.sub(r"\s+", " ", text)
    for said in (card.summary, card.intended_use, *card.limitations, card.calibration, card.reproduce):
        assert said in words
