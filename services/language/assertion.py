"""Says of each entity of a note what the note asserts of it: present, absent, possible, historical, ...

A rule set in the tradition of NegEx (Chapman et al., J Biomed Inform 2001;34:301-310) and ConText (Harkema
et al., J Biomed Inform 2009;42:839-851): trigger phrases with a direction and a scope, phrases that end a
scope, and pseudo-triggers. The phrases are data (`assertion_triggers.tsv`, `section_headers.tsv`, both in
`terminology/`); this file and `assertion_scope.py` are how they act. `docs/reading-notes.md` says what is
understood, `docs/adr/0005-assertion-rules.md` why rules, not a library.

How a note is read: `typography.py` writes its marks as the plain ones, `sections.py` cuts it at its headers,
`sentences.py` each section into sentences, list items and rows. No scope crosses any of these, but for a list
under its lead-in ("Negative for:" and bullets). How a sentence is read:

1. *Forward* triggers speak for every entity after them, up to a terminating phrase, their own reach, or a new
   clause: a trigger of another kind after a comma or "and" (but not within an "or" list) ends them.
2. *Backward* triggers speak for the list of entities that ends just before them ("fever, chills and cough are
   denied"). Where the last of them stands in a clause of its own, the forward triggers before that clause no
   longer reach it ("no effusion, pneumonia is possible").
3. Some speak only for chemicals, or only for diseases: who refuses a drug for a pain has the pain.
4. Of all that speak for one entity the first row of this table wins:

   ============  =====================================================================================
   family        it is not the patient's, whatever else is said of it ("no family history of stroke")
   refuted       an exclusion that is itself refused ("cannot be excluded"): possible
   absent        "no history of", "no evidence to suggest": negation governs the weaker words after it
   allergy       whether certain or of long ago
   hypothetical  "risk of possible infection": what may come
   possible      "possible old infarct": doubt reaches further than time
   historical    said of the past only
   present       said plainly
   ============  =====================================================================================

5. Where nothing speaks, the section decides ("PMH: asthma" is historical); otherwise the entity is present.
   What stands under a family header is a relative's, whatever else is said.

The time is linear in the length of the note: each word is matched against phrases of bounded length, and a
backward trigger looks at a bounded number of entities.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from services.language.assertion_lexicon import Lexicon, Token, default_lexicon, tokenize
from services.language.assertion_scope import Active, Event, Mention, find_items, speak
from services.language.entities import Assertion, EntityType, Span, Trigger
from services.language.sections import Section, split_sections
from services.language.sentences import ITEM, split_sentences
from services.language.typography import plain

_ASSERTION = {
    "family": Assertion.FAMILY,
    "refuted": Assertion.POSSIBLE,
    "absent": Assertion.ABSENT,
    "allergy": Assertion.ALLERGY,
    "hypothetical": Assertion.HYPOTHETICAL,
    "possible": Assertion.POSSIBLE,
    "historical": Assertion.HISTORICAL,
    "present": Assertion.PRESENT,
}
"""Category of a trigger to what it asserts, in the order of precedence."""

_ITEM_WORDS = 6  # of a list item without a bullet


@dataclass(frozen=True, slots=True)
class AssertionResult:
    """The assertion of one entity and the words that made it.

    `triggers` holds every phrase that applies to the entity, the one that decided first; it is empty when
    nothing but the default (present) did.
    """

    assertion: Assertion
    triggers: tuple[Trigger, ...]


def assert_entities(
    text: str, entities: Sequence[Span], lexicon: Lexicon | None = None
) -> list[AssertionResult]:
    """One result an entity, in the order of `entities` (spans in code points of `text`)."""
    lexicon = lexicon or default_lexicon()
    text = plain(text)
    order = sorted(range(len(entities)), key=lambda i: (entities[i].start, entities[i].end))
    ordered = [(i, entities[i]) for i in order]
    results = [AssertionResult(Assertion.PRESENT, ()) for _ in entities]
    carried: Active = {}
    cursor = 0
    for section, start, end in _sentences(text, [span for _, span in ordered], lexicon):
        inside = []
        while cursor < len(ordered) and ordered[cursor][1].start < end:
            index, span = ordered[cursor]
            if span.start < start:  # a header names it and states nothing
                results[index] = AssertionResult(Assertion.HYPOTHETICAL, ())
            else:
                inside.append((index, span))
            cursor += 1
        tokens = tokenize(text, start, end)
        if start == section.body or not _is_item(text, tokens, lexicon):
            carried = {}
        items = find_items(tokens, inside, lexicon)
        active = speak(tokens, items, lexicon, carried)
        for item in items:
            if isinstance(item, Mention):
                results[item.index] = _decide(item, section)
        carried = _leads_in(tokens, active) or carried
    for index, _ in ordered[cursor:]:  # in a header with nothing beneath
        results[index] = AssertionResult(Assertion.HYPOTHETICAL, ())
    return results


def _sentences(text: str, entities: Sequence[Span], lexicon: Lexicon) -> Iterator[tuple[Section, int, int]]:
    starts = [span.start for span in entities]
    for section in split_sections(text, entities, lexicon):
        inside = entities[bisect.bisect_left(starts, section.start) : bisect.bisect_left(starts, section.end)]
        for start, end in split_sentences(text, inside, section.body, section.end):
            yield section, start, end


def _is_item(text: str, tokens: Sequence[Token], lexicon: Lexicon) -> bool:
    """Whether a sentence may stand in a list: it has a bullet, or is a few words without a verb."""
    if not tokens or tokens[-1].text == ":":
        return False
    if ITEM.match(text, tokens[0].start):
        return True
    return len(tokens) <= _ITEM_WORDS and not any(lexicon.is_a(token.text, "verb") for token in tokens)


def _leads_in(tokens: Sequence[Token], active: Active) -> Active:
    """What a sentence says of the list beneath it: it, or its first line, ends with a colon or the phrase."""
    last = len(tokens)
    if not tokens:
        return {}
    open_end = tokens[-1].text == ":"
    unmarked = tokens[-1].text not in {".", "?", "!", ";"}
    return {
        category: (Event(0, 0, event.rules, event.start, event.end), rule)
        for category, (event, rule) in active.items()
        if rule.reach is None
        and (open_end or event.last == last or (unmarked and tokens[event.last].gap == "\n"))
    }


def _decide(mention: Mention, section: Section) -> AssertionResult:
    said = [kind for kind in _ASSERTION if kind in mention.spoken]
    triggers = [
        Trigger(mention.spoken[kind].start, mention.spoken[kind].end, _ASSERTION[kind]) for kind in said
    ]
    default = section.default(mention.kind)
    if default and _holds(default.kind, mention, said):
        return AssertionResult(default.kind, (default, *triggers))
    if not said:
        return AssertionResult(Assertion.PRESENT, ())
    return AssertionResult(_ASSERTION[said[0]], tuple(triggers))


def _holds(default: Assertion, mention: Mention, said: Sequence[str]) -> bool:
    """Whether a section's default stands against what words say of an entity in it."""
    if not said or default is Assertion.FAMILY:
        return True
    if said != ["present"]:
        return False
    timeless = all(rule.timeless for rule in mention.spoken["present"].rules)
    of_a_disease = default is Assertion.HISTORICAL and mention.kind is EntityType.DISEASE
    return timeless and (default is Assertion.ALLERGY or of_a_disease)
