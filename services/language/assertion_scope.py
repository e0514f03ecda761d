"""Lets the phrases of one sentence apply to its entities: which phrase reaches which entity.

`assertion.py` says what the rules are for; this file is how a phrase reaches forward, to the entities after
it, and backward, to the list of entities that ends before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from services.language.assertion_lexicon import Lexicon, Rule, Token
from services.language.entities import EntityType, Span

_BACKWARD_REACH = 8  # words between an entity and the phrase after it that applies to it
_LIST_GAP = 5  # words between two entities of one list ("cough, productive of green sputum, and fever")
_LIST_LIMIT = 12  # entities that one backward trigger can apply to: keeps the time linear
_CLOSING = frozenset({".", ",", ";", ")"})
_CLAUSE_REACH = 24  # words that a forward trigger with the scope `clause` can reach
_HAPPENS = frozenset({"occurs", "occur", "develops", "develop", "persists", "worsens", "recurs"})
_OR_AHEAD = 8  # words in which "or" shows that a comma still belongs to the negated list
_JOINS = frozenset({",", "and", ";", "&", "."})
_ALTERNATIVES = frozenset({"or", "nor"})
_CHOICES = _ALTERNATIVES | {"versus", "vs"}
_CONJUNCTIONS = _ALTERNATIVES | {"and", "&", "/", "versus", "vs"}
_BOXES = frozenset({"[x]", "[ ]"})
_MARKS = _BOXES | {"\u2295", "\u2296"}  # each applies to its own item and ends what was said before


@dataclass(frozen=True, slots=True)
class Event:
    """A matched phrase: words `first` to `last` (exclusive) of its sentence, rules, place in the text."""

    first: int
    last: int
    rules: tuple[Rule, ...]
    start: int
    end: int


@dataclass(slots=True)
class Mention:
    """An entity in its sentence: its words, its index in the caller's list, and what applies to it."""

    first: int
    last: int
    index: int
    kind: str
    spoken: dict[str, Event] = field(default_factory=dict)


Item = Event | Mention
Active = dict[str, tuple[Event, Rule]]
"""What speaks forward at some word: category to the phrase and its rule."""


def find_items(tokens: Sequence[Token], entities: Sequence[tuple[int, Span]], lexicon: Lexicon) -> list[Item]:
    """The entities and matched phrases of a sentence, in order; nothing overlaps."""
    items: list[Item] = []
    pending = [Mention(*_words(tokens, span, lexicon), index, span.type) for index, span in entities]
    pending.sort(key=lambda mention: mention.first)
    at = 0
    for mention in [*pending, None]:
        stop = mention.first if mention else len(tokens)
        while at < stop:
            after, rules = lexicon.longest_match(tokens, at, stop)
            inner = range(at + 1, after)
            pseudo = next((word for word in inner if _outlasts(lexicon, tokens, word, stop, after)), None)
            if pseudo is not None:  # "there is no" is no negation in "there is no doubt"
                at = pseudo
                continue
            if rules and all(rule.category != "pseudo" for rule in rules):
                items.append(Event(at, after, tuple(rules), tokens[at].start, tokens[after - 1].end))
            at = max(min(after, stop), at + 1)
        if mention:
            items.append(mention)
            at = max(at, mention.last)
    return items


def speak(
    tokens: Sequence[Token],
    items: Sequence[Item],
    lexicon: Lexicon,
    carried: Mapping[str, tuple[Event, Rule]],
) -> Active:
    """Writes into each mention what speaks for it; what still speaks at the sentence's end.

    `carried` speaks from before the sentence: that of "Negative for:" for an item of the list beneath.
    """
    active = _speak_forward(tokens, items, dict(carried))
    for position, item in enumerate(items):
        if isinstance(item, Event) and _side(item, items, position, tokens) != "forward":
            for rule in item.rules:
                if rule.direction != "forward":
                    _speak_for_list(tokens, items, position, item, rule, lexicon)
    return active


def _outlasts(lexicon: Lexicon, tokens: Sequence[Token], at: int, stop: int, after: int) -> bool:
    """Whether a pseudo-trigger begins at word `at`, inside a phrase, and ends behind it (`after`)."""
    end, rules = lexicon.longest_match(tokens, at, stop)
    return end > after and any(rule.category == "pseudo" for rule in rules)


def _words(tokens: Sequence[Token], span: Span, lexicon: Lexicon) -> tuple[int, int]:
    """First word and word after the last of a span, without triggers at its edges ("prn headache").

    A binary search, since a sentence may be long.
    """
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
    while low + 1 < last and lexicon.is_a(tokens[low].text, "edge"):
        low += 1
    while low + 1 < last and lexicon.is_a(tokens[last - 1].text, "edge"):
        last -= 1
    return low, max(last, low + 1)


def _side(event: Event, items: Sequence[Item], position: int, tokens: Sequence[Token]) -> str:
    """For phrases that may stand on either side: backward right after an entity or at the end of a clause.

    With the scope `clause`, an entity anywhere before it suffices ("pneumonia treated at home in 2015"). A
    check box speaks for what follows where the line begins with one. A question mark that stands apart from
    the word before it asks for what follows.
    """
    if {rule.direction for rule in event.rules} != {"forward", "backward"}:
        return "both"
    text = tokens[event.first].text
    if text in _BOXES and event.last == event.first + 1:
        return "forward" if tokens[0].text in _BOXES or items[0] is event else "backward"
    if text == "?":
        apart = event.first == 0 or tokens[event.first].gap or tokens[event.first - 1].text == "("
        ends = event.last == len(tokens) or tokens[event.last].text in _CLOSING
        return "forward" if apart and not ends else "backward"
    previous = items[position - 1] if position else None
    if any(rule.clause and rule.direction == "backward" for rule in event.rules):
        if isinstance(previous, Event) and position > 1 and _same_kind(previous, event):
            previous = items[position - 2]
        return "backward" if isinstance(previous, Mention) else "forward"
    if not isinstance(previous, Mention):
        return "forward"
    between = {token.text for token in tokens[previous.last : min(event.first, previous.last + _LIST_GAP)]}
    closing = event.last == len(tokens) or tokens[event.last].text in _CLOSING
    closing = closing or any(rule.final for rule in event.rules)
    following = items[position + 1] if position + 1 < len(items) else None
    adjoins = isinstance(following, Mention) and following.first - event.last <= 1
    if "," in between and adjoins and not closing:  # "probably atelectasis, less likely pneumonia"
        return "forward"
    return "backward" if closing or between <= {",", "(", "-", ":"} else "forward"


def _same_kind(one: Event, other: Event) -> bool:
    return {rule.category for rule in one.rules} == {rule.category for rule in other.rules}


def _speak_forward(tokens: Sequence[Token], items: Sequence[Item], active: Active) -> Active:
    edge = 0  # the word after the last entity or phrase that speaks
    for position, item in enumerate(items):
        if isinstance(item, Mention):
            for category, (event, rule) in list(active.items()):
                if _expired(tokens, event, rule, item) or _is_next_drug(
                    item, rule, event, items[position - 1]
                ):
                    del active[category]
                elif rule.only in {None, item.kind}:
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
        if isinstance(item, Mention) or any(rule.category != "terminate" for rule in item.rules):
            edge = item.last
    return active


def _end_other_clause(tokens: Sequence[Token], edge: int, event: Event, rule: Rule, active: Active) -> None:
    """Ends what other kinds of trigger said, when this trigger opens a clause of its own."""
    if tokens[event.first].text in _MARKS:
        active.clear()
        return
    gap = {token.text for token in tokens[max(edge, event.first - _LIST_GAP) : event.first]}
    if not gap & _JOINS or gap & _ALTERNATIVES:
        return
    ahead = {token.text for token in tokens[event.last : event.last + _OR_AHEAD]}
    if (
        rule.category == "historical" and ahead & _ALTERNATIVES
    ):  # "denies chest pain, prior stroke, or seizures"
        return
    for category, (said, by) in list(active.items()):
        opens_sentence = by.clause and said.last < len(tokens) and tokens[said.last].text == ","
        if (
            category not in {rule.category, "family"} and said is not event and not opens_sentence
        ):  # "In the past, she was on ..."
            del active[category]


def _is_next_drug(mention: Mention, rule: Rule, event: Event, before: Item) -> bool:
    """Whether a list of drugs goes on after what one of them is for ("Tylenol prn pain, metformin")."""
    drug = rule.only is EntityType.DISEASE and mention.kind is EntityType.CHEMICAL
    return drug and rule.category == "hypothetical" and before is not event


def _expired(tokens: Sequence[Token], event: Event, rule: Rule, mention: Mention) -> bool:
    if rule.reach is not None and mention.first - event.last > rule.reach:
        return True
    if (rule.phrase or rule.clause) and mention.first - event.last > _CLAUSE_REACH:
        return True
    if rule.phrase:
        between = {token.text for token in tokens[event.last + 1 : mention.first]}
        ahead = {token.text for token in tokens[mention.last : mention.last + _OR_AHEAD]}
        return "," in between and not _CHOICES & (between | ahead)  # "possible allergies, asthma"
    if rule.clause:
        words = [token.text for token in tokens[event.last : mention.first]]
        return "," in words and not _HAPPENS.isdisjoint(words)  # "if rash occurs, stop ..."
    return False


def _speak_for_list(
    tokens: Sequence[Token], items: Sequence[Item], position: int, event: Event, rule: Rule, lexicon: Lexicon
) -> None:
    """Lets a backward trigger apply to the entities before it, nearest first."""
    reach = rule.reach or (3 if rule.direction == "both" else _BACKWARD_REACH)
    right = event.first
    if position and isinstance(before := items[position - 1], Event) and _lets_pass(before, event, rule):
        position -= 1
    for step in range(1, _LIST_LIMIT + 1):
        item = items[position - step] if step <= position else None
        if not isinstance(item, Mention):
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
        if rule.only in {None, item.kind}:
            item.spoken[rule.category] = event
        right = item.first


def _lets_pass(before: Event, event: Event, rule: Rule) -> bool:
    """Two phrases that say one thing ("remains on the differential", "s/p lumpectomy in 2014")."""
    said = {other.category for other in before.rules}
    return said - {"terminate"} == {"present"} or (rule.clause and _same_kind(before, event))


def _free_own_clause(tokens: Sequence[Token], items: Sequence[Item], at: int, mention: Mention) -> None:
    """Ends forward triggers before an entity with its own verb ("no effusion, pneumonia is possible")."""
    previous = items[at - 1] if at else None
    if not isinstance(previous, Mention):
        return
    gap = {token.text for token in tokens[previous.last : mention.first]}
    if not gap or (gap & _JOINS and not gap & _ALTERNATIVES):
        mention.spoken = {kind: said for kind, said in mention.spoken.items() if kind == "family"}


def _breaks_list(gap: Sequence[str], step: int, lexicon: Lexicon) -> bool:
    if step == 2 and "," in gap and _CONJUNCTIONS.isdisjoint(gap):  # "atelectasis, infection not excluded"
        return True
    return ";" in gap or any(lexicon.is_a(word, "verb") for word in gap)
