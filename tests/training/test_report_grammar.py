"""The reports that the writer learns from: an impression says what its findings say, and nothing else."""

from __future__ import annotations

import functools
import re

import numpy as np
import pytest

pytest.importorskip("tokenizers", reason="tokenizers is not here: make test-training")

from services.language.writing.evidence import Finding, Side, Status, evidence_line
from training.report_writer import chest, evidence, scoring, tasks, wording
from training.report_writer.notes import Note, impressions, set_apart, summaries

SEEDS = range(800)

# Written beside the grammar, not taken from it: what the findings must have where an impression has the word.
GROUNDS = {
    "cardiomegaly": r"cardiomegaly|enlarged",
    "effusion": r"effusion|costophrenic",
    "pneumothorax": r"pneumothorax",
    "pneumonia": r"pneumonia",
    "consolidation": r"consolidation",
    "edema": r"edema",
    "congestion": r"congestion|prominence of the pulmonary vasculature",
    "atelectasis": r"atelectasis",
    "scarring": r"scar|pleural thickening",
    "granulomatous": r"granuloma",
    "nodule": r"nodul",
    "mass": r"mass\b",
    "opacity|opacities": r"opacit|consolidation|airspace|infiltrate",
    "infiltrate": r"infiltrate",
    "airspace": r"airspace|air space",
    "fracture": r"fracture",
    "deformity": r"deformity|fracture|wedg",
    "hernia": r"hernia",
    "emphysema\\b": r"emphysem",
    "hyperinflated": r"hyperinflat|hyperexpan",
    "COPD": r"COPD|chronic obstructive|emphysem",
    "heart failure": r"heart failure",
    "fibrosis|fibrotic": r"fibro",
    "lymphadenopathy": r"adenopathy",
    "bronchitis": r"bronchitis",
    "endotracheal": r"endotracheal|ET tube",
    "PICC": r"PICC",
    "chest tube": r"chest tube",
    "free": r"free",
}


@functools.cache
def reports(held_out=False):
    return [chest.report(np.random.default_rng(seed), held_out) for seed in SEEDS]


def sentences(text):
    return [part for part in re.split(r"(?<=\.)\s+(?=[A-Z])", re.sub(r"\b\d\. (?=[A-Z])", "", text)) if part]


@pytest.mark.parametrize("held_out", [False, True])
def test_each_sentence_of_an_impression_stands_on_the_findings(held_out):
    for seed, report in enumerate(reports(held_out)):
        for said in sentences(report.impression):
            told = (seed, said, report.findings)
            assert scoring.sides(said) <= scoring.sides(report.findings) | bilateral_of(report.findings), told
            assert set(scoring.numbers(said)) <= set(scoring.numbers(report.findings)), told
            if said.startswith(("No ", "Normal", "Negative")):
                continue
            for word, ground in GROUNDS.items():
                if re.search(word, said, re.IGNORECASE):
                    assert re.search(ground, report.findings, re.IGNORECASE), told


def bilateral_of(findings):
    """Both sides, where findings say it in a word of their own."""
    return {"bilateral"} if re.search(r"bilateral|bibasilar|biapical", findings, re.IGNORECASE) else set()


def test_an_impression_is_calm_only_where_nothing_acute_is_found():
    calm = 0
    for seed, report in enumerate(reports()):
        acute = any(fact.level == "acute" for fact in report.facts)
        says_so = bool(
            re.search(r"No (acute|active|evidence of a)|Normal chest|Negative chest", report.impression)
        )
        assert says_so is not acute, (seed, report)
        if report.facts:
            assert "Normal" not in report.impression, (seed, report)
            assert "Negative" not in report.impression, (seed, report)
        calm += says_so
    assert 0.3 * len(SEEDS) < calm < 0.9 * len(SEEDS)


@pytest.mark.parametrize(
    ("found", "denied"),
    [
        (
            r"pleural effusion",
            r"\b[Nn]o (?:[a-z, ]*)effusion|without [a-z, ]*effusion|[Nn]egative for [a-z, ]*effusion",
        ),
        (r"pneumothorax", r"\b[Nn]o (?:[a-z, ]*)pneumothora|without [a-z, ]*pneumothora"),
        (r"cardiomegaly", r"[Hh]eart (?:is |size )?(?:is )?(?:normal|within normal)|silhouette is normal"),
        (
            r"pneumonia|consolidation|[Ii]nfiltrate",
            r"lungs are (?:grossly )?clear|[Cc]lear lungs|[Nn]o focal",
        ),
    ],
)
def test_findings_do_not_contradict_themselves(found, denied):
    seen = 0
    for seed, report in enumerate(reports()):
        if re.search(found, re.sub(r"[Pp]ossible|versus|No [^.]*\.", "", report.impression)):
            seen += 1
            assert not re.search(denied, report.findings), (seed, report)
    assert seen > 20


def test_what_measures_is_worded_in_no_way_that_trains():
    templates = [template for entry in chest.findings_table() for template in entry["say"]]
    held_out = [template for template in templates if wording.is_held_out(template)]
    assert 0.05 * len(templates) < len(held_out) < 0.25 * len(templates)
    assert not set(wording.wordings(templates, held_out=True)) & set(
        wording.wordings(templates, held_out=False)
    )


def test_a_slot_is_the_same_in_findings_and_impression():
    text, shown = wording.said(
        "A {mm} mm nodule in the {rlobe} lobe.", {"mm": ["7"], "rlobe": ["left upper"]}, rng()
    )
    assert text == "A 7 mm nodule in the left upper lobe."
    assert wording.filled("{mm_}{rlobe_}nodule.", shown) == "7 mm left upper lobe nodule."
    assert wording.filled("{mm_}{side} nodule.", {}) == "Nodule."


def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize(
    ("finding", "line", "said"),
    [
        (
            Finding("pleural effusion", Status.PRESENT, Side.LEFT, "small", "lung base", "3 cm"),
            "present | pleural effusion | side=left | severity=small | region=lung base | value=3 cm",
            "There is a small left pleural effusion in the lung base measuring 3 cm.",
        ),
        (Finding("pneumothorax", Status.ABSENT), "absent | pneumothorax", "There is no pneumothorax."),
        (Finding("pneumonia", Status.POSSIBLE), "possible | pneumonia", "There is possible pneumonia."),
        (Finding("stroke", Status.HISTORICAL), "historical | stroke", "There is a history of stroke."),
        (Finding("ulcer", Status.PRESENT), "present | ulcer", "There is an ulcer."),
    ],
)
def test_a_line_of_evidence_is_one_sentence(finding, line, said):
    assert evidence_line(finding) == line
    assert evidence.said(finding) == said


NOTE = Note(
    "1",
    "Radiology",
    "CT",
    "CT shows a 4 mm kidney stone of the left side and hydronephrosis.",
    set_apart(
        "EXAM: CT of the abdomen.FINDINGS: There is a 4 mm stone in the left kidney. The liver is normal."
        "IMPRESSION: 4 mm left kidney stone.RECOMMENDATION: Urology."
    ),
)


def test_pairs_of_a_note_are_taken_where_the_one_says_what_the_other_does():
    (pair,) = impressions([NOTE])
    assert pair.source == "There is a 4 mm stone in the left kidney. The liver is normal."
    assert pair.target == "4 mm left kidney stone."
    unfaithful = Note("2", "", "", "", NOTE.text.replace("4 mm left kidney stone", "Acute pancreatitis"))
    assert impressions([unfaithful]) == []


def test_a_summary_that_the_note_does_not_say_is_replaced_by_one_of_its_sentences():
    (pair,) = summaries([NOTE])
    assert pair.target != NOTE.description
    assert pair.target in pair.source


def test_every_task_draws_what_it_says():
    source = tasks.Tasks([NOTE])
    for draw in source.shares:
        example = draw(np.random.default_rng(3))
        assert example.prompt.startswith("write: ")
        assert example.answer
        again = draw(np.random.default_rng(3))
        assert example == again


@pytest.mark.parametrize(
    ("answer", "wanted", "expected"),
    [
        ("No acute disease.", "no acute disease", 1.0),
        ("a b c d", "a x c", 2 * 2 / 7),
        ("", "a", 0.0),
        ("b a", "a b", 0.5),
    ],
)
def test_rouge_l(answer, wanted, expected):
    assert scoring.rouge_l(answer, wanted) == pytest.approx(expected)
