"""Concepts of code systems: one coding, and one meaning in several codings and words."""

from __future__ import annotations

import dataclasses
from typing import Self

from services.clinical.code_systems import SHORT_NAME_BY_SYSTEM, canonical_code, canonical_system


@dataclasses.dataclass(frozen=True, slots=True)
class Concept:
    """A concept of a code system, as FHIR's Coding. `system` is the canonical URI."""

    system: str
    code: str
    display: str = ""

    @property
    def key(self) -> str:
        """`snomed|38341003`: the form that vocabularies and labels use, with the system's short name."""
        return f"{SHORT_NAME_BY_SYSTEM.get(self.system, self.system)}|{self.code}"


def canonical_concept(system: str, code: str, display: str = "") -> Concept:
    """The coding under its canonical system and code."""
    system = canonical_system(system)
    return Concept(system, canonical_code(system, code), " ".join(display.split()))


@dataclasses.dataclass(frozen=True, slots=True)
class CodedConcept:
    """One concept in all the codings that its source gives it, and in the source's words: FHIR's
    CodeableConcept. It has a coding, a text, or both.
    """

    codings: tuple[Concept, ...] = ()
    """Those of the systems that the models use come first."""
    text: str = ""

    @classmethod
    def of(cls, system: str, code: str, display: str = "") -> Self:
        """A concept with one coding."""
        return cls((Concept(system, code, display),))

    @property
    def preferred(self) -> Concept:
        """The first coding; of a concept that has only its text, a display without system and code."""
        return self.codings[0] if self.codings else Concept("", "", self.text)

    @property
    def key(self) -> str:
        """The key of the preferred coding; a text is its own key."""
        return self.codings[0].key if self.codings else f"|{self.text}"

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of all codings."""
        return tuple(coding.key for coding in self.codings)

    @property
    def display(self) -> str:
        """What to call it: the first display, else the text."""
        return next((coding.display for coding in self.codings if coding.display), self.text)

    @property
    def names(self) -> tuple[str, ...]:
        """All its words, each once: the text first, since it is what people wrote."""
        return tuple(dict.fromkeys(n for n in (self.text, *(c.display for c in self.codings)) if n))
