"""Writes what a trained model needs to be served: `labels.txt`, the weights' digest in `config.pbtxt`, and
the card, `metadata.json`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

from google.protobuf import json_format, text_format

from medmesh.common.v1.model_card_pb2 import ModelCard
from medmesh.common.v1.serving_pb2 import FileDigest, ModelServing
from services.chassis.models import tasks
from services.chassis.models.checks import sha256
from services.chassis.models.repository import DIGEST_PARAMETER

MODEL_REPOSITORY = Path(__file__).resolve().parents[1] / "triton_repo"

INTENDED_USE = (
    "Research and engineering only. Not a medical device; not validated for diagnosis, treatment or triage. "
    "Every answer needs review by a qualified person."
)
"""What a card's intended use starts from; each model adds what it alone must not be used for."""

LABELS = "labels.txt"
DECIDED = "serving.txtpb"
"""In `training/<model>/`: what of the card's `serving` part is decided rather than measured, in protobuf's
text form."""


def decided_serving(model: str) -> ModelServing:
    """The `serving` part of a model trained here, without what training measures."""
    path = Path(__file__).with_name(model) / DECIDED
    return text_format.Parse(path.read_text(encoding="utf-8"), ModelServing())


def write_card(card: ModelCard, repository: Path = MODEL_REPOSITORY) -> Path:
    """Fills in the digests of the weights and of the files that the card names, and writes `metadata.json`,
    `labels.txt` and the digest's line of `config.pbtxt`. Returns the card's path.
    """
    folder = repository / card.name
    version = card.model_version or 1
    card.weights_sha256 = sha256(folder / str(version) / "model.onnx")
    _, labels = tasks.labels_of(card.serving)
    if labels:
        write_lines(folder / LABELS, labels)
    named = {file.value for file in tasks.files_of(card.serving)}
    if (folder / LABELS).is_file():
        named.add(LABELS)
    del card.serving.files[:]
    card.serving.files.extend(FileDigest(path=name, sha256=sha256(folder / name)) for name in sorted(named))
    config = folder / "config.pbtxt"
    if config.is_file():
        config.write_text(
            with_digest(config.read_text(encoding="utf-8"), version, card.weights_sha256), encoding="utf-8"
        )
    path = folder / "metadata.json"
    fields = json_format.MessageToDict(card, preserving_proto_field_name=True)
    path.write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")
    return path


def with_digest(config: str, version: int, digest: str) -> str:
    """The text of a `config.pbtxt` that states the digest of a version's weights."""
    line = f'parameters {{ key: "{DIGEST_PARAMETER}{version}" value: {{ string_value: "{digest}" }} }}\n'
    stated = re.compile(
        rf'^parameters {{ key: "{re.escape(DIGEST_PARAMETER)}{version}"[^\n]*\n', re.MULTILINE
    )
    if stated.search(config):
        return stated.sub(line, config)
    return config.rstrip("\n") + "\n" + line


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Writes one line each, in UTF-8, ended by a newline."""
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
