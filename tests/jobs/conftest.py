"""The jobs door before a fake orchestrator, and an endpoint that is told of ended jobs."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from clients.jobs.__main__ import SERVICE
from clients.jobs.settings import JobsSettings
from medmesh import AsyncClient
from services.chassis.rpc.server import running_server
from tests.clients.fake_mesh import FakeMesh, start

SECRET = b"a secret of the right length"


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    """The addresses of a mesh that happens to run on this machine play no part."""
    for name in [name for name in os.environ if name.startswith("MEDMESH_")]:
        monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr("services.queue.worker._IDLE_S", 0.02)
    monkeypatch.setattr("services.queue.worker._FIRST_LOOK_S", 0.02)
    monkeypatch.setattr("clients.jobs.__main__.MESSAGE_PAUSES_S", (0.02, 0.02))


@pytest.fixture
def mesh() -> Iterator[FakeMesh]:
    mesh = FakeMesh()
    server = start(mesh)
    yield mesh
    server.stop(grace=None).wait(5)


class Door:
    """Starts the door, again and again on the same folder."""

    def __init__(self, mesh: FakeMesh, folder: Path) -> None:
        self.mesh = mesh
        self.folder = folder

    @contextlib.asynccontextmanager
    async def open(self, token: str | None = None, **settings: Any) -> AsyncIterator[AsyncClient]:
        """A client of the open door."""
        told = JobsSettings(
            **{"listen": "127.0.0.1:0", "url": self.mesh.target, "jobs_folder": self.folder} | settings
        )
        async with (
            running_server(SERVICE, told) as running,
            AsyncClient(jobs=running.address, token=token) as client,
        ):
            self.address = running.address
            yield client


@pytest.fixture
def door(mesh, tmp_path) -> Door:
    return Door(mesh, tmp_path / "jobs")


class Endpoint:
    """Takes messages, checks their signatures as the format says, and answers as it is told."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.ids: list[str] = []
        self.statuses: list[int] = []
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                signed = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode() + body
                assert self.headers["webhook-signature"] == f"v1,{_hmac(signed)}"
                endpoint.bodies.append(body)
                endpoint.ids.append(self.headers["webhook-id"])
                self.send_response(endpoint.statuses.pop(0) if endpoint.statuses else 204)
                self.end_headers()

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def _hmac(signed: bytes) -> str:
    """HMAC-SHA-256 by its definition (RFC 2104), so that it is not the code under test that checks itself."""
    key = SECRET.ljust(64, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in key) + signed).digest()
    return base64.b64encode(hashlib.sha256(bytes(byte ^ 0x5C for byte in key) + inner).digest()).decode()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    endpoint = Endpoint()
    yield endpoint
    endpoint.close()


@pytest.fixture
def webhooks(endpoint, tmp_path) -> Path:
    (tmp_path / "ris.secret").write_text("whsec_" + base64.b64encode(SECRET).decode())
    path = tmp_path / "webhooks.toml"
    path.write_text(
        f'[ris]\nurl = "http://127.0.0.1:{endpoint.server.server_port}/hook?a=b"\n'
        f'secret_file = "ris.secret"\n'
        f'[theirs]\nurl = "https://ris.example/hook"\nsecret_file = "ris.secret"\ntenants = ["surgery"]\n'
    )
    return path
