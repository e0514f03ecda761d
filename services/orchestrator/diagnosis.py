"""From a case to the whole answer: ask, assess, say what is missing, seal with a receipt."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from medmesh.common.v1.answer_pb2 import Provenance
from medmesh.language.v1.report_pb2 import Draft, ReportEvidence
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from medmesh.orchestrator.v1.receipt_pb2 import EvidenceReceipt, InputDigest, ReceiptStatement
from services.chassis.observability import telemetry
from services.chassis.observability.attributes import Name
from services.chassis.rpc import request as requests
from services.orchestrator.assessment import assess
from services.orchestrator.cards import ModelCards
from services.orchestrator.case import Case
from services.orchestrator.convert.assessment import assessment_messages, disagreement_messages
from services.orchestrator.convert.branches import branch_message, duration
from services.orchestrator.convert.case import case_from, missing_sources
from services.orchestrator.convert.further import further
from services.orchestrator.convert.notices import all_notices, notices
from services.orchestrator.convert.report import report_evidence
from services.orchestrator.declared import Declaration
from services.orchestrator.drafting import SentenceListener, draft_report
from services.orchestrator.fanout import Answers, BranchResult, Further, Services, Split, ask, unanswered
from services.orchestrator.fusion import Source
from services.orchestrator.knowledge import Knowledge
from services.orchestrator.note_privacy import NOTICE as NOTE_DEIDENTIFIED
from services.orchestrator.receipts.log import WAIT_S, ReceiptLog
from services.orchestrator.receipts.statement import fusion_digest, statement_of

RESEARCH_USE = (
    "For research only. Not a medical device: not for diagnosis or treatment of any patient, "
    "and no replacement for the judgement of a clinician."
)
CARD_SHARE = 0.1
"""Part of the time that is left that the cards of models not met before may take."""
_WAIT_SHARE = 0.8
"""Part of the time that is left for which another process that holds the log is waited for."""


@dataclass(frozen=True)
class Listeners:
    """Who hears of what, as it comes."""

    branch: Callable[[pb.Branch], None] = lambda _: None
    """Of each branch as it ends."""
    sentence: SentenceListener = lambda _: None
    """Of each sentence of the draft report as it is written."""


class Diagnostician:
    """Answers combined requests."""

    def __init__(
        self,
        services: Services,
        knowledge: Knowledge,
        cards: ModelCards,
        log: ReceiptLog,
        split: Split,
        *,
        default_deadline_s: float,
        card_timeout_s: float,
        intended_use: str = "",
        notes_deidentified: bool = False,
    ) -> None:
        self._services = services
        self._knowledge = knowledge
        self._cards = cards
        self._log = log
        self._split = split
        self._default_deadline_s = default_deadline_s
        self._card_timeout_s = card_timeout_s
        self._intended_use = intended_use or RESEARCH_USE
        self._notes_deidentified = notes_deidentified

    async def diagnose(
        self,
        case: pb.DiagnosticCase,
        salt: str,
        inputs: Awaitable[Sequence[InputDigest]],
        listeners: Listeners,
    ) -> pb.Diagnosis:
        """Answers `case` within the current request's deadline; `listeners` hear of
        branches as they end, and of sentences of the draft.

        `inputs` are the digests of the case under `salt`, hexadecimal. Raises InvalidInput when the input is
        bad, UpstreamUnavailable when every branch failed or one that the case requires (ModelUnknown where no
        model has a name that the case gives), ReceiptNotWritten.
        """
        started = time.monotonic()
        total_s = self.remaining_s()

        def listen(result: BranchResult[Any]) -> None:
            listeners.branch(branch_message(result))

        read = CaseReader(self._cards)

        async def find_further(answers: Answers) -> Further:
            await self._learn_cards(answers)
            return further(answers, read.of(answers), self._knowledge)

        answers = await ask(
            case,
            self._services,
            total_s,
            self._split,
            find_further,
            listen,
            bytes.fromhex(salt),
        )
        _refuse_if_nothing_answered(answers)
        await self._learn_cards(answers)
        with telemetry.span("fuse"):
            diagnosis = self._fuse(answers, read.of(answers))
        drafted = None
        if case.HasField("draft_report"):
            evidence = report_evidence(diagnosis, answers, self._knowledge)
            left_s = total_s - (time.monotonic() - started) - self._split.kept_back_s(total_s)
            drafted = await draft_report(case, evidence, self._services, left_s, listen, listeners.sentence)
            _add_report(diagnosis, drafted, evidence)
        with telemetry.span("seal receipt"):
            receipt = await self._seal(diagnosis, await inputs, salt, answers)
        diagnosis.receipt.CopyFrom(receipt)
        diagnosis.elapsed.CopyFrom(duration(time.monotonic() - started))
        branches = [*answers.branches(), *([drafted] if drafted else [])]
        completeness = pb.Completeness.Name(diagnosis.completeness)
        _count(completeness, branches)
        requests.note(
            completeness=completeness,
            failed_branches=",".join(b.name for b in branches if b.failed),
        )
        return diagnosis

    def remaining_s(self) -> float:
        """Of the current request's deadline, in seconds."""
        return requests.remaining_s() or self._default_deadline_s

    async def _learn_cards(self, answers: Answers) -> None:
        timeout_s = min(self._card_timeout_s, CARD_SHARE * self.remaining_s())
        await self._cards.learn(Source.IMAGE, _image_provenances(answers), timeout_s)
        await self._cards.learn(Source.NOTE, _label_provenances(answers), timeout_s)

    def _fuse(self, answers: Answers, case: Case) -> pb.Diagnosis:
        assessment = assess(case, missing_sources(answers), self._knowledge, self._cards.served())
        partial = any(branch.failed for branch in answers.branches())
        found = notices(answers, case, self._knowledge)
        if self._notes_deidentified and answers.note.requested:
            found.append(NOTE_DEIDENTIFIED)
        images = [
            pb.AnalyzedImage(index=index, analysis=branch.answer)
            for index, branch in enumerate(answers.images)
            if branch.answer is not None
        ]
        current = requests.current.get()
        return pb.Diagnosis(
            completeness=pb.COMPLETENESS_PARTIAL if partial else pb.COMPLETENESS_COMPLETE,
            intended_use=self._intended_use,
            assessments=assessment_messages(assessment, self._knowledge),
            disagreements=disagreement_messages(assessment, self._knowledge),
            review_required=partial
            or bool(assessment.disagreements)
            or any(result.abstained for image in images for result in image.analysis.results)
            or any(notice.review_required for notice in (*found, *all_notices(answers))),
            branches=[branch_message(branch) for branch in answers.branches()],
            images=images,
            note=answers.note.answer,
            treatments=answers.treatments.answer,
            correlation_id=current.request_id if current is not None else "",
            notices=found,
        )

    async def _seal(
        self, diagnosis: pb.Diagnosis, inputs: Sequence[InputDigest], salt: str, answers: Answers
    ) -> EvidenceReceipt:
        """The receipt, written; the request's line in the audit log names it, whoever has left meanwhile."""
        known = [one for one in _declared(answers, self._cards) if one is not None]

        def stated() -> ReceiptStatement:
            return statement_of(diagnosis, inputs, salt, fusion_digest(self._knowledge, known))

        async def seal() -> EvidenceReceipt:
            statement = await asyncio.to_thread(stated)
            # Given up in time for the caller to hear why.
            wait_s = min(WAIT_S, _WAIT_SHARE * self.remaining_s())
            written = await self._log.write(statement, wait_s)
            requests.note(receipt_id=statement.predicate.receipt_id)
            for model in statement.predicate.models:
                requests.used(model.model_name, model.model_version)
            return written

        sealing = asyncio.create_task(seal())
        try:
            return await asyncio.shield(sealing)
        finally:
            await asyncio.wait([sealing])


class CaseReader:
    """Reads the case from what the branches brought: once, and again where other cards are known by then."""

    def __init__(self, cards: ModelCards) -> None:
        self._cards = cards
        self._declared: list[Declaration | None] | None = None
        self._case = Case()

    def of(self, answers: Answers) -> Case:
        """What image, note and record say."""
        declared = _declared(answers, self._cards)
        if declared != self._declared:
            self._declared, self._case = declared, case_from(answers, self._cards)
        return self._case


def _declared(answers: Answers, cards: ModelCards) -> list[Declaration | None]:
    return list(map(cards.of_answer, (*_image_provenances(answers), *_label_provenances(answers))))


def _count(completeness: str, branches: Iterable[BranchResult[Any]]) -> None:
    """Counts an answer, and what became of its parts."""
    instruments = telemetry.instruments()
    instruments.diagnoses.add(1, {Name.COMPLETENESS: completeness})
    for branch in branches:
        if branch.requested:
            instruments.branches.add(1, {Name.BRANCH: branch.kind.value, Name.BRANCH_FAILED: branch.failed})


def _add_report(diagnosis: pb.Diagnosis, drafted: BranchResult[Draft], evidence: ReportEvidence) -> None:
    """Adds how the draft went to a diagnosis that was fused without it."""
    diagnosis.branches.append(branch_message(drafted))
    if drafted.answer is None:
        diagnosis.completeness = pb.COMPLETENESS_PARTIAL
        diagnosis.review_required = True
        return
    diagnosis.report.draft.CopyFrom(drafted.answer)
    diagnosis.report.evidence.CopyFrom(evidence)
    diagnosis.review_required |= any(one.review_required for one in drafted.answer.notices)


def _image_provenances(answers: Answers) -> list[Provenance]:
    return [
        result.provenance
        for image in answers.images
        if image.answer is not None
        for result in image.answer.results
        if result.findings
    ]


def _label_provenances(answers: Answers) -> list[Provenance]:
    results: Iterable[Provenance] = (
        (result.provenance for result in answers.note.answer.results if result.labels)
        if answers.note.answer is not None
        else ()
    )
    return list(results)


def _refuse_if_nothing_answered(answers: Answers) -> None:
    asked = [branch for branch in answers.branches() if branch.requested]
    if all(branch.failed for branch in asked):
        raise unanswered(asked)
