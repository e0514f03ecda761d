"""Which entities of several models are one mention, so that what a note says is counted once."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from services.language.entities import Assertion, Entity, Span


@dataclass(frozen=True, slots=True)
class Mention:
    """A place of the note, `[start, end)` in code points, and the entities of one type that lie there, as
    (index of the result, index of the entity); the first one represents it.
    """

    type: str
    start: int
    end: int
    entities: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class _Placed:
    entity: Entity
    result: int
    index: int


def mentions(results: Sequence[Sequence[Entity]]) -> list[Mention]:
    """The entities of all results by the place where they stand, in the order of the note.

    An entity joins the mention of its type that it shares most characters with; two entities of one
    result are always two mentions. An allergy speaks first, so that none is lost; then an entity with a
    concept before one without, the more confident, the one of the earlier result.
    """
    by_type: dict[str, list[list[_Placed]]] = defaultdict(list)
    for result, entities in enumerate(results):
        own: dict[str, list[_Placed]] = defaultdict(list)
        for index, entity in enumerate(entities):
            own[entity.span.type].append(_Placed(entity, result, index))
        for name, placed in own.items():
            _join(by_type[name], placed)
    found = [_mention(group) for groups in by_type.values() for group in groups]
    return sorted(found, key=lambda mention: (mention.start, mention.end, mention.type))


def _join(groups: list[list[_Placed]], placed: Sequence[_Placed]) -> None:
    """Adds one result's entities of one type to the mentions of the results before it."""
    known = sorted(groups, key=_start)
    starts = [_start(group) for group in known]
    reach = max((_end(group) - _start(group) for group in known), default=0)
    taken: set[int] = set()
    for item in placed:
        span = item.entity.span
        first = bisect_left(starts, span.start - reach)
        last = bisect_left(starts, span.end)
        shared = {at: _shared(known[at], span) for at in range(first, last) if at not in taken}
        best = max(shared, key=lambda at: shared[at], default=-1)
        if best >= 0 and shared[best] > 0:
            taken.add(best)
            known[best].append(item)
        else:
            groups.append([item])


def _start(group: Sequence[_Placed]) -> int:
    return min(item.entity.span.start for item in group)


def _end(group: Sequence[_Placed]) -> int:
    return max(item.entity.span.end for item in group)


def _shared(group: Sequence[_Placed], span: Span) -> int:
    """How many characters lie in both; at most 0: none."""
    return min(_end(group), span.end) - max(_start(group), span.start)


def _mention(group: Sequence[_Placed]) -> Mention:
    ordered = sorted(
        group,
        key=lambda item: (
            item.entity.assertion is not Assertion.ALLERGY,
            item.entity.concept is None,
            -item.entity.confidence,
            item.result,
        ),
    )
    return Mention(
        type=str(group[0].entity.span.type),
        start=_start(group),
        end=_end(group),
        entities=tuple((item.result, item.index) for item in ordered),
    )
