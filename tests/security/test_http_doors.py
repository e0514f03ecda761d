# Long because: each way past the doors is tried on the same callers, policies and routes.
"""Every route of the HTTP door and of the console, asked by each kind of caller who may not: the door itself
turns him away before it reads what he sends, says so in its audit log, and repeats nothing of it anywhere.

The doors are real, speak TLS with what `medmesh certificates` makes, and judge as they do beyond loopback.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import os
import shutil
import time
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from clients.console.login import Login
from clients.console.page import Console
from clients.console.settings import ConsoleSettings
from clients.gateway import routes
from clients.gateway.failures import Failure
from clients.gateway.gate import DoorRequest, Gate
from clients.gateway.server import running_gateway
from clients.gateway.settings import GatewaySettings
from medmesh import rpcs
from medmesh.common.v1.catalog_pb2 import GetModelCardResponse
from medmesh.orchestrator.v1.orchestrator_pb2 import DiagnoseResponse
from medmesh.rpcs import Rpc
from services.chassis.observability import audit
from services.chassis.rpc.request import current
from services.chassis.rpc.tokens import TokenVerifier
from services.chassis.settings import SettingsError
from tests.clients.fake_mesh import FakeMesh, stored_diagnosis
from tests.gateway.conftest import SERVERS, connection_to
from tests.security.https import DENIED, UNAUTHENTICATED, Caller, Headers

BEYOND = "127.1:0"
"""Another name of 127.0.0.1, which a door takes for an address that other machines reach."""
PUBLIC = {
    "/": "the description of the API",
    "/openapi.json": "the same for machines",
    "/fhir/metadata": "what a FHIR server says of itself to everybody",
    "/fhir/OperationDefinition/diagnose": "the same",
    "/cds-services": "discovery, which CDS Hooks leaves open",
    "/healthz": "a probe",
    "/readyz": "a probe",
}
"""What is answered to everybody, and why: nothing of a patient; of the mesh its health at most is asked."""
ANSWERS_TO_NOBODY: dict[str, tuple[str | None, object]] = {
    "/session": (None, {"login": True, "name": ""}),
    "/login": ("/#/sign-in-failed", None),  # the provider is away
    "/login/callback": ("/#/sign-in-failed", None),
    "/logout": (None, {"leads_to": "/"}),
}
"""The console's own paths, and where they lead and what they say where nobody is signed in."""
OPERATORS_ONLY = "ModelCatalogService/ReloadModels"
MARK = "Quetzalcoatl-4711"
NOTE = "/medmesh.language.v1.LanguageService/AnalyzeNote"
UPLOAD = "/medmesh.common.v1.UploadService/WriteUpload"
STREAM = "/medmesh.orchestrator.v1.DiagnosticService/DiagnoseStream"
RECORD = (
    b'{"resourceType": "Bundle", "type": "collection", "entry": [{"resource": {"resourceType": "Patient"}}]}'
)
RPCS = routes.rpcs(SERVERS)
PAGES: dict[str, Rpc] = {
    "/diagnose": rpcs.DIAGNOSE,
    "/image": rpcs.ANALYZE_IMAGE,
    "/note": rpcs.ANALYZE_NOTE,
    "/fhir/$diagnose": rpcs.DIAGNOSE,
}
"""What pages ask the mesh for."""
JSON = {"content-type": "application/json"}
CONNECT = {"connect-protocol-version": "1"}


def forms(path: str) -> list[Headers]:
    """The protocols in which a route is asked."""
    if path not in RPCS:
        return [JSON]
    method = RPCS[path].method
    streams = method.client_streaming or method.server_streaming
    connect = {"content-type": "application/connect+json"} if streams else JSON
    return [JSON, CONNECT | connect, {"content-type": "application/grpc-web+proto"}]


@pytest.fixture(scope="module")
def issuer():
    """The private key of the hospital's identity provider."""
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def identity(mesh, issuer, tmp_path) -> Path:
    """The door's folder; its policy takes tokens of the identity provider too."""
    folder: Path = tmp_path / "gateway"
    shutil.copytree(mesh / "gateway", folder)
    public = issuer.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / "issuer.pem").write_bytes(public)
    policy = folder / "policy.toml"
    policy.write_text(
        policy.read_text()
        + '[tokens]\nissuer = "https://login.test"\naudience = "medmesh"\nkeys = "issuer.pem"\n'
        + '[tokens.roles]\ncaller = "caller"\n'
    )
    return folder


@pytest.fixture
def settings(identity, tmp_path) -> dict[str, Any]:
    """What both doors are told."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key())) | {"kid": "k1"}
    (tmp_path / "ehr.jwks.json").write_text(json.dumps({"keys": [public]}))
    (tmp_path / "ehr.token").write_text("clerk")  # whom the door's policy allows nothing
    (tmp_path / "ehr.pem").write_bytes(_pem(key))
    (tmp_path / "cds.toml").write_text(
        'audience = "https://door.test/cds-services"\n[ehr.main]\nissuer = "https://ehr.test"\n'
        'keys = "ehr.jwks.json"\nmesh_token_file = "ehr.token"\n'
    )
    return {
        "listen": BEYOND,
        "identity_folder": identity,
        "audit_folder": tmp_path / "audit",
        "cds_clients": tmp_path / "cds.toml",
        "cds_feedback_file": tmp_path / "feedback.jsonl",
        "maximum_stall_s": 60.0,  # who waits for a body waits longer than a test
    }


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    from cryptography.hazmat.primitives.serialization import NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def token(key: Any, algorithm: str = "ES256", kid: str | None = None, **changed: Any) -> str:
    now = int(time.time())
    claims = {"iss": "https://login.test", "aud": "medmesh", "sub": "doctor", "exp": now + 300, "iat": now}
    headers = {"kid": kid} if kid else None
    return jwt.encode(claims | {"roles": ["caller"]} | changed, key, algorithm, headers)


def bearer(text: str) -> Headers:
    return {"authorization": f"Bearer {text}"}


def strangers(mesh: Path, others: Path, issuer: Any) -> dict[str, tuple[Headers, str]]:
    """Who may not call -> what he sends, and how he is refused."""
    own = (mesh / "client" / "token").read_text()
    foreign = ec.generate_private_key(ec.SECP256R1())
    late, of = int(time.time()) - 100, UNAUTHENTICATED
    return {
        "no credentials": ({}, of),
        "wrong token": (bearer("nobodys-token"), of),
        "another mesh's token": (bearer((others / "client" / "token").read_text()), of),
        "another scheme": ({"authorization": f"Basic {own}"}, of),
        "a token as a cookie": ({"cookie": f"medmesh={own}"}, of),
        "another's name": ({"x-medmesh-on-behalf-of": "somebody-known"}, of),
        "wrong role": (bearer("clerk"), DENIED),
        "a person without a role": (bearer(token(issuer, roles=["visitor"])), DENIED),
        "expired": (bearer(token(issuer, exp=late)), of),
        "for another audience": (bearer(token(issuer, aud="elsewhere")), of),
        "of another issuer": (bearer(token(issuer, iss="https://other.test")), of),
        "signed by another": (bearer(token(foreign)), of),
        "not signed": (bearer(token(None, "none")), of),
    }


@contextlib.asynccontextmanager
async def running(kind: type[GatewaySettings], settings: dict[str, Any], behind: FakeMesh):
    """A door's address, and what it is made of, the innermost first."""
    made: list[Any] = []
    told: Any = kind(**settings)

    def around(door: Any) -> Any:
        made.append(door)
        if kind is ConsoleSettings:
            made.append(Login(door, told))
            made.append(Console(made[-1]))
        return made[-1]

    async with running_gateway(told, connection_to(behind), around) as address:
        yield address, made


def audited(folder: Path, name: str) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    for line in audit.records(folder / f"calls-{name}.jsonl"):
        assert (line["identity"], line["tenant"]) == ("anonymous", "")
        found[line["method"], line["status"]] += line.get(audit.COUNT, 1)
    return found


def method_of(path: str) -> str:
    """What a line of the audit log calls a route: the rpc that it asks, else the route itself."""
    if path in RPCS:
        return f"/{RPCS[path].name}"
    return f"/{PAGES[path].name}" if path in PAGES else path


@pytest.mark.parametrize("kind", [GatewaySettings, ConsoleSettings], ids=["gateway", "console"])
async def test_nobody_is_admitted_who_may_not_and_all_are_audited(
    kind, mesh, others, issuer, settings, behind, written, tmp_path
):
    who_may_not = strangers(mesh, others, issuer)
    if kind is ConsoleSettings:  # it stands on the same door: what it adds is the cookie
        who_may_not = {
            "a login that nobody began": ({"cookie": "__Host-medmesh=nobodys-login"}, UNAUTHENTICATED),
            "wrong token": who_may_not["wrong token"],
            "wrong role": who_may_not["wrong role"],
        }
        settings |= {"oidc_issuer": "http://127.0.0.1:1"}
    refused: Counter[tuple[str, str]] = Counter()
    said: list[str] = []
    async with running(kind, settings, behind) as (address, made):
        table = made[0].routes
        closed = [path for path, method in table.items() if method == "POST"]
        assert set(table) - set(closed) == set(PUBLIC)  # what is new is closed, or has its reason there
        assert len(closed) > 40
        async with Caller(address, mesh) as caller:
            for (who, (headers, code)), path in itertools.product(who_may_not.items(), closed):
                expected = UNAUTHENTICATED if path.startswith("/cds-services/") else code
                for form in forms(path):
                    answer = await caller.ask("POST", path, form | headers, MARK.encode())
                    assert answer.refusal == expected, (who, path, form, answer)
                    refused[method_of(path), expected] += 1
                    said.append(repr((sorted(answer.headers.items()), answer.body)))
        assert behind.seen == []
    assert audited(tmp_path / "audit", kind.NAME) == refused
    everything = "".join(said) + written.getvalue() + next((tmp_path / "audit").iterdir()).read_text()
    for headers, _ in who_may_not.values():
        for value in headers.values():
            assert value.rpartition(" ")[2].rpartition("=")[2] not in everything
    assert MARK not in everything


async def test_who_may_is_admitted_everywhere(mesh, issuer, settings, behind, tmp_path):
    """Else the refusals would say nothing; reloading is for nobody who comes from another machine."""
    answers: dict[tuple[str, str], str] = {}
    ehr = (tmp_path / "ehr.pem").read_bytes()
    (tmp_path / "ehr.token").write_bytes((mesh / "client" / "token").read_bytes())
    async with running(GatewaySettings, settings, behind) as (address, made):
        closed = [path for path, method in made[0].routes.items() if method == "POST"]
        for path in closed:
            for form, own in itertools.product(forms(path), _known(mesh, issuer, ehr, path)):
                async with Caller(address, mesh) as caller:  # what the door did not understand it may end
                    answers[path, str(form)] = (await caller.ask("POST", path, form | own, b"{}")).refusal
    admitted = {path for (path, _), code in answers.items() if not code}
    assert set(closed) - admitted == {path for path in closed if path.endswith(OPERATORS_ONLY)}
    assert {code for (path, _), code in answers.items() if path not in admitted} == {DENIED}
    assert {one.metadata["authorization"] for one in behind.seen} >= {
        f"Bearer {(mesh / 'client' / 'token').read_text()}"
    }


def _known(mesh: Path, issuer: Any, ehr: bytes, path: str) -> list[Headers]:
    """Who may ask this route: one whom the policy knows, and a person of the identity provider; or an EHR."""
    if not path.startswith("/cds-services/"):
        return [bearer((mesh / "client" / "token").read_text()), bearer(token(issuer))]
    claims = {"iss": "https://ehr.test", "aud": "https://door.test/cds-services", "jti": str(uuid.uuid4())}
    return [bearer(token(ehr, "ES256", "k1", **claims))]


async def test_a_call_is_judged_once(mesh, issuer, settings, behind, monkeypatch):
    """By a person's token, whose signature costs most. An answer in FHIR asks for the models' cards too."""
    judged: list[str] = []
    verify = TokenVerifier.verify
    monkeypatch.setattr(TokenVerifier, "verify", lambda self, text: judged.append(text) or verify(self, text))
    behind.answers["Diagnose"] = DiagnoseResponse(diagnosis=stored_diagnosis())
    behind.answers["GetModelCard"] = lambda request: GetModelCardResponse(card={"name": request.name})
    plain = {"content-type": "text/plain"}
    asked = [(path, form, _message(path, form)) for path in (NOTE, UPLOAD, STREAM) for form in forms(path)]
    asked += [("/note", plain, b"cough"), ("/diagnose", plain, b"cough"), ("/fhir/$diagnose", JSON, RECORD)]
    async with running(GatewaySettings, settings, behind) as (address, _), Caller(address, mesh) as caller:
        for path, form, body in asked:
            judged.clear()
            behind.seen.clear()
            answer = await caller.ask("POST", path, form | bearer(token(issuer)), body)
            rpcs_asked = {one.method for one in behind.seen}
            assert (answer.status, bool(rpcs_asked)) == (200, True), (path, form, answer)
            assert len(judged) == len(rpcs_asked), (path, form)
    assert rpcs_asked == {"Diagnose", "GetModelCard"}  # and of the latter several


def _message(path: str, form: Headers) -> bytes:
    """An empty message in the protocol of `form`, in an array or an envelope where that takes one."""
    kind = form["content-type"]
    if kind.endswith("+proto"):
        return bytes(5)
    if kind.endswith("+json"):
        return b"\0\0\0\0\2{}"
    return b"[{}]" if RPCS[path].method.client_streaming and form == JSON else b"{}"


async def test_what_a_caller_is_let_in_for_is_one_call_under_one_token(mesh, issuer, identity, settings):
    diagnose, card = rpcs.DIAGNOSE.name, rpcs.GET_MODEL_CARD.name
    policy = identity / "policy.toml"
    policy.write_text(
        '[roles.caller]\nallow = ["/medmesh.orchestrator.v1.*"]\n[tokens]\nissuer = "https://login.test"\n'
        'audience = "medmesh"\nkeys = "issuer.pem"\n[tokens.roles]\ncaller = "caller"\n'
    )
    gate = Gate(GatewaySettings(**settings), presents_certificate=True)
    known = bearer(token(issuer))["authorization"]
    foreign = bearer(token(ec.generate_private_key(ec.SECP256R1())))["authorization"]

    def refusal(rpc: str, authorization: str | None) -> str:
        try:
            gate.admit(rpc, authorization, "0" * 8)
        except Failure as failure:
            return failure.code
        return ""

    for _ in range(2):  # the second request gains nothing by the first
        request = DoorRequest("0" * 8, "POST", time.monotonic() + 60)
        before = current.set(request)
        for _ in range(2):
            assert refusal(diagnose, known) == ""
            assert refusal(card, known) == DENIED
            assert refusal(diagnose, foreign) == refusal(diagnose, None) == UNAUTHENTICATED
        assert request.sharer == "doctor"
        assert known not in repr(request)
        current.reset(before)
    assert refusal(diagnose, known) == ""
    assert refusal(diagnose, None) == UNAUTHENTICATED


async def test_an_ehr_that_may_not_ask_the_mesh_is_refused_before_it_is_read(
    mesh, settings, behind, tmp_path
):
    hook = "/cds-services/assessment"
    (known,) = _known(mesh, None, (tmp_path / "ehr.pem").read_bytes(), hook)
    async with running(GatewaySettings, settings, behind) as (address, _), Caller(address, mesh) as caller:
        answer = await caller.ask("POST", hook, JSON | known, MARK.encode())
    assert answer.refusal == DENIED
    assert audited(tmp_path / "audit", "gateway") == {(f"/{rpcs.DIAGNOSE.name}", DENIED): 1}


async def test_nothing_of_a_body_is_waited_for(mesh, settings, behind):
    """A caller who may not announces a body and sends nothing of it."""
    async with running(GatewaySettings, settings, behind) as (address, made):
        for path, method in made[0].routes.items():
            if method != "POST" or ("/medmesh." in path and not path.startswith("/medmesh.")):
                continue  # the latter is the same rpc of another server
            for form in forms(path):
                async with Caller(address, mesh) as caller:
                    answer = await caller.ask("POST", path, form | bearer("nobodys-token"), length=1_000_000)
                assert answer.refusal == UNAUTHENTICATED, (path, form)


async def test_a_certificate_says_who_may_connect_and_not_who_calls(
    mesh, others, expired, settings, behind, tmp_path
):
    settings |= {"tls_client_ca": mesh / "authority.crt"}
    async with running(GatewaySettings, settings, behind) as (address, made):
        for folder in (None, others / "client", expired / "client"):
            for path, method in made[0].routes.items():
                if path in {*PUBLIC, *PAGES, NOTE}:  # it ends before anybody hears of a route
                    async with Caller(address, mesh, folder) as caller:
                        with pytest.raises(OSError):
                            await caller.ask(method, path, JSON, b"{}")
        async with Caller(address, mesh, mesh / "client") as caller:
            assert (await caller.ask("GET", "/", {})).status == 200
            assert (await caller.ask("POST", NOTE, JSON, b"{}")).refusal == UNAUTHENTICATED
    assert behind.seen == []
    assert audited(tmp_path / "audit", "gateway") == {(NOTE, UNAUTHENTICATED): 1}


async def test_the_consoles_own_pages_lend_nothing_to_nobody(mesh, settings, behind, tmp_path):
    settings |= {"oidc_issuer": "http://127.0.0.1:1"}
    async with running(ConsoleSettings, settings, behind) as (address, (_, login, console)):
        assert {path for _, path in login.paths} == set(ANSWERS_TO_NOBODY)
        async with Caller(address, mesh) as caller:
            for path in console.paths:
                assert (await caller.ask("GET", path, {})).status == 200, path
            for method, path in login.paths:
                answer = await caller.ask(method, path, {"cookie": "__Host-medmesh=nobodys-login"})
                found = (answer.headers.get("location"), json.loads(answer.body or "null"))
                assert found == ANSWERS_TO_NOBODY[path]
                answer = await caller.ask(method, path, {"origin": "https://elsewhere.test"})
                assert (answer.status, answer.body) == (403, b"")
            answer = await caller.ask("POST", "/note", JSON | {"origin": "https://elsewhere.test"}, b"{}")
            assert answer.status == 403
    assert behind.seen == []
    assert audited(tmp_path / "audit", "console") == {("/note", DENIED): 1}


async def test_a_door_that_cannot_audit_says_so(mesh, settings, behind, monkeypatch, tmp_path):
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async with running(GatewaySettings, settings, behind) as (address, _), Caller(address, mesh) as caller:
        assert (await caller.ask("GET", "/readyz", {})).status == 200
        monkeypatch.setattr(audit, "append_line", full)
        assert (await caller.ask("POST", "/note", JSON, b"{}")).refusal == UNAUTHENTICATED
        answer = await caller.ask("GET", "/readyz", {})
        assert (answer.status, "audited" in json.loads(answer.body)["audit"]) == (503, True)
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="MEDMESH_AUDIT_FOLDER"):
        async with running(GatewaySettings, settings | {"audit_folder": tmp_path / "file"}, behind):
            pass
