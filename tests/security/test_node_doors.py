"""The DICOM and the HL7 node, asked by each kind of caller whom their configuration does not let in: of every
service class, way of storing and type of message nothing is taken, each attempt is in the log with its
address, and nothing of what was sent is.

The nodes are real and speak mutual TLS with what `medmesh certificates` makes.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import http.client
import io
import itertools
import json
import socket
import ssl
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pynetdicom import AE
from pynetdicom.sop_class import Verification

from clients.dicom_node import configuration as dicom
from clients.dicom_node import overview
from clients.dicom_node.node import Node as DicomNode
from clients.hl7_node import configuration as hl7
from clients.hl7_node.cases import TAKEN
from clients.hl7_node.node import Node as Hl7Node
from medmesh import Client
from medmesh.aio.client import AsyncClient
from services.chassis.configuration_file import ConfigurationError
from services.chassis.peers import TlsFiles
from tests.clients.fake_mesh import FakeMesh
from tests.dicom_node.stand_ins import image
from tests.hl7_node.stand_ins import oru

HERE = "127.0.0.1"
MARK = "QUETZALCOATL4711"
MOST_CONTEXTS = 128
"""Of one association: what DICOM has numbers for."""
TOKEN = "the-nodes-own-token"
TLS_FAILED = "TLS with a caller failed"
STUDIES = ("/studies", f"/studies/2.25.4711?{MARK}")

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # see `collected`


@pytest.fixture(autouse=True)
def collected(monkeypatch):
    """pynetdicom leaves the socket of a connection that is ended by force to the collector."""
    for name in ("URL", "RECOMMENDATION_URL", "TOKEN", "TIMEOUT_S"):
        monkeypatch.delenv(f"MEDMESH_{name}", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", None)  # the DICOM node sets it for its process
    yield
    with monkeypatch.context() as patched:
        patched.setattr("sys.unraisablehook", lambda _: None)
        gc.collect()


def tls_files(mesh: Path, part: str) -> TlsFiles:
    return TlsFiles(
        certificate=mesh / part / "tls.crt", key=mesh / part / "tls.key", ca=mesh / "authority.crt"
    )


def shows(mesh: Path, identity: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=mesh / "authority.crt")
    if identity is not None:
        context.load_cert_chain(identity / "tls.crt", identity / "tls.key")
    return context


def told(written: io.StringIO) -> Counter[tuple[str, str]]:
    """Warnings of the log: what each says, and of whom."""
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    return Counter((one["message"], one.get("address", "")) for one in lines if one["level"] == "warning")


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


@contextlib.contextmanager
def dicom_node(mesh: Path, behind: FakeMesh, folder: Path) -> Iterator[DicomNode]:
    (folder / "token").write_text(TOKEN)
    settings = dicom.Node(
        listen=f"{HERE}:0",
        web_listen=f"{HERE}:0",
        web_token_file=folder / "token",
        spool=folder / "spool",
        min_free_mb=1,
    )
    peers = (
        dicom.Peer(ae_title="CT01", addresses=("127.0.0.0/8",)),
        dicom.Peer(ae_title="MR01", addresses=("10.0.0.0/8",)),
    )
    made = dicom.Configuration(node=settings, peers=peers, tls=tls_files(mesh, "dicom_node"))
    with Client(behind.target, attempts=1) as client:
        node = DicomNode(dicom.check(made), client)
        try:
            yield node
        finally:
            node.stop()


def agreed(node: DicomNode, classes: list[str], tls: ssl.SSLContext | None, calling: str, called: str) -> int:
    """How many service classes an association agrees on; 0: it does not come about."""
    ae = AE(ae_title=calling)
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = ae.connection_timeout = 10
    for one in classes:
        ae.add_requested_context(one)
    association = ae.associate(HERE, node.port, ae_title=called, tls_args=(tls, "localhost") if tls else None)
    if not association.is_established:
        return 0
    count = len(association.accepted_contexts)
    if Verification in classes:
        assert association.send_c_echo().Status == 0
    association.release()
    return count


def test_no_service_class_is_agreed_on_with_who_may_not_call(
    mesh, others, expired, behind, written, tmp_path
):
    own = shows(mesh, mesh / "client")
    who_may_not: dict[str, tuple[ssl.SSLContext | None, str, str]] = {
        "no certificate": (shows(mesh, None), "CT01", "MEDMESH"),
        "of another authority": (shows(mesh, others / "client"), "CT01", "MEDMESH"),
        "expired": (shows(mesh, expired / "client"), "CT01", "MEDMESH"),
        "in clear": (None, "CT01", "MEDMESH"),
        "unknown title": (own, MARK, "MEDMESH"),
        "a title of another address": (own, "MR01", "MEDMESH"),
        "another called title": (own, "CT01", MARK),
    }
    with dicom_node(mesh, behind, tmp_path) as node:
        classes = [str(one.abstract_syntax) for one in node.service_classes]
        groups = [classes[at : at + MOST_CONTEXTS] for at in range(0, len(classes), MOST_CONTEXTS)]
        assert len(classes) > 100
        for (who, (tls, calling, called)), group in itertools.product(who_may_not.items(), groups):
            assert agreed(node, group, tls, calling, called) == 0, who
        until(lambda: sum(told(written).values()) == len(who_may_not) * len(groups))
        assert [agreed(node, group, own, "CT01", "MEDMESH") for group in groups] == [len(g) for g in groups]
        assert overview.counts(node.database) == {}
    rejected = "an association was rejected: the caller is not in [[peers]], or there are too many"
    assert told(written) == {(TLS_FAILED, HERE): 4 * len(groups), (rejected, HERE): 3 * len(groups)}
    assert MARK not in written.getvalue()


def message() -> tuple[bytes, dict[str, str]]:
    content = io.BytesIO()
    image(MARK).save_as(content, enforce_file_format=True)
    body = b"--b\r\nContent-Type: application/dicom\r\n\r\n" + content.getvalue() + b"\r\n--b--\r\n"
    return body, {"Content-Type": 'multipart/related; type="application/dicom"; boundary=b'}


def ask(node: DicomNode, tls: ssl.SSLContext, method: str, path: str, *sent: Any) -> tuple[int, str]:
    connection = http.client.HTTPSConnection("localhost", node.web_port, timeout=20, context=tls)
    with contextlib.closing(connection):
        connection.request(method, path, *sent)
        response = connection.getresponse()
        return response.status, str(response.getheaders()) + response.read().decode()


def test_nothing_is_stored_by_stow_for_who_may_not(mesh, others, expired, behind, written, tmp_path, capfd):
    body, kind = message()
    short = MARK.encode()  # who refuses does not wait for a long one
    own = shows(mesh, mesh / "client")
    tokens = {
        "none": {},
        "another": {"Authorization": "Bearer nobodys-token"},
        "empty": {"Authorization": "Bearer "},
        "without a scheme": {"Authorization": TOKEN},
        "another scheme": {"Authorization": f"Basic {TOKEN}"},
    }
    with dicom_node(mesh, behind, tmp_path) as node:
        for folder, path in itertools.product((None, others / "client", expired / "client"), STUDIES):
            with pytest.raises(OSError):
                ask(node, shows(mesh, folder), "POST", path, short, kind)
        said = ""
        for (who, headers), path in itertools.product(tokens.items(), STUDIES):
            status, answer = ask(node, own, "POST", path, short, kind | headers)
            assert status == 401, who
            said += answer
        for method, path in itertools.product(("GET", "HEAD", "PUT", "DELETE", "PATCH", MARK), STUDIES):
            status, answer = ask(node, own, method, path)
            assert status in {405, 501}, method
            said += answer
        said += _said_to(node, own, f"{MARK} is no request at all\r\n\r\n".encode())
        (tmp_path / "token").write_text("\n")  # who empties the file closes the door
        for headers in tokens.values():
            assert ask(node, own, "POST", "/studies", short, kind | headers)[0] == 401
        (tmp_path / "token").write_text(TOKEN)
        until(lambda: told(written)[TLS_FAILED, HERE] == 6)
        assert overview.counts(node.database) == {}
        right = kind | {"Authorization": f"Bearer {TOKEN}"}
        assert ask(node, own, "POST", "/studies", body, right)[0] == 200
    refused = "a sender by STOW-RS was refused: it shows no token, or another"
    assert told(written)[refused, HERE] == len(tokens) * (len(STUDIES) + 1)
    everything = said + written.getvalue() + "".join(capfd.readouterr())
    for secret in (MARK, TOKEN, "nobodys-token"):
        assert secret not in everything


def _said_to(node: DicomNode, tls: ssl.SSLContext, sent: bytes) -> str:
    assert node.web_port is not None
    with (
        socket.create_connection((HERE, node.web_port), 20) as plain,
        tls.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        connection.sendall(sent)
        answer = connection.recv(65536).decode()
    assert answer
    return answer


def test_a_token_file_without_a_token_does_not_start(tmp_path):
    (tmp_path / "token").write_text(" \n")
    for file in (tmp_path / "token", tmp_path / "none"):
        node = dicom.Node(web_listen=f"{HERE}:0", web_token_file=file)
        with pytest.raises(ConfigurationError, match=r"node\.web_token_file"):
            dicom.check(dicom.Configuration(node=node))


@contextlib.asynccontextmanager
async def hl7_node(mesh: Path, behind: FakeMesh, folder: Path, network: str):
    settings = hl7.Node(listen=f"{HERE}:0", folder=folder, addresses=(network,), min_free_mb=1)
    made = hl7.Configuration(node=settings, tls=tls_files(mesh, "hl7_node"))
    async with AsyncClient(behind.target, recommendation=behind.target, attempts=1) as client:
        node = Hl7Node(hl7.check(made), client)
        await node.start()
        try:
            yield node
        finally:
            await node.stop()


async def acknowledged(node: Hl7Node, tls: ssl.SSLContext | None, block: bytes) -> bytes:
    """What comes back; nothing where the connection is ended."""
    try:
        name = "localhost" if tls else None
        reader, writer = await asyncio.open_connection(HERE, node.port, ssl=tls, server_hostname=name)
    except OSError:
        return b""
    try:
        writer.write(b"\x0b" + block + b"\x1c\r")
        return await asyncio.wait_for(reader.read(65536), 20)
    except OSError:
        return b""
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def test_no_message_is_taken_from_who_may_not_send(mesh, others, expired, behind, written, tmp_path):
    messages = [oru(f9="^".join(kind), f3=MARK) for kind in (*TAKEN, ("ADT", "A01"))]
    own = shows(mesh, mesh / "client")
    contexts = {
        "no certificate": shows(mesh, None),
        "of another authority": shows(mesh, others / "client"),
        "expired": shows(mesh, expired / "client"),
        "in clear": None,
    }
    async with hl7_node(mesh, behind, tmp_path / "node", "127.0.0.0/8") as node:
        for (who, tls), block in itertools.product(contexts.items(), messages):
            assert await acknowledged(node, tls, block) == b"", who
        await asyncio.to_thread(until, lambda: sum(told(written).values()) == len(contexts) * len(messages))
        assert told(written) == {(TLS_FAILED, HERE): len(contexts) * len(messages)}
        assert sum(node.waiting().values()) == 0
        answers = [await acknowledged(node, own, block) for block in messages]
        assert all(b"\rMSA|A" in one for one in answers)
        # What is larger than the stream holds at once comes through TLS that began on it.
        assert b"\rMSA|AE" in await acknowledged(node, own, oru(f"NTE|1||{'x' * 4_000_000}"))
    assert behind.seen or any(b"MSA|AA" in one for one in answers)
    async with hl7_node(mesh, behind, tmp_path / "elsewhere", "10.0.0.0/8") as node:
        for block in messages:
            assert await acknowledged(node, own, block) == b""
        assert sum(node.waiting().values()) == 0
    assert told(written)["a connection was refused", HERE] == len(messages)
    assert MARK not in written.getvalue()
