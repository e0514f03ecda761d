"""All results of one answer, as the files that are kept and sent."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from pydicom.dataset import Dataset

from clients.dicom_node.results.context import Context
from clients.dicom_node.results.key_objects import key_objects
from clients.dicom_node.results.masks import masks
from clients.dicom_node.results.overlay import overlays
from clients.dicom_node.results.report import report


@dataclass(frozen=True)
class Made:
    """One object."""

    kind: str
    """`report`, `overlay`, `masks` or `key_objects`."""
    sop_instance_uid: str
    content: bytes
    """The file."""


def results(context: Context) -> list[Made]:
    """The report and whatever pictures the answer has. ValueError and others: an attribute of a source
    cannot be carried over.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what the sources hold against the standard
        return [Made(kind, str(one.SOPInstanceUID), _file(one)) for kind, one in _objects(context)]


def _objects(context: Context) -> Iterator[tuple[str, Dataset]]:
    yield "report", report(context)
    for overlay in overlays(context):
        yield "overlay", overlay
    for mask in masks(context):
        yield "masks", mask
    for selection in key_objects(context):
        yield "key_objects", selection


def _file(made: Dataset) -> bytes:
    content = io.BytesIO()
    made.save_as(content, enforce_file_format=True)
    return content.getvalue()
