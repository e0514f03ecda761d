"""Whether a sentence holds: each thing that it says is compared with the evidence, and each of its words is
accounted for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from services.language.entities import Assertion
from services.language.writing.facts import Fact, Facts, Passage
from services.language.writing.reading import Claim, Loose, Reading
from services.language.writing.words import Kind, Normality, Words, default_words


class Reason(IntEnum):
    """Why a sentence does not stand. Of several facts that it was compared with the nearest one, the highest
    number, tells.
    """

    NO_EVIDENCE = 0
    FINDING_NOT_IN_EVIDENCE = 1
    DRUG_NOT_IN_EVIDENCE = 2
    CONTRADICTS_EVIDENCE = 3
    CERTAINTY_DIFFERS = 4
    SIDE_DIFFERS = 5
    REGION_DIFFERS = 6
    SEVERITY_DIFFERS = 7
    NUMBER_NOT_IN_EVIDENCE = 8
    NOT_ACCOUNTED_FOR = 9
    SAYS_LESS = 10
    REPEATED = 11
    UNFINISHED = 12


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a sentence stands, and on what; or why it does not, and of what it speaks."""

    support: tuple[int, ...]
    """Places of the items, or of the passages. Where the sentence does not stand: those of the same name."""
    reason: Reason | None = None

    @property
    def holds(self) -> bool:
        """Whether the sentence stands as it is."""
        return self.reason is None


_UNSURE = frozenset({Assertion.PRESENT, Assertion.ABSENT, Assertion.POSSIBLE})
_FOUND = frozenset({Assertion.PRESENT, Assertion.POSSIBLE})
_NORMAL_PARTS = frozenset({"chest", "lung", "cxr"})
_STUDIES = frozenset({"ct", "mri", "ultrasound", "ray", "cxr", "chest"})
"""Words of a study's name: those that a sentence has, the study has."""


def check(reading: Reading, facts: Facts, *, complete: bool, orders: bool = False) -> Verdict:
    """Whether a sentence holds against items of evidence.

    With `complete` it has to say of each item all that is known of it. `orders` are the sections in which
    indications and recommendations may stand, and nothing but these.
    """
    if orders:
        return _as_phrase(reading, facts)
    if (verdict := _as_normal_study(reading, facts)) is not None:
        return verdict
    matched: dict[int, Fact] = {}
    named: list[int] = []
    reasons: list[Reason] = []
    for number, claim in enumerate(reading.claims):
        compared = [(_compare(claim, fact, complete), fact) for fact in facts.facts]
        of_name = [(reason, fact) for reason, fact in compared if reason not in _OTHER_NAME]
        named += [fact.support for _, fact in of_name]
        holding = [fact for reason, fact in of_name if reason is None]
        if holding:
            matched[number] = holding[0]
        else:
            reasons.append(
                max((reason for reason, _ in compared if reason is not None), default=_unknown(claim))
            )
    if reasons:
        return Verdict(tuple(dict.fromkeys(named)), min(reasons))
    if reading.numbers:
        return Verdict(tuple(dict.fromkeys(named)), Reason.NUMBER_NOT_IN_EVIDENCE)
    for loose in reading.loose:
        beside = [fact for number, fact in matched.items() if reading.claims[number].segment == loose.segment]
        if not any(loose.word in fact.others for fact in beside):
            return Verdict(tuple(dict.fromkeys(named)), Reason.NOT_ACCOUNTED_FOR)
    if not matched:
        return Verdict((), Reason.NO_EVIDENCE)
    said = {loose.word for loose in reading.loose}
    if complete and any(not fact.others <= said for fact in matched.values()):
        return Verdict(tuple(dict.fromkeys(named)), Reason.SAYS_LESS)
    return Verdict(tuple(dict.fromkeys(fact.support for fact in matched.values())))


def check_against_text(reading: Reading, facts: Facts) -> Verdict:
    """Whether a sentence holds against the text that it summarises."""
    support: list[int] = []
    words = default_words()
    rests: dict[int, list[Passage]] = {}
    nothing = [n for n, segment in enumerate(reading.segments) if _denies_all(segment, reading, n)]
    for claim in reading.claims:
        compared = [(_compare(claim, fact, False), fact) for fact in facts.facts]
        holding = [fact.support for reason, fact in compared if reason is None]
        if not holding:
            worst = max((reason for reason, _ in compared if reason is not None), default=_unknown(claim))
            return Verdict((), worst)
        own = [facts.passages[place] for place in holding]
        segment = claim.segment
        rests[segment] = [p for p in rests[segment] if p in own] or own[:1] if segment in rests else own
        support.append(rests[segment][0].support)
    for segment in nothing:
        verdict = _nothing_is_found(reading.segments[segment], facts)
        if not verdict.holds:
            return verdict
        support += verdict.support
    loose = [one for one in reading.loose if one.segment not in nothing]
    for segment in sorted({one.segment for one in loose}):
        own_loose = [one for one in loose if one.segment == segment]
        passages = rests.get(segment) or facts.passages
        found = next((p for p in passages if _has_all(own_loose, p, words)), None)
        if found is None:
            return Verdict((), Reason.NOT_ACCOUNTED_FOR)
        support.append(found.support)
    for number in reading.numbers:
        found = next(
            (p for p in facts.passages if number in p.reading.content and p.support in support), None
        )
        if found is None:
            return Verdict((), Reason.NUMBER_NOT_IN_EVIDENCE)
    if not support:
        return Verdict((), Reason.NO_EVIDENCE)
    return Verdict(tuple(dict.fromkeys(support)))


_OTHER_NAME = frozenset({Reason.FINDING_NOT_IN_EVIDENCE, Reason.DRUG_NOT_IN_EVIDENCE})


def _unknown(claim: Claim) -> Reason:
    return Reason.DRUG_NOT_IN_EVIDENCE if claim.is_drug else Reason.FINDING_NOT_IN_EVIDENCE


def _compare(claim: Claim, fact: Fact, complete: bool) -> Reason | None:
    """Where the claim differs from the fact; None: it holds."""
    known = fact.claim
    same_code = bool(claim.codes & known.codes)
    if not same_code and not _same_words(claim, known):
        return _unknown(claim)
    if claim.assertion is not known.assertion:
        differs_in_certainty = {claim.assertion, known.assertion} <= _UNSURE and Assertion.POSSIBLE in {
            claim.assertion,
            known.assertion,
        }
        return Reason.CERTAINTY_DIFFERS if differs_in_certainty else Reason.CONTRADICTS_EVIDENCE
    if claim.side and claim.side not in {known.side, known.linked.side if known.linked else known.side}:
        return Reason.SIDE_DIFFERS
    said, allowed = claim.places, known.places | known.name_places | _implied(known) | _linked_places(known)
    if not same_code:
        said |= claim.name_places
    if not said <= allowed:
        return Reason.REGION_DIFFERS
    if not claim.degrees <= known.degrees:
        return Reason.SEVERITY_DIFFERS
    if not claim.numbers <= known.numbers:
        return Reason.NUMBER_NOT_IN_EVIDENCE
    modifiers = claim.modifiers | (frozenset() if same_code else claim.name_modifiers)
    if not modifiers <= known.modifiers | known.name_modifiers | fact.others:
        return Reason.NOT_ACCOUNTED_FOR
    is_wider = not known.words <= claim.words or not known.name_places <= said | _implied(claim)
    if known.assertion is Assertion.ABSENT and not same_code and is_wider:  # to deny more is to say more
        return Reason.CONTRADICTS_EVIDENCE
    if complete and _says_less(claim, known, same_code):
        return Reason.SAYS_LESS
    return None


def _same_words(claim: Claim, known: Claim) -> bool:
    """Whether the names are the same, or the claim's is the wider one ("pneumonia" of "viral pneumonia")."""
    return claim.is_drug == known.is_drug and bool(claim.words) and claim.words <= known.words


def _says_less(claim: Claim, known: Claim, same_code: bool) -> bool:
    return (
        bool(known.side and not claim.side and not (claim.linked and claim.linked.side == known.side))
        or bool(known.places and not (claim.places | _linked_places(claim)) & known.places)
        or claim.degrees != known.degrees
        or claim.numbers != known.numbers
        or not known.modifiers <= claim.modifiers
        or not (same_code or known.words == claim.words)
        or not (same_code or known.name_modifiers <= claim.name_modifiers | claim.modifiers)
    )


def _linked_places(claim: Claim) -> frozenset[str]:
    return claim.linked.places | claim.linked.name_places if claim.linked else frozenset()


def _implied(claim: Claim) -> frozenset[str]:
    """The places that go without saying."""
    places = default_words().implied_places
    return frozenset(places[word] for word in claim.words if word in places)


def _as_phrase(reading: Reading, facts: Facts) -> Verdict:
    frame = default_words().frame_of_orders
    content = [word for word in reading.content if word not in frame]
    for phrase in facts.phrases:
        if content == [word for word in phrase.content if word not in frame] and content:
            return Verdict((phrase.support,))
    return Verdict((), Reason.NOT_ACCOUNTED_FOR if content else Reason.NO_EVIDENCE)


def _as_normal_study(reading: Reading, facts: Facts) -> Verdict | None:
    """Of a sentence that says nothing but that a study is normal: whether one is; None of any other."""
    normality = default_words().normality
    content = set(reading.content)
    if not content or reading.claims:
        return None
    of_parts = (
        content <= normality.chest_parts | normality.parts_adjectives
        and not content.isdisjoint(normality.parts_adjectives)
        and not content <= normality.parts_adjectives
    )
    of_all = _denies_all(reading.content, reading, None)
    if not of_parts and not of_all:
        return None
    if facts.something_is_found:
        return Verdict((), Reason.CONTRADICTS_EVIDENCE)
    for place, study in facts.normal_studies:
        named = content & _STUDIES
        if (of_all and named <= study) or (of_parts and study & _NORMAL_PARTS):
            return Verdict((place,))
    return Verdict((), Reason.NO_EVIDENCE)


def _denies_all(segment: Sequence[str], reading: Reading, number: int | None) -> bool:
    """Whether a segment says that there is nothing abnormal ("no acute abnormality", "normal chest")."""
    normality = default_words().normality
    content = set(segment)
    known = normality.beside | normality.nouns | normality.adjectives | normality.urgent | normality.denials
    if not content or not content <= known:
        return False
    if any(number is None or claim.segment == number for claim in reading.claims):
        return False
    denied = not content.isdisjoint(normality.denials)
    if content & (normality.nouns | normality.urgent):
        return denied and content.isdisjoint(normality.adjectives)
    return not denied and not content.isdisjoint(normality.adjectives) and not content <= normality.adjectives


def _nothing_is_found(segment: Sequence[str], facts: Facts) -> Verdict:
    """Whether the text has nothing that forbids to say so: nothing present or possible, but for what is old
    or harmless where the statement is of what is acute.
    """
    normality = default_words().normality
    leaves_open = bool(set(segment) & normality.urgent)
    support = []
    for passage in facts.passages:
        reading = passage.reading
        found = [claim for claim in reading.claims if claim.assertion in _FOUND and not claim.is_drug]
        if found and not (leaves_open and _is_harmless(found, normality)):
            return Verdict((), Reason.CONTRADICTS_EVIDENCE)
        is_normal = bool(set(reading.content) & (normality.adjectives | normality.parts_adjectives))
        said = [*(one.assertion for one in reading.claims), *(one.assertion for one in reading.loose)]
        denies = Assertion.ABSENT in said
        if is_normal or denies:
            support.append(passage.support)
        elif not reading.claims and not _is_technical(reading, normality):
            return Verdict((), Reason.NOT_ACCOUNTED_FOR)
    return Verdict(tuple(support)) if support else Verdict((), Reason.NO_EVIDENCE)


def _is_harmless(found: Sequence[Claim], normality: Normality) -> bool:
    """Whether what a sentence finds is old or harmless, or explained by what is."""
    others = [claim for claim in found if not is_chronic(claim, normality)]
    return len(others) < len(found) and all(claim.words <= normality.explained for claim in others)


def is_chronic(claim: Claim, normality: Normality) -> bool:
    """Whether a finding is old or harmless beside what is acute."""
    own = claim.words | claim.name_modifiers | claim.modifiers | claim.name_places
    is_large_heart = "heart" in own and "enlargement" in own
    return bool(own & normality.chronic) or is_large_heart


def _is_technical(reading: Reading, normality: Normality) -> bool:
    """Whether a sentence without a claim speaks of how the study was made, or of devices: most words do."""
    loose = [one.word for one in reading.loose]
    harmless = normality.technique | normality.chronic | normality.chest_parts
    known = sum(word in harmless for word in loose)
    return 2 * known >= len(loose)


def _has_all(loose: Iterable[Loose], passage: Passage, words: Words) -> bool:
    """Whether the passage has the words, and says the same of each."""
    reading = passage.reading
    said = {(one.word, one.assertion) for one in reading.loose}
    content = set(reading.content)
    wanted = list(loose)
    for one in wanted:
        of_no_assertion = one.assertion is None or words.of(one.word)[0] is not Kind.CONTENT
        if (one.word, one.assertion) not in said and not (of_no_assertion and one.word in content):
            return False
    sides = {"left", "right", "bilateral"}
    if len(content & sides) > 1 and any(one.word in sides for one in wanted):
        return any({one.word for one in wanted} <= set(segment) for segment in reading.segments)
    return True
