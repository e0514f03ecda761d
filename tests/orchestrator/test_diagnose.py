"""The combined request over real servers: what a complete answer holds, and what never leaves it."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from medmesh import receipt as receipts
from medmesh.common.v1 import patient_pb2
from medmesh.imaging.v1 import imaging_pb2
from medmesh.language.v1 import language_pb2
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from medmesh.orchestrator.v1.receipt_pb2 import InputDigest
from services.chassis.errors import InvalidInput, Reason
from services.chassis.settings import SettingsError
from tests.orchestrator.answers import analysis, entity, full_case, image, note, provenance, record, result
from tests.orchestrator.cards import card
from tests.orchestrator.cases import ASTHMA, BACTERIAL, PNEUMONIA
from tests.orchestrator.conftest import METHODS, probability, running_mesh, sources, states

ANOTHER_KIND = X25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


async def test_a_large_detectors_image_reaches_imaging_whole(mesh):
    """A DX of 3072 x 3072 pixels of 16 bits, 18.9 MB."""
    content = bytes(3072 * 3072 * 2 + 1500)
    assert (await mesh.diagnose(pb.DiagnosticCase(images=[image(content)]))).images
    assert mesh.fakes.requests("AnalyzeImage")[0].sources[0].content == content


async def test_a_case_of_all_three_is_complete(mesh):
    diagnosis = await mesh.diagnose(full_case())
    assert diagnosis.completeness == pb.COMPLETENESS_COMPLETE
    assert states(diagnosis) == dict.fromkeys(METHODS, "answered")
    assert all(b.budget.ToNanoseconds() > 0 and not b.reason and not b.effect for b in diagnosis.branches)
    assert not diagnosis.review_required
    assert "research" in diagnosis.intended_use.lower()
    assert diagnosis.correlation_id
    assert len(diagnosis.images) == 1
    assert diagnosis.HasField("note")
    assert diagnosis.HasField("treatments")
    assert [n.reason for n in diagnosis.notices] == ["RESOURCES_SKIPPED"]


async def test_the_assessment_says_what_each_source_adds(mesh):
    pneumonia = probability(await mesh.diagnose(full_case()), PNEUMONIA)
    assert [c.source for c in pneumonia.contributions] == [
        pb.SOURCE_PRIOR,
        pb.SOURCE_IMAGE,
        pb.SOURCE_NOTE,
    ]
    assert sum(c.share for c in pneumonia.contributions) == pytest.approx(1)
    assert {one.source for one in pneumonia.leave_one_out} == {pb.SOURCE_IMAGE, pb.SOURCE_NOTE}
    assert all(one.probability < pneumonia.probability for one in pneumonia.leave_one_out)
    assert pneumonia.probability_low < pneumonia.probability < pneumonia.probability_high


async def test_the_treatments_get_the_record_and_what_note_and_image_found(mesh):
    await mesh.diagnose(full_case())
    (request,) = mesh.fakes.requests("RankTreatments")
    assert request.patient.record == record(ASTHMA).record
    assert [c.codings[0].code for c in request.further_conditions] == [BACTERIAL, PNEUMONIA]


async def test_the_treatments_get_other_problems_of_the_note_too_in_snomed_where_it_is_known(mesh):
    sinusitis = entity("J32.9")
    sinusitis.concept.system = "http://hl7.org/fhir/sid/icd-10-cm"
    sinusitis.equivalent_concepts.add(system="http://snomed.info/sct", code="40055000")
    denied, unsure = entity("10509002", language_pb2.ASSERTION_ABSENT), entity("65363002")
    unsure.confidence = 0.3
    mesh.fakes.answers["AnalyzeNote"] = note(sinusitis, sinusitis, denied, unsure)
    await mesh.diagnose(full_case())
    (request,) = mesh.fakes.requests("RankTreatments")
    assert [c.codings[0].code for c in request.further_conditions] == [BACTERIAL, PNEUMONIA, "40055000"]


async def test_the_treatments_are_held_against_the_drugs_that_the_note_says_the_patient_takes(mesh):
    drugs = []
    for code, assertion, confidence in (
        ("11289", language_pb2.ASSERTION_PRESENT, 0.95),
        ("11289", language_pb2.ASSERTION_PRESENT, 0.95),
        ("161", language_pb2.ASSERTION_ABSENT, 0.95),
        ("1191", language_pb2.ASSERTION_HISTORICAL, 0.95),
        ("5640", language_pb2.ASSERTION_PRESENT, 0.3),
        ("", language_pb2.ASSERTION_PRESENT, 0.95),
    ):
        drug = entity(code, assertion)
        drug.type, drug.confidence = "CHEMICAL", confidence
        drug.concept.system = "http://www.nlm.nih.gov/research/umls/rxnorm" if code else ""
        drugs.append(drug)
    mesh.fakes.answers["AnalyzeNote"] = note(*drugs)
    await mesh.diagnose(full_case())
    (request,) = mesh.fakes.requests("RankTreatments")
    assert [c.codings[0].code for c in request.further_medications] == ["11289"]


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (pb.DiagnosticCase(note="Pneumonia."), {"note"}),
        (pb.DiagnosticCase(images=[image(b"x")]), {"image"}),
        (
            pb.DiagnosticCase(patient=patient_pb2.PatientInput(record=patient_pb2.PatientRecord())),
            {"record", "treatments"},
        ),
    ],
)
async def test_what_was_not_asked_for_is_not_missing(mesh, case, expected):
    diagnosis = await mesh.diagnose(case)
    assert diagnosis.completeness == pb.COMPLETENESS_COMPLETE
    assert {name for name, state in states(diagnosis).items() if state == "answered"} == expected
    assert {name for name, state in states(diagnosis).items() if state == "not_requested"} == set(
        METHODS
    ) - expected


async def test_a_contradiction_asks_for_review(mesh):
    mesh.fakes.answers["AnalyzeNote"] = note(entity(PNEUMONIA, language_pb2.ASSERTION_ABSENT))
    diagnosis = await mesh.diagnose(full_case())
    (found,) = diagnosis.disagreements
    assert found.condition.code == PNEUMONIA
    assert found.supporting.image_finding == pb.EvidenceReference.ImageFinding(
        image_index=0, model_name="chest_xray", labels=["bacterial_pneumonia", "viral_pneumonia"]
    )
    assert found.opposing.note_entity == pb.EvidenceReference.NoteEntity(
        model_name="clinical_ner", entity_index=0
    )
    assert found.message == "The image supports pneumonia; the note denies it."
    assert diagnosis.review_required


async def test_a_kind_of_a_condition_names_the_condition_that_it_is_a_kind_of(mesh):
    diagnosis = await mesh.diagnose(full_case())
    broader = {one.condition.code: one.broader_condition.code for one in diagnosis.assessments}
    assert broader[PNEUMONIA] == ""
    assert broader[BACTERIAL] == PNEUMONIA


async def test_an_abstention_asks_for_review(mesh):
    mesh.fakes.answers["AnalyzeImage"] = analysis(abstained=True)
    assert (await mesh.diagnose(full_case())).review_required


async def test_an_image_that_the_gate_rejects_does_not_count_and_says_so(mesh):
    mesh.fakes.answers["AnalyzeImage"] = analysis(
        gate_decision=imaging_pb2.GATE_DECISION_REJECTED, abstained=True
    )
    diagnosis = await mesh.diagnose(full_case())
    assert diagnosis.review_required
    assert "IMAGE_EVIDENCE_UNUSED" in {n.reason for n in diagnosis.notices}
    assert pb.SOURCE_IMAGE not in sources(diagnosis)


async def test_an_image_that_no_gate_has_judged_does_not_count_and_asks_for_review(mesh):
    mesh.fakes.answers["AnalyzeImage"] = analysis(gate_decision=imaging_pb2.GATE_DECISION_NOT_JUDGED)
    diagnosis = await mesh.diagnose(full_case())
    assert diagnosis.review_required
    (told,) = [n for n in diagnosis.notices if n.reason == "IMAGE_EVIDENCE_UNUSED"]
    assert told.review_required
    assert pb.SOURCE_IMAGE not in sources(diagnosis)


async def test_every_piece_of_evidence_says_where_it_stands(mesh):
    mesh.fakes.answers["ReadRecord"] = record(PNEUMONIA, ASTHMA)
    diagnosis = await mesh.diagnose(full_case())
    pneumonia, asthma = (probability(diagnosis, code) for code in (PNEUMONIA, ASTHMA))
    found = {c.source: c.evidence.WhichOneof("reference") for c in pneumonia.contributions}
    assert found == {
        pb.SOURCE_PRIOR: None,
        pb.SOURCE_IMAGE: "image_finding",
        pb.SOURCE_NOTE: "note_entity",
        pb.SOURCE_RECORD: "record_entry",
    }
    (entry,) = [c.evidence.record_entry for c in asthma.contributions if c.source == pb.SOURCE_RECORD]
    assert (entry.place, entry.concept.code) == ("Bundle.entry[2].resource", ASTHMA)


async def test_a_second_model_on_an_image_is_shown_and_not_counted(mesh):
    two = analysis()
    two.results.append(result(0.02, 0.03, provenance=provenance("second")))
    second = card("chest_xray", {"auroc_normal_vs_pneumonia": 0.8, "auroc_bacterial_vs_viral": 0.7})
    second.name, second.weights_sha256, second.version = "second", "second-weights", "1.0.0"
    mesh.catalogs["imaging"].cards["second"] = second
    alone = probability(await mesh.diagnose(full_case()), PNEUMONIA)
    mesh.fakes.answers["AnalyzeImage"] = two
    diagnosis = await mesh.diagnose(full_case())
    pneumonia = probability(diagnosis, PNEUMONIA)
    assert pneumonia.probability == alone.probability
    (uncounted,) = pneumonia.uncounted
    assert uncounted.evidence.image_finding.model_name == "second"
    assert uncounted.log_odds < 0
    assert uncounted.share == 0
    assert [d.opposing.image_finding.model_name for d in diagnosis.disagreements] == ["second"]
    assert "On one image, one model" in diagnosis.disagreements[0].message
    assert diagnosis.review_required


async def test_a_patient_outside_the_models_ages_is_told(mesh):
    mesh.fakes.answers["ReadRecord"] = record(ASTHMA, age_years=62)
    diagnosis = await mesh.diagnose(full_case())
    assert "OUTSIDE_MODEL_POPULATION" in {n.reason for n in diagnosis.notices}


async def test_a_model_whose_card_gives_it_nothing_outside_its_ages_does_not_count_there(mesh):
    strict = card("chest_xray")
    for one in strict.serving.evidence:
        one.ClearField("outside_population_factor")
    mesh.catalogs["imaging"].cards["chest_xray"] = strict
    found = provenance("chest_xray")
    found.model_sha256 = "another-folder"
    mesh.fakes.answers["AnalyzeImage"] = analysis(provenance=found)
    mesh.fakes.answers["ReadRecord"] = record(ASTHMA, age_years=62)
    diagnosis = await mesh.diagnose(full_case())
    (told,) = [n for n in diagnosis.notices if n.reason == "OUTSIDE_MODEL_POPULATION"]
    assert told.message.endswith("its evidence does not count.")
    assert pb.SOURCE_IMAGE not in sources(diagnosis)


async def test_without_its_card_an_image_does_not_count_and_the_answer_says_so(tmp_path):
    async with running_mesh(tmp_path) as mesh:
        mesh.catalogs["imaging"].cards.clear()
        mesh.fakes.answers["AnalyzeImage"] = analysis(provenance=provenance("unheard_of"))
        diagnosis = await mesh.diagnose(full_case())
    (told,) = [n for n in diagnosis.notices if n.reason == "RELIABILITY_UNKNOWN"]
    assert told.model_name == "unheard_of"
    assert pb.SOURCE_IMAGE not in sources(diagnosis)


async def test_each_answer_comes_with_a_receipt_in_the_log(mesh):
    first = await mesh.diagnose(full_case())
    stated = receipts.statement(first.receipt)
    second = await mesh.diagnose(full_case(), receipt_salt=stated.predicate.salt)
    lines = mesh.receipts.read_text().splitlines()
    assert [receipts.from_line(line) for line in lines] == [first.receipt, second.receipt]
    assert receipts.verify_chain(lines) == []
    models = {m.model_name for m in stated.predicate.models}
    assert models == {"chest_xray", "clinical_ner", "treatment_ranker"}
    assert receipts.compare(first.receipt, second.receipt) == []


async def test_another_copy_of_the_same_image_is_the_same_input(mesh):
    """An archive writes file headers anew; the pixels are what was computed on."""
    first = await mesh.diagnose(pb.DiagnosticCase(images=[image(b"pixels")]))
    salt = receipts.statement(first.receipt).predicate.salt
    copy, other = [
        await mesh.diagnose(pb.DiagnosticCase(images=[image(content)]), receipt_salt=salt)
        for content in (b"header pixels", b"header pixelS")
    ]
    assert receipts.compare(first.receipt, copy.receipt) == []
    assert [(d.kind, d.name) for d in receipts.compare(first.receipt, other.receipt)] == [
        ("input", "image 0")
    ]


async def test_the_digest_of_a_file_can_be_computed_by_whoever_has_it_and_the_receipt(mesh):
    diagnosis = await mesh.diagnose(pb.DiagnosticCase(images=[image(b"slice 1", b"slice 2")], note="Fever."))
    stated = receipts.statement(diagnosis.receipt).predicate
    found = {one.kind: one.hmac_sha256 for one in stated.inputs}
    assert found[InputDigest.KIND_IMAGE_FILE] == receipts.file_digest([b"slice 1", b"slice 2"], stated.salt)
    assert found[InputDigest.KIND_NOTE] == receipts.file_digest([b"Fever."], stated.salt)


async def test_an_image_that_only_imaging_has_is_digested_there(mesh):
    named = pb.CaseImage(sources=[imaging_pb2.ImageSource(uri="https://pacs.example/an-image")])
    diagnosis = await mesh.diagnose(pb.DiagnosticCase(images=[named]))
    kinds = [one.kind for one in receipts.statement(diagnosis.receipt).predicate.inputs]
    assert sorted(kinds) == [
        InputDigest.KIND_IMAGE_FILE,
        InputDigest.KIND_IMAGE_CONTENT,
        InputDigest.KIND_OPTIONS,
    ]


async def test_with_a_key_receipts_are_signed(tmp_path):
    key = Ed25519PrivateKey.generate()
    path = tmp_path / "key.pem"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    async with running_mesh(tmp_path, receipt_key=path) as mesh:
        diagnosis = await mesh.diagnose(full_case())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    receipts.verify_signature(diagnosis.receipt, public)


@pytest.mark.parametrize(
    "content", [None, b"", b"no key", ANOTHER_KIND], ids=["absent", "empty", "no PEM", "of another kind"]
)
async def test_a_key_that_cannot_be_used_is_found_at_the_start(tmp_path, content):
    path = tmp_path / "key.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match="MEDMESH_RECEIPT_KEY") as caught:
        async with running_mesh(tmp_path, receipt_key=path):
            pass
    assert "BEGIN" not in str(caught.value)


CANARIES = ["Mrs Canary Quince", "canary-bundle-1937", "canary-image-bytes", "Canary disease", "CANARYCODE"]


async def test_no_patient_data_in_receipts_and_log(mesh):
    name, bundle, content, disease, code = CANARIES
    mesh.fakes.answers["AnalyzeNote"] = note(entity(code, text=disease), entity(PNEUMONIA, text=disease))
    mesh.fakes.answers["ReadRecord"] = record(code, ASTHMA)
    case = pb.DiagnosticCase(
        images=[image(content.encode())],
        note=f"{name} has {disease}.",
        patient=patient_pb2.PatientInput(fhir_bundle=bundle.encode()),
    )
    diagnosis = await mesh.diagnose(case)
    mesh.fakes.answers["AnalyzeImage"] = RuntimeError(content)
    await mesh.diagnose(case)
    mesh.fakes.answers["AnalyzeNote"] = InvalidInput(Reason.INPUT_MALFORMED, "note", "is not text")
    refusal = await mesh.refused(case)
    logged = (
        mesh.receipts.read_text()
        + b"".join(
            receipts.from_line(line).payload for line in mesh.receipts.read_text().splitlines()
        ).decode()
    )
    written = logged + mesh.log.getvalue() + str(diagnosis.receipt) + str(refusal)
    assert '"method"' in mesh.log.getvalue(), "the log was captured"
    for canary in CANARIES:
        assert canary not in written
    assert PNEUMONIA not in logged + mesh.log.getvalue()


async def test_an_answer_that_cannot_be_logged_is_not_given(mesh):
    mesh.receipts.unlink()
    mesh.receipts.mkdir()
    refusal = await mesh.refused(full_case())
    assert (refusal.code, refusal.reason) == ("UNAVAILABLE", "RECEIPT_NOT_WRITTEN")
    mesh.receipts.rmdir()
    assert (await mesh.diagnose(full_case())).receipt.payload


async def test_the_deployers_intended_use_replaces_the_default(tmp_path):
    async with running_mesh(tmp_path, intended_use="As agreed with the ethics board.") as mesh:
        assert (await mesh.diagnose(full_case())).intended_use == "As agreed with the ethics board."
