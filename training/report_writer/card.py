"""The writer's card."""

from __future__ import annotations

from collections.abc import Sequence

from medmesh.common.v1.model_card_pb2 import Change, Dataset, Metric, ModelCard, TensorContract
from training.compression import IN_INT8_WHERE_IT_CAN
from training.model_card import INTENDED_USE, decided_serving
from training.report_writer.network import Shape
from training.report_writer.train import Recipe

NAME = "report_writer"

INTENDED = (
    f"{INTENDED_USE} "
    "What it writes is a draft to be reviewed. Not to be shown without the language service's reading-back,"
    " which holds each sentence against its evidence; not for advice, and not a source of medical "
    "knowledge."
)
ARCHITECTURE = (
    "Decoder-only transformer, {parameters:.1f} M parameters: {layers} layers, {width} wide, {heads} heads,"
    " gated feed-forward layers of {hidden}, rotary positions, the word table tied, {vocabulary} byte-level"
    " pieces with digits one by one. Each key is mixed with the key before it, so that one layer learns to "
    "copy (smeared keys, Olsson et al. 2022). Trained from random weights with Muon (Jordan et al. 2024) "
    "and AdamW: {reading_steps} steps on notes alone, then {writing_steps} on tasks and notes, some "
    "{tokens:.0f} M tokens in all. Greedy decoding."
)
LIMITATIONS = (
    (
        "Says what it is given and knows no medicine: nothing that is not in the prompt may be expected in "
        "the answer."
    ),
    (
        "Writes three things: sentences from lines of evidence, an impression from findings, one or two "
        "sentences of a note. To any other prompt its answer is meaningless."
    ),
    (
        "Findings of chest radiographs are what it has seen most; of other studies it mostly repeats in "
        "short words what is abnormal."
    ),
    (
        "The grammar's reports were written by hand to sound as published ones do; no report of a public "
        "set of chest radiographs was used. Expect figures on real reports to be lower than those on the "
        "grammar's."
    ),
    (
        "A wording that it has not met may be passed over, and a normal impression be written instead: that"
        " an impression does not name a finding is no statement that it is absent."
    ),
    (
        "Of a note it reads what fits into 640 tokens, answer included; its summaries are mostly a sentence"
        " of the note."
    ),
    ("English only."),
)

FIRST = (
    "First training. The grammar's wordings and the shares of the tasks were corrected on the way, at steps "
    "800, 1000 and 1500 of 2450; a run from the start sees them corrected throughout, and ends elsewhere."
)


def card(recipe: Recipe, parameters: int, metrics: Sequence[Metric], same_tokens: str) -> ModelCard:
    """The card; the digest of the weights is filled in by `write_card`.

    `same_tokens` says how far int8 writes what fp32 writes.
    """
    shape: Shape = recipe.shape
    steps = recipe.steps - recipe.reading_steps
    return ModelCard(
        name=NAME,
        version="1.0.0",
        summary="Drafts findings from evidence, impressions from findings and summaries of notes; English.",
        intended_use=INTENDED,
        architecture=ARCHITECTURE.format(
            parameters=parameters / 1e6,
            tokens=recipe.steps * recipe.tokens_per_step / 1e6,
            reading_steps=recipe.reading_steps,
            writing_steps=steps,
            **shape.as_dict(),
        ),
        datasets=[
            Dataset(
                name="MTSamples: notes, pairs of findings and impression, descriptions as summaries",
                source="mtsamples.com, collected by T. Boyle",
                licence="CC0-1.0",
                population="952 transcribed notes of 30 specialties, of which 146 measure",
            ),
            Dataset(
                name="Reports and evidence of the grammar in training/report_writer/phrases",
                source="written for this project",
                licence="Apache-2.0",
                population="drawn anew at each step; one wording in eight is kept for measuring",
            ),
        ],
        metrics=metrics,
        calibration="None: it answers text.",
        limitations=LIMITATIONS,
        inputs=[
            _tensor("text_input", "BYTES", "the prompt, as the chat template renders it"),
            _tensor("stream", "BOOL", "true"),
            _tensor("sampling_parameters", "BYTES", "JSON with vLLM's names; optional"),
            _tensor("return_finish_reason", "BOOL", "whether the reason of the end is told; optional"),
        ],
        outputs=[
            _tensor("text_output", "BYTES", "a piece of the text"),
            _tensor("finish_reason", "BYTES", "`stop`, `length`, and `None` while the text goes on"),
        ],
        precision=f"int8 matrices with a scale for each output; {IN_INT8_WHERE_IT_CAN}. {same_tokens}",
        serving=decided_serving(NAME),
        licence="Apache-2.0",
        reproduce=(
            f"python -m training.report_writer.train --steps {recipe.steps} && "
            f"python -m training.report_writer.export  # seed {recipe.seed}"
        ),
        changelog=[Change(version="1.0.0", description=FIRST)],
    )


def _tensor(name: str, datatype: str, description: str) -> TensorContract:
    """One value a request: what vLLM's contract has for a batch axis is all its shape."""
    return TensorContract(name=name, datatype=datatype, description=description)
