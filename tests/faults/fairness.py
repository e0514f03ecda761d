"""What a caller of small requests waits beside one who sends large ones, on a real mesh:
`python -m tests.faults.fairness`.

Both call the same service, each over a connection of its own, which is what tells callers without identities
apart. The small ones go one after the other; first alone, then beside so many large ones at once that are
sent again whenever one ends.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import grpc
from PIL import Image

from medmesh.common.v1 import patient_pb2
from medmesh.imaging.v1 import imaging_pb2, imaging_pb2_grpc
from medmesh.language.v1 import language_pb2, language_pb2_grpc
from medmesh.recommendation.v1 import recommendation_pb2, recommendation_pb2_grpc
from services.chassis.rpc.transport import DIRECT
from services.imaging.decoding import decode_image
from services.local.mesh import Mesh
from services.local.mesh_settings import MeshSettings
from tests.faults.recording import case
from tests.faults.wire import Seen

_TIMEOUT_S = 30.0
_FLOODING_S = 5.0
"""Until the large ones are under way."""
_LEAST = 10
"""Small ones that are measured, however long they take, up to half a minute."""
_NOTE_CHARACTERS = 200_000
_IMAGE_PX = 4000
_OBSERVATIONS = 8_000
_CHUNK_BYTES = 1 << 20
_OPTIONS = [
    DIRECT,
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_send_message_length", 1 << 30),
    ("grpc.max_receive_message_length", 1 << 30),
]
say = partial(print, flush=True)


@dataclass(frozen=True)
class Pair:
    """A small request and a large one of the same service."""

    key: str
    name: str
    service: str
    method: Callable[[Any], Any]
    """The rpc of the small one, and of the large one where `large_method` is none."""
    small: Any
    large: Any
    at_once: int
    large_method: Callable[[Any], Any] | None = None


def pairs(image_px: int = _IMAGE_PX, observations: int = _OBSERVATIONS) -> list[Pair]:
    """Large ones, by default as they were found to hold up others."""
    sample = case()
    note = (sample.note + " ") * (_NOTE_CHARACTERS // len(sample.note) + 1)
    return [
        Pair(
            "imaging",
            f"images of {image_px}² pixels beside one of 512²",
            "imaging",
            lambda channel: imaging_pb2_grpc.ImagingServiceStub(channel).AnalyzeImage,
            _image(512),
            _image(image_px),
            50,
        ),
        Pair(
            "imaging-stream",
            f"images of {image_px}² pixels, each as a stream, beside one of 512²",
            "imaging",
            lambda channel: imaging_pb2_grpc.ImagingServiceStub(channel).AnalyzeImage,
            _image(512),
            _image(image_px).sources[0].content,
            50,
            _streaming,
        ),
        Pair(
            "language",
            f"notes of {_NOTE_CHARACTERS:,} characters beside one of {len(sample.note)}",
            "language",
            lambda channel: language_pb2_grpc.LanguageServiceStub(channel).AnalyzeNote,
            language_pb2.AnalyzeNoteRequest(note=sample.note),
            language_pb2.AnalyzeNoteRequest(note=note[:_NOTE_CHARACTERS]),
            8,
        ),
        Pair(
            "recommendation",
            f"records of {observations:,} observations beside the sample",
            "recommendation",
            lambda channel: recommendation_pb2_grpc.RecommendationServiceStub(channel).RankTreatments,
            recommendation_pb2.RankTreatmentsRequest(patient=sample.patient),
            recommendation_pb2.RankTreatmentsRequest(patient=_long(sample.patient.fhir_bundle, observations)),
            20,
        ),
    ]


def _streaming(channel: grpc.aio.Channel) -> Callable[..., Any]:
    method = imaging_pb2_grpc.ImagingServiceStub(channel).AnalyzeImageStream

    def call(content: bytes, timeout: float) -> Any:
        def messages() -> Iterator[imaging_pb2.AnalyzeImageStreamRequest]:
            yield imaging_pb2.AnalyzeImageStreamRequest(options=imaging_pb2.ImageOptions())
            for start in range(0, len(content), _CHUNK_BYTES):
                yield imaging_pb2.AnalyzeImageStreamRequest(chunk=content[start : start + _CHUNK_BYTES])

        return method(messages(), timeout=timeout)

    return call


def _image(side: int) -> imaging_pb2.AnalyzeImageRequest:
    """The sample in another size, not compressed: the larger one has 16 MB."""
    grey = decode_image(case().images[0].sources[0].content).grey
    out = io.BytesIO()
    Image.fromarray(grey).resize((side, side)).save(out, "PNG", compress_level=0)
    return imaging_pb2.AnalyzeImageRequest(sources=[imaging_pb2.ImageSource(content=out.getvalue())])


def _long(bundle: bytes, observations: int) -> patient_pb2.PatientInput:
    made = json.loads(bundle)
    one = next(e for e in made["entry"] if e["resource"]["resourceType"] == "Observation")
    made["entry"] += [
        {"resource": one["resource"] | {"id": f"long-{number}"}} for number in range(observations)
    ]
    return patient_pb2.PatientInput(fhir_bundle=json.dumps(made).encode())


async def _small(method: Any, request: Any, seconds: float) -> Seen:
    times: list[float] = []
    failed, began_s = 0, time.monotonic()
    while (spent_s := time.monotonic() - began_s) < seconds or (len(times) < _LEAST and spent_s < _TIMEOUT_S):
        began = time.perf_counter()
        try:
            await method(request, timeout=_TIMEOUT_S)
            times.append((time.perf_counter() - began) * 1e3)
        except grpc.aio.AioRpcError:
            failed += 1
    return Seen(times, failed)


async def _large(method: Any, request: Any, ends: Counter[str]) -> None:
    while True:
        try:
            await method(request, timeout=_TIMEOUT_S)
            ends["OK"] += 1
        except grpc.aio.AioRpcError as error:
            ends[error.code().name] += 1
            await asyncio.sleep(1.0)  # as RetryInfo asks at least


async def flood(pair: Pair, address: str) -> None:
    """Sends large ones until standard input ends; prints how they ended."""
    ends: Counter[str] = Counter()
    async with grpc.aio.insecure_channel(address, _OPTIONS) as channel:
        method = (pair.large_method or pair.method)(channel)
        floods = [asyncio.create_task(_large(method, pair.large, ends)) for _ in range(pair.at_once)]
        await asyncio.to_thread(sys.stdin.read)
        for one in floods:
            one.cancel()
        await asyncio.gather(*floods, return_exceptions=True)
    say(json.dumps(ends))


async def measure(pair: Pair, address: str, seconds: float) -> None:
    """Prints what the small ones see, alone and beside the large ones, which another process sends: with the
    rank of all, then with the lowest, as one on another machine would leave the processors to the mesh.
    """
    async with grpc.aio.insecure_channel(address, _OPTIONS) as channel:
        small = pair.method(channel)
        await _small(small, pair.small, 2.0)
        alone = await _small(small, pair.small, seconds)
        if alone.failed:
            raise SystemExit(f"{pair.name}: {alone.failed} small ones failed alone")
        say(f"{pair.at_once} {pair.name}: alone {_quantiles(alone)}")
        for niceness in (0, 19):
            command = [
                sys.executable,
                "-m",
                "tests.faults.fairness",
                "--only",
                pair.key,
                "--flood",
                address,
            ]
            with subprocess.Popen(  # noqa: ASYNC220 - nothing else runs meanwhile
                ["nice", "-n", str(niceness), *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            ) as flooding:
                await asyncio.sleep(_FLOODING_S)
                beside = await _small(small, pair.small, seconds)
                ends = json.loads(flooding.communicate()[0])
            answered = f"{len(beside.times_ms)} small ones answered, {beside.failed} not; large ones: {ends}"
            told = f"  beside them, sent at niceness {niceness}: "
            if len(beside.times_ms) >= _LEAST:
                factor = beside.quantile(0.99) / alone.quantile(0.99)
                told += f"{_quantiles(beside)} ({factor:.1f} times); "
            say(told + answered)


def _quantiles(seen: Seen) -> str:
    return f"p50 {seen.quantile(0.5):.0f} ms, p99 {seen.quantile(0.99):.0f} ms"


def main() -> None:
    """Reads the command line, starts a mesh, and prints a line for each kind of request."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=15.0, help="of each measurement")
    parser.add_argument("--only", default="", help="the pairs whose keys contain this")
    parser.add_argument("--flood", metavar="HOST:PORT", help="send the large ones to this service alone")
    given = parser.parse_args()
    if given.flood:
        asyncio.run(flood(next(pair for pair in pairs() if pair.key == given.only), given.flood))
        return
    with tempfile.TemporaryDirectory(prefix="medmesh-fairness-") as folder:
        settings = replace(
            MeshSettings.from_environment().on_free_ports(Path(folder) / "run"),
            variables={
                "MEDMESH_AUDIT_FOLDER": f"{folder}/audit",
                "MEDMESH_RECEIPT_FOLDER": f"{folder}/receipts",
            },
        )
        with Mesh.start(settings, lambda _: None) as mesh:
            for pair in pairs():
                if given.only in pair.key:
                    asyncio.run(measure(pair, mesh.addresses[pair.service], given.seconds))


if __name__ == "__main__":
    main()
