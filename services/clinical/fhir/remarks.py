"""What the reader should know of how a record was read, gathered while it is read.

A remark names a kind of thing and the places where it was met, never what stands there.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from services.chassis.notices import MAX_PLACES, Notice
from services.clinical.fhir.bounded_json import Node

KINDS_FILE: Final = Path(__file__).with_name("resource_kinds.txt")
MAX_NAMED_KINDS: Final = 10


@dataclasses.dataclass(frozen=True, slots=True)
class _Words:
    text: str
    review: bool = False


class Remark(enum.Enum):
    """The kinds of remark; the name is the notice's reason. {count} is how often it was met, {kinds} in which
    types of resource.
    """

    ALLERGY_NOT_UNDERSTOOD = _Words(
        "Allergies without a substance that can be read: {count}. Nothing is checked against them.",
        review=True,
    )
    MEDICATION_NOT_UNDERSTOOD = _Words(
        "Medications without a drug that can be read: {count}. Nothing is checked against them.",
        review=True,
    )
    CONDITION_NOT_UNDERSTOOD = _Words(
        "Conditions without a code and without words: {count}. They do not count.", review=True
    )
    PROCEDURE_NOT_UNDERSTOOD = _Words(
        "Procedures and care plans without a code that can be read: {count}. They do not count."
    )
    OBSERVATION_NOT_UNDERSTOOD = _Words(
        "Measurements that bear on safety and whose value cannot be read: {count}. They do not count.",
        review=True,
    )
    RESOURCE_WITHOUT_PATIENT = _Words(
        "Resources that do not say whose they are: {count}. They do not count.", review=True
    )
    STATUS_NOT_UNDERSTOOD = _Words(
        "Statuses that FHIR does not define: {count}. The entries count as if they had none.", review=True
    )
    MODIFIER_NOT_UNDERSTOOD = _Words(
        "Entries with a modifier extension, which may change what they say: {count}. They were read without.",
        review=True,
    )
    CONDITION_NOT_CONFIRMED = _Words(
        "Conditions that are provisional, differential or unconfirmed: {count}. They count less than others."
    )
    MEDICATION_PLANNED = _Words(
        "Active medications that are planned or optional, not ordered: {count}. They do not count as taken.",
        review=True,
    )
    ORDER_NOT_TO_PERFORM = _Words(
        "Orders that something is not to be done or given: {count}. They are not checked.", review=True
    )
    REFERENCE_NOT_RESOLVED = _Words(
        "References to what is not in the bundle: {count}. A display beside one was read in its place."
    )
    CODING_TOO_LONG = _Words(
        "Codings that are longer than any known code system's: {count}. They were left out."
    )
    DATE_IMPLAUSIBLE = _Words("Dates that no record can have yet: {count}. They count as unknown.")
    BUNDLE_INCOMPLETE = _Words(
        "The bundle is not the whole answer: the server has further pages, or had errors. "
        "What is missing does not count; fetch all of it and send one bundle.",
        review=True,
    )
    VERSIONS_NOT_ORDERED = _Words(
        "Resources in several versions of which the newest cannot be told: {count}. All of them count.",
        review=True,
    )
    VERSION_SUPERSEDED = _Words("Older versions of resources beside the newest: {count}. They do not count.")
    SECTION_NOT_READ = _Words(
        "Sections on allergies, medications or problems that are empty without saying that nothing is known: "
        "{count}. Text is not read.",
        review=True,
    )
    RESOURCE_NOT_READ = _Words(
        "Resources that may bear on safety and are not read, for their kind or since others contain them "
        "({kinds}): {count}.",
        review=True,
    )
    FHIR_STU3 = _Words(
        "Entries in the form of FHIR STU3: {count}. Read by their meaning in R4, which is wanted."
    )
    FHIR_R5 = _Words("Entries in the form of FHIR R5: {count}. Read by their meaning in R4, which is wanted.")
    RESOURCES_NOT_USABLE = _Words(
        "Resources that state no fact of the patient (refuted, entered in error, cancelled, planned, ended "
        "allergies): {count}. They do not count."
    )
    RESOURCES_SKIPPED = _Words("Resources of kinds that are not read ({kinds}): {count}.")


class Remarks:
    """Gathers remarks on one record."""

    def __init__(self) -> None:
        self._counts: dict[Remark, int] = {}
        self._places: dict[Remark, list[str]] = {}
        self._last: dict[Remark, Any] = {}
        self._kinds: dict[Remark, set[str]] = {}

    def add(self, remark: Remark, node: Node, kind: str = "") -> None:
        """Note a remark on what stands at the node, a resource of that kind; twice in a row counts once."""
        if self._last.get(remark) is node.value:
            return
        self._last[remark] = node.value
        self._kinds.setdefault(remark, set()).add(kind)
        self._count(remark, lambda: place_of(node))

    def add_at(self, remark: Remark, place: str) -> None:
        """Note a remark on what stands at a place."""
        self._kinds.setdefault(remark, set())
        self._count(remark, lambda: place)

    def _count(self, remark: Remark, place: Callable[[], str]) -> None:
        """`place` is asked for only where it will be told."""
        places = self._places.setdefault(remark, [])
        self._counts[remark] = self._counts.get(remark, 0) + 1
        if len(places) < MAX_PLACES:
            places.append(place())

    def notices(self) -> tuple[Notice, ...]:
        """One notice for each kind that was met, in the order of the kinds."""
        return tuple(
            Notice(
                remark.name,
                remark.value.text.format(count=self._counts[remark], kinds=_named(self._kinds[remark])),
                remark.value.review,
                tuple(self._places[remark]),
            )
            for remark in Remark
            if remark in self._counts
        )


def _named(kinds: set[str]) -> str:
    """FHIR's own names of these kinds; what it does not name counts as others."""
    named = sorted(kinds & _fhir_kinds())[:MAX_NAMED_KINDS]
    return ", ".join(named if len(named) == len(kinds) else [*named, "others"])


@functools.cache
def _fhir_kinds() -> frozenset[str]:
    lines = KINDS_FILE.read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if not line.startswith("#"))


def place_of(node: Node) -> str:
    """Where a value stands, as a FHIRPath."""
    return f"Bundle.{node.path}" if node.path else "Bundle"
