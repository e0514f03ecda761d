"""Exports the trained ranker to `triton_repo/treatment_ranker`: `python -m training.treatment_ranker.export`.

Needs the run of `train`. Measures both precisions and writes the chosen one as `1/model.onnx`, with
`vocabulary.json`, `labels.txt` and the card.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from medmesh.common.v1.model_card_pb2 import Change, Dataset, Metric, ModelCard, TensorContract
from training.model_card import INTENDED_USE, MODEL_REPOSITORY, decided_serving, write_card, write_lines
from training.precisions import both, card_metrics, card_precision
from training.treatment_ranker.evaluate import OUTPUTS, Trained, measure, records
from training.treatment_ranker.served import EASE_SHARE
from training.treatment_ranker.train import RUN

NAME = "treatment_ranker"
COMPARED = ("recall_at_5_whole", "ndcg_at_10_whole", "recall_at_5_decision", "ndcg_at_10_decision")
"""Figures that the card gives in both precisions."""

SYNTHEA = Dataset(
    name="Synthea sample patients of SMART on FHIR (STU3 and R4)",
    source="https://github.com/smart-on-fhir/sample-patients, made by Synthea (Walonoski et al., JAMIA 2018)",
    licence="Apache-2.0",
    population=(
        "1,678 synthetic patients of Massachusetts, 845 female, 833 male, all ages; a fifth held out by the "
        "hash of the "
        "patient's id. No real person is in it."
    ),
)
SYNTHETIC = (
    "Synthea's patients follow disease modules that people wrote by hand: the model has learned those "
    "modules, not "
    "medicine. A figure on them says how well it has, and nothing about real patients."
)


def card(trained: Trained, metrics: list[Metric], precision: str) -> ModelCard:
    vocabulary = trained.encoder.vocabulary
    parameters = sum(value.numel() for value in trained.served.parameters())
    return ModelCard(
        name=NAME,
        version="1.0.0",
        summary="Ranks treatments by how often patients with such records were given them.",
        intended_use=(
            f"{INTENDED_USE} It ranks what was done for synthetic patients, not what would help; it must not "
            f"be used to "
            "choose, start, change or stop a treatment."
        ),
        architecture=(
            f"A denoising autoencoder with side information (one hidden layer of {trained.recipe.hidden} "
            f"units beside a "
            f"linear path) and {EASE_SHARE:g} times EASE with side information (Steck, WWW 2019), added up "
            f"before Platt "
            f"scaling in one graph; {parameters} parameters. Trained to find a random part of the treatments "
            f"of whole "
            "records, and the treatments that began on a day from what was known that day."
        ),
        datasets=[SYNTHEA],
        metrics=metrics,
        calibration=(
            "Platt scaling, fitted on training patients that the fold's network had not seen, on both views "
            "in equal "
            "parts. Most treatments are far from any patient, so the calibration error is small for any "
            "model."
        ),
        limitations=[
            SYNTHETIC,
            "Synthea treats viral sinusitis with antibiotics: so does the ranking.",
            "Codes that are not in vocabulary.json do not count; the answer names such conditions.",
            "Products of one drug are separate treatments, as in the data: their order carries no meaning.",
            "Treatments that the patient has had already are not ranked again.",
            "Worst for women from 18 to 44: Synthea draws their contraceptives at random from many products.",
            "Contraindications are not learned: they come from a separate, incomplete list of rules.",
        ],
        inputs=[
            TensorContract(
                name="features",
                datatype="FP32",
                shape=[trained.encoder.size],
                description="A record by services/recommendation/features.py and vocabulary.json; -3 to 8.",
            )
        ],
        outputs=[
            TensorContract(
                name="scores",
                datatype="FP32",
                shape=[len(vocabulary.treatments)],
                description="Probability-like score of each treatment of labels.txt, 0 to 1.",
            )
        ],
        precision=precision,
        serving=decided_serving(NAME),
        licence="Apache-2.0",
        reproduce=f"make train MODEL={NAME} (seed {trained.recipe.seed}, one thread)",
        changelog=[Change(version="1.0.0", description="First version.")],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=RUN, help="folder of the run")
    parser.add_argument("--repository", type=Path, default=MODEL_REPOSITORY)
    parser.add_argument("--precision", choices=("fp32", "int8"), default="fp32", help="default %(default)s")
    arguments = parser.parse_args()
    trained = Trained(arguments.run)
    sample = records(trained)
    graphs = both(trained.served, sample, OUTPUTS)
    measured = {precision: measure(trained, graph) for precision, graph in graphs.items()}
    metrics = card_metrics(arguments.precision, measured, COMPARED)
    folder: Path = arguments.repository / NAME
    graphs[arguments.precision].save(folder / "1" / "model.onnx")
    shutil.copy(arguments.run / "vocabulary.json", folder / "vocabulary.json")
    treatments = trained.encoder.vocabulary.treatments
    write_lines(folder / "labels.txt", (f"{treatment.key}|{treatment.display}" for treatment in treatments))
    precision = card_precision(arguments.precision, graphs, sample)
    print(write_card(card(trained, metrics, precision), arguments.repository))


if __name__ == "__main__":
    main()
