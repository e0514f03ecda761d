"""The orchestrator under virtual time, among services that fail as a seed decides.

The real servicer, fan-out, fusion and receipts answer cases; only the services behind them, the disk of the
receipts and the callers are played. `python -m tests.faults.simulation --seeds 20000` goes through so many,
`--seed N` through one, and says what broke.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medmesh.common.v1 import catalog_pb2, patient_pb2
from medmesh.language.v1.report_pb2 import ReportOptions
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from medmesh.recommendation.v1 import recommendation_pb2
from services.chassis.errors import (
    DeadlineExceeded,
    InvalidInput,
    MedmeshError,
    ModelFailed,
    ModelUnavailable,
    Overloaded,
    ReceiptNotWritten,
    UpstreamUnavailable,
)
from services.chassis.rpc import request as requests
from services.chassis.rpc import status
from services.orchestrator import knowledge
from services.orchestrator.cards import CardCalls, ModelCards
from services.orchestrator.diagnosis import Diagnostician
from services.orchestrator.fanout import Services, Split
from services.orchestrator.fusion import Source
from services.orchestrator.receipts.log import ReceiptLog
from services.orchestrator.receipts.signing import Signer
from services.orchestrator.repeats import Repeats
from services.orchestrator.servicer import DiagnosticServicer
from tests.faults import invariants, virtual_time
from tests.faults.history import COMPLETE, PARTIAL, Call, History, answer_of
from tests.orchestrator.answers import (
    CARDS,
    analysis,
    answered,
    drafted,
    entity,
    image,
    note,
    provenance,
    record,
)
from tests.orchestrator.cases import ASTHMA, PNEUMONIA

KNOWLEDGE = knowledge.load()
CALLS = 6
ENOUGH_S = 1.0
"""Who gives this much time gets an answer or a reason, however long the services take."""
LATE_S = 1e-6
"""Nothing but waiting takes time here, so nothing is late at all."""
PROMISES = (
    invariants.complete_is_whole,
    invariants.partial_says_what_is_missing,
    invariants.every_call_ends_once,
    invariants.failures_are_told,
)
"""Those of the drill that hold for invented answers as well."""
BREAKING = (UpstreamUnavailable, Overloaded, ModelUnavailable, ModelFailed, MedmeshError)


@dataclass
class World:
    """What a seed decides, and what was seen."""

    chance: random.Random
    calls: list[Call] = field(default_factory=list)
    begun: int = 0
    """Calls of services that were begun, and how many of them ended or were cancelled."""
    ended: int = 0
    problems: list[str] = field(default_factory=list)
    wrong_input: set[str] = field(default_factory=set)
    """Calls of which a service refused the input."""

    async def fail_or(self, answer: Callable[[], Any], budget_s: float) -> Any:
        """A service's call: it takes time, and then answers or fails; some do not keep to their time."""
        if budget_s <= 0:  # as an upstream refuses it, before anything is begun
            raise DeadlineExceeded
        self.begun += 1
        try:
            keeps_time = self.chance.random() < 0.8
            async with asyncio.timeout(budget_s if keeps_time else None):
                await asyncio.sleep(self.chance.expovariate(1 / 0.3))
                kind = self.chance.random()
                if kind < 0.08:  # it hangs, with or without an end
                    await asyncio.sleep(self.chance.choice([5.0, 3600.0]))
                elif kind < 0.25:
                    raise self.chance.choice(BREAKING)
                elif kind < 0.27:
                    raise OSError("a file of this service cannot be read")
            return answer()
        except TimeoutError:
            raise DeadlineExceeded from None
        finally:
            self.ended += 1


class FailingLog(ReceiptLog):
    """A disk that is full at times."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        super().__init__(folder, Signer())
        self._chance = chance

    def append(self, statement: Any) -> Any:
        if self._chance.random() < 0.05:
            raise ReceiptNotWritten
        return super().append(statement)


def _services(world: World) -> Services:
    def call(answer: Callable[[Any], Any]) -> Callable[[Any, float], Awaitable[Any]]:
        async def ask(message: Any, budget_s: float) -> Any:
            return await world.fail_or(lambda: answer(message), budget_s)

        return ask

    async def draft(_message: Any, budget_s: float, hear: Callable[[Any], None]) -> Any:
        def written() -> Any:
            made = drafted("Bacterial pneumonia is present.")
            for sentence in made.sentences:
                hear(sentence)
            return made

        return await world.fail_or(written, budget_s)

    ranking = recommendation_pb2.TreatmentRanking(
        provenance=provenance("treatment_ranker"), treatments=[recommendation_pb2.RankedTreatment()]
    )
    return Services(
        analyze_image=call(lambda message: answered(analysis())(message).analysis),
        analyze_note=call(lambda _: note(entity(PNEUMONIA))),
        read_record=call(lambda _: record(ASTHMA)),
        rank_treatments=call(lambda _: ranking),
        generate_report=draft,
    )


def _servicer(world: World, folder: Path) -> DiagnosticServicer:
    async def get_card(name: str) -> Any:
        return await world.fail_or(lambda: CARDS[name], 1.0)

    async def list_models() -> catalog_pb2.ListModelsResponse:
        return catalog_pb2.ListModelsResponse()

    async def problem() -> str:
        return ""

    calls = CardCalls(list_models, get_card, problem)
    diagnostician = Diagnostician(
        _services(world),
        KNOWLEDGE,
        ModelCards({Source.IMAGE: calls, Source.NOTE: calls}),
        FailingLog(folder, world.chance),
        Split(0.3, 0.2),
        default_deadline_s=30.0,
        card_timeout_s=5.0,
    )
    return DiagnosticServicer(diagnostician, Repeats(600.0, 1 << 26))


def _case(chance: random.Random) -> pb.DiagnosticCase:
    made = pb.DiagnosticCase(images=[image(b"image %d" % index) for index in range(chance.choice([0, 1, 2]))])
    if chance.random() < 0.6:
        made.note = "Pneumonia."
    if chance.random() < 0.6 or not (made.images or made.note):
        made.patient.CopyFrom(patient_pb2.PatientInput(fhir_bundle=b"{}"))
    if chance.random() < 0.3:
        made.draft_report.CopyFrom(ReportOptions())
    return made


async def _caller(
    world: World, servicer: DiagnosticServicer, case: pb.DiagnosticCase, request_id: str, *, shared: bool
) -> None:
    """One call, as the frame of a service makes it: within its deadline, or until its caller leaves. The
    answer to a `shared` one may be another caller's, who has more time.
    """
    chance = world.chance
    await asyncio.sleep(chance.uniform(0.0, 10.0))
    loop = asyncio.get_running_loop()
    began_s, deadline_s = loop.time(), chance.choice([0.2, 1.0, 3.0, 10.0])
    leaves_s = chance.uniform(0.0, deadline_s) if chance.random() < 0.2 else None
    named = f"call {len(world.calls)}"
    requests.current.set(requests.Request(str(uuid.uuid4()), "/Diagnose", began_s + deadline_s))
    answers: list[pb.Diagnosis] = []
    outcome, streamed = "", chance.random() < 0.3
    try:
        async with asyncio.timeout(deadline_s if leaves_s is None else leaves_s):
            if streamed:
                events = servicer.DiagnoseStream(
                    pb.DiagnoseStreamRequest(case=case, request_id=request_id), None
                )
                try:
                    answers += [event.diagnosis async for event in events if event.HasField("diagnosis")]
                finally:
                    await events.aclose()
            else:
                response = await servicer.Diagnose(pb.DiagnoseRequest(case=case, request_id=request_id), None)
                answers.append(response.diagnosis)
    except TimeoutError:
        outcome = "DEADLINE_EXCEEDED/DEADLINE_EXCEEDED"
        if leaves_s is None and deadline_s >= ENOUGH_S and not shared:
            world.problems.append(f"{named} got not even a partial answer within {deadline_s} s")
    except InvalidInput:
        outcome = "RESOURCE_EXHAUSTED/OWN"  # only a call with an id of another case: not made here
        world.problems.append(f"{named}: a good case was refused")
    except MedmeshError as error:
        outcome = f"{status.code_name(error)}/{error.reason.value}"
    if leaves_s is not None and outcome.startswith("DEADLINE"):
        return  # nobody saw its end
    answer = answer_of(answers[0]) if answers else None
    complete = bool(answers) and answers[0].completeness == pb.COMPLETENESS_COMPLETE
    outcome = outcome or (COMPLETE if complete else PARTIAL)
    ends = len(answers) + (answer is None)
    world.calls.append(Call(named, began_s, loop.time(), deadline_s, outcome, ends, answer))


async def play(world: World, folder: Path) -> None:
    servicer = _servicer(world, folder)
    cases = [(_case(world.chance), str(uuid.uuid4())) for _ in range(CALLS)]
    # A caller who does not hear an answer asks again under the same id.
    again = [one for one in cases if world.chance.random() < 0.3]
    async with asyncio.TaskGroup() as group:
        for case, request_id in [*cases, *again]:
            shared = (case, request_id) in again
            group.create_task(_caller(world, servicer, case, request_id, shared=shared))
    # The cards that were asked for on the side may still come; nothing else goes on when all have ended.
    await asyncio.sleep(4000.0)
    if left := asyncio.all_tasks() - {asyncio.current_task()}:
        world.problems.append(f"{len(left)} tasks are left: {left}")


def broken(seed: int, folder: Path) -> list[str]:
    """The promises that a seed breaks, in one sentence each; empty: none."""
    world = World(random.Random(seed))
    try:
        virtual_time.run(play(world, folder))
    except virtual_time.StuckError:
        return ["everybody waits for somebody else"]
    found = list(world.problems)
    if world.begun != world.ended:
        found.append(f"{world.begun} calls of services were begun, {world.ended} ended")
    over = {call.request_id: call.ended_s - call.began_s - call.deadline_s for call in world.calls}
    found += [f"{name} ended {late_s} s late" for name, late_s in over.items() if late_s > LATE_S]
    history = History(calls=world.calls)
    return [*found, *(problem for promise in PROMISES for problem in promise(history))]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20_000)
    parser.add_argument("--seed", type=int, help="this one alone")
    given = parser.parse_args()
    logging.getLogger("medmesh").addHandler(logging.NullHandler())  # what fails here is meant to
    began, count = time.monotonic(), 0
    for seed in range(given.seeds) if given.seed is None else [given.seed]:
        with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
            if found := broken(seed, Path(folder)):
                count += 1
                print(f"seed {seed}: {'; '.join(found)}", flush=True)
    print(f"{count} seeds broke a promise, {time.monotonic() - began:.0f} s")
    return 1 if count else 0


if __name__ == "__main__":
    raise SystemExit(main())
