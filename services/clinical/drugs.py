"""The drugs that the mesh knows, by product, brand, ingredient or class, in codes or words.

A drug is one thing by whatever name: the code of a warfarin tablet, "Coumadin" and the substance's code all
lead to the ingredient `warfarin`. What is known lies in tables whose every row names its source (see NOTICE).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self

from services.clinical.tables import rows
from services.clinical.words import Names

FOLDER = Path(__file__).parent
DRUGS_FILE = FOLDER / "drugs.tsv"
PARTS = " / "
"""Between the ingredients of a combination."""


@dataclasses.dataclass(frozen=True, slots=True)
class Ingredient:
    """A row of `drugs.tsv`: an ingredient, or the ingredients that one brand holds together."""

    rxcui: str
    """Empty where it is not at hand."""
    name: str
    terms: tuple[str, ...]
    """What it is called, its name first."""


def read_ingredients(path: Path = DRUGS_FILE) -> Iterator[Ingredient]:
    """The rows of `drugs.tsv`; ValueError names a line that is not one."""
    for rxcui, name, _compared, terms in rows(path, 4):
        yield Ingredient(rxcui, name, tuple(terms.split("; ")))


class Drugs:
    """Finds drugs by code and by name. A drug is the name of its ingredient, a class its name in
    `drug_classes.tsv`; immutable, safe to share between threads.
    """

    def __init__(
        self,
        ingredients: Iterable[Ingredient],
        classes: Iterable[tuple[str, tuple[str, ...], tuple[str, ...]]],
        codes: Iterable[tuple[str, str, str]],
        products: Iterable[tuple[str, str]],
    ) -> None:
        """`classes` are name, members and what the class is called; `codes` drug or class, system's short
        name and code; `products` RxNorm code and name.
        """
        self._by_code: dict[str, frozenset[str]] = {}
        self._classes: dict[str, set[str]] = {}
        self._class_by_atc: dict[str, str] = {}
        names: dict[str, list[str]] = {}
        for ingredient in ingredients:
            parts = ingredient.name.split(PARTS)
            for part in parts:
                names.setdefault(part, []).extend(ingredient.terms)
                self._classes.setdefault(part, set())
            if ingredient.rxcui:
                self._add(f"rxnorm|{ingredient.rxcui}", parts)
        self.classes: frozenset[str] = frozenset()
        for name, members, called in classes:
            self.classes |= {name}
            names[name] = list(called)
            for member in members:
                self._classes[member].add(name)
        for name, system, code in codes:
            if system == "atc" and name in self.classes:
                self._class_by_atc[code] = name
            else:
                self._add(f"{system}|{code}", [name])
        self._names = Names(names)
        for rxcui, name in products:
            if found := self._names.within(name):
                self._by_code.setdefault(f"rxnorm|{rxcui}", found)

    @classmethod
    def load(cls, folder: Path = FOLDER) -> Self:
        """Read the tables."""
        return cls(
            read_ingredients(folder / "drugs.tsv"),
            (
                (name, _listed(members), _listed(called))
                for name, members, called, _source in rows(folder / "drug_classes.tsv", 4)
            ),
            ((name, system, code) for name, system, code, *_ in rows(folder / "drug_codes.tsv", 5)),
            ((rxcui, name) for rxcui, name, _source in rows(folder / "drug_products.tsv", 3)),
        )

    @property
    def names(self) -> frozenset[str]:
        """Every ingredient."""
        return frozenset(self._classes)

    def by_code(self, key: str) -> frozenset[str]:
        """The drugs or the class of a code such as `rxnorm|855332` or `atc|B01AA03`; empty where unknown."""
        if key in self._by_code:
            return self._by_code[key]
        system, _, code = key.partition("|")
        if system == "atc":
            for length in range(len(code), 2, -1):
                if code[:length] in self._class_by_atc:
                    return frozenset({self._class_by_atc[code[:length]]})
        return frozenset()

    def by_name(self, text: str) -> frozenset[str]:
        """The drugs and classes that a text names."""
        return self._names.within(text)

    def unnamed(self, text: str) -> tuple[str, ...]:
        """The words of a text that name no drug and no class."""
        return self._names.rest(text)

    def find(self, keys: Iterable[str], texts: Iterable[str]) -> frozenset[str]:
        """The drugs and classes of a concept: by its codes and, where none is known, by its words."""
        found = frozenset[str]().union(*map(self.by_code, keys))
        return found or frozenset[str]().union(*map(self.by_name, texts))

    def groups(self, drugs: Iterable[str]) -> frozenset[str]:
        """These drugs and the classes that they belong to."""
        drugs = frozenset(drugs)
        return drugs.union(*(self._classes.get(drug, ()) for drug in drugs))

    def _add(self, key: str, drugs: Iterable[str]) -> None:
        self._by_code[key] = self._by_code.get(key, frozenset()) | frozenset(drugs)


def _listed(column: str) -> tuple[str, ...]:
    return () if column == "-" else tuple(column.split("; "))
