"""The parts that several messages share, to the values of `services.clinical` and back: concepts, dates,
ages, quantities.

The limits that stand in the contracts are held before a request comes here; what they cannot say is checked
here.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, TypeVar

from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

from medmesh.common.v1 import concept_pb2, quantity_pb2
from services.chassis.errors import InvalidInput, Reason
from services.clinical.concepts import CodedConcept, Concept, canonical_concept
from services.clinical.dates import Age, AgeUnit, PartialDate
from services.clinical.record import Quantity
from services.clinical.statuses import Comparator
from services.clinical.terminology import translated

E = TypeVar("E", bound=enum.Enum)


class EnumMap(Mapping[int, E]):
    """The member of a domain enum for each number of a message's, and the number of each member.

    Members are named like the contract's; `unspecified` is the one that stands for 0.
    """

    def __init__(self, kind: EnumTypeWrapper, prefix: str, unspecified: E) -> None:
        values = type(unspecified)
        self._members = {
            number: values[label.removeprefix(f"{prefix}_")] for label, number in kind.items() if number
        }
        self._members[0] = unspecified
        self._numbers = {member: number for number, member in self._members.items()}

    def __getitem__(self, number: int) -> E:
        """The member; a number of a later contract counts as not stated."""
        return self._members.get(number, self._members[0])

    def __iter__(self) -> Any:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def number(self, member: E) -> Any:
        """The contract's number; of a member that it does not have, 0."""
        return self._numbers.get(member, 0)


_COMPARATORS = EnumMap(quantity_pb2.Comparator, "COMPARATOR", Comparator.EXACT)


def concept_from(message: concept_pb2.Concept) -> Concept:
    """A coding under its canonical system and code."""
    return canonical_concept(message.system, message.code, message.display)


def concept_message(concept: Concept) -> concept_pb2.Concept:
    """A coding."""
    return concept_pb2.Concept(system=concept.system, code=concept.code, display=concept.display)


def coded_from(message: concept_pb2.CodedConcept, path: str) -> CodedConcept:
    """A concept in its codings and words; InvalidInput where it has neither."""
    if not message.codings and not message.text.strip():
        raise InvalidInput(Reason.INPUT_MISSING, path, "needs a coding or a text")
    codings = [meant for coding in message.codings for meant in translated(concept_from(coding))]
    return CodedConcept(tuple(dict.fromkeys(codings)), message.text)


def coded_message(concept: CodedConcept) -> concept_pb2.CodedConcept:
    """A concept in its codings and words."""
    return concept_pb2.CodedConcept(codings=map(concept_message, concept.codings), text=concept.text)


def quantity_from(message: quantity_pb2.Quantity) -> Quantity:
    """A number with its unit."""
    return Quantity(message.value, message.unit, _COMPARATORS[message.comparator])


def quantity_message(quantity: Quantity) -> quantity_pb2.Quantity:
    """A number with its unit."""
    return quantity_pb2.Quantity(
        value=quantity.value, unit=quantity.unit, comparator=_COMPARATORS.number(quantity.comparator)
    )


def date_from(item: Any, name: str, path: str) -> PartialDate | None:
    """The date in a field of a message; None where it is absent, InvalidInput where no calendar has it."""
    if not item.HasField(name):
        return None
    found = PartialDate.parse(getattr(item, name).value)
    if found is None:
        raise InvalidInput(Reason.INPUT_OUT_OF_RANGE, f"{path}.{name}.value", "must be a valid date")
    return found


def date_message(when: PartialDate | None) -> quantity_pb2.PartialDate | None:
    """The date as it was written."""
    return None if when is None else quantity_pb2.PartialDate(value=when.text)


def age_from(item: Any, name: str = "age") -> Age | None:
    """The age in a field of a message; None where it is absent."""
    message = getattr(item, name)
    unit = message.WhichOneof("age")
    return None if unit is None else Age(getattr(message, unit), AgeUnit(unit))


def age_message(age: Age | None) -> quantity_pb2.PatientAge | None:
    """The age in its unit."""
    match age:
        case None:
            return None
        case Age(count, AgeUnit.DAYS):
            return quantity_pb2.PatientAge(days=count)
        case Age(count, AgeUnit.MONTHS):
            return quantity_pb2.PatientAge(months=count)
        case Age(count, _):
            return quantity_pb2.PatientAge(years=count)
