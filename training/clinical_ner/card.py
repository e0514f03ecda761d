"""What the model card of `clinical_ner` says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medmesh.common.v1.model_card_pb2 import Change, Dataset, Metric, ModelCard, TensorContract
from medmesh.common.v1.serving_pb2 import ModelServing
from services.language.confidence import Confidence
from services.language.consistency import LEAST_PROBABILITY
from services.language.recovery import CONFIDENCE
from training.clinical_ner.corpus import LABELS
from training.compression import IN_INT8_WHERE_IT_CAN
from training.model_card import INTENDED_USE, decided_serving

NAME = "clinical_ner"

PRECISIONS = {
    "int8": f"int8 weights and word table; {IN_INT8_WHERE_IT_CAN}",
    "fp32": "fp32",
}
INTENDED = f"{INTENDED_USE} Not for de-identification, billing codes or complete medication lists."
ARCHITECTURE = (
    "all-MiniLM-L6-v2's encoder (6 layers, 384 wide, 22.7 M parameters, half of them in the word table, "
    "which stays as it was), fine-tuned with the written word's shape beside its pieces, a mix of all "
    "layers, a BIO label for each word piece and constrained decoding, of which the service answers entities "
    f"of a probability of at least {LEAST_PROBABILITY}. Training replaces names by others of "
    "the train file and varies capitals. The weights are the mean of {runs} runs, which have the first "
    "{shared:.0%} of their {epochs} epochs in common, and in each run the mean over its last steps; the last "
    "{held_out:.0%} of the train file watched."
)
IDS = (
    "[CLS] tokens [SEP], padded with 0; a token is its piece (0..30521) + 30522 * shape of the written word "
    "(0 lower case, 1 capitalised, 2 capitals, 3 mixed); at most 256 tokens, served in windows of 128"
)
IN_THE_SERVICE = "; "
"""Where the card's text on calibration turns from the graph's to the service's."""
LIMITATIONS = (
    "Learned from abstracts; no figure was measured on clinical notes. Expect more misses there.",
    (
        "F1 differs between abstracts more than the intervals say, which hold for more of the same: see "
        "`*_lowest_tenth` and `*_highest_tenth`. Other abstracts may lie at the lower end."
    ),
    "Shorthand, spelling errors and brand names that no abstract holds are missed more often.",
    "What AnalyzeNote takes from its terminology is not the network's; only `*_with_terminology` counts it.",
    f"The constant confidence of what the terminology decides, {CONFIDENCE}, is too high for abstracts.",
    "English only.",
    "Knows diseases (with signs and symptoms) and chemicals; not imaging findings, procedures or doses.",
    "Sees at most 126 tokens at a time.",
    "Names that share a word ('renal and hepatic failure') are found as one name, or one of them is missed.",
)
FIRST = (
    "First training. Of twelve epochs the ninth was best on the part that watched. The end of the schedule "
    "of learning rates was moved between epochs 12 and 16 on the way; a run from the start ends elsewhere. "
    "Strict F1 on devel 0.858."
)
SECOND = (
    "Trained anew as one command does it: the mean of several runs, each to the end of its schedule, instead "
    "of a chosen epoch of one. The service leaves out entities that are rather wrong than right, and the "
    "figures are measured so; measured so, the first version's weights have strict F1 0.863 on devel."
)


@dataclass(frozen=True)
class Calibration:
    """The service's curves, and what they do to the entities of devel by curves that were fitted without the
    abstracts at hand.
    """

    confidence: Confidence
    sentence_count: int
    """On which the curves are fitted."""
    error_before: float
    error_after: float
    """Expected calibration error of the entities on devel."""
    gaps: tuple[float, float]
    """Mean confidence less the share that is right, in the stretch where it is least and where it is most."""

    def sentence(self) -> str:
        """For the card, behind what it says of the temperature."""
        curves = "; ".join(
            f"{label} {curve.rise:.2f}, {curve.fall:.2f}, {curve.offset:+.2f}"
            for label, curve in self.confidence.curves.items()
        )
        low, high = self.gaps
        return (
            f"{IN_THE_SERVICE}a curve for each type in the service (beta calibration; rise, fall and "
            f"offset: {curves}), fitted on {self.sentence_count} sentences on which the weights were not "
            "trained, those of the train file that watched, and devel. On devel, by curves fitted without "
            "the abstracts at hand, it brings the entities' expected calibration error from "
            f"{self.error_before:.3f} to {self.error_after:.3f}. In a tenth of devel, some fifty abstracts, "
            f"the mean confidence is still between {-low:.3f} too low and {high:.3f} too high: expect as "
            "much on other abstracts, and more on notes."
        )


def serving(calibration: Calibration) -> ModelServing:
    """What the service needs: as it was decided, with the curves that were measured."""
    result = decided_serving(NAME)
    curves = result.token_classification.calibration
    curves.description = (
        "Beta calibration of each entity's probability, fitted on sentences on which the weights were not "
        "trained."
    )
    for label, curve in calibration.confidence.curves.items():
        rise, fall, offset = (round(value, 4) for value in (curve.rise, curve.fall, curve.offset))
        curves.curves.add(label=label, rise=rise, fall=fall, offset=offset)
    return result


def renewed(card: ModelCard, metrics: Sequence[Metric], calibration: Calibration) -> ModelCard:
    """The card of the same weights with `metrics` and `calibration` measured anew; a figure that is not among
    them stays.
    """
    names = {metric.name for metric in metrics}
    kept = [metric for metric in card.metrics if metric.name not in names]
    result = ModelCard()
    result.CopyFrom(card)
    del result.metrics[:], result.limitations[:]
    result.metrics.extend([*metrics, *kept])
    result.limitations.extend(LIMITATIONS)
    result.calibration = card.calibration.partition(IN_THE_SERVICE)[0] + calibration.sentence()
    result.serving.CopyFrom(serving(calibration))
    return result


def model_card(
    metrics: Sequence[Metric],
    temperature: float,
    calibration: Calibration,
    precision: str,
    recipe: Mapping[str, object],
) -> ModelCard:
    """The card; the digest of the weights is filled in by `write_card`."""
    mask = "1 for tokens, 0 for padding"
    labels = "of each label for each token, 0..1, sum 1; every piece of a word carries the word's label"
    return ModelCard(
        name=NAME,
        version="1.1.0",
        summary="Finds names of diseases and chemicals in English text.",
        intended_use=INTENDED,
        architecture=ARCHITECTURE.format_map(recipe),
        datasets=[
            Dataset(
                name="BC5CDR (BioCreative V CDR): train for training, devel for measuring",
                source="Li et al. 2016, doi:10.1093/database/baw068",
                licence="CC-BY-4.0",
                population="1,000 PubMed abstracts on drugs and their side effects; no clinical notes",
            )
        ],
        metrics=metrics,
        calibration=f"One temperature, {temperature:.3f}, in the graph{calibration.sentence()}",
        limitations=LIMITATIONS,
        inputs=[
            TensorContract(name="input_ids", datatype="INT64", shape=[-1], description=IDS),
            TensorContract(name="attention_mask", datatype="INT64", shape=[-1], description=mask),
        ],
        outputs=[
            TensorContract(name="probabilities", datatype="FP32", shape=[-1, len(LABELS)], description=labels)
        ],
        precision=f"{PRECISIONS[precision]}; the other by `training.clinical_ner.export --precision`",
        serving=serving(calibration),
        licence="Apache-2.0",
        reproduce=(
            "python -m training.clinical_ner.train && python -m training.clinical_ner.export"
            f"  # seed {recipe['seed']}, {recipe['runs']} runs of {recipe['epochs']} epochs"
        ),
        changelog=[
            Change(version="1.1.0", description=SECOND),
            Change(version="1.0.0", description=FIRST),
        ],
    )
