"""Asks the services about one case, at the same time, each with its share of the deadline.

Stage 1: every image, the note and the reading of the record. Stage 2: the treatments, from the record
together with the conditions that note and images gave. The draft of a report comes after both (`drafting`),
from what is fused. A branch that fails is a result, not an error; only bad input ends the whole case, and the
failure of a branch that the case requires. Whoever cancels `ask` cancels every call under way.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Generic, TypeVar, cast

from medmesh.common.v1.concept_pb2 import CodedConcept
from medmesh.common.v1.patient_pb2 import PatientInput
from medmesh.imaging.v1.imaging_pb2 import ImageAnalysis
from medmesh.language.v1.language_pb2 import AnalyzeNoteRequest, NoteAnalysis
from medmesh.language.v1.report_pb2 import Draft, DraftSentence, GenerateReportRequest
from medmesh.orchestrator.v1.orchestrator_pb2 import Branch, CaseImage, DiagnosticCase
from medmesh.recommendation.v1.recommendation_pb2 import (
    RankTreatmentsRequest,
    ReadRecordRequest,
    RecordReading,
    TreatmentRanking,
)
from services.chassis.errors import (
    DeadlineExceeded,
    InvalidInput,
    MedmeshError,
    ModelUnknown,
    Reason,
    UpstreamUnavailable,
)

logger = logging.getLogger("medmesh.orchestrator")
_GUARD_SLACK_S = 0.05
T = TypeVar("T")


@dataclass(frozen=True)
class Services:
    """The calls of the mesh that a case needs. Each takes the request and its time in seconds.

    They raise the errors of `services.chassis.errors`.
    """

    analyze_image: Callable[[CaseImage, float], Awaitable[ImageAnalysis]]
    """Takes the case's image as it is (`wire`): to make another message of it would copy up to 64 MiB."""
    analyze_note: Callable[[AnalyzeNoteRequest, float], Awaitable[NoteAnalysis]]
    read_record: Callable[[ReadRecordRequest, float], Awaitable[RecordReading]]
    rank_treatments: Callable[[RankTreatmentsRequest, float], Awaitable[TreatmentRanking]]
    generate_report: Callable[
        [GenerateReportRequest, float, Callable[[DraftSentence], None]], Awaitable[Draft]
    ]
    """Takes who hears of each sentence too."""


@dataclass(frozen=True)
class Split:
    """How the deadline is shared out."""

    treatment_share: float
    """Part of the time that is kept back for the treatments, in (0, 1), when there is a record."""
    fusion_s: float
    """Time that is kept back for fusing and sealing the answer; at most a tenth of the whole."""
    report_share: float = 0.4
    """Part of the time that is kept back for the draft of a report, in (0, 1), when one is asked for."""

    def kept_back_s(self, total_s: float) -> float:
        """Of `total_s`, what no branch may eat."""
        return min(self.fusion_s, total_s / 10)


class BranchKind(Enum):
    """What a branch works on."""

    IMAGE = "image"
    NOTE = "note"
    RECORD = "record"
    TREATMENTS = "treatments"
    REPORT = "report"

    @property
    def message(self) -> Branch.Kind:
        """Its value in the contract."""
        return cast("Branch.Kind", Branch.Kind.Value(f"KIND_{self.name}"))


@dataclass(frozen=True)
class BranchResult(Generic[T]):
    """How one branch ended."""

    kind: BranchKind
    index: int | None = None
    """Place of the image in the case."""
    requested: bool = True
    answer: T | None = None
    """None when it was not requested or failed."""
    error: MedmeshError | None = None
    """Why it failed."""
    elapsed_s: float = 0.0
    budget_s: float = 0.0

    @property
    def failed(self) -> bool:
        """Whether it was requested and has no answer."""
        return self.requested and self.answer is None

    @property
    def name(self) -> str:
        """For logs and error metadata: `image_0`, `note`."""
        return self.kind.value if self.index is None else f"{self.kind.value}_{self.index}"


@dataclass(frozen=True)
class Answers:
    """What the branches brought."""

    images: tuple[BranchResult[ImageAnalysis], ...]
    """In the order of the case; a single one that was not requested when it has no images."""
    note: BranchResult[NoteAnalysis]
    record: BranchResult[RecordReading]
    treatments: BranchResult[TreatmentRanking] = field(
        default_factory=lambda: BranchResult(BranchKind.TREATMENTS, requested=False)
    )

    def branches(self) -> list[BranchResult[Any]]:
        """All branches in the order of the answer."""
        return [*self.images, self.note, self.record, self.treatments]


Listener = Callable[[BranchResult[Any]], None]
"""Hears of each requested branch as it ends."""


@dataclass(frozen=True)
class Further:
    """What stage 1 gives the patient beyond the record."""

    conditions: Sequence[CodedConcept] = ()
    allergies: Sequence[CodedConcept] = ()
    medications: Sequence[CodedConcept] = ()


FindFurther = Callable[[Answers], Awaitable[Further]]


async def ask(
    case: DiagnosticCase,
    services: Services,
    total_s: float,
    split: Split,
    find_further: FindFurther,
    listen: Listener,
    digest_key: bytes,
) -> Answers:
    """Asks every service that the case needs, within `total_s` seconds.

    The imaging service digests what it reads under `digest_key`. Raises InvalidInput, with the field's path
    in the combined request, when a service refuses the input; what `unanswered` gives when a branch fails
    that the case requires.
    """
    started = time.monotonic()
    usable_s = total_s - split.kept_back_s(total_s)
    if case.HasField("draft_report"):
        usable_s *= 1 - split.report_share
    has_patient = case.HasField("patient")
    stage_s = usable_s * (1 - split.treatment_share) if has_patient else usable_s
    answers = await _stage_one(case, services, stage_s, listen, digest_key)
    if not has_patient:
        return answers
    further = await find_further(answers)
    left_s = usable_s - (time.monotonic() - started)
    treatments = await _rank(case, services, left_s, answers, further, listen)
    return Answers(answers.images, answers.note, answers.record, treatments)


async def _stage_one(
    case: DiagnosticCase, services: Services, budget_s: float, listen: Listener, digest_key: bytes
) -> Answers:
    async def image(index: int) -> BranchResult[ImageAnalysis]:
        sent = case.images[index]
        sent.options.digest_key = digest_key
        call = _within(f"case.images[{index}]", services.analyze_image(sent, budget_s))
        return await run_branch(case, BranchKind.IMAGE, index, call, budget_s, listen)

    async def note() -> BranchResult[NoteAnalysis]:
        if not case.note:
            return BranchResult(BranchKind.NOTE, requested=False)
        call = _within("case", services.analyze_note(AnalyzeNoteRequest(note=case.note), budget_s))
        return await run_branch(case, BranchKind.NOTE, None, call, budget_s, listen)

    async def record() -> BranchResult[RecordReading]:
        if not case.HasField("patient"):
            return BranchResult(BranchKind.RECORD, requested=False)
        call = _within("case", services.read_record(ReadRecordRequest(patient=case.patient), budget_s))
        return await run_branch(case, BranchKind.RECORD, None, call, budget_s, listen)

    try:
        async with asyncio.TaskGroup() as group:
            note_task = group.create_task(note())
            images = [group.create_task(image(index)) for index in range(len(case.images))]
            record_task = group.create_task(record())
    except BaseExceptionGroup as errors:
        # What leaves a branch as an error ends the case; the others were cancelled with it.
        raise _refusal(errors) from errors
    results = tuple(task.result() for task in images)
    none: BranchResult[ImageAnalysis] = BranchResult(BranchKind.IMAGE, requested=False)
    return Answers(results or (none,), note_task.result(), record_task.result())


async def _rank(
    case: DiagnosticCase,
    services: Services,
    budget_s: float,
    answers: Answers,
    further: Further,
    listen: Listener,
) -> BranchResult[TreatmentRanking]:
    # Without the typed record the service reads the caller's own: the treatments do not need the branch.
    read = answers.record.answer
    request = RankTreatmentsRequest(
        patient=PatientInput(record=read.record) if read is not None else case.patient,
        further_conditions=further.conditions,
        further_allergies=further.allergies,
        further_medications=further.medications,
    )
    if case.HasField("max_treatment_count"):
        request.max_treatment_count = case.max_treatment_count

    async def call() -> TreatmentRanking:
        try:
            return await services.rank_treatments(request, budget_s)
        except InvalidInput as error:
            if error.field.startswith("further_"):
                raise MedmeshError("the orchestrator's own request was refused") from error
            raise error.within("case") from error

    return await run_branch(case, BranchKind.TREATMENTS, None, call(), budget_s, listen)


async def run_branch(
    case: DiagnosticCase,
    kind: BranchKind,
    index: int | None,
    call: Awaitable[T],
    budget_s: float,
    listen: Listener,
) -> BranchResult[T]:
    """How `call` ends within its time. Raises InvalidInput; all else that it raises is a result, unless the
    case requires the branch.
    """
    started = time.monotonic()
    answer: T | None = None
    failure: MedmeshError | None = None
    try:
        # A second guard beside the call's own deadline, which comes first and tells what hung: no branch may
        # eat another's time.
        async with asyncio.timeout(max(budget_s, 0.0) + _GUARD_SLACK_S):
            answer = await call
    except InvalidInput:
        raise
    except TimeoutError:
        failure = DeadlineExceeded()
    except MedmeshError as error:
        failure = error
    except Exception:
        # A fault of this service, e.g. a token file that cannot be read: it too is confined to its branch.
        logger.exception("branch failed", extra={"facts": {"branch": kind.value}})
        failure = MedmeshError()
    result = BranchResult(
        kind,
        index,
        answer=answer,
        error=failure,
        elapsed_s=time.monotonic() - started,
        budget_s=max(budget_s, 0.0),
    )
    listen(result)
    if result.failed and kind.message in case.required_branches:
        raise unanswered([result])
    return result


def unanswered(failed: Sequence[BranchResult[Any]]) -> MedmeshError:
    """The error of a case that cannot be answered without these branches; names each with its reason."""
    reasons = {branch.name: branch.error.reason.value for branch in failed if branch.error is not None}
    if set(reasons.values()) == {Reason.MODEL_UNKNOWN.value}:
        return ModelUnknown(metadata=reasons)
    return UpstreamUnavailable("branches failed that the case cannot do without", metadata=reasons)


async def _within(parent: str, call: Awaitable[T]) -> T:
    try:
        return await call
    except InvalidInput as error:
        raise error.within(parent) from error


def _refusal(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """Of several refusals always the same one, by field, whichever service was faster; else the first of
    the required branches that failed.
    """
    refused = [error for error in errors.exceptions if isinstance(error, InvalidInput)]
    if refused:
        return min(refused, key=lambda error: error.field)
    return next((error for error in errors.exceptions if isinstance(error, MedmeshError)), errors)
