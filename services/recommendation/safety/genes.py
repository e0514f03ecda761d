"""What a record tells of genes that bear on drugs: phenotypes, from phenotype words, star alleles and
variants (`genes.toml`), in observations and in lists of problems.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from services.clinical.code_systems import LOINC
from services.clinical.concepts import CodedConcept
from services.clinical.dates import UNDATED
from services.clinical.record import Observation, PatientRecord, Reference

GENES_FILE = Path(__file__).with_name("genes.toml")

_STAR = re.compile(r"\*\s?(\d{1,3}[A-WYZ]?)(?:\s?[x\u00d7]\s?(\d|N))?", re.IGNORECASE)
"""A star allele; with more than one copy, `*1x2`, `*1xN`."""
_COPIES_IF_UNKNOWN = 2
_ZYGOSITY = re.compile(r"(homozyg)|(heterozyg)", re.IGNORECASE)
_MAX_TEXT = 400
"""Characters that are read of what one entry says."""


@dataclasses.dataclass(frozen=True, slots=True)
class Phenotype:
    """What an entry of the record tells of a gene."""

    key: str
    """The gene and its phenotype, `CYP2C19:poor`; empty where the entry names a gene and what it says of
    it is not understood.
    """
    entry: Reference


class Genes:
    """Reads phenotypes; immutable, safe to share between threads."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        """`content` is that of `genes.toml`."""
        self._words = {
            phenotype: _any(patterns) for phenotype, patterns in content["phenotype_words"].items()
        }
        self._answers: dict[str, str] = content["answers"]
        self._denied = _any(content["denied"]["words"])
        self._genes = [_Gene(name, entry) for name, entry in content["genes"].items()]
        self._by_loinc = {code: gene for gene in self._genes for code in gene.loinc}
        self._mentions = _any(pattern for gene in self._genes for pattern in gene.patterns)

    @classmethod
    def load(cls) -> Self:
        """Read the table."""
        return cls(tomllib.loads(GENES_FILE.read_text(encoding="utf-8")))

    def of(self, record: PatientRecord) -> Iterator[Phenotype]:
        """What the record's findings and conditions tell of genes; of two findings of one gene the later
        counts.
        """
        latest: dict[str, tuple[Any, list[Phenotype]]] = {}
        for moment, entry, text in self._texts(record):
            for gene, found in self._read(text).items():
                kept = latest.get(gene)
                phenotypes = [Phenotype(key, entry) for key in found]
                if kept is None or moment > kept[0]:
                    latest[gene] = (moment, phenotypes)
                elif moment == kept[0]:
                    kept[1].extend(phenotypes)
        for _, phenotypes in latest.values():
            yield from phenotypes

    def _texts(self, record: PatientRecord) -> Iterator[tuple[Any, Reference, str]]:
        """What could tell of a gene, an entry at a time: an observation with all its components."""
        ordered = sorted(record.observations, key=lambda item: (item.moment, item.place))
        for (moment, place), group in itertools.groupby(ordered, lambda item: (item.moment, item.place)):
            # Observations that have no place are of themselves, not of one another.
            together = [*group]
            parts = [together] if place else [[item] for item in together]
            for observations in parts:
                text = " ; ".join(part for item in observations for part in self._said(item))[:_MAX_TEXT]
                if self._mentions.search(text):
                    yield moment, Reference.to(observations[0]), text
        for condition in record.conditions:
            text = " ; ".join(condition.concept.names)[:_MAX_TEXT]
            if self._mentions.search(text) and condition.is_active:
                yield UNDATED, Reference.to(condition), text

    def _said(self, observation: Observation) -> Iterator[str]:
        for coding in observation.concept.codings:
            if coding.system == LOINC and coding.code in self._by_loinc:
                yield self._by_loinc[coding.code].name
        yield from observation.concept.names
        if isinstance(observation.value, CodedConcept):
            for coding in observation.value.codings:
                if coding.system == LOINC and coding.code in self._answers:
                    yield self._answers[coding.code]
            yield from observation.value.names

    def _read(self, text: str) -> dict[str, tuple[str, ...]]:
        """The phenotypes of each gene that the text names; an empty key where it is not understood."""
        found: dict[str, tuple[str, ...]] = {}
        named = [(gene, match) for gene in self._genes if (match := gene.named.search(text))]
        ends = [*sorted(match.start() for _, match in named), len(text)]
        for gene, match in named:
            end = next(end for end in ends if end > match.start())
            own = text if len(named) == 1 else text[match.start() : end]
            found[gene.name] = tuple(
                f"{gene.name}:{one}" if one else "" for one in self._phenotypes(gene, own)
            )
        return found

    def _phenotypes(self, gene: _Gene, text: str) -> tuple[str, ...]:
        if gene.carriers:
            return () if self._denied.search(gene.named.sub("", text)) else ("positive",)
        said = gene.named.sub(" ", text)
        by_words = [phenotype for phenotype, pattern in self._words.items() if pattern.search(said)]
        if by_words:
            return (gene.meaning(by_words),)
        total = gene.total(said)
        return ("",) if total is None else (gene.phenotype(total),)


class _Gene:
    def __init__(self, name: str, entry: Mapping[str, Any]) -> None:
        self.name = name
        self.loinc: list[str] = entry.get("loinc", [])
        self.carriers = "carriers" in entry
        self.patterns: list[str] = [*entry.get("names", ()), *entry.get("carriers", ()), re.escape(name)]
        self.named = _any(self.patterns)
        alleles: dict[str, float] = entry.get("alleles", {})
        self._stars = {allele.upper(): value for allele, value in alleles.items() if allele[0] == "*"}
        self._variants = {
            allele: value for allele, value in alleles.items() if allele[0] != "*" and " " not in allele
        }
        self._bases: dict[str, dict[str, float]] = {}
        """By a place in the genome the function of each base there."""
        for allele, value in alleles.items():
            if " " in allele:
                place, base = allele.split(" ")
                self._bases.setdefault(place, {})[base] = value
        self._least: dict[str, float] = entry.get("phenotypes", {})
        self._deficient_is = entry.get("deficient_is", "deficient")

    def meaning(self, words: list[str]) -> str:
        """What the words mean for this gene; where they say several things the first, as the table has
        them.
        """
        if "normal" in words and len(words) > 1 and "deficient" in words:
            return "normal"  # "not deficient"
        first = words[0]
        if first == "deficient":
            return str(self._deficient_is)
        if first == "poor" and "decreased" in self._least:
            return "poor"
        return first

    def total(self, text: str) -> float | None:
        """The sum of the functions of both alleles; None where they are not told, or not known."""
        for place, bases in self._bases.items():
            pair = re.search(re.escape(place) + r"\D{0,20}?\b([ACGT])\s?[/|]?\s?([ACGT])\b", text)
            if pair is not None and bases.keys() >= set(pair.groups()):
                return bases[pair[1]] + bases[pair[2]]
        copies = [
            (f"*{star}".upper(), _COPIES_IF_UNKNOWN if number.upper() == "N" else int(number or 1))
            for star, number in _STAR.findall(text)
        ]
        functions = [self._stars[star] * number for star, number in copies if star in self._stars]
        functions += [value for variant, value in self._variants.items() if variant.lower() in text.lower()]
        if len(functions) < len(copies):
            return None
        zygosity = _ZYGOSITY.search(text)
        if len(functions) == 1 and zygosity is not None:
            return functions[0] * 2 if zygosity[1] else functions[0] + 1.0
        return sum(functions) if len(functions) == 2 else None

    def phenotype(self, total: float) -> str:
        """The phenotype of a sum."""
        return max((least, name) for name, least in self._least.items() if total >= least)[1]


def _any(patterns: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.IGNORECASE)
