"""Exports and measures `image_gate`, writes its card: `python -m training.image_gate.export [--run DIR]`."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from medmesh.common.v1.model_card_pb2 import Change, Dataset, ModelCard, TensorContract
from services.imaging.gate import ACCEPT_MINIMUM, GATE_LABELS
from services.imaging.models import GATE_SIDE_PX
from services.imaging.preprocessing import PREPROCESSING_VERSION, stretch_to_square
from training.image_gate.data import CHEST, medical_greys, training_examples
from training.image_gate.evaluate import measure
from training.image_gate.foreign import measuring_kinds, training_kinds
from training.image_gate.train import RUN, build_network
from training.imaging.cards import HEAD_CT_SET, KERMANY, OTHER_PRECISION
from training.imaging.figures import show
from training.imaging.network import MappedNetwork
from training.imaging.onnx_models import Forms, run
from training.model_card import INTENDED_USE, MODEL_REPOSITORY, write_card

FALSE_ALARMS = 0.01
"""Share of the calibration radiographs that the acceptance threshold may reject."""
RANGES_EVERY = 20
"""Every so manieth training example gives the ranges of the int8 activations."""


class Gate(nn.Module):
    """What is exported: softmax over the kinds, a sigmoid for each flag."""

    def __init__(self, network: MappedNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        logits, _ = self.network(image.float())
        return torch.cat([torch.softmax(logits[:, :3], dim=1), torch.sigmoid(logits[:, 3:])], dim=1)


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
    examples = training_examples(chest, head, seed=0).images[::RANGES_EVERY]
    images = np.stack([stretch_to_square(grey, GATE_SIDE_PX)[0] for grey in calibration])
    forms = Forms.export(gate, ("probabilities",), examples, images, arguments.run)
    kinds = [run(model, examples, "probabilities")[:, :3].argmax(axis=1) for model in forms.sessions.values()]
    chosen = forms.chosen(arguments.precision, loss=float((kinds[0] != kinds[1]).mean()))
    likeness = run(forms.sessions[chosen], images, "probabilities")[:, CHEST]
    # Clipped: of the radiographs of the training set almost all are far above any sensible threshold.
    minimum = float(np.clip(np.quantile(likeness, FALSE_ALARMS), 0.5, 0.9))
    metrics = measure(forms.sessions[chosen], minimum)
    other = forms.other(chosen)
    for figure in measure(forms.sessions[other], minimum):
        if figure.name in {"false_alarm_chest", "foreign_rejected"} and not figure.subgroup:
            figure.measured_on += f", {other}"
            metrics.append(figure)
    show(metrics)

    folder = arguments.repository / "image_gate" / "1"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(forms.files[chosen], folder / "model.onnx")
    card = ModelCard(
        name="image_gate",
        version="1.0.0",
        summary=(
            "Tells a chest radiograph from a head CT from anything else, and whether it is fit for reading."
        ),
        intended_use=INTENDED_USE
        + " A guard in front of the imaging models, not a classifier of body parts.",
        architecture=(
            f"Residual network of {sum(p.numel() for p in network.parameters()) / 1e6:.2f} M parameters on "
            "96 x 96 pixels, trained from scratch on medical images, whole and spoiled (turned, inverted, "
            "photographed by simulation), and on foreign images."
        ),
        labels=GATE_LABELS,
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
                    f"Trained on: {', '.join(training_kinds())}, scrambled and enlarged pieces. Measured on "
                    f"other kinds: {', '.join(measuring_kinds())}."
                ),
            ),
        ],
        metrics=metrics,
        calibration=(
            f"An image is accepted as a kind from probability {minimum:.3f}, which at most "
            f"{FALSE_ALARMS:.0%} of the chest radiographs of the calibration patients miss; held between "
            "0.5 and 0.9."
        ),
        limitations=[
            (
                "Radiographs of other body parts and CT of other regions were hardly there to learn from "
                "or to measure on: the foreign images are mostly drawings, photographs and test pictures."
            ),
            "Photographs of radiographs were simulated, not taken.",
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
                description="By label. The first three sum to 1; the others are 0..1, each by itself.",
            )
        ],
        precision=f"{chosen}; {forms.speed()}. {OTHER_PRECISION}",
        preprocessing_version=PREPROCESSING_VERSION,
        licence="CC-BY-4.0",
        reproduce=(
            "python -m training.image_gate.train && python -m training.image_gate.export (seed 0); figures "
            "alone: python -m training.image_gate.evaluate"
        ),
        changelog=[Change(version="1.0.0", description="First release.")],
        serving_parameters={ACCEPT_MINIMUM: round(minimum, 6)},
    )
    print(write_card(card, arguments.repository))


if __name__ == "__main__":
    main()
