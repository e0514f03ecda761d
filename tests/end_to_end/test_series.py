"""A series through the whole mesh: uploaded to the orchestrator, handed on to imaging, one answer."""

from __future__ import annotations

import numpy as np
import pytest

from medmesh.orchestrator.v1.orchestrator_pb2 import COMPLETENESS_COMPLETE
from tests.imaging.series.stacks import files, head, zipped

pytestmark = pytest.mark.live


def large_head():
    """More than a message holds: 34 slices of 1024 x 1024 pixels, 68 MiB."""
    stack = head(34)
    for one in stack:
        pixels = np.frombuffer(one.PixelData, "<u2").reshape(one.Rows, one.Columns)
        one.Rows = one.Columns = 1024
        one.PixelSpacing = [0.25, 0.25]
        one.PixelData = np.repeat(np.repeat(pixels, 16, axis=0), 16, axis=1).tobytes()
    return stack


def test_a_series_of_more_than_a_message_is_diagnosed(client, tmp_path):
    stack = large_head()
    for number, data in enumerate(files(stack)):
        (tmp_path / f"{number}.dcm").write_bytes(data)
    upload = client.upload(tmp_path)
    diagnosis = client.diagnose(image=upload)
    assert diagnosis.completeness == COMPLETENESS_COMPLETE
    (image,) = diagnosis.images
    (result,) = image.analysis.results
    assert result.provenance.model_name == "head_ct"
    assert image.analysis.series.slice_count == 34
    assert len(result.key_slices) == 3
    assert diagnosis.review_required
    assert image.analysis.digests.content_hmac_sha256


def test_a_folder_and_a_zip_get_the_same_answer(client, tmp_path):
    stack = head(12)
    folder = tmp_path / "series"
    folder.mkdir()
    for number, data in enumerate(files(stack)):
        (folder / f"{number}.dcm").write_bytes(data)
    archive = tmp_path / "series.zip"
    archive.write_bytes(zipped(files(stack[::-1])))
    of_folder, of_archive = client.analyze_image(folder), client.analyze_image(archive)
    assert of_folder.results == of_archive.results
    assert of_folder.series.slice_count == 12
