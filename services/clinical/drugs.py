"""The drugs that the mesh knows, by product, brand, ingredient or class, in codes or words.

A drug is one thing by whatever name: the code of a warfarin tablet, "Coumadin" and the substance's code all
lead to the ingredient `warfarin`. What is known lies in tables whose every row names its source (see NOTICE).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self

from services.clinical.terminology import known_rows
from services.clinical.words import Names

FOLDER = Path(__file__).parent
DRUGS_FILE = FOLDER / "drugs.tsv"
PARTS = " / "
"""Between the ingredients of a combination."""

_UNCHECKED = "unchecked"
"""The source of a code that stands in no published list that was compared."""
_NOT = "not "
"""Before a further member of a class that is none, though one of the class's groups says so."""


@dataclasses.dataclass(frozen=True, slots=True)
class Ingredient:
    """A row of `drugs.tsv`: an ingredient, or the ingredients that one brand holds together."""

    rxcui: str
    """Empty where it is not at hand."""
    name: str
    terms: tuple[str, ...]
    """What it is called, its name first."""
    source: str = ""
    """Where the code and the name were found together; NOTICE explains it."""

    @property
    def is_checked(self) -> bool:
        """Whether a source says that the code is this ingredient's."""
        return self.source != _UNCHECKED


def read_ingredients(path: Path = DRUGS_FILE) -> Iterator[Ingredient]:
    """The rows of `drugs.tsv`; ValueError names a line that is not one."""
    for rxcui, name, source, terms in known_rows(path):
        yield Ingredient(rxcui, name, tuple(terms.split("; ")), source)


@dataclasses.dataclass(frozen=True, slots=True)
class DrugClass:
    """A row of `drug_classes.tsv`."""

    name: str
    groups: tuple[str, ...]
    """Keys of groups that its members' codes belong to: `atc|C09A` stands for every code that begins with
    it, `epc|Loop Diuretic` for that class of the FDA.
    """
    further: tuple[str, ...]
    """Members that no group names; "not X" takes X out."""
    called: tuple[str, ...]
    """What records call the class itself."""


def read_classes(path: Path = FOLDER / "drug_classes.tsv") -> Iterator[DrugClass]:
    """The rows of `drug_classes.tsv`; ValueError names a line that is not one."""
    for name, groups, further, called, _source in known_rows(path):
        yield DrugClass(name, _listed(groups), _listed(further), _listed(called))


class Drugs:
    """Finds drugs by code and by name. A drug is the name of its ingredient, a class its name in
    `drug_classes.tsv`; immutable, safe to share between threads.

    A code that no source confirms decides nothing: such a drug is known by its words and its other codes.
    """

    def __init__(
        self,
        ingredients: Iterable[Ingredient],
        classes: Iterable[DrugClass],
        codes: Iterable[tuple[str, str, str]],
        products: Iterable[tuple[str, str]],
        pharmacologic_classes: Iterable[tuple[str, str]] = (),
    ) -> None:
        """`codes` are drug or class, system's short name and code; `products` RxNorm code and name;
        `pharmacologic_classes` drug and class of the FDA.
        """
        self._by_code: dict[str, frozenset[str]] = {}
        self._classes: dict[str, set[str]] = {}
        names: dict[str, list[str]] = {}
        for ingredient in ingredients:
            parts = ingredient.name.split(PARTS)
            for part in parts:
                names.setdefault(part, []).extend(ingredient.terms)
                self._classes.setdefault(part, set())
            if ingredient.rxcui and ingredient.is_checked:
                _add(self._by_code, f"rxnorm|{ingredient.rxcui}", parts)
        self._members: dict[str, set[str]] = {}
        """Key of a group of an ATC code or of a class of the FDA -> the drugs in it."""
        for name, system, code in codes:
            _add(self._by_code, f"{system}|{code}", [name])
            for group in _groups(system, code):
                self._members.setdefault(group, set()).add(name)
        for name, pharmacologic_class in pharmacologic_classes:
            self._members.setdefault(f"epc|{pharmacologic_class}", set()).add(name)
        self._classes_by_group: dict[str, set[str]] = {}
        self.classes: frozenset[str] = frozenset()
        for drug_class in classes:
            self.classes |= {drug_class.name}
            names[drug_class.name] = list(drug_class.called)
            for group in drug_class.groups:
                self._classes_by_group.setdefault(group, set()).add(drug_class.name)
            for member in self._members_of(drug_class):
                self._classes[member].add(drug_class.name)
        if unknown := frozenset().union(*self._by_code.values()) - self._classes.keys() - self.classes:
            raise ValueError(f"a code belongs to what is neither a drug nor a class: {min(unknown)}")
        self.names = frozenset(self._classes)
        """Every ingredient."""
        self._names = Names(names)
        for rxcui, name in products:
            if found := self._names.within(name):
                self._by_code.setdefault(f"rxnorm|{rxcui}", found)

    @classmethod
    def load(cls, folder: Path = FOLDER) -> Self:
        """Read the tables."""
        return cls(
            read_ingredients(folder / "drugs.tsv"),
            read_classes(folder / "drug_classes.tsv"),
            ((name, system, code) for name, system, code, *_ in known_rows(folder / "drug_codes.tsv")),
            ((rxcui, name) for rxcui, name, _source in known_rows(folder / "drug_products.tsv")),
            ((drug, name) for drug, name, *_ in known_rows(folder / "pharmacologic_classes.tsv")),
        )

    def members(self, drug_class: str) -> frozenset[str]:
        """The drugs of a class; empty where there is no such class."""
        return frozenset(drug for drug, classes in self._classes.items() if drug_class in classes)

    def by_code(self, key: str) -> frozenset[str]:
        """The drugs or the classes of a code such as `rxnorm|855332` or `atc|B01AA03`; empty where none is
        known.
        """
        if key in self._by_code:
            return self._by_code[key]
        system, _, code = key.partition("|")
        found = (self._classes_by_group.get(group, ()) for group in _groups(system, code))
        return frozenset[str]().union(*found)

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

    def _members_of(self, drug_class: DrugClass) -> Iterator[str]:
        members = {drug for group in drug_class.groups for drug in self._members.get(group, ())}
        for name in drug_class.further:
            drug = name.removeprefix(_NOT)
            if drug not in self._classes:
                raise ValueError(f"{drug_class.name} has a member that is no drug: {drug}")
            if drug == name:
                members.add(drug)
            else:
                members.discard(drug)
        yield from members & self._classes.keys()


def _add(codes: dict[str, frozenset[str]], key: str, drugs: Iterable[str]) -> None:
    codes[key] = codes.get(key, frozenset()) | frozenset(drugs)


def _groups(system: str, code: str) -> Iterator[str]:
    """The keys of the groups that an ATC code belongs to, itself first; codes of other systems have none."""
    if system == "atc":
        for length in range(len(code), 2, -1):
            yield f"atc|{code[:length]}"


def _listed(column: str) -> tuple[str, ...]:
    return () if column == "-" else tuple(column.split("; "))
