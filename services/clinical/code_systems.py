"""The addresses of code systems: one name for each, and one spelling for each code, however it is written.

Records name SNOMED CT by its URI, an edition's URI, an OID or plainly "SNOMED CT", and write ICD-10-CM codes
with and without the dot. The names are data (`code_systems.tsv`). A system that is not listed keeps its name.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

from services.clinical.tables import rows

SNOMED = "http://snomed.info/sct"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
LOINC = "http://loinc.org"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
ICD10 = "http://hl7.org/fhir/sid/icd-10"
"""The WHO's edition; its categories of three characters mean the same in the national ones."""
UNII = "http://fdasis.nlm.nih.gov"
ATC = "http://www.whocc.no/atc"
NDC = "http://hl7.org/fhir/sid/ndc"
ABSENT_UNKNOWN = "http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips"
"""The International Patient Summary's codes for "no known allergies" and the like."""

SYSTEM_BY_SHORT_NAME = {
    "snomed": SNOMED,
    "rxnorm": RXNORM,
    "loinc": LOINC,
    "icd10cm": ICD10CM,
    "icd10": ICD10,
    "unii": UNII,
    "atc": ATC,
    "ndc": NDC,
    "absent-unknown": ABSENT_UNKNOWN,
}
SHORT_NAME_BY_SYSTEM = {uri: name for name, uri in SYSTEM_BY_SHORT_NAME.items()}

NAMES_FILE = Path(__file__).with_name("code_systems.tsv")

ICD10_EDITIONS = frozenset(
    {
        ICD10CM,
        ICD10,
        "http://hl7.org/fhir/sid/icd-10-ca",
        "http://hl7.org/fhir/sid/icd-10-nl",
        "http://fhir.de/CodeSystem/bfarm/icd-10-gm",
    }
)
"""Editions whose categories of three characters are the WHO's."""

_PREFIX = re.compile(r"^(?:https?://|urn:oid:)(?:www\.)?")
_EDITION = re.compile(r"^(snomed\.info/x?sct)/.*")
_DAGGERS = "+*!†‡"


@functools.lru_cache(maxsize=4096)
def canonical_system(system: str) -> str:
    """The FHIR URI of the system that goes by this name; the name itself, without spaces, where it is not
    known.
    """
    name = "".join(system.split())
    return _names().get(_normalised(system), name)


def canonical_code(system: str, code: str) -> str:
    """The code in the spelling of its (canonical) system; of one that is not listed, as it stands."""
    code = "".join(code.split()) if system in _known() else code.strip()
    if system in ICD10_EDITIONS:
        code = code.upper().rstrip(_DAGGERS)
        return f"{code[:3]}.{code[3:]}" if len(code) > 3 and "." not in code else code
    if system in {ATC, UNII}:
        return code.upper()
    return code


def _normalised(name: str) -> str:
    name = " ".join(name.split("|", maxsplit=1)[0].split()).lower().rstrip("/")
    return _EDITION.sub(r"\1", _PREFIX.sub("", name))


@functools.cache
def _known() -> frozenset[str]:
    return frozenset(_names().values())


@functools.cache
def _names() -> dict[str, str]:
    return {_normalised(name): uri for uri, name, _ in rows(NAMES_FILE, 3)}
