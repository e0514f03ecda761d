"""What Triton's log says of its models."""

from __future__ import annotations

import re

_HARMLESS = "CudaDriverHelper has not been initialized"
"""Triton logs this as an error wherever there is no GPU driver."""


def loaded_models(text: str) -> list[str]:
    """Names of the models that were loaded, in that order."""
    return re.findall(r"successfully loaded '([^']+)'", text)


def troubles(text: str) -> list[str]:
    """The lines of errors and warnings."""
    return [line for line in text.splitlines() if re.match(r"[EWF]\d{4} ", line) and _HARMLESS not in line]


def reasons(text: str, model: str = "") -> str:
    """Why models were not loaded, of one model or of all; else the last errors. Empty: there are none."""
    found = re.findall(
        r"failed to load '([^']+)' version \d+: (?:Internal: )?(?:TritonModelException: )?([^\n]+)", text
    )
    if model:
        found = [("", reason) for name, reason in found if name == model]
    if not found:
        lines = [line for line in troubles(text) if not line.startswith("W") and model in line]
        found = [("", line.partition("] ")[2] or line) for line in lines[-3:]]
    # Without the backend's call stack, whose lines the log joins by a backslash and an n.
    heads = [(name, reason.partition("\\n")[0]) for name, reason in found]
    return "; ".join(dict.fromkeys(f"{name}: {reason}" if name else reason for name, reason in heads))
