"""A door before a fake mesh, in a thread of its own, and a caller of it from the standard library."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import io
import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from clients.gateway.server import running_gateway
from clients.gateway.settings import GatewaySettings
from medmesh.connection import Connection
from services.chassis.observability import log
from tests.clients.fake_mesh import FakeMesh, start

SERVERS = ("orchestrator", "imaging", "language", "recommendation", "jobs")
JSON = {"content-type": "application/json"}
BOUNDARY = "--------------------------5d3c0b1f"
FORM = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class HttpCaller:
    """Asks the door at an address."""

    address: str

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        connection = http.client.HTTPConnection(self.address, timeout=20)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            found = {key.lower(): value for key, value in response.getheaders()}
            return Answer(response.status, found, response.read())

    def post(self, path: str, body: Any, headers: dict[str, str] | None = None) -> Answer:
        """Sends JSON, unless the body is bytes."""
        if isinstance(body, bytes):
            return self.ask("POST", path, body, headers)
        return self.ask("POST", path, json.dumps(body), JSON | (headers or {}))

    def form(
        self, path: str, *parts: tuple[str, bytes | str], headers: dict[str, str] | None = None
    ) -> Answer:
        return self.ask("POST", path, form(*parts), FORM | (headers or {}))


def form(*parts: tuple[str, bytes | str]) -> bytes:
    """A multipart body: bytes are files, text is a field."""
    lines = []
    for name, value in parts:
        kind = '; filename="CANARY.dcm"' if isinstance(value, bytes) else ""
        content = value if isinstance(value, bytes) else value.encode()
        head = f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="{name}"{kind}\r\n\r\n'
        lines.append(head.encode() + content + b"\r\n")
    return b"".join(lines) + f"--{BOUNDARY}--\r\n".encode()


@contextlib.contextmanager
def door(settings: GatewaySettings, to: Connection) -> Iterator[str]:
    """The address of a door that runs in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    running = running_gateway(replace(settings, listen="127.0.0.1:0"), to)
    try:
        address = asyncio.run_coroutine_threadsafe(running.__aenter__(), loop).result(20)
        try:
            yield address
        finally:
            asyncio.run_coroutine_threadsafe(running.__aexit__(None, None, None), loop).result(30)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def connection_to(mesh: FakeMesh, **others: Any) -> Connection:
    return Connection(dict.fromkeys(SERVERS, mesh.target), **others)


@pytest.fixture
def mesh():
    mesh = FakeMesh()
    server = start(mesh)
    yield mesh
    server.stop(grace=None).wait(5)


@pytest.fixture(scope="module")
def shared():
    """One fake mesh and one door for the tests that leave them as they are."""
    mesh = FakeMesh()
    server = start(mesh)
    with door(GatewaySettings(maximum_request_bytes=64 * 1024), connection_to(mesh)) as address:
        yield mesh, HttpCaller(address)
    server.stop(grace=None).wait(5)


@pytest.fixture
def small(shared):
    """A door that takes 64 KiB, before a fake mesh that answers with empty messages."""
    mesh, caller = shared
    yield caller
    mesh.answers.clear()
    mesh.failures.clear()


@pytest.fixture
def behind(shared):
    """The fake mesh behind `small`."""
    mesh, _ = shared
    mesh.seen.clear()
    return mesh


@pytest.fixture
def written():
    """What the door logs."""
    stream = io.StringIO()
    handler = log.configure("gateway", "debug", stream)
    root = logging.getLogger()
    root.addHandler(handler)
    yield stream
    root.removeHandler(handler)
    logging.getLogger(log.ROOT).removeHandler(handler)
