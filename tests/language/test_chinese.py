"""Chinese notes are read by a lexicon and rules: measured on sentences labelled by hand, and told apart."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from services.language.chinese.lexicon import Lexicon, simplified
from services.language.chinese.passages import chinese_passages
from services.language.chinese.reader import ChineseReader
from services.language.entities import Assertion, EntityType
from services.language.linking import default_linker
from services.orchestrator import knowledge

SENTENCES = Path(__file__).parent / "data/chinese_sentences.tsv"
_MARK = re.compile(r"\[([^|\]]+)\|(\w)\]|\{([^|}]+)\|(\w)\}")
_ASSERTIONS = {
    "p": Assertion.PRESENT,
    "a": Assertion.ABSENT,
    "q": Assertion.POSSIBLE,
    "h": Assertion.HISTORICAL,
    "f": Assertion.FAMILY,
    "y": Assertion.HYPOTHETICAL,
    "l": Assertion.ALLERGY,
}


@pytest.fixture(scope="module")
def reader():
    return ChineseReader(default_linker())


@pytest.fixture
def read(reader):
    def entities(note):
        reading = reader.read(note)
        return [(e.text, e.assertion.value) for e in reading.entities] if reading else []

    return entities


def labelled(half):
    """Each sentence without its marks, and what they say: (start, end, type, assertion)."""
    for line in SENTENCES.read_text("utf-8").splitlines():
        if not line.startswith(f"{half}\t"):
            continue
        marked, note, said, at = line.split("\t")[1], "", set(), 0
        for match in _MARK.finditer(marked):
            note += marked[at : match.start()]
            finding, of_finding, drug, of_drug = match.groups()
            kind = EntityType.DISEASE if finding else EntityType.CHEMICAL
            word = finding or drug
            said.add((len(note), len(note) + len(word), kind, _ASSERTIONS[of_finding or of_drug]))
            note += word
            at = match.end()
        yield note + marked[at:], said


@pytest.mark.parametrize(("half", "floor"), [("dev", 0.99), ("test", 0.95)])
def test_entities_and_what_is_said_of_them(reader, half, floor):
    right = found = wanted = 0
    for note, said in labelled(half):
        reading = reader.read(note)
        got = (
            {(e.span.start, e.span.end, e.span.type, e.assertion) for e in reading.entities}
            if reading
            else set()
        )
        right, found, wanted = right + len(got & said), found + len(got), wanted + len(said)
    assert wanted > 190
    assert 2 * right / (found + wanted) >= floor


def test_every_condition_of_the_mesh_is_named_by_a_chinese_term(reader):
    known = knowledge.load()
    linker = default_linker()
    named = set()
    for term in Lexicon.load()._terms.values():
        if term.type is EntityType.DISEASE:
            codes = [(concept.system, concept.code) for concept in linker.codes(term.english, term.type)]
            named |= {condition.key for condition in known.named(codes)}
    assert named >= known.conditions.keys()


def test_the_triggers_lie_where_they_are_written(reader):
    note = "Chest clear.\n患者否認糖尿病及高血壓病史。"
    for entity in reader.read(note).entities:
        assert entity.assertion is Assertion.ABSENT
        [trigger] = entity.triggers
        assert note[trigger.start : trigger.end] == "否認"
        assert entity.text == note[entity.span.start : entity.span.end]
        assert entity.concept is not None


@pytest.mark.parametrize(
    ("note", "entities"),
    [
        (
            "既往史：高血压。\n家族史：糖尿病。\n诊断：肺炎。",
            [("高血压", "historical"), ("糖尿病", "family"), ("肺炎", "present")],
        ),
        ("過敏史：盤尼西林。", [("盤尼西林", "allergy")]),
        ("發燒三天，無咳嗽。", [("發燒", "present"), ("咳嗽", "absent")]),
        ("对青霉素过敏，未用头孢曲松。", [("青霉素", "allergy"), ("头孢曲松", "absent")]),
        ("ＣＯＰＤ病史２０年。", [("ＣＯＰＤ", "historical")]),
        ("气管插管，PEEP 8cmH2O。", []),
    ],
)
def test_sections_characters_and_widths(read, note, entities):
    assert read(note) == entities


@pytest.mark.parametrize(
    "note",
    [
        "患者は発熱なし。肺炎の疑い。",
        "カルテ：高血圧症、糖尿病にて通院中。",
        "환자는 발열이 없다.",
        "Patient has no fever.",
        "Kein Pneumothorax.",
        "Huanzhe fare santian.",
        "Пневмонии нет.",
        "",
    ],
)
def test_other_languages_are_not_taken_for_chinese(reader, note):
    assert reader.read(note) is None


def test_only_the_chinese_passages_of_a_mixed_note_are_read(reader):
    note = "The patient has asthma. 无肺炎。 No 肺炎 was seen on the film of today."
    assert [note[p.start : p.end] for p in chinese_passages(note)] == ["无肺炎"]
    assert [(e.text, e.assertion) for e in reader.read(note).entities] == [("肺炎", Assertion.ABSENT)]


@pytest.mark.parametrize(
    ("note", "is_told"),
    [
        ("对芒果过敏。", True),
        ("对青霉素过敏。", False),
        ("否认药物过敏史。", False),
        ("过敏性鼻炎。", False),
        ("青霉素皮试阴性，无过敏反应。", False),
    ],
)
def test_an_allergy_to_what_is_not_known_is_told(reader, note, is_told):
    assert ("ALLERGIES_NOT_READ" in {notice.reason for notice in reader.read(note).notices}) is is_told


def test_that_rules_read_it_is_told_with_the_lines(reader):
    [notice] = reader.read("No fever.\n无发热。\n").notices
    assert (notice.reason, notice.places, notice.review_required) == (
        "CHINESE_READ_BY_RULES",
        ("line 2",),
        True,
    )


def test_every_character_stays_one():
    text = "患者發熱，ＣＴ示：肺炎－待排（？）。İß"
    assert len(simplified(text)) == len(text)


@pytest.mark.parametrize("unit", ["无发热，", "肺炎、", "如", "患者否认高血压病史。\n", "既往", "(", "1年前"])
def test_the_cost_grows_with_the_length_alone(reader, unit):
    def once(note):
        started = time.process_time()
        reader.read(note)
        return time.process_time() - started

    def cost(count):  # the least of three: one may hold a collection of everybody's garbage
        return min(once(unit * (count // len(unit))) for _ in range(3))

    cost(1_000)
    assert cost(20_000) < 10 * cost(5_000) + 0.05
