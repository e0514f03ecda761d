"""A MONAI bundle as a source of an import: classification and segmentation of planes and of volumes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import onnx

from services.imaging.preprocessing import VOCABULARY
from training.importing import Refused
from training.importing.config import IMAGES, Traffic
from training.importing.graph import Arrays
from training.importing.labels import labels
from training.importing.monai_bundle.bundle import INFERENCE, METADATA, Bundle, target
from training.importing.monai_bundle.network import SCORES, TENSOR, network_of, swap_planes
from training.importing.monai_bundle.transforms import CUBE, Steps, steps_of
from training.importing.paths import Facts

FREE_SIDE_PX = 64
"""Side of the examples where the network takes any."""
MODALITIES = MappingProxyType({"CT": "CT", "MR": "MR", "MRI": "MR", "US": "US", "MG": "MG", "PET": "PT"})
"""What bundles call the DICOM modalities."""
BY_SETTING = MappingProxyType({"softmax": "ACTIVATION_SOFTMAX", "sigmoid": "ACTIVATION_SIGMOID"})
TASKS = MappingProxyType({"segmentation": "image_segmentation", "classification": "image_classification"})


class MonaiBundle:
    """A bundle (`training.importing.source.Source`)."""

    traffic: Traffic = IMAGES
    files: Mapping[str, bytes] = MappingProxyType({})
    tensors: Sequence[str] = (f"inputs.{TENSOR}", f"outputs.{SCORES}")

    def __init__(self, path: Path) -> None:
        self._bundle = bundle = Bundle(path)
        data = bundle.metadata.get("network_data_format", {})
        key, image = _only(data.get("inputs"), "inputs")
        _, answer = _only(data.get("outputs"), "outputs")
        self.task = _task_of(bundle.metadata, answer)
        self._channels = int(image.get("num_channels", 1))
        self._dimensions = len(image.get("spatial_shape", ()))
        if self._dimensions not in {2, CUBE}:
            raise Refused(f"{METADATA} does not say whether the input is a plane or a volume (spatial_shape)")
        first = _first(image, self._channels, self._dimensions)
        self._steps = steps_of(bundle.value("preprocessing"), key, self._dimensions, first)
        _check_inferer(bundle.value("inferer"), self._steps)
        self._size = self._steps.size
        self._network = network_of(bundle)
        self._channel_names = _channels_of(answer)
        self.known = self._facts(image, answer)
        path_of_task = f"serving.{self.task}"
        self.questions: Mapping[str, str] = {
            f"{path_of_task}.applies_to.modalities": "Which DICOM modalities does it read (any: all)?",
            f"{path_of_task}.applies_to.body_parts": (
                "Which body parts, in DICOM's terms, e.g. CHEST (any: all)?"
            ),
            f"{path_of_task}.activation": (
                "What are its numbers: ACTIVATION_NONE (probabilities), ACTIVATION_SOFTMAX or "
                "ACTIVATION_SIGMOID?"
            ),
            f"{path_of_task}.labels": "What are its labels, in the order of the output, at commas?",
        }

    def export(self, target: Path) -> None:
        """See `Source`."""
        model = self._exported()
        if self._steps.swapped:
            swap_planes(model)
        onnx.checker.check_model(model)
        onnx.save(model, str(target))

    def examples(self) -> list[Arrays]:
        """See `Source`."""
        rng = np.random.default_rng(0)
        size = self._size or (FREE_SIDE_PX,) * self._dimensions
        return [
            {TENSOR: rng.standard_normal((rows, self._channels, *size)).astype(np.float32)} for rows in (1, 2)
        ]

    def reference(self, inputs: Arrays) -> Arrays:
        """By the bundle's own weights, on its own axes."""
        image = inputs[TENSOR]
        answer = self._network(np.ascontiguousarray(image.swapaxes(2, 3)) if self._steps.swapped else image)
        if self._steps.swapped and answer.ndim == image.ndim:
            answer = answer.swapaxes(2, 3)
        return {SCORES: answer}

    def _exported(self) -> onnx.ModelProto:
        example = self.examples()[-1][TENSOR]
        example = np.ascontiguousarray(example.swapaxes(2, 3)) if self._steps.swapped else example
        is_mask = self.task == TASKS["segmentation"]
        return self._network.exported(example, is_mask=is_mask, free=not self._size)

    def _facts(self, image: Facts, answer: Facts) -> Facts:
        metadata = self._bundle.metadata
        activation = _activation(self._bundle.value("postprocessing"), answer)
        task: Facts = {
            "extent": f"IMAGE_EXTENT_{'VOLUME' if self._dimensions == CUBE else 'IMAGE'}",
            "preprocessing": {
                "tensor": TENSOR,
                "steps": self._steps.steps,
                "layout": "LAYOUT_CHANNELS_FIRST",
            },
            "scores_tensor": SCORES,
            **({"activation": activation} if activation else {}),
            **({"labels": labels(self._channel_names)} if self._channel_names else {}),
        }
        modality = MODALITIES.get(str(image.get("modality", "")).upper())
        if modality:
            task["applies_to"] = {"modalities": [modality]}
        if self.task == TASKS["classification"]:
            task["exclusive"] = activation != BY_SETTING["sigmoid"]
        network = target(self._bundle.inference.get("network_def"))
        facts: Facts = {
            "calibration": "Not calibrated.",
            "limitations": list(dict.fromkeys(self._steps.remarks)),
            "serving": {"preprocessing_version": VOCABULARY, self.task: task},
            "inputs": [{"name": TENSOR, "description": "The image as the card's steps leave it."}],
            "outputs": [{"name": SCORES, "description": "Of each label, as the card's activation says."}],
            "metrics": _metrics(metadata.get("eval_metrics")),
            **_versions(metadata),
        }
        for field, text in (("summary", "description"), ("intended_use", "intended_use")):
            if isinstance(metadata.get(text), str) and metadata[text].strip():
                facts[field] = metadata[text]
        if isinstance(metadata.get("data_source"), str) and metadata["data_source"].strip():
            facts["datasets"] = [{"source": metadata["data_source"]}]
        if network:
            named = f" {metadata['name']}" if metadata.get("name") else ""
            facts["architecture"] = f"{network}, as the MONAI bundle{named} has it; not trained further."
        return facts


def _only(entries: Any, what: str) -> tuple[str, Facts]:
    if not isinstance(entries, dict) or len(entries) != 1:
        names = ", ".join(entries) if isinstance(entries, dict) else "none"
        raise Refused(f"{METADATA} names the {what} {names}, and a card of these tasks has one")
    [(name, entry)] = entries.items()
    return name, entry


def _task_of(metadata: Facts, answer: Facts) -> str:
    said = f"{answer.get('format', '')} {answer.get('type', '')} {metadata.get('task', '')}".lower()
    for word, task in TASKS.items():
        if word in said:
            return task
    if answer.get("type") == "probabilities":
        return TASKS["classification"]
    raise Refused(f"{METADATA} names neither segmentation nor classification as its task")


def _first(image: Facts, channels: int, dimensions: int) -> Facts:
    """The card's first step: what the bundle reads."""
    if image.get("format") == "hounsfield" or str(image.get("modality", "")).upper() == "CT":
        return {"hounsfield": {}}
    if dimensions == CUBE:
        raise Refused("volumes are read in Hounsfield units, and this bundle reads another modality than CT")
    if channels in {1, CUBE}:
        return {"grey": {}} if channels == 1 else {"color": {}}
    raise Refused(f"the input has {channels} channels, for which a card has no first step")


def _check_inferer(inferer: Any, steps: Steps) -> None:
    """Raises Refused for an inference that the service does not do: windows that slide over the image."""
    name = target(inferer)
    if name in {"", "SimpleInferer"}:
        return
    roi = inferer.get("roi_size")
    if name == "SlidingWindowInferer" and steps.size and roi and steps.sides(roi) == steps.size:
        return  # one window is the whole image
    raise Refused(
        f"{INFERENCE} infers by {name}, and the imaging service gives a model the whole image or volume"
    )


def _channels_of(answer: Facts) -> list[str]:
    named = {int(number): str(name) for number, name in (answer.get("channel_def") or {}).items()}
    count = int(answer.get("num_channels", len(named)))
    return [named[number] for number in range(count)] if sorted(named) == list(range(count)) else []


def _activation(postprocessing: Any, answer: Facts) -> str:
    """As the postprocessing has it; empty where nothing tells."""
    listed = postprocessing.get("transforms", []) if isinstance(postprocessing, dict) else []
    for transform in listed:
        if target(transform).startswith("Activations"):
            for setting, activation in BY_SETTING.items():
                value = transform.get(setting)
                if value is True or value == [True]:
                    return activation
    return "ACTIVATION_NONE" if answer.get("type") == "probabilities" else ""


def _metrics(figures: Any) -> list[Facts]:
    named = figures.items() if isinstance(figures, dict) else ()
    return [
        {"name": re.sub(r"[^a-z0-9_.]+", "_", str(name).lower()), "value": float(value)}
        for name, value in named
        if isinstance(value, int | float) and not isinstance(value, bool)
    ]


def _versions(metadata: Facts) -> Facts:
    """Version and changes, the newest first, where the versions are semantic."""
    semantic = re.compile(r"\d+\.\d+\.\d+")
    version = str(metadata.get("version", ""))
    said = metadata.get("changelog") or {}
    changes = [
        {"version": name, "description": str(text)} for name, text in said.items() if semantic.fullmatch(name)
    ]
    changes.sort(key=lambda change: tuple(map(int, change["version"].split("."))), reverse=True)
    if not semantic.fullmatch(version):
        return {}
    if not changes or changes[0]["version"] != version:
        return {"version": version}
    return {"version": version, "changelog": changes}
