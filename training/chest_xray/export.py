"""Calibrates, exports and measures `chest_xray`, writes its card.

`python -m training.chest_xray.export [--run DIR] [--precision fp32|int8]`
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import numpy as np

from medmesh.common.v1.model_card_pb2 import Change, ModelCard
from training.chest_xray.data import LABELS, SIDE_PX, load, split_calibration
from training.chest_xray.evaluate import Sets, measure, measured_on, scores
from training.chest_xray.train import MEMBERS, RUN, load_network
from training.imaging.cards import (
    IMAGENET,
    KERMANY,
    OTHER_PRECISION,
    findings_inputs,
    findings_outputs,
)
from training.imaging.conformal import conformal_of
from training.imaging.figures import fit_temperature, show
from training.imaging.fitting import predict
from training.imaging.network import CalibratedNetwork, fold_averaging
from training.imaging.onnx_models import Forms, run
from training.model_card import INTENDED_USE, MODEL_REPOSITORY, decided_serving, write_card
from training.onnx_runtime import PRECISIONS

RANGE_IMAGES = 256
"""Training images from which the ranges of the int8 activations are taken."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=RUN, help="folder with weights.pt")
    parser.add_argument("--repository", type=Path, default=MODEL_REPOSITORY)
    parser.add_argument("--precision", choices=("auto", "fp32", "int8"), default="auto")
    arguments = parser.parse_args()
    side = SIDE_PX

    fitted, held = split_calibration(load("train"))
    held_images = held.images(side)
    network = load_network(arguments.run)
    temperature, offsets = fit_temperature(predict(network, held_images), held.labels)
    print(f"temperature {temperature:.3f}, class offsets {np.round(offsets, 3)}")
    calibrated = CalibratedNetwork(fold_averaging(network), temperature, offsets).eval()
    spread = np.zeros(len(fitted.files), bool)
    spread[:: len(fitted.files) // RANGE_IMAGES] = True
    outputs = ("logits", "probabilities", "activation_map")
    forms = Forms.export(calibrated, outputs, fitted.take(spread).images(side), held_images, arguments.run)

    on_held = {name: run(model, held_images, "probabilities") for name, model in forms.sessions.items()}
    exact, rough = (scores(on_held[name], held.labels) for name in PRECISIONS)
    chosen = forms.chosen(arguments.precision, max(a - b for a, b in zip(exact, rough, strict=True)))
    other = forms.other(chosen)

    val = load("val")
    images = val.images(side)
    on_val = {name: run(model, images, "probabilities") for name, model in forms.sessions.items()}
    sets = {name: Sets.fit(on_held[name], held, on_val[name], val) for name in PRECISIONS}
    figures = {
        name: measure(on_val[name], val, sets[name].members, measured_on(val, name)) for name in PRECISIONS
    }
    metrics = figures[chosen] + figures[other][:2]
    show(metrics)

    folder = arguments.repository / "chest_xray" / "1"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(forms.files[chosen], folder / "model.onnx")
    serving = decided_serving("chest_xray")
    in_graph = (
        f"Temperature {temperature:.3f} and an offset a class "
        f"({', '.join(f'{v:+.3f}' for v in offsets)}) inside the graph"
    )
    serving.image_classification.calibration.description = f"{in_graph}."
    serving.image_classification.conformal.CopyFrom(conformal_of(LABELS, sets[chosen].minimums))
    card = ModelCard(
        name="chest_xray",
        version="1.1.0",
        summary="Tells normal from bacterial and viral pneumonia on a frontal chest radiograph of a child.",
        intended_use=INTENDED_USE + " Frontal chest radiographs of children of one to five years only.",
        architecture=(
            "The mean of two networks, "
            f"{sum(p.numel() for p in network.parameters()) / 1e6:.1f} M parameters. One is residual (eight "
            "blocks of two 3x3 convolutions, widths 48 to 384) and was trained from scratch on images of "
            f"growing size, {MEMBERS['residual'].settings.epochs} epochs. The other is the first five stages "
            "of EfficientNet-Lite0 with ImageNet's weights and two fresh residual blocks; first the fresh "
            "ones were trained alone, then all but the first blocks with them, at a tenth of the rate, "
            f"{MEMBERS['pretrained'].settings.epochs} epochs in all. AdamW, cosine schedule, MixUp, averaged "
            "weights. The class activation map is the layer before the mean that gives the logits."
        ),
        datasets=[KERMANY, IMAGENET],
        metrics=metrics,
        calibration=(
            f"{in_graph}, fitted on {len(held.files)} "
            f"training images of patients left out of training.{sets[chosen].sentence()}"
        ),
        limitations=[
            "Children of one hospital: adults, other devices and other diseases were not measured.",
            (
                "Bacterial and viral pneumonia look alike; the set of labels often holds both, and then it "
                "abstains."
            ),
            "The labels are readings of the images, not microbiology.",
            (
                "Images must be frontal and upright; the image is stretched to a square, as most of the "
                "data was."
            ),
            "Letters and devices in the picture may have taken part in what was learned.",
            "No figures by sex or age: the data does not hold them.",
            (
                "The calibration images also chose when to stop, so the coverage on new patients can fall "
                "short of its aim."
            ),
        ],
        inputs=findings_inputs(side, "Grey levels, brighter is denser"),
        outputs=findings_outputs(LABELS, side // 32),
        precision=f"{chosen}; {forms.speed()}. {OTHER_PRECISION}",
        licence="CC-BY-4.0",
        reproduce=(
            "python -m training.chest_xray.train && python -m training.chest_xray.export (seed 0); figures "
            "alone: python -m training.chest_xray.evaluate. The schedule of the residual network was "
            "shortened twice under way (the cosine ran for 66, then 51, then 46 epochs), so a new run "
            "differs slightly."
        ),
        changelog=[
            Change(version="1.1.0", description="A second network, from ImageNet's weights, joins it."),
            Change(version="1.0.0", description="First release: a residual network trained from scratch."),
        ],
        serving=serving,
    )
    print(write_card(card, arguments.repository))


if __name__ == "__main__":
    main()
