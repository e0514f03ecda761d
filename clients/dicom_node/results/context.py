"""What every result is made of, and what every result carries: identifiers, where it comes from, what it is
not for.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from typing import Any

from highdicom import ContributingEquipment
from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from medmesh.common.v1.answer_pb2 import Provenance
from medmesh.common.v1.concept_pb2 import Concept
from medmesh.orchestrator.v1.orchestrator_pb2 import Diagnosis

MANUFACTURER = "medmesh"
MARK = "AI, research use, not for diagnosis"
"""What a reader sees first, in worklists too; the models' own intended use is written out within."""
SCHEME = "99MEDMESH"
"""Of labels for which a model's card has no code."""
SERIES_NUMBERS = {"report": 9101, "overlay": 9102, "masks": 9103, "key_objects": 9104}
"""High, so that results stand behind the images that they are made of."""
_SCHEMES = {"http://snomed.info/sct": "SCT", "http://loinc.org": "LN"}
_CODE_LENGTH, _MEANING_LENGTH, _DESCRIPTION_LENGTH, _TEXT_LENGTH = 16, 64, 64, 1024


@dataclass(frozen=True)
class Context:
    """One answer of the mesh, and what it was asked about."""

    analysis: str
    """Id of the analysis, a UUID."""
    station: str
    """AE title of the node."""
    made_at: datetime
    sources: tuple[Dataset, ...]
    """Headers of the objects that were read, in the order of the series."""
    diagnosis: Diagnosis
    receipt_id: str
    previous_report: Dataset | None = None
    """Report of the same series before further slices came."""

    @property
    def is_research_use(self) -> bool:
        """Whether the marks say research: whoever deploys a model may have set another intended use."""
        return "research" in self.diagnosis.intended_use.lower()

    @property
    def mark(self) -> str:
        """The short mark of every result."""
        return MARK if self.is_research_use else "AI result: read its intended use"

    def uid(self, name: str) -> str:
        """An identifier of a result: the same at every attempt, another one for every name."""
        return f"2.25.{uuid.uuid5(uuid.UUID(self.analysis), name).int}"

    def series(self, kind: str, number: int, subject: str) -> dict[str, Any]:
        """Arguments that all classes of highdicom take: identity, maker, what it is and is not for."""
        return {
            "series_instance_uid": self.uid(kind),
            "series_number": SERIES_NUMBERS[kind],
            "sop_instance_uid": self.uid(f"{kind}/{number}"),
            "instance_number": number + 1,
            "manufacturer": MANUFACTURER,
            "series_description": clipped(f"{subject} ({self.mark})", _DESCRIPTION_LENGTH),
            "manufacturer_model_name": "medmesh DICOM node",
            "software_versions": version("medmesh"),
            "device_serial_number": self.station,
            "content_date": self.made_at.date(),
            "content_time": self.made_at.time(),
            "contributing_equipment": self.equipment(),
            "specific_character_set": "ISO_IR 192",
        }

    def equipment(self) -> list[ContributingEquipment]:
        """Each model that took part, as equipment that processed: name, versions, digests, receipt."""
        return [
            ContributingEquipment(
                manufacturer=MANUFACTURER,
                purpose_of_reference=codes.DCM.ProcessingEquipment,
                manufacturer_model_name=clipped(model.model_name, _MEANING_LENGTH),
                software_versions=[f"card {model.card_version}", f"version {model.model_version}"],
                contribution_datetime=self.made_at,
                contribution_description=clipped("; ".join([self.mark, *self.origin(model)]), _TEXT_LENGTH),
            )
            for model in self.models()
        ]

    def models(self) -> list[Provenance]:
        """The models that read the image, by name."""
        return [result.provenance for image in self.diagnosis.images for result in image.analysis.results]

    def origin(self, model: Provenance) -> list[str]:
        """Where a model's answer comes from, as `name=value`."""
        facts = {
            "weights_sha256": model.weights_sha256,
            "model_sha256": model.model_sha256,
            "preprocessing": model.preprocessing_version,
            "runtime": model.runtime,
            "receipt": self.receipt_id,
        }
        return [f"{name}={value}" for name, value in facts.items() if value]


def own_scheme() -> list[CodingSchemeIdentificationItem]:
    """What `99MEDMESH` in codes stands for."""
    return [
        CodingSchemeIdentificationItem(
            designator=SCHEME, name="Labels of medmesh models", responsible_organization=MANUFACTURER
        )
    ]


def coded(label: str, concepts: Any) -> CodedConcept:
    """A label as a code: the first that its card has and DICOM can hold, else the label itself."""
    for concept in concepts:
        if code := _coded(concept, label):
            return code
    return CodedConcept(_own_code(label), SCHEME, clipped(label.replace("_", " "), _MEANING_LENGTH))


def _coded(concept: Concept, label: str) -> CodedConcept | None:
    scheme = _SCHEMES.get(concept.system)
    if scheme is None or not 0 < len(concept.code) <= _CODE_LENGTH:
        return None
    meaning = concept.display or label.replace("_", " ")
    return CodedConcept(concept.code, scheme, clipped(meaning, _MEANING_LENGTH))


def _own_code(label: str) -> str:
    """A code of at most 16 characters that stays the label's own."""
    if len(label) <= _CODE_LENGTH:
        return label
    return label[: _CODE_LENGTH - 5] + "-" + uuid.uuid5(uuid.NAMESPACE_OID, label).hex[:4]


def clipped(text: str, length: int) -> str:
    """The text in at most so many characters, without those that end a value."""
    text = text.replace("\\", "/").strip()
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"
