"""Terms of images found in a note's words although words of degree, place and time stand in between.

A report says "the heart is again noted to be mildly enlarged" and means the term "heart enlarged". The terms
(`radiology.tsv`) and the words that may stand between theirs (kind `filler` of `term_words.tsv`) are data. No
word of negation is a filler: "the heart is not enlarged" names nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from services.language.decoding import WordSpan
from services.language.entities import EntityType
from services.language.vocabulary import normalize, read_images, term_words

MOST_FILLERS = 7
"""Between two words of a term; keeps the work linear in the note."""

Reading = tuple[str, ...]
"""A word as the terminology compares it; empty for a mark."""

_OF_WHAT = frozenset({"of", "in", "within", "at", "along"})
_HYPHEN: Reading = ("-",)


class _Node(dict[str, "_Node"]):
    """What may follow the words that led here, and the term that they are, if they are one."""

    term: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """A finding as the words `[first, last)`, and the term that it is, as the terminology writes it.

    Of "fracture of the left clavicle" the finding is "fracture", and the term says of what.
    """

    first: int
    last: int
    term: str
    reach: int
    """One past the last word of the term."""


class Phrases:
    """The terms of images; immutable, safe to share between threads."""

    def __init__(self) -> None:
        self._root = _Node()
        self._fillers = frozenset(term_words("filler"))
        terms = [term for term, _ in read_images()]
        self._written = {term.lower() for term in terms}
        for term in [*terms, *term_words("no_entity")]:
            node = self._root
            for word in normalize(term):
                if word not in term_words("empty"):
                    node = node.setdefault(word, _Node())
            node.term = node.term or term
        self._nothing = term_words("no_entity").keys()

    def find(self, words: Sequence[str], breaks: Sequence[int] = ()) -> Iterator[Finding]:
        """Every finding, the longest from the left, none overlapping."""
        known = {word: _HYPHEN if word == "-" else normalize(word) for word in set(words)}
        readings = [known[word] for word in words]
        stops = deque([*sorted(breaks), len(words)])
        at = 0
        while at < len(words):
            while stops[0] <= at:
                stops.popleft()
            inner = at > 0 and readings[at - 1] is _HYPHEN and at - 1 not in breaks
            found = None if inner else self._longest(words, readings, at, stops[0])
            if found is not None and found.term not in self._nothing and not _undone(words, found.reach):
                yield found
            at = found.reach if found is not None else at + 1

    def _longest(
        self, words: Sequence[str], readings: Sequence[Reading], first: int, stop: int
    ) -> Finding | None:
        """The longest term from the word `first` on that ends before the word `stop`."""
        node, found, fillers = self._root, None, 0
        head: int | None = None  # where what is found ends, once words of place have begun
        written: list[str] = []
        for at in range(first, stop):
            reading = readings[at]
            if reading is _HYPHEN and at > first:
                continue
            after: _Node | None = node if reading else None
            for part in reading:
                after = after.get(part) if after is not None else None
            if after is not None:
                node, fillers = after, 0
                written.append(words[at].lower())
                if node.term is not None:
                    # "lung nodules" are another concept than "lung nodule".
                    plain = " ".join(written)
                    term = plain if plain in self._written else node.term
                    found = Finding(first, head or at + 1, term, at + 1)
            elif at > first and fillers < MOST_FILLERS and self._is_filler(reading):
                fillers += 1
                if head is None and found is not None and words[at].lower() in _OF_WHAT:
                    head = found.last
            else:
                break
        return found

    def _is_filler(self, reading: Reading) -> bool:
        return bool(reading) and all(part in self._fillers for part in reading)


def with_findings(
    words: Sequence[str],
    spans: Sequence[WordSpan],
    phrases: Phrases,
    confidence: float,
    breaks: Sequence[int] = (),
) -> list[WordSpan]:
    """The tagger's entities with what images show, in order; `words` as written.

    A finding takes in the entities that it overlaps and leaves alone one that holds it ("thyroid nodule").
    What it decides gets `confidence`. None reaches over the start of a word in `breaks`.
    """
    pending = deque(spans)
    result: list[WordSpan] = []
    for finding in phrases.find(words, breaks):
        while pending and pending[0].last <= finding.first:
            result.append(pending.popleft())
        overlapped: list[WordSpan] = []
        while pending and pending[0].first < finding.last:
            overlapped.append(pending.popleft())
        if not any(_holds(span, finding) for span in overlapped):
            begin = min([finding.first, *(span.first for span in overlapped)])
            end = max([finding.last, *(span.last for span in overlapped)])
            overlapped = [WordSpan(begin, end, EntityType.DISEASE.value, confidence, True, finding.term)]
        pending.extendleft(reversed(overlapped))
    return [*result, *pending]


def _undone(words: Sequence[str], last: int) -> bool:
    """Whether what follows makes it another thing: "pneumothorax-free"."""
    return tuple(words[last : last + 2]) in {("-", "free"), ("-", "like")}


def _holds(span: WordSpan, finding: Finding) -> bool:
    """Whether the entity is longer than the finding on either side, or is the finding already."""
    holds = span.first <= finding.first and finding.last <= span.last
    longer = span.last - span.first > finding.last - finding.first
    return holds and (longer or span.label == EntityType.DISEASE.value)
