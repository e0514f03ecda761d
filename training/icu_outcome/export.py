"""Exports the ICU prognosis to `triton_repo/icu_outcome`: the mean of its networks.

`python -m training.icu_outcome.export` needs the run of `train`. Measures both precisions, writes the chosen
one as `1/model.onnx`, and the card.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from medmesh.common.v1.model_card_pb2 import Change, Dataset, Metric, ModelCard, TensorContract
from training.icu_outcome.dataset import IcuData, load
from training.icu_outcome.evaluate import Calibration, held_out, measure, trained_groups
from training.icu_outcome.network import IcuNetwork
from training.icu_outcome.preparation import HOUR_COUNT, NAME, PREPARATION, STATIC_NAMES, VARIABLE_COUNT
from training.icu_outcome.train import FOLD_COUNT, MEMBER_COUNT, RUN, Recipe, load_networks
from training.model_card import INTENDED_USE, MODEL_REPOSITORY, write_card
from training.onnx_runtime import PRECISIONS
from training.precisions import both, card_metrics, card_precision

COMPARED = ("auroc", "min_sensitivity_precision", "auprc", "expected_calibration_error")
"""Figures that the card gives in both precisions."""


class Served(nn.Module):
    """The probability by the mean logit of several networks; the service calibrates it."""

    def __init__(self, networks: list[IcuNetwork]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, values: Tensor, observed: Tensor, gap_hours: Tensor, static: Tensor) -> Tensor:
        logits = [network(values, observed, gap_hours, static) for network in self.networks]
        return cast(Tensor, torch.sigmoid(torch.stack(logits).mean(dim=0))).unsqueeze(1)


def card(
    data: IcuData, metrics: list[Metric], calibration: Calibration, precision: str, seed: int
) -> ModelCard:
    series = [HOUR_COUNT, VARIABLE_COUNT]
    age = data.static[:, STATIC_NAMES.index("age_years")]
    youngest, oldest = np.nanmin(age), np.nanmax(age)
    return ModelCard(
        name=NAME,
        version="1.0.0",
        summary="Predicts in-hospital death from the first 48 hours in intensive care.",
        intended_use=INTENDED_USE + " Never to be used to limit care.",
        architecture=(
            f"Mean of {FOLD_COUNT * MEMBER_COUNT} networks (GRU over 48 hours with decaying carried-forward "
            "values, beside summaries of each variable; "
            f"{sum(p.numel() for p in IcuNetwork().parameters())} parameters each): "
            f"{MEMBER_COUNT} for each of {FOLD_COUNT} folds."
        ),
        datasets=[
            Dataset(
                name="PhysioNet/Computing in Cardiology Challenge 2012, set A",
                source="https://physionet.org/content/challenge-2012/1.0.0/",
                licence="ODC-By-1.0",
                population=(
                    f"{len(data.died)} stays in intensive care, ages {youngest:.0f} to {oldest:.0f}, "
                    f"{data.died.mean():.1%} died in hospital; one hospital in Boston, 2001-2008"
                ),
            )
        ],
        metrics=metrics,
        calibration=calibration.sentence(),
        limitations=[
            "One hospital, 2001-2008: practice and case mix have changed; recalibrate before any use.",
            "What was measured depends on what clinicians feared: the model learns that too.",
            "Only the first 48 hours; stays shorter than that were not in the data.",
            "Removing a variable explains the model, not the patient: correlated variables hide each other.",
        ],
        inputs=[
            TensorContract(
                name="values",
                datatype="FP32",
                shape=series,
                description=(
                    "Hourly means carried forward, in the units and ranges of `serving`; "
                    "NaN before the first measurement."
                ),
            ),
            TensorContract(
                name="observed", datatype="FP32", shape=series, description="1 where measured, else 0."
            ),
            TensorContract(
                name="gap_hours",
                datatype="FP32",
                shape=series,
                description="Hours since the last measurement, 0 to 48.",
            ),
            TensorContract(
                name="static",
                datatype="FP32",
                shape=[len(STATIC_NAMES)],
                description=f"{', '.join(STATIC_NAMES)} (0 or 1 but age and height); NaN where unknown.",
            ),
        ],
        outputs=[
            TensorContract(
                name="probability",
                datatype="FP32",
                shape=[1],
                description="Probability of death, 0 to 1, before the calibration in the service.",
            )
        ],
        precision=precision,
        licence="Apache-2.0",
        reproduce=f"make train MODEL={NAME} (seed {seed}, one thread)",
        changelog=[Change(version="1.0.0", description="First version.")],
        serving=calibration.serving(),
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, default=RUN, help="folder of checkpoints (default: %(default)s)")
    parser.add_argument("--repository", type=Path, default=MODEL_REPOSITORY, help="default %(default)s")
    parser.add_argument("--precision", choices=("fp32", "int8"), default="fp32", help="default %(default)s")
    parser.add_argument("--seed", type=int, default=Recipe.seed)
    arguments = parser.parse_args()
    data = load(cache=arguments.run / "hourly.npz")
    out = {}
    for precision in PRECISIONS:
        by_group = trained_groups(data, arguments.run, arguments.seed, precision)
        out[precision] = held_out(data, by_group, arguments.seed, precision)
    measured = {precision: measure(data, judged) for precision, judged in out.items()}
    metrics = card_metrics(arguments.precision, measured, COMPARED)
    calibration = Calibration.fit(data, out[arguments.precision])
    networks = [network for group in load_networks(arguments.run, arguments.seed) for network in group]
    sample = PREPARATION.tensors(data.hourly[:64], data.static[:64])
    graphs = both(Served(networks), sample, ["probability"])
    graphs[arguments.precision].save(arguments.repository / NAME / "1" / "model.onnx")
    form = card_precision(arguments.precision, graphs, sample)
    made = card(data, metrics, calibration, form, arguments.seed)
    print(write_card(made, arguments.repository))


if __name__ == "__main__":
    main()
