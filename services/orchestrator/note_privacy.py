"""Takes what identifies the patient out of a case's note before anything else sees it: no service but the
one that does it, no receipt, no writer.

All that the answer quotes of the note, and all offsets in it, are then those of the note without it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from medmesh.common.v1.answer_pb2 import Notice
from medmesh.language.v1.deidentification_pb2 import Deidentification, DeidentifyRequest
from medmesh.orchestrator.v1.orchestrator_pb2 import DiagnosticCase
from services.chassis.errors import InvalidInput, MedmeshError

Deidentify = Callable[[DeidentifyRequest, float], Awaitable[Deidentification]]
SHARE = 0.25
"""Part of the request's time that it may take."""
NOTICE = Notice(
    reason="NOTE_DEIDENTIFIED",
    message=(
        "What identifies the patient was taken out of the note before it was read: texts and offsets are "
        "those of the note without it."
    ),
)


async def protect(case: DiagnosticCase, deidentify: Deidentify, remaining_s: float) -> None:
    """Replaces the case's note where it stands.

    Raises what `deidentify` raises: a note that cannot be de-identified goes no further. InvalidInput names
    `case.note`.
    """
    if not case.note:
        return
    try:
        done = await deidentify(DeidentifyRequest(texts=[case.note]), SHARE * remaining_s)
    except InvalidInput as error:
        raise InvalidInput(error.reason, "case.note", error.description) from error
    if len(done.texts) != 1:
        raise MedmeshError("the language service did not answer with one text")
    case.note = done.texts[0].text
