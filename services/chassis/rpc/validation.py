"""Holds a request to the limits that its fields declare with `(medmesh.common.v1.limits)`.

What is to be checked is worked out once a message type, from its descriptor; types without limits cost
nothing. All violations of a request are found, so that a caller can correct them at once.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor, OneofDescriptor
from google.protobuf.message import Message

from medmesh.common.v1 import options_pb2
from services.chassis.errors import InvalidInput, Reason, Violation

MAX_VIOLATIONS = 50
"""More are not told of one request."""

Check = Callable[[Any], tuple[Reason, str] | None]
"""Of one value: what is wrong with it, or None."""


@dataclass
class Plan:
    """What is checked in messages of one type."""

    required: list[FieldDescriptor] = field(default_factory=list)
    required_oneofs: list[OneofDescriptor] = field(default_factory=list)
    counts: dict[int, int] = field(default_factory=dict)
    """Most elements, by field number."""
    values: dict[int, list[Check]] = field(default_factory=dict)
    """Checks of each value, by field number."""
    large: list[tuple[FieldDescriptor, int]] = field(default_factory=list)
    """`bytes` fields with their largest size; reading one copies it."""
    nested: dict[int, Plan] = field(default_factory=dict)
    """Plans of message fields, by field number; without those that have nothing to check."""
    idle: bool = False
    """Whether there is nothing to check, here or below."""
    looked_at: frozenset[int] = frozenset()
    """Numbers of the fields whose values have something to check."""


def check(message: Message, encoded_bytes: int | None = None) -> None:
    """Raises InvalidInput with every violation of the limits that `message` and what is in it declare.

    `encoded_bytes` is the size in which the message came: no field of it is larger. None: not known.
    """
    plan = plan_of(message.DESCRIPTOR)
    found = tuple(islice(_violations(message, plan, "", encoded_bytes), MAX_VIOLATIONS))
    if found:
        raise InvalidInput.of(found)


@cache
def plan_of(descriptor: Descriptor) -> Plan:
    """What is checked in messages of this type."""
    plans: dict[str, Plan] = {}
    plan = _build(descriptor, plans)
    # A type may contain itself: whether there is anything to check is known when all are built.
    changed = True
    while changed:
        changed = False
        for one in plans.values():
            own = one.required or one.required_oneofs or one.counts or one.values or one.large
            idle = not own and all(below.idle for below in one.nested.values())
            if idle != one.idle:
                one.idle, changed = idle, True
    for one in plans.values():
        one.nested = {number: below for number, below in one.nested.items() if not below.idle}
        one.looked_at = frozenset((*one.counts, *one.values, *one.nested))
    return plan


def _build(descriptor: Descriptor, plans: dict[str, Plan]) -> Plan:
    if descriptor.full_name in plans:
        return plans[descriptor.full_name]
    plan = plans[descriptor.full_name] = Plan()
    plan.required_oneofs = [o for o in descriptor.oneofs if _option(o, options_pb2.one_required)]
    for item in descriptor.fields:
        limits: options_pb2.Limits = _option(item, options_pb2.limits)
        if limits.required:
            plan.required.append(item)
        if limits.HasField("max_count"):
            plan.counts[item.number] = limits.max_count
        if limits.HasField("max_bytes"):
            plan.large.append((item, limits.max_bytes))
        if item.message_type is not None:
            plan.nested[item.number] = _build(item.message_type, plans)
        elif checks := list(_checks(item, limits)):
            plan.values[item.number] = checks
    return plan


def _option(described: Any, extension: Any) -> Any:
    """The value of a custom option; the generated stubs do not know which message it extends."""
    return described.GetOptions().Extensions[extension]


def _checks(item: FieldDescriptor, limits: options_pb2.Limits) -> Iterator[Check]:
    if limits.HasField("max_length"):
        yield _longest(limits.max_length)
    if limits.HasField("pattern"):
        yield _form(limits.pattern)
    if limits.HasField("min") or limits.HasField("max"):
        low = limits.min if limits.HasField("min") else -math.inf
        high = limits.max if limits.HasField("max") else math.inf
        yield _range(low, high)
    if item.enum_type is not None:
        yield _known(frozenset(item.enum_type.values_by_number))


def _longest(length: int) -> Check:
    problem = (Reason.INPUT_TOO_LARGE, f"is longer than {length:,} characters")
    return lambda text: problem if len(text) > length else None


def _form(pattern: str) -> Check:
    form = re.compile(pattern)
    problem = (Reason.INPUT_MALFORMED, f"does not have the form {pattern}")
    # An empty text is an absent one: `required` is what refuses it.
    return lambda text: problem if text and not form.fullmatch(text) else None


def _range(low: float, high: float) -> Check:
    if math.isinf(high):
        words = f"must be at least {low:g}"
    elif math.isinf(low):
        words = f"must be at most {high:g}"
    else:
        words = f"must lie between {low:g} and {high:g}"
    problem = (Reason.INPUT_OUT_OF_RANGE, words)
    # Written so that NaN, which compares false, is outside; an open end excludes infinity.
    return lambda number: (
        None if low <= number <= high and (isinstance(number, int) or math.isfinite(number)) else problem
    )


def _known(numbers: frozenset[int]) -> Check:
    problem = (Reason.INPUT_OUT_OF_RANGE, "has a number that the contract does not define")
    return lambda number: None if number in numbers else problem


def _violations(message: Message, plan: Plan, path: str, encoded_bytes: int | None) -> Iterator[Violation]:
    if plan.idle:
        return
    for item in plan.required:
        if not _is_set(message, item):
            yield Violation(Reason.INPUT_MISSING, f"{path}{item.name}", "is required")
    for oneof in plan.required_oneofs:
        if message.WhichOneof(oneof.name) is None:
            names = ", ".join(item.name for item in oneof.fields)
            yield Violation(Reason.INPUT_MISSING, f"{path}{oneof.name}", f"is required: one of {names}")
    for item, size in plan.large:
        # To look at a `bytes` field is to copy it (and to ask protobuf for its size is to encode it).
        if encoded_bytes is None or encoded_bytes > size:
            yield from _too_large(message, item, size, path)
    for item, value in _set_fields(message, plan):
        yield from _of_field(item, value, plan, path, encoded_bytes)


def _set_fields(message: Message, plan: Plan) -> Iterator[tuple[Any, Any]]:
    if plan.large:
        for item in message.DESCRIPTOR.fields:
            if item.number in plan.looked_at and _is_set(message, item):
                yield item, getattr(message, item.name)
        return
    for item, value in message.ListFields():
        if item.number in plan.looked_at:
            yield item, value


def _of_field(item: Any, value: Any, plan: Plan, path: str, encoded_bytes: int | None) -> Iterator[Violation]:
    number, name = item.number, f"{path}{item.name}"
    if item.is_repeated:
        most = plan.counts.get(number)
        if most is not None and len(value) > most:
            yield Violation(Reason.INPUT_TOO_LARGE, name, f"has more than {most:,} elements")
            return  # what lies in a list that is too long is not worth the time
        is_map = item.message_type is not None and item.message_type.GetOptions().map_entry
        if is_map:
            return
        below, checks = plan.nested.get(number), plan.values.get(number, [])
        if below is not None:
            for index, element in enumerate(value):
                yield from _violations(element, below, f"{name}[{index}].", encoded_bytes)
        else:
            for index, element in enumerate(value if checks else ()):
                yield from _of_value(element, checks, f"{name}[{index}]")
        return
    if (below := plan.nested.get(number)) is not None:
        yield from _violations(value, below, f"{name}.", encoded_bytes)
    else:
        yield from _of_value(value, plan.values.get(number, []), name)


def _of_value(value: Any, checks: list[Check], name: str) -> Iterator[Violation]:
    for one in checks:
        if (problem := one(value)) is not None:
            yield Violation(problem[0], name, problem[1])


def _too_large(message: Message, item: FieldDescriptor, size: int, path: str) -> Iterator[Violation]:
    value = getattr(message, item.name)
    name = f"{path}{item.name}"
    elements = enumerate(value) if item.is_repeated else [(None, value)]
    for index, element in elements:
        if len(element) > size:
            where = name if index is None else f"{name}[{index}]"
            yield Violation(Reason.INPUT_TOO_LARGE, where, f"is larger than {_size(size)}")


def _size(count: int) -> str:
    return f"{count / 2**20:g} MiB" if count >= 2**20 else f"{count:,} bytes"


def _is_set(message: Message, item: Any) -> bool:
    if item.is_repeated:
        return len(getattr(message, item.name)) > 0
    if item.has_presence:
        return message.HasField(item.name)
    return bool(getattr(message, item.name) != item.default_value)
