"""What the model card of `clinical_ner` says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medmesh.common.v1.model_card_pb2 import Change, Dataset, Metric, ModelCard, TensorContract
from services.language.confidence import OFFSET, SLOPE, Confidence
from services.language.consistency import LEAST_PROBABILITY
from services.language.models import CLINICAL_NER
from services.language.recovery import CONFIDENCE
from services.language.tokenization import PREPROCESSING_VERSION
from training.clinical_ner.corpus import LABELS
from training.model_card import INTENDED_USE

PRECISIONS = {
    "int8": "int8 weights and word table, computed in fp32, so that no answer depends on its batch",
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
LIMITATIONS = (
    "Learned from abstracts; no figure was measured on clinical notes. Expect more misses there.",
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
    """What was fitted, on how many sentences, and the entities' calibration error there without and with
    `confidence`, which is then fitted on other notes than it is measured on.
    """

    temperature: float
    confidence: Confidence
    sentence_count: int
    error_before: float
    error_after: float

    def sentence(self) -> str:
        """For the card."""
        return (
            f"One temperature, {self.temperature:.3f}, in the graph; the log-odds of an entity's probability "
            f"times {self.confidence.slope:.2f} plus {self.confidence.offset:.2f} in the service (Platt "
            f"scaling). Fitted on {self.sentence_count} sentences of the train file that were not trained "
            "on; there the second brings the entities' expected calibration error from "
            f"{self.error_before:.3f} to {self.error_after:.3f}, fitted and measured on different notes."
        )


def renewed(card: ModelCard, metrics: Sequence[Metric]) -> ModelCard:
    """The card of the same weights with `metrics` measured anew; a figure that is not among them stays."""
    names = {metric.name for metric in metrics}
    kept = [metric for metric in card.metrics if metric.name not in names]
    result = ModelCard()
    result.CopyFrom(card)
    del result.metrics[:], result.limitations[:]
    result.metrics.extend([*metrics, *kept])
    result.limitations.extend(LIMITATIONS)
    return result


def model_card(
    metrics: Sequence[Metric], calibration: Calibration, precision: str, recipe: Mapping[str, object]
) -> ModelCard:
    """The card; the digest of the weights is filled in by `write_card`."""
    mask = "1 for tokens, 0 for padding"
    labels = "of each label for each token, 0..1, sum 1; every piece of a word carries the word's label"
    return ModelCard(
        name=CLINICAL_NER.name,
        version="1.1.0",
        summary="Finds names of diseases and chemicals in English text.",
        intended_use=INTENDED,
        architecture=ARCHITECTURE.format_map(recipe),
        labels=LABELS,
        datasets=[
            Dataset(
                name="BC5CDR (BioCreative V CDR): train for training, devel for measuring",
                source="Li et al. 2016, doi:10.1093/database/baw068",
                licence="CC-BY-4.0",
                population="1,000 PubMed abstracts on drugs and their side effects; no clinical notes",
            )
        ],
        metrics=metrics,
        calibration=calibration.sentence(),
        limitations=LIMITATIONS,
        inputs=[
            TensorContract(name="input_ids", datatype="INT64", shape=[-1], description=IDS),
            TensorContract(name="attention_mask", datatype="INT64", shape=[-1], description=mask),
        ],
        outputs=[
            TensorContract(name="probabilities", datatype="FP32", shape=[-1, len(LABELS)], description=labels)
        ],
        precision=f"{PRECISIONS[precision]}; the other by `training.clinical_ner.export --precision`",
        preprocessing_version=PREPROCESSING_VERSION,
        serving_parameters={
            SLOPE: round(calibration.confidence.slope, 4),
            OFFSET: round(calibration.confidence.offset, 4),
        },
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
