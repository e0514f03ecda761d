"""The last branch of a case: the draft of a report, from what the others brought, in what time is left."""

from __future__ import annotations

from collections.abc import Callable

from medmesh.language.v1.report_pb2 import Draft, DraftSentence, GenerateReportRequest, ReportEvidence
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from services.chassis.errors import InvalidInput, MedmeshError
from services.orchestrator.fanout import BranchKind, BranchResult, Listener, Services, run_branch

MARK = "AI draft, to be reviewed"
SentenceListener = Callable[[DraftSentence], None]
"""Hears of each sentence as it is written."""


async def draft_report(
    case: pb.DiagnosticCase,
    evidence: ReportEvidence,
    services: Services,
    budget_s: float,
    listen: Listener,
    hear: SentenceListener,
) -> BranchResult[Draft]:
    """Drafts the report that the case asks for. Raises InvalidInput, with the field's path in the combined
    request, where the service refuses its options; everything else that fails is a result, unless the case
    requires the draft.
    """
    request = GenerateReportRequest(evidence=evidence, options=case.draft_report)

    async def call() -> Draft:
        if not evidence.items:  # nothing was found that may be said
            return Draft(mark=MARK, text=f"{MARK}\n")
        try:
            return await services.generate_report(request, budget_s, hear)
        except InvalidInput as error:
            if not error.field.startswith("options"):
                raise MedmeshError("the orchestrator's own request was refused") from error
            field = f"case.draft_report{error.field.removeprefix('options')}"
            raise InvalidInput(error.reason, field, error.description) from error

    return await run_branch(case, BranchKind.REPORT, None, call(), budget_s, listen)
