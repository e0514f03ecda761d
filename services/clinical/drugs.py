"""The drugs that the mesh knows by name: RxNorm ingredients with their synonyms, brands and abbreviations."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from services.clinical.tables import rows

DRUGS_FILE = Path(__file__).with_name("drugs.tsv")


@dataclasses.dataclass(frozen=True, slots=True)
class Ingredient:
    """A row of `drugs.tsv`: an ingredient, or the ingredients that one brand holds together."""

    rxcui: str
    name: str
    terms: tuple[str, ...]
    """What it is called, its name first."""


def read_ingredients(path: Path = DRUGS_FILE) -> Iterator[Ingredient]:
    """The rows of `drugs.tsv`; ValueError names a line that is not one."""
    for rxcui, name, _compared, terms in rows(path, 4):
        yield Ingredient(rxcui, name, tuple(terms.split("; ")))
