"""A server's certificates are renewed under it, over real mutual TLS."""

from __future__ import annotations

from pathlib import Path

import grpc

from services.chassis.rpc import transport
from services.chassis.rpc.server import running_server
from services.chassis.settings import ServiceSettings
from services.local import credentials
from tests.chassis.conftest import Handlers


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
