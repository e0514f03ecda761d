"""Triton's exceptions as the mesh's typed errors, the most specific first. Their text is looked at, never
passed on, since it may hold values of a request; that of a load holds only what is wrong with the model's
files.
"""

from __future__ import annotations

import re

from tritonclient.utils import InferenceServerException

from services.chassis.errors import (
    DeadlineExceeded,
    MedmeshError,
    ModelFailed,
    ModelUnavailable,
    Overloaded,
)

_QUEUE_FULL = re.compile(r"exceeds maximum queue size", re.IGNORECASE)
_DEAD = re.compile(r"stub process .* is not healthy", re.IGNORECASE)
_QUEUE_TIMEOUT = re.compile(r"request timeout expired", re.IGNORECASE)
_NOT_LOADED = re.compile(r"unknown model|is not at ready state", re.IGNORECASE)
_UNCONTROLLED = re.compile(r"explicit model load / unload is not allowed", re.IGNORECASE)
_NOT_THERE = re.compile(r"failed to poll from model repository", re.IGNORECASE)
_LOAD_REASON = re.compile(
    r"version \d+ is at UNAVAILABLE state: (?:[\w ]+: )?(?:TritonModelException: )?([^\n;]+)"
)
_RESTRICTED = re.compile(r"this protocol is restricted", re.IGNORECASE)
_PATH = re.compile(r"(?:/[\w.@=+-]+)+/")


class NotLoaded(ModelUnavailable):
    """Triton does not have the model, or not this version of it: nothing has run."""


def mapped(model: str, error: InferenceServerException) -> MedmeshError:
    """The typed error for one of Triton's."""
    metadata = {"model": model}
    status = (error.status() or "").removeprefix("StatusCode.")
    text = error.message() or ""
    if _QUEUE_FULL.search(text):
        return Overloaded(f"{model}: Triton's queue is full", metadata=metadata)
    if _QUEUE_TIMEOUT.search(text) or status == "DEADLINE_EXCEEDED":
        return DeadlineExceeded(f"{model}: no answer within the time given", metadata=metadata)
    if _DEAD.search(text):
        return ModelUnavailable(f"{model}: its process in Triton has ended", metadata=metadata)
    if is_not_loaded(error):
        return NotLoaded(f"{model}: not loaded by Triton", metadata=metadata)
    if _RESTRICTED.search(text):
        told = f"{model}: Triton asks for a key: set MEDMESH_TRITON_KEY_FILE to a file that holds it"
        return ModelUnavailable(told, metadata=metadata)
    if status in {"UNAVAILABLE", "CANCELLED"}:
        return ModelUnavailable(f"{model}: Triton does not answer", metadata=metadata)
    return ModelFailed(f"{model}: Triton answered {status or 'an error'}", metadata=metadata)


def load_error(model: str, error: InferenceServerException) -> ModelUnavailable:
    """Why Triton does not load a model, in its own words without the folders of its machine."""
    text = error.message() or ""
    reason = _LOAD_REASON.search(text)
    told = _PATH.sub(
        "", reason.group(1) if reason else text.splitlines()[0] if text else "it does not say why"
    )
    return ModelUnavailable(f"{model}: Triton cannot load it: {told.strip()}", metadata={"model": model})


def is_not_loaded(error: InferenceServerException) -> bool:
    """Whether Triton does not have the model, or not this version of it."""
    status = (error.status() or "").removeprefix("StatusCode.")
    return status == "NOT_FOUND" or _NOT_LOADED.search(error.message() or "") is not None


def is_not_there(error: InferenceServerException) -> bool:
    """Whether Triton's repository does not hold the model's folder."""
    return _NOT_THERE.search(error.message() or "") is not None


def is_uncontrolled(error: InferenceServerException) -> bool:
    """Whether Triton's model control mode forbids loading and unloading."""
    return _UNCONTROLLED.search(error.message() or "") is not None
