"""Calibrates, exports and measures `chest_xray`, writes its card.

`python -m training.chest_xray.export [--run DIR] [--precision fp32|int8]`
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import numpy as np
import torch

from medmesh.common.v1.model_card_pb2 import Change, ModelCard
from services.imaging.analysis import CONFORMAL_COVERAGE, CONFORMAL_MINIMUM
from services.imaging.models import CHEST_XRAY
from services.imaging.preprocessing import PREPROCESSING_VERSION
from training.chest_xray.data import LABELS, load, split_calibration
from training.chest_xray.evaluate import measure, scores
from training.chest_xray.train import RUN, SETTINGS, build_network
from training.figures import conformal_quantile
from training.imaging.cards import KERMANY, findings_inputs, findings_outputs
from training.imaging.figures import fit_temperature, show
from training.imaging.fitting import predict
from training.imaging.network import CalibratedNetwork, fold_averaging
from training.imaging.onnx_models import check_parity, export_fp32, milliseconds, quantize_int8, run, session
from training.model_card import INTENDED_USE, MODEL_REPOSITORY, write_card

COVERAGE = 0.9
RANGE_IMAGES = 256
"""Training images from which the ranges of the int8 activations are taken."""
LARGEST_LOSS = 0.005
"""Of either AUROC on the calibration split: int8 that loses more is not served."""
SMALLEST_GAIN = 2.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=RUN, help="folder with weights.pt")
    parser.add_argument("--repository", type=Path, default=MODEL_REPOSITORY)
    parser.add_argument("--precision", choices=("auto", "fp32", "int8"), default="auto")
    arguments = parser.parse_args()
    work: Path = arguments.run
    side = CHEST_XRAY.side_px

    fitted, held = split_calibration(load("train"))
    held_images = held.images(side)
    network = build_network()
    network.load_state_dict(torch.load(work / "weights.pt", weights_only=True))
    temperature, offsets = fit_temperature(predict(network, held_images), held.labels)
    print(f"temperature {temperature:.3f}, class offsets {np.round(offsets, 3)}")
    calibrated = CalibratedNetwork(fold_averaging(network), temperature, offsets).eval()
    files = {name: work / f"{name}.onnx" for name in ("fp32", "int8")}
    export_fp32(calibrated, ("logits", "probabilities", "activation_map"), side, files["fp32"])
    spread = np.zeros(len(fitted.files), bool)
    spread[:: len(fitted.files) // RANGE_IMAGES] = True
    quantize_int8(files["fp32"], files["int8"], fitted.take(spread).images(side))

    sessions = {name: session(path) for name, path in files.items()}
    check_parity(calibrated, sessions["fp32"], held_images[:32])
    on_held = {name: run(s, held_images, "probabilities") for name, s in sessions.items()}
    slow, fast = milliseconds(list(sessions.values()), held_images)
    exact, rough = (scores(on_held[name], held.labels) for name in ("fp32", "int8"))
    loss = max(a - b for a, b in zip(exact, rough, strict=True))
    print(
        f"fp32 {slow:.1f} ms, int8 {fast:.1f} ms an image; int8 loses {loss:.4f} AUROC on the calibration "
        "split"
    )
    chosen = arguments.precision
    if chosen == "auto":
        chosen = "int8" if loss <= LARGEST_LOSS and slow / fast >= SMALLEST_GAIN else "fp32"
    other = "fp32" if chosen == "int8" else "int8"

    truth = on_held[chosen][np.arange(len(held.labels)), held.labels]
    minimum = 1 - conformal_quantile(1 - truth, COVERAGE)
    val = load("val")
    images = val.images(side)
    on = f"Kermany 2018, val, {len(val.files)} images of {len(set(val.patients.tolist()))} unseen patients"
    metrics = measure(
        run(sessions[chosen], images, "probabilities"), val, minimum, COVERAGE, f"{on}, {chosen}"
    )
    metrics += measure(
        run(sessions[other], images, "probabilities"), val, minimum, COVERAGE, f"{on}, {other}"
    )[:2]
    show(metrics)

    folder = arguments.repository / "chest_xray" / "1"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(files[chosen], folder / "model.onnx")
    stages = ", ".join(f"{s.epochs} epochs at {s.side_px} px" for s in SETTINGS.stages)
    card = ModelCard(
        name="chest_xray",
        version="1.0.0",
        summary="Tells normal from bacterial and viral pneumonia on a frontal chest radiograph of a child.",
        intended_use=INTENDED_USE + " Frontal chest radiographs of children of one to five years only.",
        architecture=(
            f"Residual network of {sum(p.numel() for p in network.parameters()) / 1e6:.1f} M parameters "
            "(eight blocks of two 3x3 convolutions, widths 48 to 384, averaging shortcuts), trained from "
            f"scratch on images of growing size ({stages}) with AdamW, a cosine schedule, MixUp and "
            "averaged weights. The class activation map is the layer before the mean that gives the logits."
        ),
        labels=LABELS,
        datasets=[KERMANY],
        metrics=metrics,
        calibration=(
            f"Temperature {temperature:.3f} and an offset a class "
            f"({', '.join(f'{v:+.3f}' for v in offsets)}) inside the graph, fitted on {len(held.files)} "
            "training images of patients left out of training; split conformal prediction on the same "
            f"images: a label is in the set from probability {minimum:.4f}."
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
        precision=(
            f"{chosen}; {slow:.1f} ms an image in fp32 and {fast:.1f} ms in int8 on one core with AVX-512 "
            "VNNI. The other precision: train again, then export with --precision."
        ),
        preprocessing_version=PREPROCESSING_VERSION,
        licence="CC-BY-4.0",
        reproduce=(
            "python -m training.chest_xray.train && python -m training.chest_xray.export (seed 0); figures "
            "alone: python -m training.chest_xray.evaluate. The schedule of the served weights was "
            "shortened twice under way (the cosine ran for 66, then 51, then 46 epochs), so a new run "
            "differs slightly."
        ),
        changelog=[Change(version="1.0.0", description="First release.")],
        serving_parameters={
            CONFORMAL_COVERAGE: COVERAGE,
            CONFORMAL_MINIMUM: round(minimum, 6),
            "temperature": round(temperature, 6),
        },
    )
    print(write_card(card, arguments.repository))


if __name__ == "__main__":
    main()
