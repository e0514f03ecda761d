"""`medmesh certificates`: what it makes is a mesh whose parts know each other, and nobody else."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from cryptography import x509

from medmesh import connection
from services.chassis.errors import PermissionDenied, Unauthenticated
from services.chassis.rpc import probe, transport
from services.chassis.rpc.auth import PolicyFile
from services.chassis.rpc.server import running_server
from services.chassis.settings import ServiceSettings
from services.local import credentials, topology
from tests.chassis.conftest import Handlers, doubler, doubler_card, refusal_of
from tests.fakes import write_model_repository

PARTS = (*topology.load().services, *topology.load().doors, topology.CLIENT)
CATALOG = "/medmesh.common.v1.ModelCatalogService/ListModels"


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    folder: Path = tmp_path_factory.mktemp("identity")
    assert len(credentials.make(folder)) == len(PARTS) + 1
    return folder


def test_each_part_has_its_own_folder_and_no_key_is_for_others_eyes(made):
    for part in PARTS:
        assert {"tls.crt", "tls.key", "ca.crt", "policy.toml"} <= {f.name for f in (made / part).iterdir()}
        assert stat.S_IMODE((made / part).stat().st_mode) == 0o700
    for key in (*made.rglob("*.key"), made / "client" / "token"):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert [path.parent for path in made.rglob("authority.key")] == [made]
    asks = [service.name for service in topology.load().services.values() if service.triton]
    assert {path.parent.name for path in made.rglob("triton.key")} == {"triton", *asks}
    assert len({path.read_text() for path in made.rglob("triton.key")}) == 1


def test_a_second_run_makes_nothing_and_hands_the_edited_policy_out(tmp_path):
    credentials.make(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert credentials.make(tmp_path) == []
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    policy = tmp_path / "policy.toml"
    policy.write_text(policy.read_text() + "[tenants.ward]\nin_flight = 1\n")
    assert credentials.make(tmp_path) == []
    assert (tmp_path / "imaging" / "policy.toml").read_text() == policy.read_text()


def test_what_soon_ends_or_lacks_a_name_is_renewed_under_the_same_authority(tmp_path, monkeypatch):
    monkeypatch.setattr(credentials, "CERTIFICATE_DAYS", credentials.RENEWED_BEFORE_DAYS - 1)
    credentials.make(tmp_path)
    monkeypatch.undo()
    authority = (tmp_path / "authority.crt").read_bytes()
    assert len(credentials.make(tmp_path)) == len(PARTS)
    assert (tmp_path / "authority.crt").read_bytes() == authority
    assert len(credentials.make(tmp_path, ["mesh.example"])) == len(PARTS) - 1  # not of the client
    certificate = x509.load_pem_x509_certificate((tmp_path / "imaging" / "tls.crt").read_bytes())
    assert certificate.not_valid_after_utc > datetime.now(UTC) + timedelta(days=300)


def test_the_policy_lets_the_client_call_and_a_part_without_an_entry_nothing(made):
    policy = PolicyFile(made / "imaging" / "policy.toml", beyond_loopback=True)
    method = "/medmesh.imaging.v1.ImagingService/AnalyzeImage"
    token = (made / "client" / "token").read_text()
    assert policy.authorize(method, f"Bearer {token}", []).name == "client"
    assert policy.authorize(method, None, ["client"]).kind == "certificate"
    with pytest.raises(Unauthenticated):
        policy.authorize(method, None, ["gateway"])
    with pytest.raises(PermissionDenied):
        policy.authorize("/medmesh.common.v1.ModelCatalogService/ReloadModels", None, ["jobs"])


async def test_a_service_beyond_loopback_by_one_setting_answers_the_client_alone(made, tmp_path):
    write_model_repository(tmp_path / "repository", [doubler_card()])
    settings = ServiceSettings(
        listen="0.0.0.0:0", identity_folder=made / "imaging", model_repository=(tmp_path / "repository",)
    )

    async def echo(parts, message, context):
        return message

    async with running_server(Handlers(unary=echo).service(), settings, inference=doubler()) as running:
        address = f"127.0.0.1:{running.address.rpartition(':')[2]}"
        for part, answered in (("client", True), ("orchestrator", True), ("gateway", False)):
            caller = ServiceSettings(identity_folder=made / part)
            assert await probe.probe(address, "", caller) == (0, "SERVING")
            async with transport.channel(address, caller) as channel:
                call = channel.unary_unary(CATALOG)(b"", timeout=10)
                if answered:
                    await call
                else:
                    assert (await refusal_of(call)).code is grpc.StatusCode.UNAUTHENTICATED
        async with grpc.aio.insecure_channel(address) as channel:
            refused = await refusal_of(channel.unary_unary(CATALOG)(b"", timeout=10))
            assert refused.code is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("inside", ["", "client"])
def test_the_client_takes_the_same_folder_or_the_whole_of_it(made, inside):
    found = connection.resolve(
        None,
        imaging=None,
        language=None,
        recommendation=None,
        token=None,
        tls=None,
        timeout_s=None,
        environment={"MEDMESH_IDENTITY_FOLDER": str(made / inside), "MEDMESH_URL": "mesh.example:50060"},
    )
    own = made / "client"
    assert found.tls == connection.Tls(*(str(own / name) for name in ("ca.crt", "tls.crt", "tls.key")))
