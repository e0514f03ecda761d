"""What this service expects of the models in `triton_repo/` that it uses, and which one reads which body
part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

import numpy as np

from services.chassis.models.inference import ModelSpec, Tensor
from services.imaging.gate import GATE_LABELS
from services.imaging.images import View
from services.imaging.preprocessing import PREPROCESSING_VERSION

NORMAL_LABEL = "normal"
"""The label of every findings model that stands for the absence of a finding."""


class BodyPart(StrEnum):
    """The body parts that the service knows of, by DICOM's Body Part Examined (0018,0015)."""

    CHEST = "CHEST"
    HEAD = "HEAD"


@dataclass(frozen=True)
class FindingsModel:
    """A model that reads one body part: image in; class probabilities and activation maps out."""

    spec: ModelSpec
    body_part: BodyPart
    side_px: int
    """Its input is uint8 `[batch, 1, side_px, side_px]`."""
    modalities: frozenset[str]
    """DICOM modalities that it was made for; a file that names another one is refused."""
    view: View
    """The view that it was trained on."""
    age_years: tuple[int, int] | None
    """Youngest and oldest patient that it was trained on, in completed years; None: not known."""
    takes_hounsfield: bool
    """Whether it reads the brain window of Hounsfield units where a file has them."""
    concepts: Mapping[str, tuple[str, str]]
    """Label -> SNOMED CT code and display; labels without a code are left out."""


def _image(side_px: int) -> tuple[Tensor, ...]:
    return (Tensor("image", np.uint8, (1, side_px, side_px)),)


def _findings(labels: int, cells: int) -> tuple[Tensor, ...]:
    return (
        Tensor("logits", np.float32, (labels,)),
        Tensor("probabilities", np.float32, (labels,)),
        Tensor("activation_map", np.float32, (labels, cells, cells)),
    )


CHEST_XRAY = FindingsModel(
    spec=ModelSpec(
        name="chest_xray",
        inputs=_image(224),
        outputs=_findings(labels=3, cells=7),
        preprocessing_version=PREPROCESSING_VERSION,
    ),
    body_part=BodyPart.CHEST,
    side_px=224,
    modalities=frozenset({"CR", "DX", "DR", "RG", "RF", "SC", "OT", "XA"}),
    view=View.FRONTAL,
    age_years=(1, 5),
    takes_hounsfield=False,
    concepts=MappingProxyType(
        {
            "bacterial_pneumonia": ("53084003", "Bacterial pneumonia"),
            "viral_pneumonia": ("75570004", "Viral pneumonia"),
        }
    ),
)

HEAD_CT = FindingsModel(
    spec=ModelSpec(
        name="head_ct",
        inputs=_image(160),
        outputs=_findings(labels=2, cells=5),
        preprocessing_version=PREPROCESSING_VERSION,
        required=False,
    ),
    body_part=BodyPart.HEAD,
    side_px=160,
    modalities=frozenset({"CT", "SC", "OT"}),
    view=View.TRANSVERSE,
    age_years=None,
    takes_hounsfield=True,
    concepts=MappingProxyType({"intracranial_haemorrhage": ("1386000", "Intracranial hemorrhage")}),
)

GATE_SIDE_PX = 128
IMAGE_GATE = ModelSpec(
    name="image_gate",
    inputs=_image(GATE_SIDE_PX),
    outputs=(Tensor("probabilities", np.float32, (len(GATE_LABELS),)),),
    preprocessing_version=PREPROCESSING_VERSION,
    required=False,
)

FINDINGS_MODELS = (CHEST_XRAY, HEAD_CT)
SPECS = (CHEST_XRAY.spec, HEAD_CT.spec, IMAGE_GATE)
