"""What the pages say of each other and of the code: links lead somewhere, examples are read."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from services.chassis.errors import PermissionDenied, Unauthenticated
from services.chassis.rpc.auth import OPERATOR_METHODS, Policy
from services.orchestrator.settings import OrchestratorSettings

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "clients" / "python" / "README.md",
    ROOT / "training" / "README.md",
]


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    without_code = re.sub(r"^```.*?^```$", "", text_of(page), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", without_code, re.MULTILINE)
    made = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return made | set(re.findall(r'<a (?:id|name)="([^"]+)"', without_code))


def links(page: Path) -> list[str]:
    without_code = re.sub(r"^```.*?^```$|`[^`\n]*`", "`", text_of(page), flags=re.MULTILINE | re.DOTALL)
    return [link for link in re.findall(r"\]\(([^)\s]+)\)", without_code) if "://" not in link]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_pages_and_headings_that_exist(page):
    lost = []
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            lost.append(link)
    assert lost == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_files_that_a_page_names_exist(page):
    named = re.findall(
        r"`((?:services|tests|tools|training(?!/runs)|clients|protos|docs|samples)/[\w./-]+)`", text_of(page)
    )
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_tests_that_are_named_without_their_folder_lie_where_the_one_before_does(page):
    """As in a table: `tests/local/test_mesh.py`, `test_process.py`."""
    lost = []
    for line in text_of(page).splitlines():
        folder = None
        for name in re.findall(r"`((?:tests/)?[\w./-]+)`", line):
            if name.startswith("tests/"):
                folder = ROOT / name if (ROOT / name).is_dir() else (ROOT / name).parent
            elif re.fullmatch(r"test_\w+\.py", name) and (folder is None or not (folder / name).exists()):
                lost.append(name)
    assert lost == []


def test_the_readme_leads_to_every_page():
    named = {(ROOT / link.partition("#")[0]).resolve() for link in links(ROOT / "README.md")}
    pages = {*(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "tutorials").glob("*.md")}
    assert pages - named == set()


def test_the_decisions_are_all_listed():
    folder = ROOT / "docs" / "adr"
    assert {*links(folder / "README.md")} == {page.name for page in folder.glob("0*.md")}


def test_the_policy_of_the_security_page_does_what_the_page_says(tmp_path):
    example = re.search(r"```toml\n(.*?)```", text_of(ROOT / "docs" / "security.md"), re.DOTALL)
    path = tmp_path / "policy.toml"
    path.write_text(example[1])
    key = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}  # of RFC 8037
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [key]}))
    public = Ed25519PrivateKey.generate().public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for name in ("assertion.pub", "assertion-jobs.pub"):
        (tmp_path / name).write_bytes(pem)
    policy = Policy.read(path)
    diagnose = "/medmesh.orchestrator.v1.DiagnosticService/Diagnose"
    ward = ["ward.hospital.example"]
    assert policy.authorize(diagnose, None, ward).name == "ward"
    assert policy.authorize(diagnose, None, ward).tenant == "surgery"
    assert policy.quotas["surgery"].in_flight == 8
    models = "/medmesh.common.v1.ModelCatalogService/ListModels"
    assert policy.authorize(models, "Bearer test", ()).name == "orchestrator"
    for refused in ((OPERATOR_METHODS[0], None, ward), (diagnose, "Bearer test", ())):
        with pytest.raises(PermissionDenied):
            policy.authorize(*refused)
    with pytest.raises(Unauthenticated):
        policy.authorize(diagnose, None, ())
    assert policy.authorize("/grpc.health.v1.Health/Check", None, ()).name == "anonymous"


def test_the_shares_of_the_deadline_are_those_of_the_settings():
    settings = OrchestratorSettings()
    page = text_of(ROOT / "docs" / "request.md")
    granted_s = 30 - 0.4
    first_s = (granted_s - settings.fusion_reserve_s) * (1 - settings.treatment_share)
    second_s = granted_s - settings.fusion_reserve_s - first_s
    assert f"{first_s:.1f} s" in page
    assert f"at least {second_s:.1f} s" in page
    assert settings.default_deadline_s == 30
