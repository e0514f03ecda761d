"""The written catalogue of conditions and the reliabilities: what bears on what, and how far it is trusted.

Both are data (`catalogue.toml`, `reliability.toml`), read once at start together with the held-out figures of
the image models' cards; docs/fusion.md says how they count.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf import json_format

from medmesh.common.v1.model_card_pb2 import ModelCard
from services.clinical.code_systems import ICD10_EDITIONS, SNOMED

_SEMANTIC_TAG = re.compile(r" \((?:disorder|finding)\)$")
NORMAL = "normal"
"""The label of every image model that stands for the absence of a finding."""
CARD = "metadata.json"
FOLDER = Path(__file__).resolve().parent

Code = tuple[str, str]
"""FHIR URI of the code system, and the code within it."""


@dataclass(frozen=True)
class Naming:
    """How a concept is recognised."""

    display: str
    snomed: frozenset[str]
    """Its code, and the codes of narrower concepts that count as it."""
    icd10cm: tuple[str, ...]
    """Categories without dots: a code counts when it begins with one of them."""
    synonyms: frozenset[str]
    """Lower case."""

    def names(self, codes: Iterable[Code], *texts: str) -> bool:
        """Whether one of the codes, or else one of the texts, means this concept."""
        return any(map(self._has, codes)) or any(normalise(text) in self.synonyms for text in texts)

    def _has(self, code: Code) -> bool:
        system, value = code
        if system == SNOMED:
            return value in self.snomed
        return system in ICD10_EDITIONS and value.replace(".", "").upper().startswith(self.icd10cm)


@dataclass(frozen=True)
class ImageLabels:
    """Labels of an image model whose summed probability is that of the condition."""

    model: str
    labels: frozenset[str]
    metric: str
    """Metric of the model card that says how well the labels are told from the rest."""


@dataclass(frozen=True)
class Finding:
    """A sign or symptom that bears on a condition."""

    naming: Naming
    present: float
    """Likelihood ratio when the note states it."""
    absent: float | None
    """Likelihood ratio when the note denies it; None: not known."""
    source: str


@dataclass(frozen=True)
class Condition:
    """One condition of the catalogue."""

    key: str
    code: str
    """SNOMED CT."""
    naming: Naming
    chronic: bool
    broader: str
    """Key of the condition that this one is a kind of; empty: none."""
    prior: float
    """Probability before any evidence, in (0, 1)."""
    setting: str
    """Where the prior holds."""
    prior_source: str
    images: tuple[ImageLabels, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class ImageReliability:
    """How far an image model is trusted."""

    age_years: tuple[int, int] | None
    """Youngest and oldest patient that it was trained on; None: not known."""
    outside_factor: float
    share: Mapping[str, float]
    """Share of each label in the data that its probabilities are calibrated to."""
    held_out_count: Mapping[str, int]
    """Unseen cases of each label that its figures stand on."""
    auroc: Mapping[str, float]
    """Held-out figures of the model's card, by metric; empty when there is no card."""


@dataclass(frozen=True)
class StatementReliability:
    """What a statement of the note is worth, and how often it is right."""

    rate_if_ill: float
    """How often it is made of patients who have the condition."""
    rate_if_well: float
    """How often it is made of patients who have not."""
    precision: float
    """How often it is what it seems: the reliability."""
    source: str


@dataclass(frozen=True)
class RecordReliability:
    """How far the record is trusted."""

    precision: float
    """Share of recorded diagnoses that are right: the reliability, and where the record takes a prior."""
    source: str


class Catalogue:
    """The conditions by key, and the reliabilities of the sources."""

    def __init__(
        self,
        conditions: Iterable[Condition],
        images: Mapping[str, ImageReliability],
        note: Mapping[str, StatementReliability],
        record: RecordReliability,
        sha256: str = "",
    ) -> None:
        self.conditions: Mapping[str, Condition] = {condition.key: condition for condition in conditions}
        self.images = images
        self.note = note
        self.record = record
        self.sha256 = sha256
        """Digest of what the catalogue was read from."""
        for condition in self.conditions.values():
            if condition.broader and condition.broader not in self.conditions:
                raise ValueError(
                    f"{condition.key} is a kind of {condition.broader}, which is not in the catalogue"
                )
        for model, reliability in self.images.items():
            if self.label_priors(model).keys() != reliability.share.keys():
                raise ValueError(f"each label of {model} but normal needs a condition of its own")

    def named(self, codes: Iterable[Code], *texts: str) -> list[Condition]:
        """The conditions that these codes or texts name, each without those that it is a kind of."""
        codes = tuple(codes)
        found = [c for c in self.conditions.values() if c.naming.names(codes, *texts)]
        implied = {broader.key for condition in found for broader in self.broader(condition)}
        return [condition for condition in found if condition.key not in implied]

    def label_priors(self, model: str) -> Mapping[str, float]:
        """The prior of each label of a model: its condition's, and for `normal` the rest."""
        priors = {
            label: condition.prior
            for condition in self.conditions.values()
            for image in condition.images
            if image.model == model and len(image.labels) == 1
            for label in image.labels
        }
        return {**priors, NORMAL: 1 - math.fsum(priors.values())}

    def broader(self, condition: Condition) -> list[Condition]:
        """The conditions that this one is a kind of, the nearest first."""
        chain = []
        while condition.broader:
            condition = self.conditions[condition.broader]
            chain.append(condition)
        return chain

    def wholes_first(self) -> list[Condition]:
        """All conditions, each after those that it is a kind of."""
        return sorted(self.conditions.values(), key=lambda condition: len(self.broader(condition)))

    def prior_within(self, condition: Condition) -> float:
        """The prior of a condition; of a kind of another one, its prior among those who have the whole."""
        whole = self.conditions.get(condition.broader)
        return condition.prior / whole.prior if whole is not None else condition.prior


def normalise(text: str) -> str:
    """Lower case, with single spaces, without SNOMED CT's semantic tag and punctuation at the ends."""
    return _SEMANTIC_TAG.sub("", re.sub(r"\s+", " ", text).strip().lower()).strip(" .,;:()[]")


def load(repository: Path, folder: Path = FOLDER) -> Catalogue:
    """Reads `catalogue.toml` and `reliability.toml` in `folder`, and the model cards in `repository`.

    Raises KeyError or ValueError where a file is incomplete. Without its card, what a model shows does not
    count.
    """
    catalogue, reliability = ((folder / name).read_bytes() for name in ("catalogue.toml", "reliability.toml"))
    conditions = [_condition(entry) for entry in tomllib.loads(catalogue.decode())["condition"]]
    trusted = tomllib.loads(reliability.decode())
    wanted = {(image.model, image.metric) for condition in conditions for image in condition.images}
    auroc = {
        model: _figures(repository / model / CARD, {metric for name, metric in wanted if name == model})
        for model in trusted["image"]
    }
    measured = json.dumps(auroc, sort_keys=True).encode()
    return Catalogue(
        conditions=conditions,
        images={name: _image_reliability(entry, auroc[name]) for name, entry in trusted["image"].items()},
        note={name: _note_reliability(entry) for name, entry in trusted["note"].items()},
        record=RecordReliability(**trusted["record"]["active"]),
        sha256=hashlib.sha256(b"\0".join((catalogue, reliability, measured))).hexdigest(),
    )


def _figures(card: Path, metrics: Collection[str]) -> dict[str, float]:
    """The figures over all patients that a model card has of these metrics; of several the lowest."""
    if not card.is_file():
        return {}
    parsed = json_format.Parse(card.read_text(encoding="utf-8"), ModelCard(), ignore_unknown_fields=True)
    found = [m for m in parsed.metrics if m.name in metrics and not m.subgroup]
    return {name: min(m.value for m in found if m.name == name) for name in sorted({m.name for m in found})}


def _condition(entry: Mapping[str, Any]) -> Condition:
    prior = entry["prior"]
    if not 0.0 < prior["probability"] < 1.0:
        raise ValueError(f"{entry['key']}: the prior lies between 0 and 1, both excluded")
    return Condition(
        key=entry["key"],
        code=entry["snomed"],
        naming=_naming(entry),
        chronic={"acute": False, "chronic": True}[entry["course"]],
        broader=entry.get("broader", ""),
        prior=prior["probability"],
        setting=prior["setting"],
        prior_source=prior["source"],
        images=tuple(
            ImageLabels(image["model"], frozenset(image["labels"]), image["metric"])
            for image in entry.get("image", ())
        ),
        findings=tuple(
            Finding(_naming(finding), finding["present"], finding.get("absent"), finding["source"])
            for finding in entry.get("finding", ())
        ),
    )


def _naming(entry: Mapping[str, Any]) -> Naming:
    return Naming(
        display=entry["display"],
        snomed=frozenset([entry["snomed"], *entry.get("narrower", ())]),
        icd10cm=tuple(entry["icd10cm"]),
        synonyms=frozenset(entry["synonyms"]),
    )


def _image_reliability(entry: Mapping[str, Any], auroc: Mapping[str, float]) -> ImageReliability:
    age = entry.get("age_years")
    return ImageReliability(
        age_years=(age[0], age[1]) if age else None,
        outside_factor=entry.get("outside_factor", 1.0),
        share=entry["share"],
        held_out_count=entry["held_out_count"],
        auroc=auroc,
    )


def _note_reliability(entry: Mapping[str, Any]) -> StatementReliability:
    # Laplace's rule of succession: that none of a few was wrong does not make the next one certain.
    precision = (entry["right_count"] + 1) / (entry["given_count"] + 2)
    return StatementReliability(entry["rate_if_ill"], entry["rate_if_well"], precision, entry["source"])
