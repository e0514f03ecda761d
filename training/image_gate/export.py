"""Exports and measures `image_gate`, writes its card: `python -m training.image_gate.export [--run DIR]`."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from medmesh.common.v1.model_card_pb2 import Change, Dataset, ModelCard, TensorContract
from medmesh.common.v1.serving_pb2 import ImageGate
from services.imaging.grey import Grey
from services.imaging.preprocessing.resizing import resized
from services.imaging.tasks.gate import GateRules
from training.image_gate.columns import FLAWS, GATE_LABELS, GATE_SIDE_PX, SOUND, Kind
from training.image_gate.data import CONDITIONS, FLAGS, KINDS, Counts, medical_greys, training_examples
from training.image_gate.evaluate import headlines, measure
from training.image_gate.foreign import measuring_kinds, training_kinds
from training.image_gate.held_out_flaws import HELD_OUT, HELD_OUT_DRAWINGS, HELD_OUT_MILD
from training.image_gate.train import RUN, build_network
from training.imaging.cards import HEAD_CT_SET, KERMANY, OTHER_PRECISION
from training.imaging.figures import show
from training.imaging.network import MappedNetwork
from training.imaging.onnx_models import Forms, run
from training.model_card import INTENDED_USE, MODEL_REPOSITORY, decided_serving, write_card

FALSE_ALARMS = 0.004
"""Share of the calibration radiographs, as they are, that each of the two thresholds may reject."""
HEAD_SOUND_MINIMUM = 0.3
"""There are no head slices to calibrate on: less than even, so that few sound ones are refused."""
RANGES = Counts(chest=600, head=300, drawn=150, foreign=200, pieces=50)
"""Examples that give the ranges of the int8 activations."""


class Gate(nn.Module):
    """What is exported: softmax over the kinds and over the conditions, a sigmoid for each flag."""

    def __init__(self, network: MappedNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        logits, _ = self.network(image.float())
        kinds, conditions = (torch.softmax(logits[:, part], dim=1) for part in (KINDS, CONDITIONS))
        return torch.cat([kinds, torch.sigmoid(logits[:, FLAGS]), conditions], dim=1)


def set_thresholds(declared: ImageGate, probabilities: npt.NDArray[np.float64]) -> None:
    """From the gate's answers on the calibration radiographs, `[images, columns]`.

    Clipped: almost all of them are far above any sensible threshold.
    """
    likeness = np.quantile(probabilities[:, GATE_LABELS.index(Kind.CHEST_XRAY)], FALSE_ALARMS)
    soundness = np.quantile(probabilities[:, GATE_LABELS.index(SOUND)], FALSE_ALARMS)
    chest, head = (declared.columns[GATE_LABELS.index(kind)] for kind in (Kind.CHEST_XRAY, Kind.HEAD_CT))
    chest.min_probability = head.min_probability = round(float(np.clip(likeness, 0.5, 0.9)), 6)
    chest.min_sound_probability = round(float(np.clip(soundness, 0.35, 0.8)), 6)
    head.min_sound_probability = HEAD_SOUND_MINIMUM


def _names(groups: Iterable[Iterable[Callable[..., Grey]]]) -> list[str]:
    return [function.__name__ for group in groups for function in group]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=RUN, help="folder with weights.pt")
    parser.add_argument("--repository", type=Path, default=MODEL_REPOSITORY)
    parser.add_argument("--precision", choices=("auto", "fp32", "int8"), default="auto")
    arguments = parser.parse_args()
    network = build_network()
    network.load_state_dict(torch.load(arguments.run / "weights.pt", weights_only=True))
    gate = Gate(network).eval()
    chest, calibration, head, _ = medical_greys()
    examples = training_examples(chest, head, seed=1, counts=RANGES).images
    images = np.stack([resized(grey, GATE_SIDE_PX, GATE_SIDE_PX) for grey in calibration])
    forms = Forms.export(gate, ("probabilities",), examples, images, arguments.run)
    answers = [run(model, examples, "probabilities") for model in forms.sessions.values()]
    differ = np.zeros(len(examples), bool)
    for part in (KINDS, CONDITIONS):
        differ |= answers[0][:, part].argmax(axis=1) != answers[1][:, part].argmax(axis=1)
    chosen = forms.chosen(arguments.precision, loss=float(differ.mean()))
    serving = decided_serving("image_gate")
    set_thresholds(serving.image_gate, run(forms.sessions[chosen], images, "probabilities"))
    chest_column = serving.image_gate.columns[GATE_LABELS.index(Kind.CHEST_XRAY)]
    rules = GateRules(serving.image_gate)
    metrics = measure(forms.sessions[chosen], rules)
    other = forms.other(chosen)
    for figure in headlines(forms.sessions[other], rules):
        if not figure.subgroup:
            figure.measured_on += f", {other}"
            metrics.append(figure)
    show(metrics)

    folder = arguments.repository / "image_gate" / "1"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(forms.files[chosen], folder / "model.onnx")
    card = ModelCard(
        name="image_gate",
        version="2.0.0",
        summary=(
            "Tells a chest radiograph from a head CT from anything else, and whether it is fit for reading."
        ),
        intended_use=INTENDED_USE
        + " A guard in front of the imaging models, not a classifier of body parts.",
        architecture=(
            f"Residual network of {sum(p.numel() for p in network.parameters()) / 1e6:.2f} M parameters on "
            f"{GATE_SIDE_PX} x {GATE_SIDE_PX} pixels, trained from scratch on medical images (as they are, "
            "mildly changed, turned, inverted, and spoiled in the ways that its labels name), on drawn "
            "heads and chests, and on foreign images."
        ),
        datasets=[
            KERMANY,
            HEAD_CT_SET,
            Dataset(
                name="Foreign images",
                source=(
                    "drawn by training/image_gate/foreign.py; samples of scikit-learn, matplotlib and pydicom"
                ),
                licence="of those packages",
                population=(
                    f"Trained on: {', '.join(training_kinds())}, drawn limbs and trunks, scrambled and "
                    f"enlarged pieces. Measured on other kinds: {', '.join(measuring_kinds())}."
                ),
            ),
            Dataset(
                name="Spoiled images and drawings",
                source="the images above, spoiled by training/image_gate; phantoms drawn by it",
                licence="that of the images",
                population=(
                    f"Trained on random {', '.join(FLAWS)}. Measured on other ways to spoil and to draw "
                    f"({', '.join(_names(HELD_OUT.values()))}; {', '.join(_names([HELD_OUT_DRAWINGS]))}), "
                    f"and on mild changes that it has to accept ({', '.join(_names([HELD_OUT_MILD]))})."
                ),
            ),
        ],
        metrics=metrics,
        calibration=(
            f"An image is accepted as a kind from probability {chest_column.min_probability:.3f} and, if a "
            f"chest radiograph, as sound from {chest_column.min_sound_probability:.3f}; at most "
            f"{FALSE_ALARMS:.1%} of the radiographs of the calibration patients miss either, but they are "
            "held between 0.5 and 0.9, and 0.35 and 0.8. For head CT, of which there are too few to "
            f"calibrate on, sound means {HEAD_SOUND_MINIMUM}, chosen by hand."
        ),
        limitations=[
            (
                "Radiographs of other body parts and CT of other regions were hardly there to learn from "
                "or to measure on: the foreign images are mostly drawings, photographs and test pictures."
            ),
            (
                "Flaws and photographs were simulated, not met: mild blur, small covers and crops that leave "
                "most of the anatomy pass, and between mild and severe the gate was taught nothing."
            ),
            ("One flaw at a time was learned: of several the most obvious may be the only one named."),
            "Lateral chest radiographs and adults were not learned from.",
        ],
        inputs=[
            TensorContract(
                name="image",
                datatype="UINT8",
                shape=[1, GATE_SIDE_PX, GATE_SIDE_PX],
                description=(
                    "Grey levels 0..255 (brain window for a CT in Hounsfield units), stretched to a square."
                ),
            )
        ],
        outputs=[
            TensorContract(
                name="probabilities",
                datatype="FP32",
                shape=[len(GATE_LABELS)],
                description=(
                    "By label. The first three sum to 1, and so do the last eight (sound or a flaw); the two "
                    "between are 0..1, each by itself."
                ),
            )
        ],
        precision=f"{chosen}; {forms.speed()}. {OTHER_PRECISION}",
        licence="CC-BY-4.0",
        reproduce=(
            "python -m training.image_gate.train --workers 15 && python -m training.image_gate.export (seed "
            "0; trained on one NVIDIA H200 with 16 cores; other workers draw other examples); figures alone: "
            "python -m training.image_gate.evaluate"
        ),
        changelog=[
            Change(
                version="2.0.0",
                description=(
                    "Sees blur, covers, crops, degradation, screenshots and drawings, and names what it "
                    "sees; 128 x 128 pixels in the place of 96 x 96."
                ),
            ),
            Change(version="1.0.0", description="First release."),
        ],
        serving=serving,
    )
    print(write_card(card, arguments.repository))


if __name__ == "__main__":
    main()
