"""How fast a writer writes beside an idle mesh: `python -m training.causal_lm.measure --models DIR NAME`.

Starts the mesh with the folder, asks the model through the language service's own task, and prints the time
to the first piece of text (mostly a token) and pieces a second for callers side by side, how many pieces
still come when a caller has cancelled, and what the model's process takes.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import json
import os
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from tritonclient.grpc.service_pb2 import ModelInferRequest
from tritonclient.grpc.service_pb2_grpc import GRPCInferenceServiceStub

from services.chassis.models.catalog import Catalog
from services.chassis.models.inference import ModelVersion
from services.chassis.models.triton import TritonInference
from services.chassis.models.triton_calls import KeyedStub, asked
from services.chassis.models.triton_key import TritonKey
from services.chassis.models.triton_streams import CANCELS
from services.chassis.observability.telemetry import Telemetry
from services.chassis.settings import MODEL_REPOSITORY
from services.language.chat import USER, Message
from services.language.tasks import TASKS, TEXT_GENERATION
from services.language.tasks.text_generation import TextGenerator
from services.local.mesh import Mesh
from services.local.mesh_settings import MeshSettings

EVIDENCE = """write: findings
present | pleural effusion | side=left | severity=small
present | atelectasis | region=lung base | side=left
absent | pneumothorax
absent | consolidation
possible | pulmonary edema | severity=mild
historical | median sternotomy
measurement | potassium | 4.2 mmol/L
medication | metoprolol | 50 mg"""
ROUNDS = 5
CANCELLED_AFTER = 10
"""Pieces."""


@dataclasses.dataclass(frozen=True)
class Text:
    """One text and how long it took."""

    text: str
    first_s: float
    rest_s: float
    piece_count: int

    @property
    def pieces_a_second(self) -> float:
        """After the first one."""
        return (self.piece_count - 1) / self.rest_s if self.piece_count > 1 else 0.0


async def write(writer: TextGenerator, prompt: str, count: int) -> Text:
    """One text."""
    began = time.monotonic()
    first, pieces = began, list[str]()
    async with await writer.write([Message(USER, prompt)], field="prompt", max_token_count=count) as writing:
        async for piece in writing:
            first = first if pieces else time.monotonic()
            pieces.append(piece)
    return Text("".join(pieces), first - began, time.monotonic() - first, len(pieces))


async def side_by_side(writer: TextGenerator, prompt: str, count: int, callers: int) -> None:
    """Prints one line."""
    texts: list[Text] = []
    began = time.monotonic()
    for _ in range(ROUNDS):
        texts += await asyncio.gather(*(write(writer, prompt, count) for _ in range(callers)))
    took = time.monotonic() - began
    firsts = sorted(1000 * text.first_s for text in texts)
    pieces = sum(text.piece_count for text in texts)
    print(
        f"{callers} callers: first text after {statistics.median(firsts):.0f} ms (longest {firsts[-1]:.0f}), "
        f"{statistics.median(text.pieces_a_second for text in texts):.0f} pieces/s each, "
        f"{pieces / took:.0f} together; {len({text.text for text in texts})} different texts"
    )


async def after_cancelling(address: str, key: Path, runs: ModelVersion, prompt: str) -> list[int]:
    """Pieces that still came after the request to cancel was sent, of several tries."""
    metadata = KeyedStub(None, TritonKey(key)).metadata()
    counts = []
    async with grpc.aio.insecure_channel(address) as channel:
        stub = GRPCInferenceServiceStub(channel)
        for at in range(20):
            parameters = {"max_tokens": 300, "temperature": 1.0, "seed": at}
            inputs = {
                "text_input": np.array([prompt.encode()], object),
                "stream": np.array([True]),
                "sampling_parameters": np.array([json.dumps(parameters).encode()], object),
                "return_finish_reason": np.array([True]),
            }
            request = asked(runs, [inputs], 60)
            request.id = f"measured-{at}"
            cancel = ModelInferRequest()
            cancel.CopyFrom(request)
            cancel.id, cancel.parameters[CANCELS].string_param = "", request.id
            seen, cancelling = 0, None
            async for answer in stub.ModelStreamInfer(only(request), metadata=metadata):
                seen += bool(answer.infer_response.outputs)
                if seen == CANCELLED_AFTER and cancelling is None:
                    stream = stub.ModelStreamInfer(only(cancel), metadata=metadata)
                    cancelling = asyncio.ensure_future(drained(stream))
            if cancelling is not None:
                await cancelling
                counts.append(seen - CANCELLED_AFTER)
    return counts


async def only(request: ModelInferRequest) -> AsyncIterator[ModelInferRequest]:
    """The one request of a stream."""
    yield request


async def drained(stream: Any) -> None:
    """Reads a stream to its end."""
    async for _ in stream:
        pass


def megabytes(name: str) -> int:
    """Resident memory of the process that serves the model."""
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_text().split("\0")
            if "triton_python_backend_stub" in words[0] and f"/{name}/" in words[1]:
                pages = int((entry / "statm").read_text().split()[1])
                return pages * os.sysconf("SC_PAGE_SIZE") // 2**20
    return 0


async def measure(address: str, key: Path, repository: Path, name: str, prompt: str, count: int) -> None:
    """Prints everything."""
    inference = TritonInference(address, key=TritonKey(key))
    catalog = Catalog("language", [repository], TASKS, inference, Telemetry("language"))
    writer = catalog.named(TEXT_GENERATION, name)
    print(f"{name}: a prompt of {writer.count([Message(USER, prompt)])} tokens, at most {count} written")
    print((await write(writer, prompt, count)).text)
    for callers in (1, 4, 8):
        await side_by_side(writer, prompt, count, callers)
    served = catalog.entry(name).served
    if served is None:
        raise SystemExit(f"{name} is not served")
    runs = served.version.runs
    late = await after_cancelling(address, key, runs, writer.prompt([Message(USER, prompt)]))
    print(f"pieces after cancelling: {statistics.median(late):.0f} (most {max(late)}, {len(late)} tries)")
    print(f"its process takes {megabytes(name)} MB")
    await inference.close()


def main() -> None:
    """Reads the arguments, starts a mesh, and measures."""
    parser = argparse.ArgumentParser(prog="python -m training.causal_lm.measure")
    parser.add_argument("name", help="of the model")
    parser.add_argument("--models", type=Path, default=MODEL_REPOSITORY, help="folder that it is in")
    parser.add_argument("--prompt", type=Path, help="file with the text of the user's message")
    parser.add_argument("--tokens", type=int, default=100, help="most tokens of each text")
    given = parser.parse_args()
    prompt = given.prompt.read_text(encoding="utf-8") if given.prompt else EVIDENCE
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        settings = MeshSettings.from_environment().with_models([given.models]).on_free_ports(folder)
        variables = {"MEDMESH_RECEIPT_FOLDER": str(folder / "receipts")}
        with Mesh.start(dataclasses.replace(settings, variables=variables), print) as mesh:
            key = folder / "triton.key"
            address = mesh.addresses["triton"]
            asyncio.run(measure(address, key, given.models, given.name, prompt, given.tokens))


if __name__ == "__main__":
    main()
