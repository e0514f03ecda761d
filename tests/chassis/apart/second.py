"""A second process whose one method does what its request says: `python -m tests.chassis.apart.second FD`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time

import grpc

from services.chassis.apart import child
from services.chassis.apart.calls import handed_over
from services.chassis.errors import InvalidInput, QuotaExceeded, Reason, Violation
from services.chassis.observability import telemetry
from services.chassis.observability.attributes import Name
from services.chassis.observability.observed import Collector
from services.chassis.observability.telemetry import Telemetry
from services.chassis.off_loop import off_loop
from services.chassis.rpc import request as requests
from tests.chassis.conftest import Text

SECRET = "Mrs Example has pneumonia"
VIOLATIONS = (
    Violation(Reason.INPUT_MALFORMED, "note", "is not text"),
    Violation(Reason.INPUT_MISSING, "images", "are missing"),
)


async def unary(request: Text, context: None) -> Text:
    match request.note.split(" ")[0]:
        case "end":
            os.kill(os.getpid(), signal.SIGKILL)
        case "invalid":
            raise InvalidInput.of(VIOLATIONS)
        case "quota":
            raise QuotaExceeded(metadata={"quota": "calls"}, retry_after_s=7.0)
        case "fault":
            raise ValueError(SECRET)
        case "for-ever":
            await off_loop(False, None, lambda: [time.sleep(0.01) for _ in range(6000)])
        case "wait":
            await asyncio.sleep(5)
        case "files":
            return Text(note=" ".join(f"{len(file)}:{file[-1]}" for file in handed_over.get()))
        case "observe":
            requests.note(work=3)
            requests.used("doubler", "1")
            with telemetry.span("a step", {Name.MODEL: "doubler"}):
                telemetry.instruments().batch_size.record(2, {Name.MODEL: "doubler"})
            if "slowly" in request.note:
                await asyncio.sleep(0.5)
    return Text(note=f"{os.getpid()} {len(request.images[0].sources[0].content)}")


async def main(descriptor: int, edition: str) -> None:
    child.take_rank()
    handlers, collector = child.Handlers(), Collector()
    method = grpc.unary_unary_rpc_method_handler(unary, Text.FromString, Text.SerializeToString)
    handlers.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler("medmesh.language.v1.LanguageService", {"Unary": method})]
    )
    own = Telemetry("sample", span_processors=(collector,), meter=collector.meter, begins_traces=False)
    await child.serve(descriptor, handlers, own, collector, edition)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[2]), sys.argv[1]))
