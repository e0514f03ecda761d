"""De-identifies texts: the rules, the lists and a model read side by side, and what any of them finds goes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from medmesh.common.v1.answer_pb2 import Provenance
from services.chassis.errors import InvalidInput, MedmeshError, Reason
from services.chassis.notices import Notice
from services.clinical.date_shift import MIN_KEY_BYTES
from services.language.decoding import decode
from services.language.deidentification.chinese import find_chinese
from services.language.deidentification.dates import find_dates
from services.language.deidentification.identifiers import Found, Kind, Origin, merged
from services.language.deidentification.lexicon import Lexicon, default_lexicon, folded
from services.language.deidentification.numbers import find_numbers
from services.language.deidentification.people import PeopleFinder
from services.language.deidentification.places import PlaceFinder
from services.language.deidentification.repeats import known_in, repeated
from services.language.deidentification.replacing import Options, Replaced, Style, replaced
from services.language.deidentification.tokens import tokens
from services.language.note_entities import Tagged
from services.language.tasks.token_classification import TokenClassifier
from services.language.texts import check_texts
from services.language.typography import plain

MOST_CHARACTERS = 200_000
"""Of all texts of a request together, in code points."""
_DONE_ALREADY = re.compile(r"\[(?:\*\*[^\]\n]{0,80}\*\*|[A-Z_]{2,20}-\d{1,6})\]")


@dataclass(frozen=True)
class Deidentification:
    """The texts of a request without what was found in them."""

    texts: tuple[Replaced, ...]
    notices: tuple[Notice, ...]
    provenance: Provenance | None
    """Of the model; None where the rules were alone."""


def is_deidentifier(model: TokenClassifier) -> bool:
    """Whether a token classifier's entities are kinds of identifier, by its card."""
    return bool(model.types) and model.types <= set(Kind)


class Deidentifier:
    """De-identifies; keeps nothing of a request."""

    def __init__(self, lexicon: Lexicon | None = None) -> None:
        self._given = lexicon

    @cached_property
    def _lexicon(self) -> Lexicon:
        """Read when a text is first de-identified: the lists take 13 MB."""
        return self._given or default_lexicon()

    @cached_property
    def _places(self) -> PlaceFinder:
        return PlaceFinder(self._lexicon)

    async def deidentify(
        self, texts: Sequence[str], options: Options, model: TokenClassifier | None
    ) -> Deidentification:
        """The texts of one patient without what the rules and `model` find in them.

        Raises InvalidInput naming the field. A model that does not answer costs what only it would have found, and
        a notice says so.
        """
        check_texts(texts, "texts")
        check_options(texts, options)
        tagged, provenance = await self._tagged(texts, model)
        results = await asyncio.to_thread(self.replaced, texts, options, tagged)
        notices = () if provenance else (_RULES_ALONE,)
        return Deidentification(tuple(results), notices, provenance)

    def replaced(
        self, texts: Sequence[str], options: Options, tagged: Sequence[Tagged] | None = None
    ) -> list[Replaced]:
        """As `deidentify`, of what a model has said already; pure, and linear in the texts' length."""
        return replaced(texts, self.find(texts, options, tagged), options, self._lexicon)

    def find(
        self, texts: Sequence[str], options: Options, tagged: Sequence[Tagged] | None = None
    ) -> list[list[Found]]:
        """The identifiers of each text, in order, not overlapping."""
        own = []
        for at, text in enumerate(texts):
            readable = plain(text)
            found = [*self._by_rules(readable), *known_in(readable, options.known)]
            if tagged:
                found += (item for item in by_model(tagged[at]) if not self._is_nobodys(readable, item))
            own.append(_trimmed(text, merged(found)))
        again = repeated(texts, own, self._lexicon)
        return [
            _without_done(text, _trimmed(text, merged([*first, *second])))
            for text, first, second in zip(texts, own, again, strict=True)
        ]

    def _is_nobodys(self, text: str, found: Found) -> bool:
        """Whether a name is one word that the lists know as a drug, a thing or a test, and as nobody's name."""
        word = folded(text[found.start : found.end])
        return (
            found.kind is Kind.NAME
            and word.isalpha()
            and self._lexicon.is_taken(word)
            and not self._lexicon.is_name(word)
        )

    def _by_rules(self, text: str) -> Iterable[Found]:
        yield from find_numbers(text)
        yield from find_dates(text)
        yield from find_chinese(text)
        yield from self._places.find(text)
        yield from PeopleFinder(tokens(text), self._lexicon).find()

    async def _tagged(
        self, texts: Sequence[str], model: TokenClassifier | None
    ) -> tuple[list[Tagged] | None, Provenance | None]:
        if model is None:
            return None, None
        try:
            answers = await asyncio.gather(*(model.tag(plain(text)) for text in texts))
        except MedmeshError:
            return None, None
        return [answer.tagged for answer in answers], answers[-1].provenance


def check_options(texts: Sequence[str], options: Options) -> None:
    """Raises InvalidInput where texts are too long together, or surrogates lack a key of some length."""
    if sum(map(len, texts)) > MOST_CHARACTERS:
        raise InvalidInput(Reason.INPUT_TOO_LARGE, "texts", f"more than {MOST_CHARACTERS} characters in all")
    if options.key and len(options.key) < MIN_KEY_BYTES:
        raise InvalidInput(Reason.INPUT_OUT_OF_RANGE, "key", f"shorter than {MIN_KEY_BYTES} bytes")
    if options.style is Style.SURROGATE and not options.key:
        raise InvalidInput(
            Reason.INPUT_MISSING, "key", "surrogates need one, and the service has none of its own"
        )


def by_model(tagged: Tagged) -> list[Found]:
    """What a model says of a text's words."""
    if not tagged.words:
        return []
    return [
        Found(
            tagged.words[span.first].start,
            tagged.words[span.last - 1].end,
            Kind(span.label),
            span.probability,
            Origin.MODEL,
        )
        for span in decode(tagged.log_probabilities, tagged.columns)
        if span.probability >= tagged.least_probability
    ]


def _trimmed(text: str, found: Sequence[Found]) -> list[Found]:
    """Without blanks and marks at the ends that are no part of an identifier."""
    result = []
    for item in found:
        start, end = item.start, item.end
        while start < end and text[start] in " \t\n\r,;:":
            start += 1
        while end > start and text[end - 1] in " \t\n\r,;:":
            end -= 1
        if text[start:end].endswith(("'s", "’s")) and item.kind in {Kind.NAME, Kind.LOCATION}:
            end -= 2
        if start < end:
            result.append(Found(start, end, item.kind, item.confidence, item.origin))
    return result


def _without_done(text: str, found: Sequence[Found]) -> list[Found]:
    """Without what lies in a placeholder that is there already."""
    done = [match.span() for match in _DONE_ALREADY.finditer(text)]
    if not done:
        return list(found)
    return [item for item in found if not any(start < item.end and item.start < end for start, end in done)]


_RULES_ALONE = Notice(
    "DEIDENTIFIED_BY_RULES_ALONE",
    "No model that finds identifiers read the texts: what only it would have found is left in them.",
    review_required=True,
)
