"""An image -> calibrated probabilities, as a program would do it that serves two networks and nothing else:
decode, ask the gate, ask the model, calibrate.

Decoding, the cards' preparation and calibration are the services' own code, so that all servers do the same
work.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

import clients.loadtest.peers.apart_from_triton  # noqa: F401 - before the services
from medmesh.common.v1.model_card_pb2 import ModelCard
from services.chassis.models.activation import activated
from services.chassis.models.card import read_card
from services.imaging.decoding import decode_image
from services.imaging.images import DecodedImage
from services.imaging.preprocessing.declared import Preparation, compiled
from services.imaging.tasks.gate import GateRules
from services.imaging.tasks.probabilities import Calibration
from services.local.triton.backends import int8_sums

REPOSITORY = Path(__file__).resolve().parents[3] / "triton_repo"


class Network:
    """One model: its card, and a session of one thread with the options of its configuration."""

    def __init__(self, name: str) -> None:
        folder = REPOSITORY / name
        self.card = _card(folder / "metadata.json")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        stated = (folder / "config.pbtxt").read_text(encoding="utf-8")
        if int8_sums.EXACT_SUMS in stated and not int8_sums.are_exact():
            options.add_session_config_entry(int8_sums.EXACT_SUMS, "1")
        self._session = onnxruntime.InferenceSession(
            str(folder / "1" / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )

    def __call__(self, output: str, tensor: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
        """One output of a batch of inputs."""
        found: npt.NDArray[np.float32] = self._session.run([output], {"image": tensor})[0]
        return found


class ChestReader:
    """The gate and the chest model."""

    def __init__(self) -> None:
        self._gate, self._model = Network("image_gate"), Network("chest_xray")
        gate, model = self._gate.card.serving.image_gate, self._model.card.serving.image_classification
        self._rules = GateRules(gate)
        self._see = compiled(gate.preprocessing, self._gate.card.inputs[0])
        self._prepare = compiled(model.preprocessing, self._model.card.inputs[0])
        self._task = model
        names = [label.name for label in model.labels]
        self._calibrate = Calibration.declared(model.calibration, names, exclusive=model.exclusive)

    def __call__(self, data: bytes) -> dict[str, float]:
        """The calibrated probability of each label, and whether the gate accepts the image (1 or 0)."""
        image = decode_image(data)
        seen = self._gate("probabilities", self._see(image)[np.newaxis])[0].astype(float)
        return self.answer(
            image, seen, self._model(self._task.scores_tensor, self._prepare(image)[np.newaxis])[0]
        )

    def prepared(self, image: DecodedImage) -> tuple[npt.NDArray[np.generic], npt.NDArray[np.generic]]:
        """The inputs of the gate and of the model, without batch axes."""
        return self._see(image), self._prepare(image)

    def answer(
        self, image: DecodedImage, seen: npt.NDArray[np.float64], scores: npt.NDArray[np.float32]
    ) -> dict[str, float]:
        """What the gate's probabilities and the model's scores say."""
        verdict = self._rules.verdict(seen, image.colourfulness)
        values = activated(scores[np.newaxis].astype(float), self._task.activation)
        calibrated = self._calibrate(values)[0]
        labels = (label.name for label in self._task.labels)
        accepted = not verdict.rejections(self._task.applies_to.gate_kinds)
        return {
            **{name: float(p) for name, p in zip(labels, calibrated, strict=True)},
            "accepted": float(accepted),
        }


def _card(path: Path) -> ModelCard:
    card, problems = read_card(path)
    if card is None:
        raise ValueError(f"{path}: {problems}")
    return card


__all__ = ["ChestReader", "Network", "Preparation"]
