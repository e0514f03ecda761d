"""What holds of a drafted sentence, against evidence and against the text that it summarises."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.language.writing.evidence import (
    Disagreement,
    Finding,
    Indication,
    Measurement,
    Medication,
    NormalStudy,
    Recommendation,
    Side,
    Source,
    Status,
    evidence_lines,
)
from services.language.writing.facts import facts_of, facts_of_text, reader_of, settled
from services.language.writing.reading import SentenceReader
from services.language.writing.support import check, check_against_text
from services.language.writing.wording import fixed_form

CASES = Path(__file__).parent / "data" / "cases" / "draft_sentences.tsv"
ITEMS = [
    Finding("pleural effusion", Status.PRESENT, Side.LEFT, "small", "lung base", "3 cm"),
    Finding("pneumothorax", Status.ABSENT),
    Finding("consolidation", Status.ABSENT),
    Finding("pneumonia", Status.POSSIBLE, Side.RIGHT, region="lower lobe"),
    Finding("asthma", Status.HISTORICAL),
    Finding("cardiomegaly", Status.PRESENT, severity="mild"),
    Medication("metoprolol", "50 mg twice daily"),
    Measurement("potassium", "6.2 mmol/L"),
    Measurement("eGFR", "> 59 mL/min"),
]
REPORT = (
    "The heart is mildly enlarged. There is a 4 mm nodule in the right upper lobe and a small left effusion. "
    "No pneumothorax. The mother had asthma. The patient does not smoke. Aspirin 81 mg was started."
)


def cases():
    for line in CASES.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            yield tuple(line.split("\t"))


def verdict(items, sentence, *, complete=True, orders=False):
    reader = reader_of(items)
    return check(reader.read(sentence), facts_of(items, reader), complete=complete, orders=orders)


def name(result):
    return "holds" if result.reason is None else result.reason.name


@pytest.mark.parametrize(("wanted", "sentence"), list(cases()))
def test_a_sentence_holds_only_where_the_evidence_says_it(wanted, sentence):
    assert name(verdict(ITEMS, sentence)) == wanted


def test_what_holds_names_the_items_that_it_rests_on():
    assert verdict(ITEMS, "Mild cardiomegaly, no pneumothorax.").support == (5, 1)


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.name)
def test_the_fixed_form_of_each_item_holds_and_rests_on_it_alone(item):
    result = verdict(ITEMS, fixed_form(item))
    assert (name(result), result.support) == ("holds", (ITEMS.index(item),))


@pytest.mark.parametrize(
    ("sentence", "wanted"),
    [
        ("The chest x-ray is normal.", "holds"),
        ("No acute cardiopulmonary abnormality.", "holds"),
        ("The heart is normal in size.", "holds"),
        ("The chest x-ray is not normal.", "NOT_ACCOUNTED_FOR"),
        ("The head CT is normal.", "NOT_ACCOUNTED_FOR"),
        ("The MRI is normal.", "NO_EVIDENCE"),
        ("No pneumothorax.", "FINDING_NOT_IN_EVIDENCE"),
    ],
)
def test_a_normal_study_supports_what_says_no_more(sentence, wanted):
    assert name(verdict([NormalStudy("chest x-ray")], sentence)) == wanted


@pytest.mark.parametrize(
    ("sentence", "holds"),
    [
        ("Repeat chest x-ray in six weeks.", True),
        ("A repeat chest x-ray is recommended in six weeks.", True),
        ("Repeat chest x-ray in two weeks.", False),
        ("Do not repeat chest x-ray in six weeks.", False),
        ("Chest CT in six weeks.", False),
    ],
)
def test_a_recommendation_is_said_as_it_stands(sentence, holds):
    items = [Recommendation("repeat chest x-ray in six weeks"), Indication("cough")]
    assert verdict(items, sentence, orders=True).holds is holds


def test_findings_that_contradict_each_other_are_a_disagreement():
    items = [Finding("pneumonia", Status.PRESENT), Finding("pneumonia", Status.ABSENT)]
    assert all(isinstance(item, Disagreement) for item in settled(items))
    assert settled(ITEMS) == ITEMS
    assert not verdict(settled(items), "Pneumonia is present.").holds
    sided = [
        Finding("pleural effusion", Status.PRESENT, Side.LEFT),
        Finding("pleural effusion", Status.ABSENT, Side.RIGHT),
    ]
    assert settled(sided) == sided


def test_the_lines_that_a_model_is_shown_are_one_an_item_and_carry_no_marks_of_their_own():
    lines = evidence_lines(
        [
            *ITEMS[:1],
            Finding("mass | absent | x\n\x00<b>", Status.PRESENT),
            Disagreement("pneumonia", Source.IMAGE, Source.NOTE),
        ]
    )
    assert lines.splitlines() == [
        "present | pleural effusion | side=left | severity=small | region=lung base | value=3 cm",
        "present | mass absent x <b>",
        "disagreement | pneumonia | present=image | absent=note",
    ]


@pytest.mark.parametrize(
    ("sentence", "wanted"),
    [
        ("Mild cardiomegaly.", "holds"),
        ("4 mm right upper lobe nodule.", "holds"),
        ("Small left effusion and mild cardiomegaly.", "holds"),
        ("The patient does not smoke.", "holds"),
        ("Aspirin was started.", "holds"),
        ("4 mm left upper lobe nodule.", "SIDE_DIFFERS"),
        ("4 mm right lower lobe nodule.", "REGION_DIFFERS"),
        ("6 mm right upper lobe nodule.", "NUMBER_NOT_IN_EVIDENCE"),
        ("Small right effusion.", "SIDE_DIFFERS"),
        ("Moderate cardiomegaly.", "SEVERITY_DIFFERS"),
        ("Small left pneumothorax.", "CONTRADICTS_EVIDENCE"),
        ("Asthma.", "CONTRADICTS_EVIDENCE"),
        ("The patient smokes.", "NOT_ACCOUNTED_FOR"),
        ("Metoprolol was started.", "DRUG_NOT_IN_EVIDENCE"),
        ("Possible nodule.", "CERTAINTY_DIFFERS"),
        ("No acute cardiopulmonary abnormality.", "CONTRADICTS_EVIDENCE"),
        ("The patient was discharged.", "NOT_ACCOUNTED_FOR"),
    ],
)
def test_a_sentence_of_a_summary_holds_only_where_the_text_says_it(sentence, wanted):
    reader = SentenceReader()
    facts = facts_of_text(reading for _, _, reading in reader.read_text(REPORT))
    assert name(check_against_text(reader.read(sentence), facts)) == wanted


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("The heart is normal in size. The lungs are clear. No pleural effusion or pneumothorax.", True),
        ("PA and lateral views of the chest. Calcified granuloma. The lungs are clear.", True),
        ("The heart is normal. There is a left lower lobe consolidation.", False),
        ("The lungs are clear. There is a strange thing in the left lung.", False),
    ],
)
def test_nothing_acute_is_said_only_of_a_text_without_anything_acute(text, holds):
    reader = SentenceReader()
    facts = facts_of_text(reading for _, _, reading in reader.read_text(text))
    said = reader.read("No acute cardiopulmonary abnormality.")
    assert check_against_text(said, facts).holds is holds


def test_a_text_without_full_stops_is_read_in_pieces_of_bounded_length():
    text = "cough and fever " * 400
    spans = [(start, end) for start, end, _ in SentenceReader().read_text(text)]
    assert max(end - start for start, end in spans) <= 800
    assert "".join(text[start:end].replace(" ", "") for start, end in spans) == text.replace(" ", "")
