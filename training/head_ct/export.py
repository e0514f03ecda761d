"""Calibrates and exports `head_ct`, writes its card: `python -m training.head_ct.export [--run DIR]`."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from medmesh.common.v1.model_card_pb2 import Change, ModelCard
from training.head_ct.data import LABELS, SIDE_PX, load
from training.head_ct.evaluate import calibration, measure, read_logits
from training.head_ct.train import EPOCHS, RUN, build_network, fold_weights, folds_of
from training.imaging.cards import HEAD_CT_SET, KERMANY, OTHER_PRECISION, findings_inputs, findings_outputs
from training.imaging.conformal import conformal_of, minimums_sentence
from training.imaging.figures import auroc, show
from training.imaging.network import CalibratedNetwork, fold_averaging
from training.imaging.onnx_models import Forms, export_fp32, image_session, quantize_int8, run
from training.model_card import INTENDED_USE, MODEL_REPOSITORY, decided_serving, write_card

OUTPUTS = ("logits", "probabilities", "activation_map")


def calibrated(weights: Path, temperature: float, offsets: list[float]) -> nn.Module:
    network = build_network()
    network.load_state_dict(torch.load(weights, weights_only=True))
    return CalibratedNetwork(fold_averaging(network), temperature, offsets).eval()


def quantized_loss(work: Path, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64]) -> float:
    """AUROC that int8 loses, pooled over the held-out slices of the first repeat."""
    margins = np.zeros((2, len(labels)))
    for fold, (kept, out) in enumerate(folds_of(0, labels)):
        files = (work / "fold.onnx", work / "fold_int8.onnx")
        export_fp32(calibrated(fold_weights(work, fold), 1.0, [0.0, 0.0]), OUTPUTS, SIDE_PX, files[0])
        quantize_int8(*files, images[kept])
        for row, file in enumerate(files):
            logits = run(image_session(file), images[out], "logits")
            margins[row, out] = logits[:, 1] - logits[:, 0]
    exact, rough = (auroc(labels == 1, margin) for margin in margins)
    print(f"first repeat: AUROC {exact:.4f} in fp32, {rough:.4f} in int8")
    return exact - rough


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=RUN, help="folder with weights.pt and the folds")
    parser.add_argument("--repository", type=Path, default=MODEL_REPOSITORY)
    parser.add_argument("--precision", choices=("auto", "fp32", "int8"), default="auto")
    arguments = parser.parse_args()
    work: Path = arguments.run
    side = SIDE_PX
    slices = load()
    images = slices.inputs()
    logits = read_logits(work)
    temperature, offsets, minimums = calibration(logits, slices.labels)
    network = calibrated(work / "weights.pt", temperature, offsets)
    forms = Forms.export(network, OUTPUTS, images, images, work)
    loss = quantized_loss(work, images, slices.labels)
    chosen = forms.chosen(arguments.precision, loss)
    metrics = measure(logits, slices.labels)
    show(metrics)

    folder = arguments.repository / "head_ct" / "1"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(forms.files[chosen], folder / "model.onnx")
    serving = decided_serving("head_ct")
    in_graph = (
        f"Temperature {temperature:.3f} and an offset a class "
        f"({', '.join(f'{v:+.3f}' for v in offsets)}) inside the graph"
    )
    serving.image_classification.calibration.description = f"{in_graph}."
    serving.image_classification.conformal.CopyFrom(conformal_of(LABELS, minimums))
    card = ModelCard(
        name="head_ct",
        version="1.0.0",
        summary="Experimental: tells intracranial haemorrhage on one slice of a head CT.",
        intended_use=INTENDED_USE + " Experimental: 149 slices are too few to rely on it for anything.",
        architecture=(
            f"The residual network of chest_xray ({sum(p.numel() for p in network.parameters()) / 1e6:.1f} M "
            f"parameters) with a fresh head, all of it fine-tuned for {EPOCHS} epochs at {side} px. The "
            "class activation map is the layer before the mean that gives the logits."
        ),
        datasets=[HEAD_CT_SET, KERMANY],
        metrics=metrics,
        calibration=(
            f"{in_graph}, fitted on the held-out "
            "predictions of the cross-validation: the calibration figures are of those same predictions. "
            f"Prediction sets: {minimums_sentence(LABELS, minimums)}, class-conditional conformal prediction "
            "on the same; the figures of the sets are by thresholds from other patients."
        ),
        limitations=[
            (
                "Experimental: one slice each of 149 patients, 70 of them with a haemorrhage, from unknown "
                "scanners and of unknown selection."
            ),
            (
                "The figures are of the networks of the cross-validation; the served one was trained on "
                "all slices the same way and has no test set of its own."
            ),
            "It reads one slice, not a scan; which slice to show it is the caller's choice.",
            (
                "The kinds of haemorrhage are not told apart; small and isodense ones were hardly there to "
                "learn from."
            ),
            (
                "The data are pictures of windowed slices; Hounsfield units are windowed to 0..80 HU to "
                "look like them."
            ),
            "No figures by sex or age: the data does not hold them.",
        ],
        inputs=findings_inputs(side, "Grey levels of the brain window (0 to 80 HU)"),
        outputs=findings_outputs(LABELS, side // 32),
        precision=(
            f"{chosen}; {forms.speed()}; int8 loses {loss:.4f} AUROC in cross-validation. {OTHER_PRECISION}"
        ),
        licence="CC-BY-4.0",
        reproduce=(
            "python -m training.chest_xray.train && python -m training.head_ct.train && python -m "
            "training.head_ct.export (seed 0)"
        ),
        changelog=[Change(version="1.0.0", description="First release.")],
        serving=serving,
    )
    print(write_card(card, arguments.repository))


if __name__ == "__main__":
    main()
