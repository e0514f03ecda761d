"""How the branches went: `BranchResult` -> `Branch`, with the remedy and the effect of a failure."""

from __future__ import annotations

from typing import Any

from google.protobuf.duration_pb2 import Duration

from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from services.chassis.errors import Reason
from services.orchestrator.fanout import BranchKind, BranchResult

_SERVICES = {
    BranchKind.IMAGE: "imaging",
    BranchKind.NOTE: "language",
    BranchKind.RECORD: "recommendation",
    BranchKind.TREATMENTS: "recommendation",
    BranchKind.REPORT: "language",
}
_REMEDIES = {
    Reason.UPSTREAM_UNAVAILABLE: (
        "The {service} service does not answer: start it or correct its address, then ask again."
    ),
    Reason.MODEL_UNAVAILABLE: (
        "A model of the {service} service is not served: see `medmesh models`, then ask again."
    ),
    Reason.MODEL_UNKNOWN: "The {service} service has no model of a requested name: see `medmesh models`.",
    Reason.OVERLOADED: "The {service} service has too many requests: ask again later.",
    Reason.QUOTA_EXCEEDED: "The orchestrator's quota at the {service} service is used up: raise it.",
    Reason.DEADLINE_EXCEEDED: "It was not ready within its share of the deadline: ask again with more time.",
    Reason.UNAUTHENTICATED: (
        "The {service} service does not know the orchestrator: correct the orchestrator's token."
    ),
    Reason.PERMISSION_DENIED: "The {service} service refuses the orchestrator: correct the service's policy.",
}
_OTHER_REMEDY = "The {service} service failed: report it with the correlation id."
_EFFECTS = {
    BranchKind.IMAGE: (
        "The intervals are wider by all that the image could have added; "
        "what only an image shows is not assessed."
    ),
    BranchKind.NOTE: (
        "The intervals are wider by all that the note could have added; "
        "what only the note names is not assessed."
    ),
    BranchKind.RECORD: (
        "The intervals are wider by all that the record could have added; "
        "what only the record has is not assessed."
    ),
    BranchKind.TREATMENTS: "No treatments are ranked; the assessments do not depend on them.",
    BranchKind.REPORT: "No report is drafted; the assessments do not depend on it.",
}


def branch_message(result: BranchResult[Any]) -> pb.Branch:
    """How a branch ended, with the remedy where it failed."""
    branch = pb.Branch(kind=result.kind.message, index=result.index)
    if not result.requested:
        branch.state = pb.Branch.STATE_NOT_REQUESTED
        return branch
    branch.state = pb.Branch.STATE_FAILED if result.failed else pb.Branch.STATE_ANSWERED
    branch.elapsed.CopyFrom(duration(result.elapsed_s))
    branch.budget.CopyFrom(duration(result.budget_s))
    if result.failed:
        reason = result.error.reason if result.error is not None else Reason.INTERNAL
        branch.reason = reason
        branch.message = _REMEDIES.get(reason, _OTHER_REMEDY).format(service=_SERVICES[result.kind])
        branch.effect = _EFFECTS[result.kind]
    return branch


def duration(seconds: float) -> Duration:
    """A time in seconds as a message."""
    message = Duration()
    message.FromNanoseconds(round(seconds * 1e9))
    return message
