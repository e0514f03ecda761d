"""What a node stands between, as far as its tests need it: messages, a mesh that remembers, an engine.

Sender and engine are python-hl7's: the node's own framing is not what tests it.
"""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections import Counter
from pathlib import Path

import hl7
from hl7.client import MLLPClient
from hl7.mllp import start_hl7_server

from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from medmesh.orchestrator.v1.receipt_pb2 import ReceiptStatement
from tests.clients.fake_mesh import FakeMesh, receipt_of, stored, stored_diagnosis

ROOT = Path(__file__).resolve().parents[2]
PID = "PID|1||4711^^^H&1.2.3&ISO^MR||Canaryname^Given||19580412|F"
LAB = "OBX|1|NM|2160-0^Creatinine^LN||1.9|mg/dL^^UCUM|0.5-1.1|H|||F|||20261128073000"
NOTE = "OBX|2|TX|18842-5^Note^LN||Fever. No effusion.||||||F"


def oru(*segments, control_id=None, **fields):
    """A message of results; `fields` are those of MSH to be set, as `f18="UTF-8"`."""
    given = {3: "LAB", 4: "H", 7: "20261128081500+0000", 9: "ORU^R01^ORU_R01", 11: "P", 12: "2.5.1"}
    given |= {10: control_id or uuid.uuid4().hex[:20], 18: "UNICODE UTF-8"}
    given |= {int(name[1:]): value for name, value in fields.items()}
    msh = "|".join(["MSH", "^~\\&", *(given.get(number, "") for number in range(3, 19))])
    return "".join(f"{one}\r" for one in [msh, *(segments or (PID, LAB, NOTE))]).encode()


def sample(name):
    return (ROOT / "samples" / name).read_bytes().replace(b"\n", b"\r")


def send(port, message):
    """By python-hl7's client; the acknowledgement as it parses it."""
    with MLLPClient("127.0.0.1", port) as client:
        client.socket.settimeout(20)
        client.socket.sendall(b"\x0b" + message + b"\x1c\r")
        return hl7.parse(client.socket.recv(65536).strip(b"\x0b\x1c\r").decode("latin-1"))


def code(answer):
    return str(answer.segment("MSA")[1])


class RememberingMesh:
    """A mesh that computes a request once for each `request_id`, as the orchestrator does, and counts."""

    def __init__(self):
        self.mesh = FakeMesh()
        self.mesh.answers["Diagnose"] = self.answer
        self.computed: Counter[str] = Counter()
        self._answers: dict[str, pb.DiagnoseResponse] = {}
        self._lock = threading.Lock()

    def answer(self, request):
        with self._lock:
            if request.request_id not in self._answers:
                self.computed[request.request_id] += 1
                diagnosis = stored_diagnosis()
                diagnosis.ClearField("images")
                made = stored("statement", ReceiptStatement)
                made.predicate.receipt_id = uuid.uuid4().hex
                diagnosis.receipt.CopyFrom(receipt_of(made))
                self._answers[request.request_id] = pb.DiagnoseResponse(diagnosis=diagnosis)
            return self._answers[request.request_id]


class Engine:
    """An interface engine that takes results: python-hl7's server."""

    def __init__(self, answer="AA"):
        self.answer = answer
        self.taken: list[hl7.Message] = []

    async def start(self, port=0):
        self._server = await start_hl7_server(self._serve, "127.0.0.1", port, encoding="utf-8", limit=1 << 20)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _serve(self, reader, writer):
        try:
            while True:
                message = await reader.readmessage()
                if self.answer == "AA":
                    self.taken.append(message)
                writer.writemessage(message.create_ack(self.answer))
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()

    def control_ids(self):
        return Counter(str(one.segment("MSH")[10]) for one in self.taken)

    async def stop(self):
        self._server.close()
        await self._server.wait_closed()
