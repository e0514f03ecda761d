"""Attributes that a file writes in another form than the standard's."""

from __future__ import annotations

from io import BytesIO

import pytest
from pydicom import dcmread, dcmwrite
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

from services.chassis.errors import InvalidInput, Reason
from services.imaging.dicom import attributes


@pytest.mark.parametrize(
    ("read", "keyword"),
    [
        (attributes.text, "Modality"),
        (attributes.texts, "ImageType"),
        (attributes.identifier, "SOPInstanceUID"),
        (attributes.integer, "Rows"),
        (attributes.decimals, "WindowWidth"),
    ],
)
def test_a_sequence_where_a_value_belongs_is_refused_by_its_keyword(read, keyword):
    """As a text pydicom shows all of its items: what stands in them, or an error of an unknown kind."""
    item = Dataset()
    item.PatientName = "Example^Mrs"
    written = Dataset()
    written[keyword] = DataElement(keyword, "SQ", Sequence([item]))
    file = BytesIO()
    dcmwrite(file, written, implicit_vr=False, little_endian=True, enforce_file_format=False)
    file.seek(0)
    dataset = dcmread(file, force=True)
    dataset.file_meta = Dataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    with pytest.raises(InvalidInput, match=keyword) as refused:
        read(dataset, keyword)
    assert refused.value.reason is Reason.INPUT_MALFORMED
    assert "Example" not in str(refused.value)
