"""An identity provider's tokens: taken when everything holds, else refused without a word."""

from __future__ import annotations

import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from services.chassis.errors import PermissionDenied, Unauthenticated
from services.chassis.rpc.auth import Policy, PolicyFile
from services.chassis.settings import SettingsError

METHOD = "/medmesh.orchestrator.v1.DiagnosticService/Diagnose"
POLICY = """
[roles.physician]
allow = ["/medmesh.orchestrator.v1.DiagnosticService/*"]
[roles.nobody]
allow = []
[tokens]
issuer = "https://login.test"
audience = "medmesh"
keys = "jwks.json"
leeway_s = 5
roles_claim = "realm.roles"
[tokens.roles]
doctor = "physician"
guest = "nobody"
"""
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
KEYS = {"RS256": (RSA, RSAAlgorithm), "ES256": (EC, ECAlgorithm), "EdDSA": (ED, OKPAlgorithm)}


def jwks(*names):
    keys = []
    for name in names:
        private, algorithm = KEYS[name]
        keys.append(algorithm.to_jwk(private.public_key(), as_dict=True) | {"kid": name, "alg": name})
    return json.dumps({"keys": keys})


@pytest.fixture
def policy(tmp_path):
    (tmp_path / "jwks.json").write_text(jwks("RS256", "ES256", "EdDSA"))
    path = tmp_path / "policy.toml"
    path.write_text(POLICY)
    return path


def token(algorithm="ES256", key=None, kid=None, **changes):
    now = int(time.time())
    claims = {
        "iss": "https://login.test",
        "aud": "medmesh",
        "sub": "j.doe",
        "exp": now + 60,
        "realm": {"roles": ["doctor", "unheard-of"]},
        "tenant": "surgery",
    }
    claims = {name: value for name, value in (claims | changes).items() if value is not None}
    private = key if key is not None else KEYS[algorithm][0]
    return jwt.encode(claims, private, algorithm, headers={"kid": kid or algorithm})


def bearer(text):
    return f"Bearer {text}"


@pytest.mark.parametrize("algorithm", KEYS)
def test_a_token_of_the_issuer_gives_roles_and_tenant(policy, algorithm):
    identity = Policy.read(policy).authorize(METHOD, bearer(token(algorithm)), [])
    assert (identity.name, identity.kind, identity.tenant) == ("j.doe", "jwt", "surgery")


def test_a_role_that_allows_nothing_allows_nothing(policy):
    with pytest.raises(PermissionDenied):
        Policy.read(policy).authorize(METHOD, bearer(token(realm={"roles": ["guest"]})), [])
    with pytest.raises(PermissionDenied):
        Policy.read(policy).authorize(METHOD, bearer(token(realm="physician")), [])


def unsigned():
    claims = jwt.decode(token(), options={"verify_signature": False})
    return jwt.encode(claims, "", "none")


def signed_with_the_public_key():
    """The classical confusion: the public key's PEM as the secret of HS256."""
    import base64
    import hashlib
    import hmac

    pem = RSA.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    body = token("RS256").split(".")[1]
    header = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"RS256"}').rstrip(b"=").decode()
    mac = hmac.new(pem, f"{header}.{body}".encode(), hashlib.sha256).digest()
    return f"{header}.{body}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


@pytest.mark.parametrize(
    "made",
    [
        lambda: token(exp=int(time.time()) - 6),
        lambda: token(exp=None),
        lambda: token(nbf=int(time.time()) + 60),
        lambda: token(iss="https://other.test"),
        lambda: token(iss=None),
        lambda: token(aud="other"),
        lambda: token(aud=None),
        lambda: token(sub=None),
        lambda: token(sub="John Doe; born 1950"),
        lambda: token(key=ec.generate_private_key(ec.SECP256R1())),
        lambda: token(kid="unknown"),
        lambda: token("RS256", kid="ES256"),
        lambda: token()[:-4] + "AAAA",
        unsigned,
        signed_with_the_public_key,
        lambda: "a.b.c",
        lambda: "x" * 100_000,
        lambda: "",
    ],
)
def test_whatever_does_not_hold_is_refused(policy, made):
    with pytest.raises(Unauthenticated) as caught:
        Policy.read(policy).authorize(METHOD, bearer(made()), [])
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_clocks_may_differ_within_the_leeway(policy):
    assert Policy.read(policy).authorize(METHOD, bearer(token(exp=int(time.time()) - 3)), [])


def test_one_public_key_in_pem_needs_no_key_id(policy):
    pem = ED.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (policy.parent / "jwks.json").write_bytes(pem)
    now = int(time.time())
    claims = {"iss": "https://login.test", "aud": "medmesh", "sub": "x", "exp": now + 60}
    without = jwt.encode(claims | {"realm": {"roles": ["doctor"]}}, ED, "EdDSA")
    assert Policy.read(policy).authorize(METHOD, bearer(without), []).tenant == "x"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('audience = "medmesh"', ""),
        ('keys = "jwks.json"', 'keys = "missing.json"'),
        ('keys = "jwks.json"', 'keys = "policy.toml"'),
        ("leeway_s = 5", "leeway_s = 5000"),
        ("leeway_s = 5", 'algorithms = ["HS256"]'),
        ("leeway_s = 5", "colour = 5"),
        ('doctor = "physician"', 'doctor = "surgeon"'),
    ],
)
def test_a_table_of_tokens_that_cannot_be_used_stops_the_start(policy, old, new):
    policy.write_text(POLICY.replace(old, new))
    with pytest.raises(SettingsError, match=r"MEDMESH_AUTH_POLICY.*tokens"):
        Policy.read(policy)


def test_a_shared_secret_among_the_keys_is_no_key(policy):
    (policy.parent / "jwks.json").write_text('{"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "1"}]}')
    with pytest.raises(SettingsError, match="no public key"):
        Policy.read(policy)


def test_keys_and_policy_are_read_again_and_a_broken_file_changes_nothing(policy, monkeypatch):
    taken = []
    clock = [0.0]
    monkeypatch.setattr("services.chassis.rpc.auth.time.monotonic", lambda: clock[0])
    rules = PolicyFile(policy, taken.append)

    def later():
        clock[0] += 2.0
        return rules.authorize(METHOD, bearer(token("ES256")), [])

    assert later().name == "j.doe"
    (policy.parent / "jwks.json").write_text(jwks("RS256"))
    with pytest.raises(Unauthenticated):
        later()
    (policy.parent / "jwks.json").write_text("{")
    with pytest.raises(Unauthenticated):
        later()
    (policy.parent / "jwks.json").write_text(jwks("ES256", "RS256"))
    assert later().name == "j.doe"
    assert len(taken) == 3
