"""A user's own terminology: a folder of tables whose rows take the place of the mesh's own.

docs/terminology.md describes the tables. They are read and checked once, at start. Nothing asks a terminology
server while a request waits: `medmesh terminology fetch` brings what a server knows into such a folder.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, Self

from services.clinical.code_systems import SHORT_NAME_BY_SYSTEM, canonical_code, canonical_system
from services.clinical.concepts import Concept, canonical_concept
from services.clinical.tables import rows

Row = tuple[str, ...]

MAX_BYTES: Final = 64 * 1024 * 1024
"""Largest table that is read."""
MAX_TRANSLATIONS: Final = 8
"""Codes that one code is translated to."""


class TerminologyError(ValueError):
    """A table of the folder cannot be used. The message names file, line and remedy."""


@dataclasses.dataclass(frozen=True, slots=True)
class Table:
    """How a table of the folder is read."""

    columns: tuple[str, ...]
    key: Callable[[Row], Row]
    """What a row is about: it takes the place of the mesh's own row about the same."""


TABLES: Final[Mapping[str, Table]] = {
    "drugs.tsv": Table(("RxCUI", "name", "source", "terms"), lambda row: row[1:2]),
    "drug_classes.tsv": Table(
        ("class", "groups", "further members", "called", "source"), lambda row: row[:1]
    ),
    "drug_codes.tsv": Table(
        ("drug or class", "system", "code", "display", "source"), lambda row: (row[0], *row[1:3])
    ),
    "drug_products.tsv": Table(("RxCUI", "name", "source"), lambda row: row[:1]),
    "pharmacologic_classes.tsv": Table(("drug", "class", "substance", "source"), lambda row: row[:2]),
    "diseases.tsv": Table(
        ("ICD-10-CM code", "title", "SNOMED CT code", "name", "terms"), lambda row: row[:1] + row[2:3]
    ),
    "concept_map.tsv": Table(
        ("system", "code", "target system", "target code", "target display", "source"), lambda row: row[:4]
    ),
}
"""The tables that a folder may hold, by the name of the file; columns as in the mesh's own tables."""

_EMPTY_ALLOWED = {
    "drugs.tsv": {"RxCUI"},
    "diseases.tsv": {"ICD-10-CM code", "title", "SNOMED CT code", "name"},
    "concept_map.tsv": {"target display"},
}
_RXCUI = re.compile(r"[1-9]\d{0,7}")
_ICD10CM = re.compile(r"[A-Z]\d[0-9A-Z](\.[0-9A-Z]{1,4})?")


@dataclasses.dataclass(frozen=True)
class Terminology:
    """What a folder holds, checked."""

    sha256: str
    """Lower-case hexadecimal SHA-256 of the names and the contents of its tables."""
    tables: Mapping[str, tuple[Row, ...]]
    """Rows by the name of the file."""
    translations: Mapping[tuple[str, str], tuple[Concept, ...]]
    """What a code means in other systems, by its canonical system and code."""

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read a folder; TerminologyError where it cannot be used, and where it holds no table."""
        if not folder.is_dir():
            raise TerminologyError("is no folder that can be read")
        files = sorted(folder.glob("*.tsv"))
        unknown = [path.name for path in files if path.name not in TABLES]
        if unknown:
            raise TerminologyError(f"{unknown[0]} is no table of a terminology: {', '.join(TABLES)}")
        if not files:
            raise TerminologyError(f"holds no table: at least one of {', '.join(TABLES)}")
        digest = hashlib.sha256()
        tables = {}
        for path in files:
            if path.stat().st_size > MAX_BYTES:
                raise TerminologyError(f"{path.name} has more than {MAX_BYTES // 2**20} MiB")
            digest.update(f"{path.name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
            tables[path.name] = tuple(_checked(path))
        return cls(digest.hexdigest(), tables, _translations(tables.get("concept_map.tsv", ())))


_in_use: Terminology | None = None


def use(terminology: Terminology | None) -> None:
    """Let every table that is read from now on be read with this terminology; None: the mesh's own alone.

    For the start of a process, before anything is made of the tables.
    """
    global _in_use  # noqa: PLW0603 - one terminology a process, as one set of tables
    _in_use = terminology


def known_rows(path: Path) -> Iterator[Row]:
    """The rows of one of the mesh's own tables, those of the terminology in use first and in place of those
    about the same; ValueError names a line of the mesh's own table that is not one.
    """
    table = TABLES[path.name]
    own = _in_use.tables.get(path.name, ()) if _in_use else ()
    yield from own
    about = {table.key(row) for row in own}
    for row in rows(path, len(table.columns)):
        if table.key(tuple(row)) not in about:
            yield tuple(row)


def translated(concept: Concept) -> tuple[Concept, ...]:
    """The coding, and what the terminology in use says that it means in other systems."""
    if _in_use is None:
        return (concept,)
    return concept, *_in_use.translations.get((concept.system, concept.code), ())


def _checked(path: Path) -> Iterator[Row]:
    table = TABLES[path.name]
    may_be_empty = _EMPTY_ALLOWED.get(path.name, set())
    seen: dict[Row, int] = {}
    try:
        numbered = enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
    except UnicodeDecodeError as error:
        raise TerminologyError(f"{path.name} is not UTF-8 (byte {error.start})") from None
    for number, line in numbered:
        if not line or line.startswith("#"):
            continue
        row = tuple(cell.strip() for cell in line.split("\t"))
        if len(row) != len(table.columns):
            wanted = ", ".join(table.columns)
            raise TerminologyError(
                f"{path.name}, line {number}: {len(row)} columns between tabs instead of "
                f"{len(table.columns)} ({wanted})"
            )
        for column, cell in zip(table.columns, row, strict=True):
            if not cell and column not in may_be_empty:
                raise TerminologyError(f"{path.name}, line {number}: {column} is empty")
        _check_codes(path.name, number, row)
        row = _canonical(path.name, row)
        if (first := seen.setdefault(table.key(row), number)) != number:
            raise TerminologyError(f"{path.name}, line {number}: says the same as line {first}")
        yield row


def _check_codes(name: str, number: int, row: Row) -> None:
    where = f"{name}, line {number}"
    if name in {"drugs.tsv", "drug_products.tsv"} and row[0] and not _RXCUI.fullmatch(row[0]):
        raise TerminologyError(f"{where}: the RxCUI is a number of at most eight digits")
    if name == "diseases.tsv":
        if row[0] and not _ICD10CM.fullmatch(row[0]):
            raise TerminologyError(f"{where}: the ICD-10-CM code is one such as J18.9, with its dot")
        if not row[0] and not row[2]:
            raise TerminologyError(f"{where}: has neither an ICD-10-CM nor a SNOMED CT code")


def _canonical(name: str, row: Row) -> Row:
    """The row with its systems and codes as the mesh spells them."""
    if name == "drug_codes.tsv":
        system = canonical_system(row[1])
        return row[0], SHORT_NAME_BY_SYSTEM.get(system, system), canonical_code(system, row[2]), *row[3:]
    return row


def _translations(mapped: tuple[Row, ...]) -> dict[tuple[str, str], tuple[Concept, ...]]:
    found: dict[tuple[str, str], tuple[Concept, ...]] = {}
    for system, code, target_system, target_code, display, _source in mapped:
        source = canonical_concept(system, code)
        target = canonical_concept(target_system, target_code, display)
        key = (source.system, source.code)
        found[key] = (*found.get(key, ()), target)[:MAX_TRANSLATIONS]
    return found
