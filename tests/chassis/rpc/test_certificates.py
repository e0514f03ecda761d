"""Certificates end, and are renewed under those who use them, over real mutual TLS."""

from __future__ import annotations

import asyncio
import json
import ssl
import urllib.request
from pathlib import Path

import grpc
import pytest
from typer.testing import CliRunner

from clients.cli.main import app
from clients.gateway.server import running_gateway
from clients.gateway.settings import GatewaySettings
from medmesh.connection import Connection, Tls
from services.chassis import certificates
from services.chassis.certificates import Certificates
from services.chassis.errors import MedmeshError
from services.chassis.rpc import transport
from services.chassis.rpc.server import running_server
from services.chassis.settings import ServiceSettings, SettingsError
from services.chassis.upstream.call import Upstream
from services.local import credentials
from tests.chassis.conftest import PREFIX, Handlers, Text


async def test_a_server_takes_renewed_certificates_up_and_keeps_the_old_ones_where_the_new_are_none(
    tmp_path, log_lines
):
    mesh, renewed = tmp_path / "mesh", tmp_path / "renewed"
    for folder in (mesh, renewed):
        credentials.make(folder)
    settings = ServiceSettings(listen="127.0.0.1:0", identity_folder=mesh / "imaging")
    health = "/grpc.health.v1.Health/Check"

    async def is_trusted(address: str, folder: Path) -> bool:
        async with transport.channel(address, ServiceSettings(identity_folder=folder / "client")) as channel:
            call = channel.unary_unary(health)(b"", timeout=10)
            code = await call.code()
            assert code in {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}
            return code is grpc.StatusCode.OK

    async with running_server(Handlers(tasks=()).service(), settings) as running:
        assert await is_trusted(running.address, mesh)
        assert not await is_trusted(running.address, renewed)
        (mesh / "imaging" / "tls.crt").write_text("no certificate")
        assert await is_trusted(running.address, mesh)
        assert len(log_lines("certificates not taken")) == 1
        for name in ("tls.key", "tls.crt", "ca.crt"):
            (mesh / "imaging" / name).write_bytes((renewed / "imaging" / name).read_bytes())
        assert await is_trusted(running.address, renewed)
        assert not await is_trusted(running.address, mesh)
        assert log_lines("certificates taken")


ENDED = -1 / 1440
"""A minute ago, in days."""


def made(folder: Path, monkeypatch, *, days: float, authority_days: float = 400) -> Path:
    """An identity folder whose parts' certificates last so long."""
    monkeypatch.setattr(credentials, "CERTIFICATE_DAYS", days)
    monkeypatch.setattr(credentials, "AUTHORITY_DAYS", authority_days)
    credentials.make(folder)
    return folder


async def test_a_certificate_that_ends_soon_is_told_in_the_log_measured_and_found_by_doctor(
    tmp_path, monkeypatch, log_lines
):
    mesh = made(tmp_path / "mesh", monkeypatch, days=20)
    settings = ServiceSettings(
        listen="127.0.0.1:0", identity_folder=mesh / "imaging", metrics_listen="127.0.0.1:0"
    )
    async with running_server(Handlers(tasks=()).service(), settings) as running:
        async with asyncio.timeout(10):
            while not log_lines("a certificate ends soon"):  # noqa: ASYNC110 - a thread logs it
                await asyncio.sleep(0.02)
        [facts] = log_lines("a certificate ends soon")
        assert (facts["certificate"], facts["file"], facts["days"]) == ("certificate", "tls.crt", 19)
        [door] = log_lines("metrics can be scraped")
        page = await asyncio.to_thread(
            lambda: urllib.request.urlopen(f"http://{door['address']}/metrics").read().decode()
        )
        left = {
            line.partition('medmesh_tls_certificate="')[2].partition('"')[0]: float(line.rpartition(" ")[2])
            for line in page.splitlines()
            if line.startswith("medmesh_tls_certificate_remaining_seconds{")
        }
        assert left.keys() == {"certificate", "client_authority", "upstream_authority"}
        assert 19 * 86_400 < left["certificate"] < 20 * 86_400 < left["client_authority"]
        monkeypatch.setenv("MEDMESH_IDENTITY_FOLDER", str(mesh))
        monkeypatch.setenv("MEDMESH_URL", running.address)
        monkeypatch.setenv("MEDMESH_IMAGING_URL", running.address)
        told = json.loads((await asyncio.to_thread(CliRunner().invoke, app, ["doctor", "--json"])).stdout)
    found = {one["subject"]: one for one in told if one["section"] == "Mesh"}
    for subject in ("imaging's certificate", "own certificate as caller"):
        assert (found[subject]["verdict"], found[subject]["found"]) == ("NOTED", "ends in 19 days")
    assert found["own mesh authority"]["verdict"] == "GOOD"


async def test_doctor_says_of_a_service_that_its_certificate_has_ended(tmp_path, monkeypatch):
    mesh = made(tmp_path / "mesh", monkeypatch, days=400)
    settings = ServiceSettings(listen="127.0.0.1:0", identity_folder=mesh / "imaging")
    ended = mesh / "imaging" / "tls.crt"
    async with running_server(Handlers(tasks=()).service(), settings) as running:
        ended.unlink()
        made(mesh, monkeypatch, days=ENDED)
        monkeypatch.setenv("MEDMESH_IDENTITY_FOLDER", str(mesh))
        monkeypatch.setenv("MEDMESH_URL", running.address)
        told = json.loads((await asyncio.to_thread(CliRunner().invoke, app, ["doctor", "--json"])).stdout)
        await running.parts.health.refresh()
        assert running.parts.health.problems["certificates"] == "a certificate has ended (certificate)"
    found = [one for one in told if one["subject"] == "orchestrator"]
    assert "certificate has expired" in found[0]["found"]


@pytest.mark.parametrize(
    ("name", "key"), [("tls.crt", "MEDMESH_TLS_CERTIFICATE"), ("ca.crt", "MEDMESH_TLS_CLIENT_CA")]
)
async def test_one_that_has_ended_is_named_at_the_start(tmp_path, monkeypatch, name, key):
    mesh = made(tmp_path / "mesh", monkeypatch, days=400)
    ended = made(tmp_path / "ended", monkeypatch, days=ENDED, authority_days=ENDED)
    (mesh / "imaging" / name).write_bytes((ended / "imaging" / name).read_bytes())
    settings = ServiceSettings(listen="127.0.0.1:0", identity_folder=mesh / "imaging")
    with pytest.raises(SettingsError, match=rf"{key}: the certificate CN=.* ended at 20\d\d-"):
        async with running_server(Handlers(tasks=()).service(), settings):
            pass


def test_an_authority_that_has_ended_may_lie_beside_its_successor(tmp_path, monkeypatch):
    mesh = made(tmp_path / "mesh", monkeypatch, days=400)
    ended = made(tmp_path / "ended", monkeypatch, days=ENDED, authority_days=ENDED)
    both = mesh / "imaging" / "ca.crt"
    both.write_bytes((ended / "authority.crt").read_bytes() + (mesh / "authority.crt").read_bytes())
    found = Certificates.of(ServiceSettings(identity_folder=mesh / "imaging"))
    found.check()
    assert dict(found.remaining_s())["client_authority"] > 390 * 86_400


def test_what_ends_soon_is_told_once_a_day(tmp_path, monkeypatch, log_lines):
    mesh = made(tmp_path / "mesh", monkeypatch, days=20)
    now = 1e6
    monkeypatch.setattr(certificates.time, "monotonic", lambda: now)
    found = Certificates.of(ServiceSettings(identity_folder=mesh / "imaging"))
    for hour in range(49):
        now = 1e6 + hour * 3600
        found.tell()
    assert len(log_lines("a certificate ends soon")) == 3


async def test_an_http_door_takes_renewed_certificates_up(tmp_path, monkeypatch, log_lines):
    mesh = made(tmp_path / "mesh", monkeypatch, days=400)
    own = mesh / "gateway"
    settings = GatewaySettings(listen="127.0.0.1:0", tls_certificate=own / "tls.crt", tls_key=own / "tls.key")

    async def shown(address: str) -> bytes:
        host, _, port = address.rpartition(":")
        text = await asyncio.to_thread(ssl.get_server_certificate, (host, int(port)))
        return text.encode().strip()

    async with running_gateway(settings, Connection({"orchestrator": "127.0.0.1:1"})) as address:
        first = as_file(own / "tls.crt")
        assert await shown(address) == first
        (own / "tls.crt").write_text("no certificate")
        async with asyncio.timeout(10):
            while not log_lines("certificates not taken"):  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(0.05)
        assert await shown(address) == first
        (own / "tls.crt").unlink()
        await asyncio.to_thread(credentials.make, mesh)
        async with asyncio.timeout(10):
            while await shown(address) == first:  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(0.05)
        assert await shown(address) == as_file(own / "tls.crt")


async def test_a_door_whose_certificate_as_a_caller_has_ended_does_not_start(tmp_path, monkeypatch):
    mesh = made(tmp_path / "mesh", monkeypatch, days=ENDED)
    own = mesh / "client"
    to = Connection({"orchestrator": "127.0.0.1:1"}, Tls(own / "ca.crt", own / "tls.crt", own / "tls.key"))
    with pytest.raises(SettingsError, match="MEDMESH_CLIENT_CERTIFICATE: the certificate CN=client ended"):
        async with running_gateway(GatewaySettings(listen="127.0.0.1:0"), to):
            pass


@pytest.mark.parametrize(("name", "is_trusted"), [("imaging", True), ("another-host", False)])
async def test_one_address_of_a_name_shows_a_certificate_of_that_name(tmp_path, name, is_trusted):
    """As an upstream's replicas do, whose addresses no certificate names."""
    credentials.make(tmp_path)
    settings = ServiceSettings(listen="127.0.0.1:0", identity_folder=tmp_path / "imaging")
    caller = ServiceSettings(identity_folder=tmp_path / "client")
    async with (
        running_server(Handlers(tasks=()).service(), settings) as running,
        transport.channel(running.address, caller, named=f"{name}:50061") as channel,
    ):
        code = await channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=10).code()
    assert code is (grpc.StatusCode.OK if is_trusted else grpc.StatusCode.UNAVAILABLE)


def shown_to(seen: list[bytes]) -> Handlers:
    """A service that notes the certificate of each caller."""

    async def unary(parts, request, context):
        seen.append(context.auth_context()["x509_pem_cert"][0])
        await asyncio.sleep(0.005)
        return Text()

    return Handlers(unary=unary, tasks=())


def as_file(path: Path) -> bytes:
    return path.read_bytes().replace(b"\r", b"").strip()


def new_authority(folder: Path) -> None:
    """Renews the authority, and all that it has signed."""
    before = (folder / "authority.crt").read_bytes()
    (folder / "authority.key").unlink()  # as one that ends soon
    assert credentials.make(folder)
    assert (folder / "authority.crt").read_bytes() != before


async def test_a_new_authority_and_new_certificates_on_both_sides_fail_no_call_under_load(
    tmp_path, log_lines
):
    mesh = tmp_path / "mesh"
    await asyncio.to_thread(credentials.make, mesh)
    before = as_file(mesh / "orchestrator" / "tls.crt")
    policy = mesh / "policy.toml"
    policy.write_text(policy.read_text().replace("/medmesh.common.v1.ModelCatalogService/[GL]*", "/medmesh*"))
    await asyncio.to_thread(credentials.make, mesh)
    seen: list[bytes] = []
    # Connections end time and again, so that calls have to connect at every moment of the change.
    settings = ServiceSettings(
        listen="127.0.0.1:0", identity_folder=mesh / "imaging", maximum_connection_age_s=0.4
    )
    failed: list[object] = []
    answered = 0
    async with running_server(shown_to(seen).service(), settings) as running:
        own = ServiceSettings(identity_folder=mesh / "orchestrator")
        async with Upstream("imaging", running.address, own) as upstream:
            unary = upstream.channel.unary_unary(
                PREFIX + "Unary",
                request_serializer=Text.SerializeToString,
                response_deserializer=Text.FromString,
            )
            ended = asyncio.Event()

            async def ask() -> None:
                nonlocal answered
                while not ended.is_set():
                    try:
                        await upstream.call(unary, Text(), timeout_s=20, name=f"{PREFIX}Unary"[1:])
                        answered += 1
                    except MedmeshError as error:
                        failed.append(error)

            asking = [asyncio.create_task(ask()) for _ in range(4)]
            await asyncio.sleep(1.0)
            await asyncio.to_thread(new_authority, mesh)
            async with asyncio.timeout(20):
                last = as_file(mesh / "orchestrator" / "tls.crt")
                while last not in {one.strip() for one in seen[-4:]}:  # noqa: ASYNC110 - it has no event
                    await asyncio.sleep(0.05)
            await asyncio.sleep(1.0)
            ended.set()
            await asyncio.gather(*asking)
    assert failed == []
    assert answered > 200
    assert {one.strip() for one in seen[:4]} == {before}
    assert {one.strip() for one in seen[-4:]} == {as_file(mesh / "orchestrator" / "tls.crt")} != {before}
    assert log_lines("certificates taken as a caller")


@pytest.mark.parametrize("kind", ["asyncio", "blocking"])
async def test_the_librarys_channels_follow_their_files_and_keep_what_they_have_where_they_cannot(
    tmp_path, kind
):
    mesh = tmp_path / "mesh"
    credentials.make(mesh)
    own = mesh / "client"
    tls = Tls(own / "ca.crt", own / "tls.crt", own / "tls.key")
    seen: list[bytes] = []
    settings = ServiceSettings(listen="127.0.0.1:0", identity_folder=mesh / "language")

    async with running_server(shown_to(seen).service(), settings) as running:
        to = Connection({"language": running.address}, tls)
        channel = to.async_channel("language") if kind == "asyncio" else to.channel("language")
        unary = channel.unary_unary(
            PREFIX + "Unary",
            request_serializer=Text.SerializeToString,
            response_deserializer=Text.FromString,
        )

        async def shown() -> bytes:
            await (unary(Text(), timeout=20) if kind == "asyncio" else asyncio.to_thread(unary, Text(), 20))
            return seen[-1].strip()

        first = as_file(own / "tls.crt")
        assert await shown() == first
        (own / "tls.crt").write_text("no certificate")
        await asyncio.sleep(1.1)
        assert await shown() == await shown() == first
        (own / "tls.crt").unlink()
        await asyncio.to_thread(credentials.make, mesh)
        second = as_file(own / "tls.crt")
        assert second != first
        async with asyncio.timeout(10):
            while await shown() != second:  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(0.1)
        await asyncio.sleep(1.1)
        assert await shown() == second
        if kind == "asyncio":
            await channel.close()
        else:
            channel.close()
