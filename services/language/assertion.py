"""Says of each entity of a note whether it is present, absent, possible, historical or a relative's.

A rule set in the tradition of NegEx (Chapman et al., J Biomed Inform 2001;34:301-310) and ConText (Harkema
et al., J Biomed Inform 2009;42:839-851): trigger phrases with a direction and a scope, phrases that end a
scope, and pseudo-triggers. The phrases are data (`assertion_triggers.tsv`, `section_headers.tsv`, both in
`terminology/`); this file is how they act. `docs/adr/0005-assertion-rules.md` says why rules, not a library.

How a sentence is read:

1. *Forward* triggers speak for every entity after them, up to a terminating phrase, their own reach, or a new
   clause: a trigger of another kind after a comma or "and" (but not within an "or" list) ends them.
2. *Backward* triggers speak for the list of entities that ends just before them ("fever, chills and cough are
   denied"). Where the last of them stands in a clause of its own, the forward triggers before that clause no
   longer reach it ("no effusion, pneumonia is possible").
3. Of all that speak for one entity the first row of this table wins:

   ============  =====================================================================================
   family        it is not the patient's, whatever else is said of it ("no family history of stroke")
   refuted       an exclusion that is itself refused ("cannot be excluded"): possible
   absent        "no history of", "no evidence to suggest": negation governs the weaker words after it
   possible      "possible old infarct": doubt reaches further than time
   historical    said of the past only
   present       said plainly
   ============  =====================================================================================

4. Where nothing speaks, the section decides ("PMH: asthma" is historical); otherwise the entity is present.
   What stands under a family header is a relative's, whatever else is said.

The time is linear in the length of the note: each word is matched against phrases of bounded length, and a
backward trigger looks at a bounded number of entities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.language.assertion_lexicon import (
    Lexicon,
    Rule,
    Token,
    default_lexicon,
    section_defaults,
    tokenize,
)
from services.language.entities import Assertion, Span, Trigger
from services.language.sentences import split_sentences

_PRECEDENCE = ("family", "refuted", "absent", "possible", "historical", "present")
_ASSERTION = {
    "family": Assertion.FAMILY,
    "refuted": Assertion.POSSIBLE,
    "absent": Assertion.ABSENT,
    "possible": Assertion.POSSIBLE,
    "historical": Assertion.HISTORICAL,
    "present": Assertion.PRESENT,
}
_BACKWARD_REACH = 8  # words between an entity and the phrase after it that speaks for it
_LIST_GAP = 5  # words between two entities of one list ("cough, productive of green sputum, and fever")
_LIST_LIMIT = 12  # entities that one backward trigger can speak for: keeps the time linear
_CLOSING = frozenset({".", ",", ";", ")"})
_CLAUSE_REACH = 24  # words that a forward trigger with the scope `clause` can reach
_HAPPENS = frozenset({"occurs", "occur", "develops", "develop", "persists", "worsens", "recurs"})
_OR_AHEAD = 8  # words in which "or" shows that a comma still belongs to the negated list
_JOINS = frozenset({",", "and", ";", "&", "."})
_ALTERNATIVES = frozenset({"or", "nor"})
_CONJUNCTIONS = _ALTERNATIVES | {"and", "&", "/", "versus", "vs"}
_HEADER_WORDS = 6


@dataclass(frozen=True, slots=True)
class AssertionResult:
    """The assertion of one entity and the words that made it.

    `triggers` holds every phrase that speaks for the entity, the one that decided first; it is empty when
    nothing but the default (present) did.
    """

    assertion: Assertion
    triggers: tuple[Trigger, ...]


@dataclass(frozen=True, slots=True)
class _Event:
    """A matched phrase: words `first` to `last` (exclusive) of its sentence, and its rules."""

    first: int
    last: int
    rules: tuple[Rule, ...]


@dataclass(slots=True)
class _Mention:
    """An entity in its sentence: its words, its index in the caller's list, and what speaks for it."""

    first: int
    last: int
    index: int
    spoken: dict[str, _Event]


_Item = _Event | _Mention


def assert_entities(
    text: str, entities: Sequence[Span], lexicon: Lexicon | None = None
) -> list[AssertionResult]:
    """One result an entity, in the order of `entities` (spans in code points of `text`)."""
    lexicon = lexicon or default_lexicon()
    ordered = sorted(range(len(entities)), key=lambda i: (entities[i].start, entities[i].end))
    results = [AssertionResult(Assertion.PRESENT, ()) for _ in entities]
    section: Trigger | None = None
    cursor = 0
    for start, end in split_sentences(text, [entities[i] for i in ordered]):
        body, section = _section(text, start, end, section, lexicon)
        inside = []
        while cursor < len(ordered) and entities[ordered[cursor]].start < end:
            inside.append(ordered[cursor])
            cursor += 1
        if not inside:
            continue
        tokens = tokenize(text, body, end)
        items = _items(tokens, [(i, entities[i]) for i in inside], lexicon)
        _speak_forward(tokens, items)
        _speak_backward(tokens, items, lexicon)
        for item in items:
            if isinstance(item, _Mention):
                results[item.index] = _decide(item, tokens, section)
    return results


def _section(
    text: str, start: int, end: int, current: Trigger | None, lexicon: Lexicon
) -> tuple[int, Trigger | None]:
    """Where the sentence begins after its header, if it has one, and the section default that now holds."""
    if not text[start:end].strip():
        return start, current
    tokens = tokenize(text, start, min(end, start + 120))[: _HEADER_WORDS + 1]
    colon = next((i for i, token in enumerate(tokens) if token.text == ":"), None)
    if not colon or not tokens[0].text[0].isalpha():
        return start, current
    words = [token.text for token in tokens[:colon]]
    default = section_defaults().get(" ".join(words))
    if default is None:
        if any(lexicon.is_a(word, "relative") for word in words):
            return start, current  # "Mother: diabetes" is a line of the section, not a new one
        capital = text[tokens[0].start].isupper()
        is_header = capital and colon <= 4 and not any(lexicon.is_a(word, "verb") for word in words)
        return start, None if is_header else current
    body = tokens[colon].end
    if default == "none":
        return body, None
    return body, Trigger(tokens[0].start, tokens[colon - 1].end, Assertion(default))


def _items(tokens: Sequence[Token], entities: Sequence[tuple[int, Span]], lexicon: Lexicon) -> list[_Item]:
    """The entities and matched phrases of a sentence, in order; nothing overlaps."""
    items: list[_Item] = []
    pending = [_Mention(*_words(tokens, span), index, {}) for index, span in entities]
    pending.sort(key=lambda mention: mention.first)
    at = 0
    for mention in [*pending, None]:
        stop = mention.first if mention else len(tokens)
        while at < stop:
            after, rules = lexicon.longest_match(tokens, at, stop)
            if rules and all(rule.category != "pseudo" for rule in rules):
                items.append(_Event(at, after, tuple(rules)))
            at = max(after, at + 1)
        if mention:
            items.append(mention)
            at = max(at, mention.last)
    return items


def _words(tokens: Sequence[Token], span: Span) -> tuple[int, int]:
    """First word and word after the last of a span; binary search, since a sentence may be long."""
    low, high = 0, len(tokens)
    while low < high:
        middle = (low + high) // 2
        if tokens[middle].end <= span.start:
            low = middle + 1
        else:
            high = middle
    last = low
    while last < len(tokens) and tokens[last].start < span.end:
        last += 1
    return low, max(last, low + 1)


def _side(event: _Event, items: Sequence[_Item], position: int, tokens: Sequence[Token]) -> str:
    """For phrases that may stand on either side: backward right after an entity or at the end of a clause.

    With the scope `clause`, an entity anywhere before it suffices ("pneumonia treated at home in 2015").
    """
    if {rule.direction for rule in event.rules} != {"forward", "backward"}:
        return "both"
    previous = items[position - 1] if position else None
    if any(rule.clause and rule.direction == "backward" for rule in event.rules):
        if isinstance(previous, _Event) and position > 1 and _same_kind(previous, event):
            previous = items[position - 2]
        return "backward" if isinstance(previous, _Mention) else "forward"
    if not isinstance(previous, _Mention):
        return "forward"
    between = {token.text for token in tokens[previous.last : min(event.first, previous.last + _LIST_GAP)]}
    closing = event.last == len(tokens) or tokens[event.last].text in _CLOSING
    return "backward" if closing or between <= {",", "(", "-", ":"} else "forward"


def _same_kind(one: _Event, other: _Event) -> bool:
    return {rule.category for rule in one.rules} == {rule.category for rule in other.rules}


def _speak_forward(tokens: Sequence[Token], items: Sequence[_Item]) -> None:
    active: dict[str, tuple[_Event, Rule]] = {}
    edge = 0  # the word after the last item
    for position, item in enumerate(items):
        if isinstance(item, _Mention):
            for category, (event, rule) in list(active.items()):
                if _expired(tokens, event, rule, item):
                    del active[category]
                else:
                    item.spoken[category] = event
        else:
            side = _side(item, items, position, tokens)
            for rule in item.rules:
                if rule.category == "terminate":
                    for category in rule.ends or set(active):
                        active.pop(category, None)
                elif rule.direction == "both" or (rule.direction == "forward" and side != "backward"):
                    _end_other_clause(tokens, edge, item, rule, active)
                    active[rule.category] = (item, rule)
        edge = item.last


def _end_other_clause(
    tokens: Sequence[Token], edge: int, event: _Event, rule: Rule, active: dict[str, tuple[_Event, Rule]]
) -> None:
    """Ends what other kinds of trigger said, when this trigger opens a clause of its own."""
    gap = {token.text for token in tokens[max(edge, event.first - _LIST_GAP) : event.first]}
    if not gap & _JOINS or gap & _ALTERNATIVES:
        return
    ahead = {token.text for token in tokens[event.last : event.last + _OR_AHEAD]}
    if (
        rule.category == "historical" and ahead & _ALTERNATIVES
    ):  # "denies chest pain, prior stroke, or seizures"
        return
    for category in list(active):
        if category not in {rule.category, "family"}:
            del active[category]


def _expired(tokens: Sequence[Token], event: _Event, rule: Rule, mention: _Mention) -> bool:
    if rule.reach is not None:
        return mention.first - event.last > rule.reach
    if rule.clause:
        if mention.first - event.last > _CLAUSE_REACH:
            return True
        words = [token.text for token in tokens[event.last : mention.first]]
        return "," in words and not _HAPPENS.isdisjoint(words)  # "if rash occurs, stop ..."
    return False


def _speak_backward(tokens: Sequence[Token], items: Sequence[_Item], lexicon: Lexicon) -> None:
    for position, item in enumerate(items):
        if isinstance(item, _Event) and _side(item, items, position, tokens) != "forward":
            for rule in item.rules:
                if rule.direction != "forward":
                    _speak_for_list(tokens, items, position, item, rule, lexicon)


def _speak_for_list(
    tokens: Sequence[Token],
    items: Sequence[_Item],
    position: int,
    event: _Event,
    rule: Rule,
    lexicon: Lexicon,
) -> None:
    """Lets a backward trigger speak for the entities before it, nearest first."""
    reach = rule.reach or (3 if rule.direction == "both" else _BACKWARD_REACH)
    right = event.first
    if position and isinstance(before := items[position - 1], _Event) and _lets_pass(before, event, rule):
        position -= 1
    for step in range(1, _LIST_LIMIT + 1):
        item = items[position - step] if step <= position else None
        if not isinstance(item, _Mention):
            return
        gap = [token.text for token in tokens[item.last : right]]
        if step == 1:
            if len(gap) > reach or ";" in gap:
                return
            _free_own_clause(tokens, items, position - 1, item)
        elif (
            len(gap) > (_BACKWARD_REACH if rule.clause else _LIST_GAP)
            or _breaks_list(gap, step, lexicon)
            or set(item.spoken) - {rule.category, "present", "family"}
        ):
            return
        item.spoken[rule.category] = event
        right = item.first


def _lets_pass(before: _Event, event: _Event, rule: Rule) -> bool:
    """Two phrases that say one thing ("remains on the differential", "s/p lumpectomy in 2014")."""
    return {said.category for said in before.rules} == {"present"} or (
        rule.clause and _same_kind(before, event)
    )


def _free_own_clause(tokens: Sequence[Token], items: Sequence[_Item], at: int, mention: _Mention) -> None:
    """Ends forward triggers before an entity with its own verb ("no effusion, pneumonia is possible")."""
    previous = items[at - 1] if at else None
    if not isinstance(previous, _Mention):
        return
    gap = {token.text for token in tokens[previous.last : mention.first]}
    if gap & _JOINS and not gap & _ALTERNATIVES:
        mention.spoken = {kind: said for kind, said in mention.spoken.items() if kind == "family"}


def _breaks_list(gap: Sequence[str], step: int, lexicon: Lexicon) -> bool:
    if step == 2 and "," in gap and _CONJUNCTIONS.isdisjoint(gap):  # "atelectasis, infection not excluded"
        return True
    return ";" in gap or any(lexicon.is_a(word, "verb") for word in gap)


def _decide(mention: _Mention, tokens: Sequence[Token], section: Trigger | None) -> AssertionResult:
    said = [kind for kind in _PRECEDENCE if kind in mention.spoken]
    triggers = [
        Trigger(
            tokens[mention.spoken[kind].first].start,
            tokens[mention.spoken[kind].last - 1].end,
            _ASSERTION[kind],
        )
        for kind in said
    ]
    if section and (not said or section.kind is Assertion.FAMILY):
        return AssertionResult(section.kind, (section, *triggers))
    if not said:
        return AssertionResult(Assertion.PRESENT, ())
    return AssertionResult(_ASSERTION[said[0]], tuple(triggers))
