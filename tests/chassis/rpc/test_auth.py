"""Who may call what: tokens and certificates against the policy, over plain connections and mutual TLS."""

from __future__ import annotations

import hashlib
import subprocess
from dataclasses import replace

import grpc
import pytest

from services.chassis.errors import PermissionDenied, Unauthenticated
from services.chassis.rpc import probe, transport
from services.chassis.rpc.auth import Policy, PolicyFile
from services.chassis.rpc.server import running_server
from services.chassis.settings import Secret, ServiceSettings, SettingsError
from services.chassis.upstream.call import Upstream
from tests.chassis.conftest import PREFIX, Handlers, Text, doubler, doubler_card, refusal_of
from tests.fakes import write_model_repository

POLICY = f"""
[identities.orchestrator]
token_sha256 = "{hashlib.sha256(b"correct").hexdigest()}"
certificate = "orchestrator.test"
allow = ["{PREFIX}Unary"]
"""


async def echo(parts, message, context):
    return message


@pytest.fixture
def policy(tmp_path):
    path = tmp_path / "policy.toml"
    path.write_text(POLICY)
    return path


def test_the_policy_lets_in_whom_it_names_and_nobody_else(policy):
    rules = Policy.read(policy)
    assert rules.authorize(PREFIX + "Unary", "Bearer correct", []).kind == "token"
    assert rules.authorize(PREFIX + "Unary", None, ["orchestrator.test"]).kind == "certificate"
    assert rules.authorize("/grpc.health.v1.Health/Check", None, []).kind == "none"
    with pytest.raises(PermissionDenied):
        rules.authorize(PREFIX + "Upload", "Bearer correct", [])
    for authorization, names in [
        (None, []),
        (None, ["other"]),
        ("Bearer wrong", []),
        ("Basic correct", []),
        ("", []),
    ]:
        with pytest.raises(Unauthenticated):
            rules.authorize(PREFIX + "Unary", authorization, names)
    with pytest.raises(Unauthenticated):
        rules.authorize("/grpc.health.v1.Health/Check", "Bearer wrong", [])


@pytest.mark.parametrize(
    "text",
    [
        "identities = 3",
        "[identities.x]\nallow = ['*']",
        "[identities.x]\ntoken_sha256 = 'abc'\nallow = ['*']",
        f"[identities.x]\ntoken_sha256 = '{hashlib.sha256(b'').hexdigest()}'\nallow = ['*']",
        "[identities.x]\ncertificate = 'c'",
        "[identities.x]\ncertificate = 'c'\nallow = '*'",
        "[identities.x]\ncertificate = 'c'\nallow = []\ncolour = 'red'",
        "[identity.x]",
        "not toml",
    ],
)
def test_a_policy_that_cannot_be_used_stops_the_start(tmp_path, text):
    path = tmp_path / "policy.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match="MEDMESH_AUTH_POLICY"):
        Policy.read(path)
    with pytest.raises(SettingsError, match="MEDMESH_AUTH_POLICY"):
        Policy.read(tmp_path / "missing.toml")


async def test_the_server_asks_for_a_token_and_health_stays_open(serve, policy, log_lines):
    async with serve(Handlers(unary=echo), auth_policy=policy) as sample:
        call = sample.call("Unary")
        bearer = (("authorization", "Bearer correct"),)
        await call(Text(note="short"), metadata=bearer)
        assert (await refusal_of(call(Text(note="short")))).code is grpc.StatusCode.UNAUTHENTICATED
        denied = await refusal_of(sample.channel.unary_unary(CATALOG)(b"", metadata=bearer))
        assert denied.code is grpc.StatusCode.PERMISSION_DENIED
        assert await probe.probe(sample.running.address, "", ServiceSettings()) == (0, "SERVING")
    kinds = [line["identity_kind"] for line in log_lines("request")]
    assert kinds == ["token", "none", "none"]
    assert "correct" not in log_lines.text()


async def test_mutual_tls_takes_the_identity_from_the_certificate(tmp_path, policy, log_lines):
    ca, server, client = (_certificate(tmp_path, name) for name in ("ca", "localhost", "orchestrator.test"))
    write_model_repository(tmp_path / "repository", [doubler_card()])
    settings = ServiceSettings(
        listen="localhost:0",
        model_repository=(tmp_path / "repository",),
        tls_certificate=server[0],
        tls_key=server[1],
        tls_client_ca=ca[0],
        auth_policy=policy,
    )
    caller = ServiceSettings(tls_certificate=client[0], tls_key=client[1], tls_upstream_ca=ca[0])
    handlers = Handlers(unary=echo)
    async with running_server(handlers.service(), settings, inference=doubler()) as running:
        async with Upstream("sample", running.address, caller) as upstream:
            method = upstream.channel.unary_unary(PREFIX + "Unary", Text.SerializeToString, Text.FromString)
            assert (await upstream.call(method, Text(note="x"))).note == "x"
        without = replace(caller, tls_certificate=None, tls_key=None)
        async with transport.channel(running.address, without) as channel:
            assert (await refusal_of(channel.unary_unary(PREFIX + "Unary")(b"", timeout=10))).code is (
                grpc.StatusCode.UNAVAILABLE
            )
        assert await probe.probe(running.address, "", caller) == (0, "SERVING")
    (line,) = log_lines("request")
    assert (line["identity"], line["identity_kind"]) == ("orchestrator", "certificate")


async def test_the_token_of_a_file_goes_before_the_variable_and_is_read_at_each_call(serve, policy, tmp_path):
    token = tmp_path / "token"
    token.write_text("correct\n")
    caller = ServiceSettings(token=Secret("wrong"), token_file=token)
    async with (
        serve(Handlers(unary=echo), auth_policy=policy) as sample,
        Upstream("sample", sample.running.address, caller) as upstream,
    ):
        method = upstream.channel.unary_unary(PREFIX + "Unary", Text.SerializeToString, Text.FromString)
        await upstream.call(method, Text(note="short"))
        token.write_text("renewed\n")
        with pytest.raises(Unauthenticated):
            await upstream.call(method, Text(note="short"))


CATALOG = "/medmesh.common.v1.ModelCatalogService/ListModels"


@pytest.mark.parametrize("address", ["imaging.example:50061", "10.0.0.7:50061"])
async def test_a_token_never_goes_to_another_host_in_clear(address, tmp_path):
    for settings in (ServiceSettings(token=Secret("s")), ServiceSettings(token_file=tmp_path / "t")):
        with pytest.raises(SettingsError, match="MEDMESH_TLS_UPSTREAM_CA: the token would go to"):
            transport.channel(address, settings)
    await transport.channel(address, ServiceSettings()).close()
    await transport.channel("127.0.0.1:50061", ServiceSettings(token=Secret("s"))).close()


def test_a_certificate_that_is_none_or_of_another_key_is_named_at_start(tmp_path):
    first, other = (_certificate(tmp_path, name) for name in ("ca", "localhost"))
    for certificate, key in ((first[0], other[1]), (first[1], first[1])):
        settings = ServiceSettings(tls_certificate=certificate, tls_key=key)
        with pytest.raises(SettingsError, match="MEDMESH_TLS_CERTIFICATE"):
            transport.bind(None, settings)
    with pytest.raises(SettingsError, match="MEDMESH_TLS_KEY: the file cannot be read"):
        transport.bind(None, ServiceSettings(tls_certificate=first[0], tls_key=tmp_path / "none"))


def _certificate(folder, name):
    """A certificate and its key; the first one made is the authority that signs the others."""
    key, request, made = (folder / f"{name}.{end}" for end in ("key", "csr", "pem"))
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(key)]
    subject = ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    if name == "ca":
        _openssl("req", "-x509", *curve, *subject, "-days", "2", "-out", str(made))
        return made, key
    _openssl("req", "-new", *curve, *subject, "-out", str(request))
    signer = ["-CA", str(folder / "ca.pem"), "-CAkey", str(folder / "ca.key"), "-CAcreateserial"]
    _openssl(
        "x509",
        "-req",
        "-in",
        str(request),
        *signer,
        "-days",
        "2",
        "-copy_extensions",
        "copy",
        "-out",
        str(made),
    )
    return made, key


def _openssl(*arguments):
    try:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed: it makes this test's certificates")


RELOAD = "/medmesh.common.v1.ModelCatalogService/ReloadModels"


def test_only_a_named_operator_may_reload_even_where_everybody_may_do_all_else(tmp_path):
    path = tmp_path / "policy.toml"
    path.write_text(
        f"[identities.operator]\ntoken_sha256 = '{hashlib.sha256(b'op').hexdigest()}'\nallow = ['*']\n"
        f"[identities.caller]\ntoken_sha256 = '{hashlib.sha256(b'caller').hexdigest()}'\n"
        f"allow = ['{CATALOG}']\n"
        "[anonymous]\nallow = ['*']\n"
    )
    policy = Policy.read(path)
    assert policy.authorize(CATALOG, None, []).kind == "none"
    assert policy.authorize(RELOAD, "Bearer op", []).name == "operator"
    with pytest.raises(PermissionDenied):
        policy.authorize(RELOAD, "Bearer caller", [])
    with pytest.raises(Unauthenticated):
        policy.authorize(RELOAD, None, [])


def test_without_a_policy_a_caller_on_this_machine_may_reload():
    assert Policy.open().authorize(RELOAD, None, []).kind == "none"


async def test_a_mesh_that_listens_beyond_loopback_lets_nobody_unknown_in(serve, policy):
    async with serve(Handlers(unary=echo), listen="0.0.0.0:0", insecure=True, auth_policy=policy) as sample:
        port = sample.running.address.rpartition(":")[2]
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            for method in (RELOAD, CATALOG, PREFIX + "Unary"):
                refused = await refusal_of(channel.unary_unary(method)(b""))
                assert refused.code is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("pattern", ["*", "/*", "/grpc.health*", CATALOG, "/grpc.reflection.*"])
async def test_beyond_loopback_a_policy_may_not_let_strangers_in(tmp_path, pattern):
    path = tmp_path / "policy.toml"
    path.write_text(f"[anonymous]\nallow = ['/grpc.health.v1.Health/Check', '{pattern}']\n")
    PolicyFile(path)
    with pytest.raises(SettingsError, match=r"MEDMESH_AUTH_POLICY: anonymous\.allow"):
        PolicyFile(path, beyond_loopback=True)
