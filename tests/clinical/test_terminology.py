"""A user's own terminology takes the place of the mesh's own rows, and what cannot be used is named."""

from __future__ import annotations

import pytest

from services.chassis.rpc.server import running_server
from services.chassis.settings import SettingsError
from services.clinical import terminology
from services.clinical.code_systems import ICD10CM
from services.clinical.concepts import Concept, canonical_concept
from services.clinical.drugs import PARTS, Drugs, read_ingredients
from services.clinical.fhir.bounded_json import Node
from services.clinical.fhir.codings import concept_of
from services.clinical.fhir.remarks import Remarks
from services.clinical.own_terminology import take
from services.clinical.terminology import Terminology, TerminologyError
from services.language.vocabulary import read_diseases
from services.recommendation.__main__ import SERVICE
from services.recommendation.settings import RecommendationSettings

PZN = "http://fhir.de/CodeSystem/ifa/pzn"


@pytest.fixture(autouse=True)
def the_mesh_own_tables_afterwards():
    yield
    terminology.use(None)


@pytest.fixture
def folder(tmp_path):
    def write(**tables):
        for name, rows in tables.items():
            lines = ["# a comment", "", *("\t".join(row) for row in rows)]
            (tmp_path / f"{name}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return tmp_path

    return write


def used(path):
    terminology.use(Terminology.read(path))
    return Drugs.load()


def test_a_drug_of_ones_own_belongs_to_the_classes_of_its_atc_code(folder):
    drugs = used(
        folder(
            drugs=[("", "acemetacin", "house formulary", "acemetacin; Rantudil")],
            drug_codes=[("acemetacin", "ATC", "m01ab11", "Acemetacin", "house formulary")],
        )
    )
    assert drugs.by_name("Rantudil forte 60 mg") == {"acemetacin"}
    assert drugs.by_code("atc|M01AB11") == {"acemetacin"}
    assert "nsaids" in drugs.groups({"acemetacin"})
    assert drugs.by_name("Coumadin") == {"warfarin"}


def test_a_row_takes_the_place_of_the_mesh_own_about_the_same(folder):
    assert Drugs.load().by_name("Coumadin") == {"warfarin"}
    drugs = used(folder(drugs=[("11289", "warfarin", "house formulary", "warfarin; Marevan")]))
    assert drugs.by_name("Marevan") == {"warfarin"}
    assert drugs.by_name("Coumadin") == frozenset()
    assert "anticoagulants" in drugs.groups({"warfarin"})


def test_an_unchecked_code_counts_once_a_row_confirms_it(folder):
    unchecked = next(row for row in read_ingredients() if not row.is_checked and PARTS not in row.name)
    key = f"rxnorm|{unchecked.rxcui}"
    assert Drugs.load().by_code(key) == frozenset()
    drugs = used(folder(drugs=[(unchecked.rxcui, unchecked.name, "RxNorm 2026-11-03", unchecked.name)]))
    assert drugs.by_code(key) == {unchecked.name}


def test_local_codes_are_translated_where_a_record_is_read(folder):
    path = folder(
        concept_map=[
            (PZN, "02536203", "http://www.whocc.no/atc", "B01AA03", "warfarin", "house map 3"),
            ("urn:oid:1.2.3", "DX-7", "ICD-10-CM", "J189", "", "house map 3"),
        ]
    )
    drugs = used(path)
    coding = Node({"coding": [{"system": PZN, "code": "02536203"}]})
    concept = concept_of(coding, Remarks())
    assert concept is not None
    assert concept.codings[1] == Concept("http://www.whocc.no/atc", "B01AA03", "warfarin")
    assert drugs.find(concept.keys, concept.names) == {"warfarin"}
    [_, meant] = terminology.translated(canonical_concept("urn:oid:1.2.3", "DX-7"))
    assert meant == Concept(ICD10CM, "J18.9")
    terminology.use(None)
    assert len(concept_of(coding, Remarks()).codings) == 1


def test_terms_of_ones_own_link_to_ones_own_codes(folder):
    used(folder(diseases=[("I50.9", "Heart failure, unspecified", "", "", "pump failure; heart failure")]))
    terms = {}
    for term, codes in read_diseases():
        assert term.lower() not in terms or term.lower() == "covid-19", term
        terms[term.lower()] = codes
    assert terms["pump failure"] == terms["heart failure"]
    assert terms["pump failure"][0].code == "I50.9"
    assert "hypertension" in terms


def test_the_digest_changes_with_any_byte_and_is_the_same_for_the_same_tables(folder, tmp_path):
    row = ("", "acemetacin", "house formulary", "acemetacin")
    first = Terminology.read(folder(drugs=[row])).sha256
    assert Terminology.read(folder(drugs=[row])).sha256 == first
    assert Terminology.read(folder(drugs=[(*row[:3], "acemetacin; Rantudil")])).sha256 != first
    assert len(first) == 64


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("drugs.tsv", "1\twarfarin\tx\n", r"drugs\.tsv, line 1: 3 columns between tabs instead of 4 \(RxCUI"),
        ("drugs.tsv", "\n#\nRX1\twarfarin\tx\twarfarin\n", r"line 3: the RxCUI is a number"),
        ("drugs.tsv", "1\t\tx\twarfarin\n", r"line 1: name is empty"),
        ("drugs.tsv", "1\ta\tx\ta\n2\ta\tx\ta\n", r"line 2: says the same as line 1"),
        ("diseases.tsv", "J189\tPneumonia\t\t\tpneumonia\n", r"such as J18\.9, with its dot"),
        ("diseases.tsv", "\t\t\t\tpneumonia\n", r"neither an ICD-10-CM nor a SNOMED CT code"),
        ("drug.tsv", "", r"drug\.tsv is no table of a terminology: drugs\.tsv, "),
        ("notes.txt", "", r"holds no table"),
        ("drugs.tsv", b"1\t\xff\tx\ty\n", r"drugs\.tsv is not UTF-8 \(byte 2\)"),
    ],
)
def test_what_cannot_be_used_is_named_by_file_and_line(tmp_path, name, content, problem):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(TerminologyError, match=problem):
        Terminology.read(tmp_path)


async def test_a_service_does_not_start_with_a_terminology_that_it_cannot_use(folder, tmp_path):
    settings = RecommendationSettings(listen="127.0.0.1:0", terminology=tmp_path / "none")
    with pytest.raises(SettingsError, match="MEDMESH_TERMINOLOGY: is no folder"):
        async with running_server(SERVICE, settings):
            pass
    orphan = folder(drug_codes=[("acemetacin", "atc", "M01AB11", "Acemetacin", "house formulary")])
    with pytest.raises(ValueError, match="neither a drug nor a class: acemetacin"):
        take(orphan)
    (orphan / "drug_codes.tsv").unlink()
    whole = folder(drugs=[("", "acemetacin", "house formulary", "acemetacin")])
    assert take(whole) == Terminology.read(whole).sha256
    assert take(None) == ""
