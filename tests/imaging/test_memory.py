"""What a request holds while it waits for its models, and what a service loads before anybody asks for it."""

from __future__ import annotations

import asyncio
import gc
import weakref

import numpy as np
import pytest

from medmesh.imaging.v1 import imaging_pb2 as pb
from services.imaging import analysis
from services.imaging.images import DecodedImage
from tests.imaging import samples
from tests.imaging.test_early import asked, until
from tests.loading import loaded_by

CHEST = samples.chest()


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch):
    """Weak references to the images that are decoded."""
    images: list[weakref.ref[DecodedImage]] = []
    decode = analysis.decode_image

    def recorded(*arguments: object) -> DecodedImage:
        image = decode(*arguments)
        images.append(weakref.ref(image.grey))
        return image

    monkeypatch.setattr(analysis, "decode_image", recorded)
    return images


@pytest.mark.parametrize("image", [samples.dicom(CHEST), samples.picture(CHEST)], ids=["stated", "unstated"])
@pytest.mark.parametrize(
    ("options", "is_held"),
    [({}, False), ({"include_heat_map": True}, False), ({"include_overlay": True}, True)],
)
async def test_pixels_are_let_go_before_the_models_answer_unless_they_are_drawn_on(
    imaging, decoded, image, options, is_held
):
    imaging.inference.hold("chest_xray")
    request = pb.AnalyzeImageRequest(
        sources=[pb.ImageSource(content=image)], options=pb.ImageOptions(**options)
    )
    answer = asyncio.ensure_future(imaging.stub.AnalyzeImage(request, timeout=20))
    await until(lambda: "chest_xray" in asked(imaging))
    if not is_held:
        await until(lambda: gc.collect() >= 0 and decoded[0]() is None)
    else:
        await asyncio.sleep(0.2)
        assert isinstance(decoded[0](), np.ndarray)
    imaging.inference.release("chest_xray")
    (result,) = (await answer).analysis.results
    assert bool(result.overlay_png) == is_held


def test_the_words_of_dicoms_code_sets_are_loaded_by_who_needs_them():
    assert "pydicom.sr" not in loaded_by("services.imaging.__main__")
