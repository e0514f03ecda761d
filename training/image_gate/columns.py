"""The gate's output columns, in the order of its `serving.txtpb`.

The kinds sum to 1, as do `sound` and the flaws; the two between are judged each by itself.
"""

from __future__ import annotations

from enum import StrEnum

from medmesh.common.v1.serving_pb2 import ImageGate
from services.imaging.tasks.gate import Rejection
from training.imaging.declared import side_px
from training.model_card import decided_serving

GATE_SIDE_PX = side_px("image_gate")
_COLUMNS = decided_serving("image_gate").image_gate.columns
GATE_LABELS = tuple(column.name for column in _COLUMNS)
FLAWS = tuple(Rejection(column.name) for column in _COLUMNS if column.role == ImageGate.Column.ROLE_FLAW)
SOUND = "sound"
UPSIDE_DOWN = "upside_down"
INVERTED = "inverted"


class Kind(StrEnum):
    """The kinds of image that the gate tells apart: its first columns."""

    CHEST_XRAY = "chest_xray"
    HEAD_CT = "head_ct"
    OTHER = "other"
