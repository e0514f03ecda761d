"""Locust users of a mesh: `locust -f clients/loadtest/locust/locustfile.py --host 127.0.0.1:50060`.

Needs `pip install locust clients/python`, in an environment of its own. `--host` is the orchestrator; the
other addresses, the token and the priority are the client's own variables (MEDMESH_IMAGING_URL,
MEDMESH_TOKEN, MEDMESH_PRIORITY …).

Locust's users are closed loops: each waits for its answer, so the load falls when the mesh slows down, and
latency does not count how late a request was sent. For that use `medmesh loadtest --rate`.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc.experimental.gevent as grpc_gevent
from locust import User, between, events, task

from medmesh import Client, MedmeshError
from medmesh.orchestrator.v1.orchestrator_pb2 import COMPLETENESS_PARTIAL

grpc_gevent.init_gevent()  # Locust's users are greenlets: a call of gRPC would stop all of them

SAMPLES = Path(__file__).resolve().parents[3] / "samples"
IMAGE = (SAMPLES / "chest_xray.dcm").read_bytes()
NOTE = (SAMPLES / "note.txt").read_text(encoding="utf-8")
PATIENT = (SAMPLES / "patient.json").read_bytes()


class PartialDiagnosis(Exception):  # noqa: N818 - the name is what Locust's table of failures shows
    """An answer that lacks a branch."""


class MeshUser(User):
    """A user of the mesh with a connection of its own. Derive from it and write tasks with `self.call`."""

    abstract = True
    timeout_s = 30.0
    priority: str | None = None
    """Of its calls: urgent, routine or bulk. None: what MEDMESH_PRIORITY says."""

    def on_start(self) -> None:
        """Opens the connection; one attempt, since what fails is to be counted."""
        self.client = Client(self.host, timeout_s=self.timeout_s, attempts=1, priority=self.priority)

    def on_stop(self) -> None:
        """Closes it."""
        self.client.close()

    def call(self, name: str, ask: Callable[[], Any]) -> None:
        """Makes a call and reports it to Locust under `name`; a failure by the mesh's own reason."""
        with reported(name) as facts:
            answer = ask()
            facts["response_length"] = answer.ByteSize()
            if getattr(answer, "completeness", None) == COMPLETENESS_PARTIAL:
                raise PartialDiagnosis


@contextmanager
def reported(name: str) -> Iterator[dict[str, Any]]:
    """Reports what happens in the block as one request."""
    facts: dict[str, Any] = {"request_type": "grpc", "name": name, "response_length": 0, "exception": None}
    started = time.perf_counter()
    try:
        yield facts
    except MedmeshError as error:
        facts["exception"] = RuntimeError(error.reason or type(error).__name__)
    except PartialDiagnosis as error:
        facts["exception"] = error
    events.request.fire(**facts, response_time=1e3 * (time.perf_counter() - started), context={})


class Clinician(MeshUser):
    """Reads notes and images, and now and then a whole case."""

    wait_time = between(0.1, 1.0)

    @task(4)
    def note(self) -> None:
        """A note, another one each time."""
        note = f"Line {random.randrange(10**9)}. {NOTE}"
        self.call("AnalyzeNote", lambda: self.client.analyze_note(note))

    @task(4)
    def image(self) -> None:
        """An image, with one pixel changed."""
        image = bytearray(IMAGE)
        image[-1 - random.randrange(100_000)] ^= 1
        self.call("AnalyzeImage", lambda: self.client.analyze_image(bytes(image)))

    @task(2)
    def treatments(self) -> None:
        """A record."""
        self.call("RankTreatments", lambda: self.client.rank_treatments(PATIENT))

    @task(1)
    def case(self) -> None:
        """All of it."""
        note = f"Line {random.randrange(10**9)}. {NOTE}"
        self.call("Diagnose", lambda: self.client.diagnose(image=IMAGE, note=note, patient=PATIENT))
