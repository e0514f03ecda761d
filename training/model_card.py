"""Writes what a trained model needs to be served: `1/model.onnx`, `labels.txt` and the card,
`metadata.json`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from google.protobuf import json_format

from medmesh.common.v1.model_card_pb2 import ModelCard

MODEL_REPOSITORY = Path(__file__).resolve().parents[1] / "triton_repo"

INTENDED_USE = (
    "Research and engineering only. Not a medical device; not validated for diagnosis, treatment or triage. "
    "Every answer needs review by a qualified person."
)
"""What a card's intended use starts from; each model adds what it alone must not be used for."""


def write_card(card: ModelCard, repository: Path = MODEL_REPOSITORY) -> Path:
    """Fills in the digest of `<name>/1/model.onnx`, writes `metadata.json` beside it and returns its path.

    The labels go into `labels.txt`, one a line, unless the card has none.
    """
    folder = repository / card.name
    weights = folder / "1" / "model.onnx"
    card.weights_sha256 = sha256(weights)
    if card.labels:
        write_lines(folder / "labels.txt", card.labels)
    path = folder / "metadata.json"
    fields = json_format.MessageToDict(card, preserving_proto_field_name=True)
    if "serving_parameters" in fields:  # a map has no order of its own, a file should not change by chance
        fields["serving_parameters"] = dict(sorted(fields["serving_parameters"].items()))
    path.write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")
    return path


def sha256(path: Path) -> str:
    """Lower-case hexadecimal digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Writes one line each, in UTF-8, ended by a newline."""
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
