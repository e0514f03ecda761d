"""TorchXRayVision's DenseNet-121 (Cohen et al., MIDL 2022): up to 18 findings on a chest radiograph."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from services.imaging.preprocessing import PREPROCESSING_VERSION
from training.imaging.onnx_models import export_fp32
from training.importing import Refused
from training.importing.config import IMAGES, Traffic
from training.importing.densenet import DenseNet121
from training.importing.facts import Facts
from training.importing.graph import Arrays

SIDE_PX = 224
CELLS = SIDE_PX // 32
RANGE = 1024.0
"""Black is -1024 and white 1024 for these networks (`torchxrayvision.utils.normalize`)."""
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
    """What is exported: bytes in; logits, scores and activation maps out."""

    def __init__(self, network: DenseNet121, thresholds: Tensor | None) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("thresholds", thresholds)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """uint8 [batch, 1, 224, 224] -> logits, probabilities [batch, n], activation_map [batch, n, 7, 7]."""
        maps = self.network.maps(scaled(image))
        logits = maps.mean(dim=(2, 3))
        return logits, scores(logits, self.thresholds), maps


def scaled(image: Tensor) -> Tensor:
    """uint8 0..255 -> float32 -1024..1024."""
    return (image.float() * (2 / 255) - 1) * RANGE


def scores(logits: Tensor, thresholds: Tensor | None) -> Tensor:
    """Sigmoid, then stretched piecewise so that each finding's operating threshold comes to 0.5."""
    p = torch.sigmoid(logits)
    if thresholds is None:
        return p
    return torch.where(p < thresholds, p / (2 * thresholds), 1 - (1 - p) / (2 * (1 - thresholds)))


class Radiographs:
    """A state dict of TorchXRayVision's DenseNet-121 (`training.importing.source.Source`)."""

    tensors = ("inputs.image", "outputs.logits", "outputs.probabilities", "outputs.activation_map")
    traffic: Traffic = IMAGES
    files: Mapping[str, Path] = {}
    use = (
        "services/imaging/models.py: a FindingsModel of this spec (side_px 224, body part CHEST) in "
        "FINDINGS_MODELS and SPECS, in the place of the chest model that it replaces."
    )

    def __init__(self, path: Path, labels: list[str] | None, *, raw: bool) -> None:
        """`labels` name the classifier's rows (None: the published order); `raw` accepts no thresholds."""
        state = _read(path)
        thresholds = state.pop(THRESHOLDS, None)
        if thresholds is None and not raw:
            raise Refused(
                f"the state dict has no {THRESHOLDS}, the operating threshold of each finding; save it from "
                f"torchxrayvision:\n  {MAKE_STATE}\nor take the plain sigmoid: --raw-probabilities"
            )
        rows = state["classifier.weight"].shape[0] if "classifier.weight" in state else 0
        labels = labels or (FINDINGS if rows == len(FINDINGS) else [])
        if len(labels) != rows:
            raise Refused(
                f"the weights have {rows} findings and {len(labels)} are named; name each: --labels FILE"
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
            thresholds = thresholds[kept].float()
            network.classifier.weight = nn.Parameter(network.classifier.weight[kept])
            network.classifier.bias = nn.Parameter(network.classifier.bias[kept])
        self._module = ChestFindings(network, thresholds).eval()
        self._known_labels = [labels[row] for row in kept]
        self.known = self._facts(left_out=rows - len(kept))

    def _facts(self, left_out: int) -> Facts:
        count = len(self._known_labels)
        parameters = sum(parameter.numel() for parameter in self._module.parameters())
        stretched = self._module.thresholds is not None
        meaning = (
            "by label, each for itself: 0..1, 0.5 at the finding's operating threshold"
            if stretched
            else "by label, each for itself: 0..1"
        )
        limitations = [
            "Trained on images cropped to their middle square; here the whole image is stretched to a square."
        ]
        if left_out:
            limitations.append(f"{left_out} findings of the network were never trained and are left out.")
        return {
            "summary": f"Scores {count} findings on a frontal chest radiograph, each for itself.",
            "architecture": (
                f"DenseNet-121 with one input channel ({parameters / 1e6:.1f} M parameters), as published by "
                "TorchXRayVision (Cohen et al., MIDL 2022); not trained further. The activation map is the "
                "classifier before the mean."
            ),
            "labels": self._known_labels,
            "calibration": (
                "Not calibrated: a score is the sigmoid stretched so that 0.5 is the operating threshold."
                if stretched
                else "Not calibrated: the plain sigmoid."
            ),
            "limitations": limitations,
            "preprocessing_version": PREPROCESSING_VERSION,
            "inputs": [
                {
                    "name": "image",
                    "description": "Grey levels 0..255, brighter is denser, stretched to the square.",
                }
            ],
            "outputs": [
                {"name": "logits", "description": "By label, before the sigmoid."},
                {"name": "probabilities", "description": f"Scores {meaning}."},
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
            export_fp32(self._module, ("logits", "probabilities", "activation_map"), SIDE_PX, target)

    def examples(self) -> list[Arrays]:
        rng = np.random.default_rng(0)
        return [
            {"image": rng.integers(0, 256, (rows, 1, SIDE_PX, SIDE_PX), dtype=np.uint8)} for rows in (1, 3)
        ]

    def reference(self, inputs: Arrays) -> Arrays:
        """The network as it was published, pooling before the classifier."""
        with torch.inference_mode():
            image = scaled(torch.from_numpy(inputs["image"]))
            logits = self._module.network(image)
            return {
                "logits": logits.numpy(),
                "probabilities": scores(logits, self._module.thresholds).numpy(),
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
