"""Which of the objects that arrive are analysed, by which models, and together with which others. Pure."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from typing import Literal

VOLUMES = frozenset({"CT", "MR", "PT"})
"""Modalities whose series are one image, slice by slice; an object of any other is an image of its own."""


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a rule can see of an object."""

    modality: str = ""
    body_part: str = ""
    series_description: str = ""
    study_description: str = ""
    sender: str = ""
    """AE title of whoever sent it."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What is to be done with objects that it fits. Patterns are the shell's (`CHEST*`), without regard to
    capitals; one of them must fit; none: any value does.
    """

    modality: tuple[str, ...] = ()
    body_part: tuple[str, ...] = ()
    description: tuple[str, ...] = ()
    """Of Series Description and Study Description one must fit."""
    sender: tuple[str, ...] = ()
    analyze: bool = True
    """Whether to analyse it; else it is put aside."""
    models: tuple[str, ...] = ()
    """Names of the models that are to answer; empty: those that apply."""
    read_as: str = ""
    """DICOM body part that the mesh is told; empty: what the file says."""
    unit: Literal["", "series", "instance"] = ""
    """What is one image. Empty: the series of a CT, MR or PT, else each object by itself."""
    quiet_s: float | None = None
    """A series is complete when its study was quiet for so long; None: as the node says."""
    count: int = 0
    """A series is complete as soon as it has so many objects; 0: by the time alone, or as its own
    attributes say.
    """

    def fits(self, header: Header) -> bool:
        """Whether it is for such an object."""
        return (
            _fits(self.modality, header.modality)
            and _fits(self.body_part, header.body_part)
            and _fits(self.sender, header.sender)
            and (
                _fits(self.description, header.series_description)
                or _fits(self.description, header.study_description)
            )
        )

    def is_series(self, header: Header) -> bool:
        """Whether the whole series of such an object is one image."""
        return self.unit == "series" or (not self.unit and header.modality in VOLUMES)


EVERYTHING = Rule()
"""Without rules every image is analysed by the models that apply."""


def first_that_fits(rules: tuple[Rule, ...], header: Header) -> int | None:
    """The place of the first rule that fits; None: none does."""
    return next((place for place, rule in enumerate(rules) if rule.fits(header)), None)


def _fits(patterns: tuple[str, ...], value: str) -> bool:
    text = value.strip().casefold()
    return not patterns or any(fnmatch.fnmatchcase(text, p.strip().casefold()) for p in patterns)
