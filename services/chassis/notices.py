"""What the reader of an answer should know of its input or computation; the domain's side of `Notice`."""

from __future__ import annotations

from dataclasses import dataclass

MAX_PLACES = 20
"""As in `medmesh.common.v1.Notice`."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice. Neither `message` nor `places` quotes the input: they name kinds and positions."""

    reason: str
    """Stable name, listed in docs/errors.md."""
    message: str
    """One sentence for people."""
    review_required: bool = False
    """Whether a person must look before the answer is used: something was not understood that could change
    it."""
    places: tuple[str, ...] = ()
    """Where in the input: a FHIRPath (`Bundle.entry[3].resource.code`), a DICOM keyword, a line of a note."""
    model_name: str = ""
    """The model that it concerns; empty: none in particular."""
