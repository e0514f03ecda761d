"""What people read: goldens of the views, and that no answer, however empty, breaks one."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from clients.cli.show import (
    diagnosis,
    evidence,
    image,
    marks,
    models,
    note,
    outcome,
    patients,
    treatments,
)
from medmesh.common.v1.answer_pb2 import Notice
from medmesh.common.v1.catalog_pb2 import ListModelsResponse
from medmesh.common.v1.model_card_pb2 import ModelCard
from medmesh.common.v1.serving_pb2 import LABEL_MEANING_NORMAL
from medmesh.imaging.v1 import imaging_pb2
from medmesh.language.v1 import language_pb2
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from medmesh.recommendation.v1 import recommendation_pb2
from tests.clients.fake_mesh import stored_diagnosis
from tests.clients.golden import assert_golden

LONG = "120 ACTUAT Fluticasone propionate 0.044 MG/ACTUAT Metered Dose Inhaler by mouth twice a day"
NOTE = "Fever. No effusion. Mother has asthma.\n"


def text_of(parts) -> str:
    out = io.StringIO()
    marks.present(parts, out)
    return out.getvalue()


def partial() -> pb.Diagnosis:
    answer = stored_diagnosis()
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
    assert_golden("diagnosis", text_of(diagnosis.diagnosis(stored_diagnosis(), NOTE, colour=False)))


def test_a_partial_diagnosis_names_what_is_missing_and_what_that_does():
    text = text_of(diagnosis.diagnosis(partial(), NOTE, colour=False))
    assert_golden("diagnosis_partial", text)
    flat = " ".join(text.split())
    assert "The note is missing. The language service does not answer" in flat
    assert "The intervals are wider by all that the note could have added." in flat


def test_an_image_that_is_not_accepted_says_so_and_why():
    analysis = stored_diagnosis().images[0].analysis
    del analysis.results[0]
    analysis.results[0].gate_decision = imaging_pb2.GATE_DECISION_REJECTED
    analysis.results[0].rejections.append(imaging_pb2.REJECTION_BLURRED)
    reason = "The image was not accepted: it is blurred."
    analysis.results[0].notices.add(reason="IMAGE_NOT_ACCEPTED", message=reason, review_required=True)
    text = text_of(image.image(analysis))
    assert "Image  not accepted, the model abstains" in text
    assert f"review: {reason}" in text


def test_models_that_answer_on_one_image_stand_below_each_other_under_their_names():
    text = text_of(image.image(stored_diagnosis().images[0].analysis))
    first, second = text.index("\n  chest_findings"), text.index("\n  chest_xray  the model abstains")
    assert first < text.index("effusion") < second < text.index("bacterial pneumonia")
    assert "Heat maps by occlusion" in text[first:second]
    assert "not calibrated" in text[first:second]
    assert "Heat maps by occlusion" not in text[second:]
    assert "not calibrated" not in text[second:]


def test_what_is_said_of_the_image_stands_apart_from_its_last_model():
    analysis = stored_diagnosis().images[0].analysis
    analysis.notices.add(reason="R", message="Of the image.")
    assert text_of(image.image(analysis)).endswith("\n\n  note: Of the image.\n")


def test_of_many_labels_those_that_were_found_are_shown_and_the_others_counted():
    result = imaging_pb2.ImageModelResult(calibrated=True)
    for index in range(18):
        result.findings.add(label=f"finding_{index}", probability=0.9 - index * 0.05, threshold=0.42)
    lines = text_of(image.image(imaging_pb2.ImageAnalysis(results=[result]))).splitlines()
    assert sum(line.endswith("found") for line in lines) == 10
    assert "finding 9 " in "\n".join(lines)
    assert "finding 10 " not in "\n".join(lines)
    assert "8 labels below the threshold left out here; --json has all." in lines[-1]


def test_a_series_names_its_slices_and_a_mask_its_size():
    analysis = imaging_pb2.ImageAnalysis(series={"slice_count": 30, "slice_spacing_mm": 5})
    result = analysis.results.add(calibrated=True)
    key = result.key_slices.add(index=14, instance_number=15)
    key.findings.add(label="no_bleed", meaning=LABEL_MEANING_NORMAL, probability=0.95)
    key.findings.add(label="haemorrhage", probability=0.05)
    result.masks.add(label="left_lung", pixel_count=1000, area_mm2=12345)
    result.masks.add(label="liver", pixel_count=1000, slice_index=3, volume_ml=1502.25)
    result.masks.add(label="heart", pixel_count=1234)
    words = " ".join(text_of(image.image(analysis)).split())
    assert "30 slices, 5 mm apart" in words
    assert "Key slices slice 15 (instance 15): haemorrhage 5.0 %" in words
    assert "left lung 123.5 cm²" in words
    assert "liver 1502.2 ml most of it in slice 4" in words
    assert "heart 1,234 pixels" in words


def test_the_place_of_evidence_is_said_in_words():
    answer = stored_diagnosis()
    disagreement = answer.disagreements[0]
    assert evidence.words(disagreement.supporting, answer) == "image: effusion by chest_findings"
    assert evidence.words(disagreement.opposing, answer) == "note: “effusion” absent"
    answer.images.add(index=1)
    assert evidence.words(disagreement.supporting, answer) == "image: effusion in image 1 by chest_findings"
    entry = pb.EvidenceReference()
    entry.record_entry.place = "Bundle.entry[3].resource"
    entry.record_entry.concept.display = "Asthma"
    assert evidence.words(entry, answer) == "record: Asthma (Bundle.entry[3].resource)"
    missing = pb.EvidenceReference()
    missing.note_entity.model_name, missing.note_entity.entity_index = "clinical_ner", 7
    assert evidence.words(missing, answer) == "note: entity 7 of clinical_ner"
    assert evidence.words(pb.EvidenceReference(), answer) == ""


def test_what_a_second_model_says_is_shown_and_said_not_to_count():
    answer = stored_diagnosis()
    further = answer.assessments[0].uncounted.add(source=pb.SOURCE_IMAGE, log_odds=1.2)
    further.evidence.image_finding.model_name = "chest_findings"
    further.evidence.image_finding.labels.append("pneumonia")
    words = " ".join(text_of(diagnosis.diagnosis(answer, NOTE, colour=False)).split())
    said = "not counted, since another model counts for this input: pneumonia by chest_findings (+1.20)"
    assert said in words


def test_a_signed_receipt_says_with_which_key():
    answer = stored_diagnosis()
    answer.receipt.signatures.add(keyid="ab" * 32, sig=b"s" * 64)
    text = text_of(diagnosis.diagnosis(answer, NOTE, colour=False))
    assert "feedfacefeedfacefeedfacefeedface · signed by abababababab" in text


def test_labels_of_a_text_classifier_stand_under_its_name():
    result = language_pb2.NoteModelResult(provenance={"model_name": "triage"})
    result.labels.add(name="urgent", probability=0.8, found=True)
    result.labels.add(name="routine", probability=0.2)
    words = " ".join(
        text_of(note.note("", language_pb2.NoteAnalysis(results=[result]), colour=False)).split()
    )
    assert "triage urgent 80.0 %" in words
    assert words.count("found") == 1


def test_a_mention_that_two_models_found_is_one_row_and_names_both():
    analysis = stored_diagnosis().note
    other = analysis.results.add(provenance={"model_name": "second_ner"})
    other.entities.add(text="Fever", start_offset=0, end_offset=5, type="DISEASE")
    analysis.mentions[0].entities.add(result_index=1)
    lines = [
        line for line in text_of(note.note(NOTE, analysis, colour=False)).splitlines() if "disease" in line
    ]
    assert len(lines) == 3
    assert "clinical_ner, second_ner" in lines[0]


def test_an_empty_answer_breaks_no_view():
    assert "Not stated by the mesh" in text_of(diagnosis.diagnosis(pb.Diagnosis(), "", colour=False))
    text_of(image.image(imaging_pb2.ImageAnalysis()))
    text_of(image.image(imaging_pb2.ImageAnalysis(results=[imaging_pb2.ImageModelResult()])))
    text_of(note.note("", language_pb2.NoteAnalysis(), colour=False))
    text_of(treatments.treatments(recommendation_pb2.TreatmentRanking()))
    text_of(patients.patients(recommendation_pb2.SimilarPatients()))
    text_of(outcome.outcome(recommendation_pb2.OutcomePrediction()))
    text_of(models.catalog(ListModelsResponse()))
    text_of(models.card(ModelCard()))


def test_a_prognosis_says_what_drives_it_and_when():
    answer = recommendation_pb2.OutcomePrediction(outcome="died", probability=0.31, decision_threshold=0.2)
    answer.prediction_set.labels.extend(["died", "survived"])
    answer.prediction_set.coverage = 0.9
    answer.abstained = True
    for index in range(10):
        driver = answer.variables.add(variable=f"v{index}", log_odds=1 - index / 10)
        driver.probability_without = 0.15
    answer.variables[0].display = "lactate in blood"
    answer.variables[0].concept.code = "2524-7"
    answer.variables[0].concept.system = "http://loinc.org"
    answer.variables[1].concept.display = "sodium"
    period = answer.periods.add(log_odds=0.5, probability_without=0.22)
    period.start.seconds, period.end.seconds = 6 * 3600, 12 * 3600
    assert_golden("outcome", text_of(outcome.outcome(answer)))


def test_similar_patients_name_what_both_have():
    answer = recommendation_pb2.SimilarPatients()
    one = answer.patients.add(reference_id="synthetic-12", similarity=0.8125)
    one.shared_conditions.add(concept={"display": "Asthma"})
    one.shared_conditions.add(concept={"display": "Acute bronchitis (disorder)"})
    words = " ".join(text_of(patients.patients(answer)).split())
    assert "1. synthetic-12 0.812 Asthma, Acute bronchitis (disorder)" in words


def test_values_of_a_newer_contract_break_no_view():
    answer = stored_diagnosis()
    answer.completeness = 99
    answer.branches[0].state = 99
    answer.branches[1].kind = 99
    answer.note.results[0].entities[0].assertion = 99
    answer.note.results[0].entities[0].origin = 99
    answer.images[0].analysis.results[0].gate_decision = 99
    answer.treatments.treatments[0].alerts[0].severity = 99
    answer.assessments[0].contributions[1].source = 99
    assert "99" in text_of(diagnosis.diagnosis(answer, NOTE, colour=False))


def test_no_line_is_wider_than_100_columns():
    text = text_of(diagnosis.diagnosis(stored_diagnosis(), NOTE, colour=False))
    assert max(len(line) for line in text.splitlines()) <= 100


def lines_of(parts, columns: int) -> list[str]:
    console = Console(file=io.StringIO(), width=columns, highlight=False, markup=False, emoji=False)
    with console.capture() as captured:
        for part in parts:
            console.print(part)
    return captured.get().splitlines()


@pytest.mark.parametrize("columns", [40, 79, 80, 100])
def test_names_and_codes_stay_whole_in_a_terminal_of_any_width(columns):
    answer = stored_diagnosis()
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
    one = Notice(message="Not checked.", review_required=True, places=places)
    shown = "review: Not checked. (Bundle.entry[0], Bundle.entry[1], Bundle.entry[2]"
    assert text_of([marks.notice(one)]).strip() == f"{shown} and 2 more)"
    one.place_count = 40
    assert text_of([marks.notice(one)]).strip() == f"{shown} and 37 more)"
    assert text_of([marks.notice(Notice(message="Said."))]).strip() == "note: Said."


def analysed(entity: language_pb2.Entity) -> language_pb2.NoteAnalysis:
    analysis = language_pb2.NoteAnalysis(results=[{"entities": [entity]}])
    analysis.mentions.add(entities=[{}])
    return analysis


def test_content_is_never_read_as_markup():
    """A note may hold brackets; a display may too."""
    answer = language_pb2.NoteAnalysis(notices=[Notice(reason="R", message="[red]said[/red]")])
    text = text_of(note.note("BP [bold]120[/bold] :smile:", answer, colour=False))
    assert "BP [bold]120[/bold] :smile:" in text
    assert "[red]said[/red]" in text


def test_offsets_are_code_points():
    entity = language_pb2.Entity(start_offset=8, end_offset=13, assertion=language_pb2.ASSERTION_PRESENT)
    shown = note.marked("Größe 🙂 fever", analysed(entity), colour=False)
    assert shown.plain == "Größe 🙂 [fever: present]"


def test_offsets_beyond_the_note_are_left_out():
    entity = language_pb2.Entity(start_offset=2, end_offset=99)
    assert note.marked("short", analysed(entity), colour=False).plain == "short"


def test_references_to_what_is_not_there_break_no_view():
    analysis = analysed(language_pb2.Entity(text="x"))
    analysis.mentions[0].entities[0].result_index = 5
    analysis.mentions.add()
    text_of(note.note("short", analysis, colour=False))


def test_colour_only_where_asked_for():
    answer = stored_diagnosis()
    assert "\x1b[" not in text_of(diagnosis.diagnosis(answer, NOTE, colour=False))
    assert note.marked(NOTE, answer.note, colour=True).plain == NOTE.rstrip("\n")


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0, "0.0 %"), (0.0004, "<0.1 %"), (0.5, "50.0 %"), (0.9997, ">99.9 %"), (1.0, "100.0 %")],
)
def test_what_is_not_certain_never_looks_certain(value, shown):
    assert marks.percent(value) == shown


@pytest.mark.parametrize("share", [-1.0, 0.0, 0.03, 0.5, 0.999, 1.0, 7.0])
def test_a_bar_is_always_as_wide(share):
    assert len(marks.bar(share).plain) == marks.BAR_CELLS
