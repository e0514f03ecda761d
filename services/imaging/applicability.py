"""Which images a model was made for, as its card says it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from medmesh.common.v1.serving_pb2 import ImageApplicability
from services.imaging.images import View

_CODE_STRING = re.compile(r"[A-Z0-9_]([A-Z0-9_ ]{0,14}[A-Z0-9_])?")
"""DICOM's CS (PS3.5, 6.2), without the blanks around it, which do not count."""


def check_code_strings(terms: Iterable[str], field: str) -> None:
    """Raises ValueError, which begins with the field, on a term that cannot stand in a file."""
    for term in terms:
        if not _CODE_STRING.fullmatch(term):
            raise ValueError(f"{field}: {term or 'an empty text'} is not a DICOM term, e.g. CHEST")


@dataclass(frozen=True)
class Applicability:
    """What an empty field names is not restricted."""

    modalities: tuple[str, ...] = ()
    """DICOM Modality (0008,0060)."""
    body_parts: tuple[str, ...] = ()
    """DICOM Body Part Examined (0018,0015), in its defined terms."""
    views: tuple[View, ...] = ()
    min_age_years: int | None = None
    """Youngest patient, in completed years; None: from birth, or not known."""
    max_age_years: int | None = None
    """Oldest patient; None: no end, or not known."""
    gate_kinds: frozenset[str] = frozenset()
    """Kinds of image, by a gate's own labels, that it reads. Empty: no gate is asked."""

    @classmethod
    def declared(cls, message: ImageApplicability) -> Applicability:
        """Raises ValueError on a term that is not in DICOM's form, so that no file could have it, on a view
        that is not known, and on an invalid age range.
        """
        for field, terms in (("modalities", message.modalities), ("body_parts", message.body_parts)):
            check_code_strings(terms, f"applies_to.{field}")
        known = {view.value.upper(): view for view in View}
        for name in message.views:
            if name not in known:
                raise ValueError(f"applies_to.views: {name} is none of {', '.join(known)}")
        age = message.age
        low = age.min_years if age.HasField("min_years") else None
        high = age.max_years if age.HasField("max_years") else None
        if low is not None and high is not None and low > high:
            raise ValueError("applies_to.age: min_years is above max_years")
        return cls(
            tuple(message.modalities),
            tuple(message.body_parts),
            tuple(known[name] for name in message.views),
            low,
            high,
            frozenset(message.gate_kinds),
        )

    def is_for_age(self, years: int) -> bool:
        """Whether the model was made for patients of this age, in completed years."""
        low, high = self.min_age_years, self.max_age_years
        return (low is None or low <= years) and (high is None or years <= high)
