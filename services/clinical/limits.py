"""The bounds of a patient's record, as in `medmesh.common.v1.PatientRecord`."""

from __future__ import annotations

from typing import Final

MAX_ITEMS: Final = {
    "conditions": 2000,
    "medications": 2000,
    "procedures": 2000,
    "allergies": 500,
    "observations": 40_000,
}
MAX_SYSTEM: Final = 256
MAX_CODE: Final = 64
MAX_DISPLAY: Final = 512
"""Of a display or a text."""
MAX_CODINGS: Final = 20
"""Of one concept."""
