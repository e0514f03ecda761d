"""A language service with a model that writes what a test says, task by task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import asynccontextmanager

import grpc
import numpy as np

from medmesh.language.v1 import language_pb2_grpc
from medmesh.language.v1 import report_pb2 as pb
from services.chassis.rpc.server import running_server
from services.language.__main__ import SERVICE
from services.language.settings import LanguageSettings
from tests.fakes import FakeInference
from tests.language import writer_made

Script = Mapping[str, str] | Callable[[str], str]
"""What is written by task (`findings`, `impression`, `summary`), or a function of the prompt."""


def writes(script: Script):
    """What runs the model: it gives three letters at a time."""

    def run(inputs):
        prompt = inputs["text_input"][0].decode()
        said = (
            script(prompt)
            if callable(script)
            else next((text for task, text in script.items() if f"write: {task}" in prompt), "")
        )
        parts = [said[at : at + 3] for at in range(0, len(said), 3)] + [""]
        for number, part in enumerate(parts):
            reason = b"stop" if number == len(parts) - 1 else b"None"
            yield {
                "text_output": np.array([part.encode()], dtype=object),
                "finish_reason": np.array([reason], dtype=object),
            }

    return run


@asynccontextmanager
async def serving(folder, script: Script, *, settings=None, **card):
    """The stub, and the fake below the seam."""
    fields = {"max_token_count": 6000, "max_new_token_count": 1000} | card
    repository = writer_made.write(folder / "models", writer_made.card(**fields))
    inference = FakeInference({writer_made.NAME: writes(script)})
    given = LanguageSettings(
        listen="127.0.0.1:0", model_repository=(repository,), drain_s=0, **(settings or {})
    )
    async with (
        running_server(SERVICE, given, inference=inference) as running,
        grpc.aio.insecure_channel(running.address) as channel,
    ):
        yield language_pb2_grpc.LanguageServiceStub(channel), inference


def evidence(*items: pb.EvidenceItem) -> pb.ReportEvidence:
    """Of a small case, or of the items."""
    return pb.ReportEvidence(items=items or CASE)


def finding(name, status="PRESENT", **fields):
    """An item of a finding."""
    value = pb.FindingStatus.Value(f"FINDING_STATUS_{status}")
    return pb.EvidenceItem(finding=pb.FindingEvidence(name=name, status=value, **fields))


CASE = [
    finding("pleural effusion", side=pb.SIDE_LEFT, severity="small"),
    finding("pneumothorax", "ABSENT"),
    finding("pneumonia", "POSSIBLE"),
    finding("asthma", "HISTORICAL"),
    pb.EvidenceItem(indication=pb.IndicationEvidence(text="shortness of breath")),
    pb.EvidenceItem(recommendation=pb.RecommendationEvidence(text="repeat chest x-ray in six weeks")),
]


async def drafted(call):
    """The sentences of a stream, and its draft, which is its last event and comes once."""
    events = [event async for event in call]
    assert [event.WhichOneof("event") for event in events[:-1]] == ["sentence"] * (len(events) - 1)
    assert events[-1].WhichOneof("event") == "draft"
    return [event.sentence for event in events[:-1]], events[-1].draft
