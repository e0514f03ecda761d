"""From a case to the whole answer: ask, assess, say what is missing, seal with a receipt."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from services.chassis.errors import UpstreamUnavailable
from services.chassis.rpc import request as requests
from services.orchestrator import convert, intake
from services.orchestrator.assessment import assess
from services.orchestrator.catalogue import Catalogue
from services.orchestrator.fanout import Answers, Services, Split, ask
from services.orchestrator.receipt import ReceiptLog, draft

RESEARCH_USE = (
    "For research only. Not a medical device: not for diagnosis or treatment of any patient, "
    "and no replacement for the judgement of a clinician."
)
BranchListener = Callable[[pb.Branch], None]


class Diagnostician:
    """Answers combined requests."""

    def __init__(
        self,
        services: Services,
        catalogue: Catalogue,
        log: ReceiptLog,
        split: Split,
        *,
        default_deadline_s: float,
        intended_use: str = "",
    ) -> None:
        self._services = services
        self._catalogue = catalogue
        self._log = log
        self._split = split
        self._default_deadline_s = default_deadline_s
        self._intended_use = intended_use or RESEARCH_USE

    async def diagnose(self, case: pb.DiagnosticCase, listen: BranchListener) -> pb.Diagnosis:
        """Answers `case` within the current request's deadline; `listen` hears of each branch as it ends.

        Raises InvalidInput when the input is bad, UpstreamUnavailable when every branch failed.
        """
        started = time.monotonic()
        intake.check(case)
        answers = await ask(
            case,
            self._services,
            requests.remaining_s() or self._default_deadline_s,
            self._split,
            lambda answers: convert.further(answers, self._catalogue),
            lambda outcome: listen(convert.branch_message(outcome)),
        )
        _refuse_if_nothing_answered(answers)
        diagnosis = self._fuse(answers)
        sealed = await asyncio.to_thread(self._log.append, draft(case, diagnosis, self._catalogue))
        diagnosis.receipt.CopyFrom(sealed)
        diagnosis.elapsed_ms = (time.monotonic() - started) * 1e3
        requests.note(
            completeness=pb.Completeness.Name(diagnosis.completeness),
            failed_branches=",".join(b.name for b in answers.branches() if b.failed),
            receipt_id=sealed.receipt_id,
        )
        return diagnosis

    def _fuse(self, answers: Answers) -> pb.Diagnosis:
        case = convert.case_from(answers)
        assessment = assess(case, convert.missing_modalities(answers), self._catalogue)
        partial = any(branch.failed for branch in answers.branches())
        images = convert.image_results(answers)
        current = requests.current.get()
        return pb.Diagnosis(
            completeness=pb.COMPLETENESS_PARTIAL if partial else pb.COMPLETENESS_COMPLETE,
            intended_use=self._intended_use,
            assessments=convert.assessment_messages(assessment),
            disagreements=convert.disagreement_messages(assessment, self._catalogue),
            review_required=partial
            or bool(assessment.disagreements)
            or any(image.analysis.abstained for image in images)
            or any(not image.accepted for image in case.images)
            or any(notice.review_required for notice in convert.all_notices(answers)),
            branches=[convert.branch_message(branch) for branch in answers.branches()],
            images=images,
            note=answers.note.answer,
            treatments=answers.treatments.answer,
            request_id=current.request_id if current is not None else "",
            notices=convert.notices(answers, case, self._catalogue),
        )


def _refuse_if_nothing_answered(answers: Answers) -> None:
    asked = [branch for branch in answers.branches() if branch.requested]
    if all(branch.failed for branch in asked):
        reasons = {branch.name: branch.error.reason.value for branch in asked if branch.error is not None}
        raise UpstreamUnavailable("every branch failed", metadata=reasons)
