"""The evidence in the form in which sentences are compared with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from services.language.entities import Assertion
from services.language.writing.evidence import (
    Disagreement,
    Finding,
    Indication,
    Item,
    Measurement,
    Medication,
    NormalStudy,
    Recommendation,
    Source,
    Status,
)
from services.language.writing.reading import Claim, Reading, SentenceReader

_ASSERTIONS = {
    Status.PRESENT: Assertion.PRESENT,
    Status.ABSENT: Assertion.ABSENT,
    Status.POSSIBLE: Assertion.POSSIBLE,
    Status.HISTORICAL: Assertion.HISTORICAL,
}


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that may be said, as a claim; `support` is the place of what it rests on."""

    support: int
    claim: Claim
    others: frozenset[str] = frozenset()
    """Further words that may stand beside it ("twice daily")."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words that may be said as they are, and only all of them: an indication, a recommendation."""

    support: int
    content: tuple[str, ...]
    is_order: bool


@dataclass(frozen=True, slots=True)
class Passage:
    """A sentence of a text that is summarised."""

    support: int
    reading: Reading


@dataclass(frozen=True, slots=True)
class Facts:
    """All that may be said."""

    facts: tuple[Fact, ...] = ()
    phrases: tuple[Phrase, ...] = ()
    passages: tuple[Passage, ...] = ()
    normal_studies: tuple[tuple[int, frozenset[str]], ...] = ()
    """Place, and the words of the study."""

    @property
    def something_is_found(self) -> bool:
        """Whether anything is present or possible."""
        return any(fact.claim.assertion in _FOUND and not fact.claim.is_drug for fact in self.facts)


_FOUND = frozenset({Assertion.PRESENT, Assertion.POSSIBLE})


def reader_of(items: Sequence[Item]) -> SentenceReader:
    """A reader that knows what the items name."""
    names = [item.name for item in items if isinstance(item, Finding | Measurement | Disagreement)]
    return SentenceReader(names, drugs=[item.name for item in items if isinstance(item, Medication)])


def facts_of(items: Sequence[Item], reader: SentenceReader) -> Facts:
    """What the items allow to be said."""
    facts, phrases, studies = [], [], []
    for place, item in enumerate(items):
        match item:
            case Finding():
                facts.append(_of_finding(place, item, reader))
            case Measurement():
                facts.append(_fact(place, item.name, f"{item.name} {item.value}", reader))
            case Medication():
                facts.append(_fact(place, item.name, f"{item.name} {item.dose}", reader))
            case NormalStudy():
                studies.append((place, frozenset(reader.read(item.name).content)))
            case Indication() | Recommendation():
                content = reader.read(item.text).content
                phrases.append(Phrase(place, content, isinstance(item, Recommendation)))
            case Disagreement():
                pass  # worded by the mesh alone
    return Facts(tuple(facts), tuple(phrases), normal_studies=tuple(studies))


def facts_of_text(passages: Iterable[Reading]) -> Facts:
    """What a text allows to be said of it; `passages` are its sentences as they are read in it."""
    found = tuple(Passage(place, reading) for place, reading in enumerate(passages))
    facts = [
        Fact(
            passage.support,
            claim,
            frozenset(loose.word for loose in passage.reading.loose if loose.segment == claim.segment),
        )
        for passage in found
        for claim in passage.reading.claims
    ]
    return Facts(tuple(facts), passages=found)


def settled(items: Sequence[Item]) -> list[Item]:
    """The items, in which each finding that another one contradicts is a disagreement in its place.

    Two findings contradict each other where one is present and the other absent, under one name and side.
    """
    status: dict[tuple[str, object], set[Status]] = {}
    for item in items:
        if isinstance(item, Finding):
            status.setdefault((item.name.lower(), item.side), set()).add(item.status)
    return [
        Disagreement(item.name, Source.UNKNOWN, Source.UNKNOWN, item.concepts)
        if isinstance(item, Finding)
        and {Status.PRESENT, Status.ABSENT} <= status[item.name.lower(), item.side]
        else item
        for item in items
    ]


def _of_finding(place: int, item: Finding, reader: SentenceReader) -> Fact:
    side = item.side.value if item.side else ""
    phrase = " ".join(filter(None, (item.severity, side, item.name, "in", item.region, item.extent)))
    fact = _fact(place, item.name, phrase, reader, _ASSERTIONS[item.status])
    codes = fact.claim.codes | {concept.code for concept in item.concepts}
    return replace(fact, claim=replace(fact.claim, codes=codes))


def _fact(
    place: int, name: str, phrase: str, reader: SentenceReader, assertion: Assertion = Assertion.PRESENT
) -> Fact:
    """The fact that `phrase` states of `name`, in which the name is known to the reader."""
    reading = reader.read(phrase)
    claim = next((one for one in reading.claims if _covers(reader, one, name)), None)
    if claim is None:  # the name itself is no name: marks alone
        claim = Claim(frozenset({name.lower()}), frozenset(), assertion, 0, len(name))
    others = frozenset(loose.word for loose in reading.loose)
    return Fact(place, replace(claim, assertion=assertion), others)


def _covers(reader: SentenceReader, claim: Claim, name: str) -> bool:
    own = reader.read(name).claims
    return any(one.words == claim.words and one.name_places == claim.name_places for one in own)
