"""Who calls for another has the other's rights and not his own, and only where the policy lets him."""

from __future__ import annotations

import hashlib
import time

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from services.chassis.errors import PermissionDenied, Unauthenticated
from services.chassis.observability import audit
from services.chassis.rpc import request as requests
from services.chassis.rpc.assertions import KEY, LIFETIME_S, Caller, Signer, Verifier
from services.chassis.rpc.auth import Policy
from services.chassis.settings import Secret, ServiceSettings, SettingsError
from services.chassis.upstream.call import Upstream
from services.orchestrator.settings import OrchestratorSettings
from tests.chassis.conftest import PREFIX, Handlers, Text, refusal_of

UNARY = PREFIX + "Unary"
WARD = Caller("ward", "token", (), "surgery")


def entry(name: str, allow: list[str], more: str = "") -> str:
    digest = hashlib.sha256(name.encode()).hexdigest()
    return f"[identities.{name}]\ntoken_sha256 = '{digest}'\nallow = {allow}\n{more}\n"


POLICY = (
    f"[roles.reader]\nallow = ['{UNARY}']\n"
    + entry("orchestrator", [PREFIX + "Chat"], "assertion_key = 'assertion.pub'")
    + entry("ward", [UNARY], "tenant = 'surgery'")
    + entry("clerk", [])
    + entry("jobs", [UNARY])
    + "[tenants.surgery]\nrequests_per_minute = 1\n"
)
"""Each identity's token is its name."""


@pytest.fixture
def key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture
def signer(tmp_path, key) -> Signer:
    path = tmp_path / "assertion.key"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "assertion.pub").write_bytes(public)
    (tmp_path / "policy.toml").write_text(POLICY)
    return Signer.read(path)


def calling_for(caller: Caller) -> None:
    """The request in progress is that caller's."""
    request = requests.Request("0e7e-0000-0001", "/x/Diagnose", time.monotonic() + 50)
    request.identity, request.identity_kind = caller.name, caller.kind
    request.roles, request.tenant = caller.roles, caller.tenant
    requests.current.set(request)


async def echo(parts, message, context):
    return message


def unary(upstream: Upstream):
    return upstream.channel.unary_unary(UNARY, Text.SerializeToString, Text.FromString)


async def test_the_upstream_applies_the_callers_rights_and_its_log_names_him(
    serve, signer, tmp_path, log_lines
):
    folder = tmp_path / "audit"
    orchestrator = ServiceSettings(token=Secret("orchestrator"))
    async with (
        serve(Handlers(unary=echo), auth_policy=tmp_path / "policy.toml", audit_folder=folder) as sample,
        Upstream("sample", sample.running.address, orchestrator, signer=signer) as upstream,
    ):
        for caller, refused in (
            (WARD, None),
            (Caller("ward", "certificate", (), "surgery"), None),
            (Caller("anna", "jwt", ("reader",), "clinic"), None),
            (Caller("clerk", "token", (), "clerk"), PermissionDenied),
            (Caller("orchestrator", "token", (), "orchestrator"), PermissionDenied),
            (Caller("ward", "jwt", (), "ward"), PermissionDenied),  # a user of the provider with that name
            (Caller("anna", "jwt", ("owner",), "clinic"), PermissionDenied),
            (Caller("nobody", "token", (), "nobody"), PermissionDenied),
            (Caller("anonymous", "none", (), ""), Unauthenticated),
        ):
            calling_for(caller)
            if refused is None:
                assert (await upstream.call(unary(upstream), Text(note="x"))).note == "x"
            else:
                with pytest.raises(refused):
                    await upstream.call(unary(upstream), Text(note="x"))
        with pytest.raises(PermissionDenied):  # for itself it may do something else
            await upstream.call(unary(upstream), Text(note="x"), for_caller=False)
    assert {line.get("via") for line in log_lines("request") if line["status"] == "OK"} == {"orchestrator"}
    lines = [one for one in audit.records(folder / "calls-sample.jsonl") if one["status"] == "OK"]
    assert [(one["identity"], one["identity_kind"], one["tenant"], one["via"]) for one in lines] == [
        ("ward", "token", "surgery", "orchestrator"),
        (
            "ward",
            "certificate",
            "surgery",
            "orchestrator",
        ),  # of one request a minute: counted where he called
        ("anna", "jwt", "clinic", "orchestrator"),
    ]


@pytest.mark.parametrize(
    ("token", "code"),
    [
        (
            "jobs",
            grpc.StatusCode.PERMISSION_DENIED,
        ),  # may call the method itself, and nobody else do so by it
        ("ward", grpc.StatusCode.PERMISSION_DENIED),
        ("", grpc.StatusCode.UNAUTHENTICATED),
    ],
)
async def test_only_whom_the_policy_lets_may_call_for_others(serve, signer, tmp_path, token, code):
    async with serve(Handlers(unary=echo), auth_policy=tmp_path / "policy.toml") as sample:
        metadata = [(KEY, signer.sign(WARD, "sample", UNARY))]
        if token:
            metadata.append(("authorization", f"Bearer {token}"))
        assert (await refusal_of(sample.call("Unary")(Text(), metadata=metadata))).code is code


def test_an_assertion_is_good_for_its_method_its_service_its_key_and_a_minute(signer, key, tmp_path):
    policy = Policy.read(tmp_path / "policy.toml")

    def admitted(assertion: str) -> str:
        return policy.authorize(UNARY, "Bearer orchestrator", [], assertion, service="sample").name

    good = signer.sign(WARD, "sample", UNARY)
    claims = jwt.decode(good, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == LIFETIME_S <= 60
    assert admitted(good) == "ward"
    now = int(time.time())
    for bad in (
        signer.sign(WARD, "imaging", UNARY),
        signer.sign(WARD, "sample", PREFIX + "Chat"),
        jwt.encode(claims, Ed25519PrivateKey.generate(), "EdDSA"),
        jwt.encode(claims, "a secret that both sides would have to know", "HS256"),
        jwt.encode(claims, "", "none"),
        jwt.encode(claims | {"iat": now - 120, "exp": now - 60}, key, "EdDSA"),
        jwt.encode(claims | {"iat": now + 3600, "exp": now + 3660}, key, "EdDSA"),
        jwt.encode(claims | {"exp": now + 3600}, key, "EdDSA"),
        *(
            jwt.encode({k: v for k, v in claims.items() if k != left_out}, key, "EdDSA")
            for left_out in claims
        ),
        good[:-4],
        "",
    ):
        with pytest.raises(Unauthenticated):
            admitted(bad)


def test_keys_that_cannot_be_used_stop_the_start(signer, tmp_path):
    policy = tmp_path / "policy.toml"
    for content in (b"no key", (tmp_path / "assertion.key").read_bytes()):
        (tmp_path / "assertion.pub").write_bytes(content)
        with pytest.raises(SettingsError, match=r"identities\.orchestrator\.assertion_key must name"):
            Policy.read(policy)
    with pytest.raises(SettingsError, match="MEDMESH_ASSERTION_KEY: is needed with a policy"):
        OrchestratorSettings(auth_policy=policy)
    OrchestratorSettings(auth_policy=policy, assertion_key=tmp_path / "assertion.key")


@pytest.mark.parametrize("off_s", [-3600, -75, 15, 3600])
def test_an_assertion_of_another_time_is_refused_with_its_cause(signer, tmp_path, monkeypatch, off_s):
    verifier = Verifier.read(tmp_path / "assertion.pub")
    true = time.time()
    monkeypatch.setattr("services.chassis.rpc.assertions.time.time", lambda: true + off_s)
    assertion = signer.sign(WARD, "sample", UNARY)
    monkeypatch.undo()
    with pytest.raises(Unauthenticated, match="clocks differ") as caught:
        verifier.verify(assertion, "sample", UNARY)
    assert caught.value.metadata == {"cause": "CLOCKS_DIFFER"}
    with pytest.raises(Unauthenticated) as caught:  # what is not signed by whom it should learns nothing
        verifier.verify(f"{assertion[:-8]}AAAAAAAA", "sample", UNARY)
    assert caught.value.metadata == {}
