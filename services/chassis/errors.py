"""The errors of the mesh, and the one table that gives each reason its status and its public sentence.

    MedmeshError
    ├── InvalidInput          the caller's input is at fault; names the field
    ├── ModelUnknown          no model has that name
    ├── UploadUnknown         no upload of the caller has that id
    ├── CorpusUnknown         no corpus of literature has that name
    ├── JobUnknown            the caller's tenant has no job of that id
    ├── CorpusUnavailable     a corpus of literature cannot be read or written
    ├── ModelUnavailable      the model is not served now
    ├── ModelFailed           the model was asked and failed
    ├── UpstreamUnavailable   another service of the mesh does not answer
    ├── ReceiptNotWritten     the answer's receipt cannot be stored
    ├── Overloaded            too many requests wait
    ├── QuotaExceeded         the tenant has used what it may
    ├── DeadlineExceeded      the time given was too short
    ├── Unauthenticated       no valid identity
    └── PermissionDenied      the identity may not do this

Domain code raises these; `interceptors` turns them into a `google.rpc.Status`. Every other exception is
answered as INTERNAL with a fixed sentence. No message here may quote the input: it could be patient data.
"""

# ruff: noqa: N818  # named for what went wrong, as docs/errors.md and the clients name it

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any

DOMAIN = "medmesh"
"""`ErrorInfo.domain` of every error of the mesh."""


class Reason(StrEnum):
    """`ErrorInfo.reason`: the stable, machine-readable name of what went wrong. see docs/errors.md."""

    INPUT_MISSING = "INPUT_MISSING"
    INPUT_TOO_LARGE = "INPUT_TOO_LARGE"
    INPUT_MALFORMED = "INPUT_MALFORMED"
    INPUT_UNSUPPORTED = "INPUT_UNSUPPORTED"
    INPUT_INCONSISTENT = "INPUT_INCONSISTENT"
    INPUT_OUT_OF_RANGE = "INPUT_OUT_OF_RANGE"
    MODEL_UNKNOWN = "MODEL_UNKNOWN"
    UPLOAD_UNKNOWN = "UPLOAD_UNKNOWN"
    CORPUS_UNKNOWN = "CORPUS_UNKNOWN"
    CORPUS_UNAVAILABLE = "CORPUS_UNAVAILABLE"
    JOB_UNKNOWN = "JOB_UNKNOWN"
    MODEL_UNAVAILABLE = "MODEL_UNAVAILABLE"
    MODEL_FAILED = "MODEL_FAILED"
    UPSTREAM_UNAVAILABLE = "UPSTREAM_UNAVAILABLE"
    RECEIPT_NOT_WRITTEN = "RECEIPT_NOT_WRITTEN"
    OVERLOADED = "OVERLOADED"
    QUOTA_EXCEEDED = "QUOTA_EXCEEDED"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    INTERNAL = "INTERNAL"


@dataclass(frozen=True)
class PublicError:
    """How a reason is shown to the caller."""

    status: str
    """Name of the gRPC status code."""
    sentence: str
    """What the caller reads. Fixed: it never holds anything of the request."""
    retryable: bool
    """Whether the same request may succeed later."""


PUBLIC: Mapping[Reason, PublicError] = MappingProxyType(
    {
        Reason.INPUT_MISSING: PublicError("INVALID_ARGUMENT", "A required input is missing.", False),
        Reason.INPUT_TOO_LARGE: PublicError("INVALID_ARGUMENT", "An input exceeds its limit.", False),
        Reason.INPUT_MALFORMED: PublicError("INVALID_ARGUMENT", "An input cannot be read.", False),
        Reason.INPUT_UNSUPPORTED: PublicError(
            "INVALID_ARGUMENT", "An input is of a kind that no model here serves.", False
        ),
        Reason.INPUT_INCONSISTENT: PublicError("INVALID_ARGUMENT", "An input contradicts itself.", False),
        Reason.INPUT_OUT_OF_RANGE: PublicError("INVALID_ARGUMENT", "A value is out of its range.", False),
        Reason.MODEL_UNKNOWN: PublicError(
            "NOT_FOUND", "No model that can answer this request has this name.", False
        ),
        Reason.UPLOAD_UNKNOWN: PublicError(
            "NOT_FOUND", "No upload of this caller has this id, or it has expired.", False
        ),
        Reason.CORPUS_UNKNOWN: PublicError("NOT_FOUND", "No corpus of literature has this name.", False),
        Reason.JOB_UNKNOWN: PublicError(
            "NOT_FOUND", "No job of this tenant has this id, or it has been removed.", False
        ),
        Reason.CORPUS_UNAVAILABLE: PublicError(
            "UNAVAILABLE", "The corpus of literature cannot be read or written at present.", True
        ),
        Reason.MODEL_UNAVAILABLE: PublicError("UNAVAILABLE", "The model is not served at present.", True),
        Reason.MODEL_FAILED: PublicError("INTERNAL", "The model failed on this request.", False),
        Reason.UPSTREAM_UNAVAILABLE: PublicError(
            "UNAVAILABLE", "A service that this request needs does not answer.", True
        ),
        Reason.RECEIPT_NOT_WRITTEN: PublicError(
            "UNAVAILABLE", "The answer was withheld: its evidence receipt cannot be stored.", True
        ),
        Reason.OVERLOADED: PublicError(
            "RESOURCE_EXHAUSTED", "Too many requests wait; try again later.", True
        ),
        Reason.QUOTA_EXCEEDED: PublicError(
            "RESOURCE_EXHAUSTED", "The quota of this tenant is used up; try again later.", True
        ),
        Reason.DEADLINE_EXCEEDED: PublicError(
            "DEADLINE_EXCEEDED", "The answer was not ready within the deadline.", True
        ),
        Reason.UNAUTHENTICATED: PublicError(
            "UNAUTHENTICATED", "The request carries no valid identity.", False
        ),
        Reason.PERMISSION_DENIED: PublicError(
            "PERMISSION_DENIED", "This identity may not call this method.", False
        ),
        Reason.INTERNAL: PublicError("INTERNAL", "An internal error occurred; quote the request id.", False),
    }
)


class MedmeshError(Exception):
    """Base of the typed errors. `metadata` becomes `ErrorInfo.metadata`; it holds nothing of the input."""

    reason: Reason = Reason.INTERNAL

    def __init__(self, detail: str = "", *, metadata: Mapping[str, str] | None = None) -> None:
        super().__init__(detail or PUBLIC[self.reason].sentence)
        self.metadata: Mapping[str, str] = dict(metadata or {})

    def __reduce__(self) -> tuple[Any, ...]:
        # By itself an exception is made again from its text alone, which is not what the classes here take.
        return _made_again, (type(self), self.args, self.__dict__)


def _made_again(kind: type[MedmeshError], arguments: tuple[Any, ...], state: dict[str, Any]) -> MedmeshError:
    error = kind.__new__(kind, *arguments)
    error.__dict__.update(state)
    return error


@dataclass(frozen=True, slots=True)
class Violation:
    """One field of the request that is at fault."""

    reason: Reason
    """One of those whose status is INVALID_ARGUMENT."""
    field: str
    """Its path in the request, e.g. `case.images[0].sources[0].content`."""
    description: str
    """What is wrong and what would be right, without quoting the value."""


class InvalidInput(MedmeshError):
    """The caller's input is at fault.

    `field` is the path of the field in the request, e.g. `image` or `patient.fhir_bundle`; `description` says
    what is wrong and what would be right, without quoting the value: both are sent to the caller. Where
    several fields are at fault, these are the first one's, and `violations` has them all.
    """

    def __init__(self, reason: Reason, field: str, description: str) -> None:
        if PUBLIC[reason].status != "INVALID_ARGUMENT":
            raise ValueError(f"{reason} is not a fault of the input")
        self.reason = reason
        self.field = field
        self.description = description
        self.violations: tuple[Violation, ...] = (Violation(reason, field, description),)
        super().__init__(f"{field}: {description}")

    @classmethod
    def of(cls, violations: Sequence[Violation]) -> InvalidInput:
        """The error of one or more violations."""
        first = violations[0]
        error = cls(first.reason, first.field, first.description)
        error.violations = tuple(violations)
        return error

    def within(self, parent: str) -> InvalidInput:
        """The same error with its field paths below `parent`."""
        return InvalidInput.of([replace(v, field=f"{parent}.{v.field}") for v in self.violations])


class ModelUnknown(MedmeshError):
    """No model that can answer the request has that name.

    Of a list of names the metadata have the `field` of the one that is meant, e.g. `options.models[1]`.
    """

    reason = Reason.MODEL_UNKNOWN


class UploadUnknown(MedmeshError):
    """No upload of the caller has that id, or it has expired."""

    reason = Reason.UPLOAD_UNKNOWN


class CorpusUnknown(MedmeshError):
    """No corpus of literature has that name."""

    reason = Reason.CORPUS_UNKNOWN


class JobUnknown(MedmeshError):
    """The caller's tenant has no job of that id."""

    reason = Reason.JOB_UNKNOWN


class CorpusUnavailable(MedmeshError):
    """A corpus of literature cannot be read or written: a full disk, a read-only folder, a damaged file.

    The metadata have the `error` of the operating system by its name, e.g. `ENOSPC`.
    """

    reason = Reason.CORPUS_UNAVAILABLE


class ModelUnavailable(MedmeshError):
    """The model is not loaded, or Triton does not answer."""

    reason = Reason.MODEL_UNAVAILABLE


class ModelFailed(MedmeshError):
    """The model was asked and failed, or answered with what its contract does not allow."""

    reason = Reason.MODEL_FAILED


class UpstreamUnavailable(MedmeshError):
    """Another service of the mesh does not answer."""

    reason = Reason.UPSTREAM_UNAVAILABLE


class ReceiptNotWritten(MedmeshError):
    """The answer's receipt cannot be stored, so the answer would not be traceable."""

    reason = Reason.RECEIPT_NOT_WRITTEN


class Overloaded(MedmeshError):
    """Too many requests wait, here or in Triton's queue."""

    reason = Reason.OVERLOADED


class QuotaExceeded(MedmeshError):
    """The tenant has used what it may; `retry_after_s`: seconds until the next request will be taken."""

    reason = Reason.QUOTA_EXCEEDED

    def __init__(
        self, detail: str = "", *, metadata: Mapping[str, str] | None = None, retry_after_s: float = 1.0
    ) -> None:
        super().__init__(detail, metadata=metadata)
        self.retry_after_s = retry_after_s


class DeadlineExceeded(MedmeshError):
    """The time that the caller gave was too short."""

    reason = Reason.DEADLINE_EXCEEDED


class Unauthenticated(MedmeshError):
    """The request carries no valid identity."""

    reason = Reason.UNAUTHENTICATED


class PermissionDenied(MedmeshError):
    """The identity may not call this method."""

    reason = Reason.PERMISSION_DENIED
