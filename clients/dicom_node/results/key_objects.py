"""Which of the images a reader should look at first, as a Key Object Selection."""

from __future__ import annotations

from collections.abc import Iterator

from highdicom.ko import KeyObjectSelection, KeyObjectSelectionDocument
from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset

from clients.dicom_node.results.context import Context, clipped
from medmesh.common.v1.serving_pb2 import LABEL_MEANING_NORMAL, LABEL_MEANING_QUALITY
from medmesh.imaging.v1.imaging_pb2 import ImageModelResult

OF_INTEREST = CodedConcept("113000", "DCM", "Of Interest")


def key_objects(context: Context) -> Iterator[KeyObjectSelectionDocument]:
    """One, where models found something and did not abstain: of a series the slices that it rests on. Else
    none.
    """
    keys: dict[str, Dataset] = {}
    named = []
    for image in context.diagnosis.images:
        for result in image.analysis.results:
            labels = found(result)
            if not labels:
                continue
            named.append(
                f"{result.provenance.model_name} {result.provenance.card_version}: {', '.join(labels)}"
            )
            keys |= {str(one.SOPInstanceUID): one for one in _sources(context, result)}
    if keys:
        yield KeyObjectSelectionDocument(
            evidence=list(keys.values()),
            content=KeyObjectSelection(
                document_title=OF_INTEREST,
                referenced_objects=list(keys.values()),
                description=clipped(
                    f"{context.mark}. {'; '.join(named)}. {context.diagnosis.intended_use}", 1024
                ),
            ),
            **context.series("key_objects", 0, "AI key images"),
        )


def found(result: ImageModelResult) -> list[str]:
    """The labels that count as found: above their thresholds, or the most probable where they exclude each
    other.
    """
    if result.abstained:
        return []
    candidates = result.findings[:1] if result.exclusive else result.findings
    labels = [
        finding.label
        for finding in candidates
        if finding.meaning not in (LABEL_MEANING_NORMAL, LABEL_MEANING_QUALITY)
        and (result.exclusive or finding.probability >= (finding.threshold or 0.5))
    ]
    return labels + [mask.label for mask in result.masks if mask.pixel_count]


def _sources(context: Context, result: ImageModelResult) -> list[Dataset]:
    keys = {key.sop_instance_uid for key in result.key_slices}
    if keys:
        return [source for source in context.sources if source.SOPInstanceUID in keys]
    return list(context.sources) if len(context.sources) == 1 else []
