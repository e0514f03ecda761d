"""Errors in FHIR's form: a problem becomes an OperationOutcome."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

FHIR_JSON: Final = "application/fhir+json"
PREFIX: Final = "/fhir/"
"""What lies below it is answered in FHIR's form, its errors too."""
_CODES: Final = {
    "INPUT_MISSING": "required",
    "INPUT_TOO_LARGE": "too-long",
    "INPUT_MALFORMED": "invalid",
    "INPUT_UNSUPPORTED": "not-supported",
    "INPUT_INCONSISTENT": "business-rule",
    "INPUT_OUT_OF_RANGE": "value",
    "OVERLOADED": "throttled",
    "QUOTA_EXCEEDED": "throttled",
    "DEADLINE_EXCEEDED": "timeout",
    "UNAUTHENTICATED": "login",
    "PERMISSION_DENIED": "forbidden",
}
"""IssueType for the reasons of docs/errors.md."""
_BY_STATUS: Final = {
    401: "login",
    403: "forbidden",
    404: "not-found",
    405: "not-supported",
    415: "not-supported",
    429: "throttled",
    501: "not-supported",
    503: "transient",
    504: "timeout",
}


def outcome(problem: Mapping[str, Any]) -> dict[str, Any]:
    """The OperationOutcome of a problem: an issue for each field at fault, else one."""
    faults = problem.get("violations") or [{}]
    return {"resourceType": "OperationOutcome", "issue": [_issue(problem, fault) for fault in faults]}


def _issue(problem: Mapping[str, Any], fault: Mapping[str, str]) -> dict[str, Any]:
    reason = fault.get("reason") or problem.get("reason", "")
    code = _CODES.get(reason) or _BY_STATUS.get(problem["status"], "exception")
    text = f"{fault['field']}: {fault['description']}" if fault else problem["detail"]
    issue = {"severity": "error", "code": code, "diagnostics": text}
    if reason:
        issue["details"] = {"coding": [{"system": "urn:medmesh:error", "code": reason}]}
    return issue
