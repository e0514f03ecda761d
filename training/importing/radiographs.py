"""TorchXRayVision's DenseNet-121 (Cohen et al., MIDL 2022): up to 18 findings on a chest radiograph."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor, nn

from services.imaging.preprocessing import VOCABULARY
from training.imaging.onnx_models import export_fp32
from training.importing import Refused
from training.importing.config import IMAGES, Traffic
from training.importing.densenet import DenseNet121
from training.importing.graph import Arrays
from training.importing.labels import labels
from training.importing.paths import Facts

SIDE_PX = 224
RANGE = 1024.0
"""Black is -1024 and white 1024 for these networks (`torchxrayvision.utils.normalize`)."""
MODALITIES = ("CR", "DX", "DR", "RG", "RF", "SC", "OT", "XA")
"""DICOM modalities of radiographs, and those under which they come when they were digitised or exported."""
FINDINGS = [
    "atelectasis",
    "consolidation",
    "infiltration",
    "pneumothorax",
    "edema",
    "emphysema",
    "fibrosis",
    "effusion",
    "pneumonia",
    "pleural_thickening",
    "cardiomegaly",
    "nodule",
    "mass",
    "hernia",
    "lung_lesion",
    "fracture",
    "lung_opacity",
    "enlarged_cardiomediastinum",
]
"""The order of the published weights (`torchxrayvision.datasets.default_pathologies`)."""
THRESHOLDS = "op_threshs"
MAKE_STATE = (
    'python -c "import torch, torchxrayvision as xrv; '
    "torch.save(xrv.models.DenseNet(weights='densenet121-res224-all').state_dict(), "
    "'densenet121-res224-all.pt')\""
)


class ChestFindings(nn.Module):
    """What is exported: bytes in; probabilities and activation maps out."""

    def __init__(self, network: DenseNet121) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 [batch, 1, 224, 224] -> probabilities [batch, n], activation_map [batch, n, 7, 7]."""
        maps = self.network.maps(scaled(image))
        return torch.sigmoid(maps.mean(dim=(2, 3))), maps


def scaled(image: Tensor) -> Tensor:
    """uint8 0..255 -> float32 -1024..1024."""
    return (image.float() * (2 / 255) - 1) * RANGE


class Radiographs:
    """A state dict of TorchXRayVision's DenseNet-121 (`training.importing.source.Source`)."""

    tensors = ("inputs.image", "outputs.probabilities", "outputs.activation_map")
    traffic: Traffic = IMAGES
    files: Mapping[str, bytes] = MappingProxyType({})
    questions: Mapping[str, str] = MappingProxyType({})

    def __init__(self, path: Path, names: list[str] | None, *, thresholdless: bool) -> None:
        """`names`: of the classifier's rows (None: the published order); `thresholdless` accepts weights
        without thresholds.
        """
        state = _read(path)
        thresholds = state.pop(THRESHOLDS, None)
        if thresholds is None and not thresholdless:
            raise Refused(
                f"the state dict has no {THRESHOLDS}, the operating threshold of each finding; save it from "
                f"torchxrayvision:\n  {MAKE_STATE}\nor take 0.5 for each: --without-thresholds"
            )
        rows = state["classifier.weight"].shape[0] if "classifier.weight" in state else 0
        names = names or (FINDINGS if rows == len(FINDINGS) else [])
        if len(names) != rows:
            raise Refused(
                f"the weights have {rows} findings and {len(names)} are named; name each: --labels FILE"
            )
        network = DenseNet121(channels=1, classes=rows)
        try:
            network.load_state_dict(state)
        except RuntimeError as error:
            first = " ".join(str(error).split())[:300]
            raise Refused(f"{path} holds no one-channel DenseNet-121: {first}") from error
        # A finding without a threshold was in none of the data that these weights saw.
        kept = np.arange(rows) if thresholds is None else torch.nonzero(~thresholds.isnan())[:, 0].numpy()
        if thresholds is not None:
            thresholds = thresholds[kept].double()
            network.classifier.weight = nn.Parameter(network.classifier.weight[kept])
            network.classifier.bias = nn.Parameter(network.classifier.bias[kept])
        self._module = ChestFindings(network).eval()
        names = [names[row] for row in kept]
        self.known = self._facts(names, thresholds, left_out=rows - len(kept))

    def _facts(self, names: list[str], thresholds: Tensor | None, left_out: int) -> Facts:
        parameters = sum(parameter.numel() for parameter in self._module.parameters())
        found = labels(names, "CHEST")
        for label, threshold in zip(found, [] if thresholds is None else thresholds.tolist(), strict=False):
            label["threshold"] = round(threshold, 6)
        limitations = ["Its probabilities are not calibrated."]
        if left_out:
            limitations.append(f"{left_out} findings of the network were never trained and are left out.")
        return {
            "summary": f"Tells {len(names)} findings on a frontal chest radiograph, each by itself.",
            "architecture": (
                f"DenseNet-121 with one input channel ({parameters / 1e6:.1f} M parameters), as published by "
                "TorchXRayVision (Cohen et al., MIDL 2022); not trained further. The activation map is the "
                "classifier before the mean."
            ),
            "calibration": "Not calibrated: the logistic function of the logits.",
            "limitations": limitations,
            "serving": {
                "preprocessing_version": VOCABULARY,
                "image_classification": {
                    "applies_to": {
                        "modalities": list(MODALITIES),
                        "body_parts": ["CHEST"],
                        "views": ["FRONTAL"],
                        "gate_kinds": ["chest_xray"],
                    },
                    "extent": "IMAGE_EXTENT_IMAGE",
                    "preprocessing": {
                        "tensor": "image",
                        "steps": [
                            {"grey": {}},
                            {
                                "resize": {
                                    "height_px": SIDE_PX,
                                    "width_px": SIDE_PX,
                                    "mode": "MODE_CENTER_CROP",
                                    "interpolation": "INTERPOLATION_BILINEAR",
                                }
                            },
                        ],
                        "layout": "LAYOUT_CHANNELS_FIRST",
                    },
                    "scores_tensor": "probabilities",
                    "activation": "ACTIVATION_NONE",
                    "activation_map_tensor": "activation_map",
                    "labels": found,
                    "exclusive": False,
                },
            },
            "inputs": [
                {
                    "name": "image",
                    "description": "Grey levels 0..255, brighter is denser, the middle square.",
                }
            ],
            "outputs": [
                {"name": "probabilities", "description": "By label, each by itself: 0..1, not calibrated."},
                {
                    "name": "activation_map",
                    "description": "Evidence by place; its mean is the label's logit.",
                },
            ],
        }

    def export(self, target: Path) -> None:
        with warnings.catch_warnings():
            # torch's older exporter, which keeps names and axes, says at each call that it is old.
            warnings.simplefilter("ignore", DeprecationWarning)
            export_fp32(self._module, ("probabilities", "activation_map"), SIDE_PX, target)

    def examples(self) -> list[Arrays]:
        rng = np.random.default_rng(0)
        return [
            {"image": rng.integers(0, 256, (rows, 1, SIDE_PX, SIDE_PX), dtype=np.uint8)} for rows in (1, 3)
        ]

    def reference(self, inputs: Arrays) -> Arrays:
        """The network as it was published, pooling before the classifier."""
        with torch.inference_mode():
            image = scaled(torch.from_numpy(inputs["image"]))
            return {
                "probabilities": torch.sigmoid(self._module.network(image)).numpy(),
                "activation_map": self._module.network.maps(image).numpy(),
            }


def _read(path: Path) -> dict[str, Tensor]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}") from error
    except Exception as error:  # pickle's, zip's and torch's own
        raise Refused(
            f"{path} is no plain state dict, and code in a weight file is never run. Where torchxrayvision "
            f"is installed, this makes one of its published weights:\n  {MAKE_STATE}"
        ) from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise Refused(f"{path} is no state dict (tensors by name)")
    return dict(state)
