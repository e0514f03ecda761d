"""`medmesh terminology` against a FHIR server that speaks HTTP on loopback."""

from __future__ import annotations

import json
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from typer.testing import CliRunner

from clients.cli.main import app
from clients.cli.terminology_server import ServerError, TerminologyServer
from services.clinical import terminology
from services.clinical.terminology import Terminology

LOCAL = "http://hospital.example/codes"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
MAP_R4 = "http://hospital.example/ConceptMap/diagnoses"
MAP_R5 = "http://hospital.example/ConceptMap/diagnoses-r5"
WARFARIN = "http://hospital.example/ValueSet/warfarin"


def mapping(code, *targets):
    return {"code": code, "display": f"diagnosis {code}", "target": [*targets]}


def concept_map(url, version, *elements):
    group = {"source": LOCAL, "target": f"{ICD10CM}|2026", "element": [*elements]}
    return {"resourceType": "ConceptMap", "url": url, "version": version, "group": [group]}


RESOURCES = {
    MAP_R4: [
        concept_map(MAP_R4, "1", mapping("OLD", {"code": "I10", "equivalence": "equivalent"})),
        concept_map(
            MAP_R4,
            "2",
            mapping("PNEU", {"code": "J18.9", "equivalence": "equivalent", "display": "Pneumonia"}),
            mapping(
                "HF", {"code": "I50.9", "equivalence": "wider"}, {"code": "I50.22", "equivalence": "narrower"}
            ),
            mapping("X", {"equivalence": "unmatched"}),
            mapping("Y", {"code": "I10", "equivalence": "equal", "dependsOn": [{"property": "age"}]}),
        ),
    ],
    MAP_R5: [
        concept_map(
            MAP_R5,
            "1",
            mapping("HF", {"code": "I50.9", "relationship": "source-is-narrower-than-target"}),
            mapping("HTN", {"code": "I10", "relationship": "related-to"}),
        )
    ],
}
PRODUCTS = [{"system": RXNORM, "code": str(855000 + i), "display": f"warfarin {i} MG"} for i in range(2300)]
DISPLAYS = {(RXNORM, "855332"): "warfarin sodium 5 MG Oral Tablet", (ICD10CM, "J18.9"): "Pneumonia"}


class Server(BaseHTTPRequestHandler):
    """As much of FHIR's terminology service as the command asks for."""

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        self.server.tokens.append(self.headers.get("Authorization"))
        kind = url.path.removeprefix("/r4/")
        if kind == "ConceptMap":
            entries = [{"resource": item} for item in RESOURCES.get(query["url"], [])]
            return self.answer({"resourceType": "Bundle", "entry": entries})
        if kind == "ValueSet/$expand" and query["url"] == WARFARIN:
            start, count = int(query["offset"]), int(query["count"])
            contains = [
                {"system": RXNORM, "abstract": True, "code": "0", "contains": PRODUCTS[start : start + count]}
            ]
            expansion = {"total": len(PRODUCTS), "contains": contains}
            return self.answer(
                {"resourceType": "ValueSet", "url": WARFARIN, "version": "7", "expansion": expansion}
            )
        if kind == "CodeSystem/$lookup" and (display := DISPLAYS.get((query["system"], query["code"]))):
            parameter = [{"name": "display", "valueString": display}]
            return self.answer({"resourceType": "Parameters", "parameter": parameter})
        if query.get("url") == "http://broken.example":
            return self.answer(None, 200)
        issue = [{"diagnostics": "nothing like\nthat here"}]
        return self.answer({"resourceType": "OperationOutcome", "issue": issue}, 404)

    def answer(self, resource, status=200):
        content = b"<html>" if resource is None else json.dumps(resource).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as running:
        running.tokens = []
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        running.base = f"http://127.0.0.1:{running.server_address[1]}/r4"
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def the_mesh_own_tables_afterwards():
    yield
    terminology.use(None)


def medmesh(*arguments):
    return CliRunner().invoke(app, ["terminology", *map(str, arguments)])


def test_what_is_fetched_is_a_terminology_that_a_service_reads(server, tmp_path):
    own = tmp_path / "own"
    done = medmesh(
        "fetch", own, "--server", server.base, "--concept-map", MAP_R4, "--drug", f"warfarin={WARFARIN}"
    )
    assert done.exit_code == 0, done.output
    assert f"{MAP_R4}|2: 2 mappings, 3 left out" in done.output
    assert f"{WARFARIN}|7: 2300 codes of warfarin" in done.output
    read = Terminology.read(own)
    assert read.translations[(LOCAL, "PNEU")][0].key == "icd10cm|J18.9"
    assert read.translations[(LOCAL, "HF")][0].key == "icd10cm|I50.9"
    assert len(read.translations) == 2
    assert len(read.tables["drug_codes.tsv"]) == 2300
    assert server.base in (own / "concept_map.tsv").read_text(encoding="utf-8")
    known = medmesh("lookup", "rxnorm|857299", "--terminology", own)
    assert known.output.startswith("drug warfarin: anticoagulants")
    assert "is icd10cm|J18.9 Pneumonia" in medmesh("lookup", f"{LOCAL}|PNEU", "--terminology", own).output


def test_of_an_r5_map_what_is_the_same_or_wider_is_taken(server):
    found = TerminologyServer(server.base).concept_map(MAP_R5)
    assert [(one.source.code, one.target.code) for one in found.mappings] == [("HF", "I50.9")]
    assert found.left_out_count == 1


def test_a_check_with_a_server_says_which_codes_it_does_not_know(server, tmp_path):
    rows = ["warfarin\trxnorm\t855332\tx\thouse", "warfarin\trxnorm\t999999\tx\thouse"]
    (tmp_path / "drug_codes.tsv").write_text("\n".join(rows), encoding="utf-8")
    assert medmesh("check", tmp_path).exit_code == 0
    asked = medmesh("check", tmp_path, "--server", server.base)
    assert asked.exit_code == 1
    assert f"unknown to the server: {RXNORM} 999999" in asked.output
    assert "1 of 2 codes are known" in asked.output


def test_a_folder_that_cannot_be_used_is_refused_with_file_and_line(tmp_path):
    (tmp_path / "drugs.tsv").write_text("1\twarfarin\n", encoding="utf-8")
    refused = medmesh("check", tmp_path)
    assert refused.exit_code == 3
    assert "drugs.tsv, line 1: 2 columns" in refused.output


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--concept-map", "http://none.example"], 4, "no concept map http://none.example"),
        (["--drug", "warfarin=http://none.example"], 4, "nothing like that here"),
        (["--drug", "warfarin=http://broken.example"], 4, "the answer is no JSON"),
        (["--drug", f"unobtainium={WARFARIN}"], 3, "unobtainium is no drug and no class"),
        (["--drug", "warfarin"], 2, "give --concept-map URL or --drug NAME=URL"),
        ([], 2, "give --concept-map URL or --drug NAME=URL"),
    ],
)
def test_what_cannot_be_fetched_is_said_and_nothing_is_written(server, tmp_path, options, code, said):
    own = tmp_path / "own"
    done = medmesh("fetch", own, "--server", server.base, *options)
    assert done.exit_code == code, done.output
    assert said in done.output
    assert not own.exists()


def test_a_server_that_is_not_there_is_said(tmp_path):
    done = medmesh("fetch", tmp_path, "--server", "http://127.0.0.1:9/r4", "--concept-map", MAP_R4)
    assert done.exit_code == 4
    assert "the server does not answer" in done.output


def test_a_token_goes_to_the_server_and_never_in_the_clear(server, tmp_path):
    token = tmp_path / "token"
    token.write_text("s3cret\n", encoding="utf-8")
    medmesh(
        "fetch", tmp_path / "own", "--server", server.base, "--concept-map", MAP_R5, "--token-file", token
    )
    assert server.tokens == ["Bearer s3cret"]
    with pytest.raises(ServerError, match="https only"):
        TerminologyServer("http://tx.example.org/r4", token="s3cret")
    with pytest.raises(ServerError, match="address is one such as"):
        TerminologyServer("file:///etc/passwd")


def test_what_is_not_known_is_said():
    unknown = medmesh("lookup", "unobtainium")
    assert unknown.exit_code == 1
    assert "nothing is known of it" in unknown.output
