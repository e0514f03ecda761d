"""Every case of `data/cases/dicom.json` has its right answer: pixels, notices, refusal, and what the service
makes of it.

Cases below D500 are files that people met, of which those in `given.tar.xz` came as files and the others in
words; those from D501 on are ours. Expected values are computed from the stored values by the formulas of
PS3.3 C.11, not copied.
"""

from __future__ import annotations

import grpc
import pytest

from medmesh.imaging.v1 import imaging_pb2 as pb
from services.chassis.errors import InvalidInput
from services.imaging.decoding import decode_image
from tests.fakes import real_card
from tests.imaging.case_files import RAMP_SIDE, cases, file_of

CASES = {case["id"]: case for case in cases()}
SERVED = [name for name, case in CASES.items() if "analysis" in case["expect"]]
COLOURFUL = real_card("image_gate").serving.image_gate.max_colorfulness
KIND = {"chest": [0.98, 0.01, 0.01], "head": [0.01, 0.98, 0.01]}
"""What the gate's first three columns say."""


def ids(names):
    return [f"{name}-{CASES[name]['what'][:60]}" for name in names]


def test_every_case_expects_something():
    assert all(case["expect"] for case in CASES.values())
    assert len(CASES) == len(cases())


@pytest.mark.parametrize("name", CASES, ids=ids(CASES))
def test_a_file_is_decoded_right(name):
    case, expected = CASES[name], CASES[name]["expect"]
    if "refused" in expected:
        with pytest.raises(InvalidInput) as caught:
            decode_image(file_of(case))
        assert (caught.value.reason, caught.value.field) == (expected["refused"], "sources")
        assert expected["says"] in caught.value.description
        assert "SYNTH" not in caught.value.description
        return
    image = decode_image(file_of(case))
    if "mean" in expected:
        assert image.grey.mean() == pytest.approx(expected["mean"], abs=0.06)
    for row, column, grey in expected.get("at", []):
        assert int(image.grey[row, column]) == grey, (row, column)
    for stored, grey in expected.get("stored", {}).items():
        assert int(image.grey[divmod(int(stored), RAMP_SIDE)]) == grey, stored
    for row, column, units in expected.get("hounsfield", []):
        assert float(image.hounsfield[row, column]) == units, (row, column)
    if "units" in expected and expected["units"] is None:
        assert image.hounsfield is None
    for stored, units in (expected.get("units") or {}).items():
        assert float(image.hounsfield[divmod(int(stored), RAMP_SIDE)]) == units, stored
    if "notices" in expected:
        assert sorted(notice.reason for notice in image.notices) == sorted(expected["notices"])
    if "review" in expected:
        assert any(notice.review_required for notice in image.notices) == expected["review"]
    if "view" in expected:
        assert image.view == expected["view"]
    if "colourful" in expected:
        assert (image.colourfulness > COLOURFUL) == expected["colourful"]


@pytest.mark.parametrize("name", SERVED, ids=ids(SERVED))
async def test_the_service_says_what_it_must_of_a_file(name, imaging):
    case, expected = CASES[name], CASES[name]["expect"]["analysis"]
    looks_like = expected.get("gate") or expected.get("part", "CHEST").lower()
    imaging.gate.update(zip(("chest_xray", "head_ct", "other"), KIND[looks_like], strict=True))
    request = pb.AnalyzeImageRequest(
        sources=[pb.ImageSource(content=file_of(case))],
        options=pb.ImageOptions(body_part=expected.get("ask") or ""),
    )
    call = imaging.stub.AnalyzeImage(request, timeout=20)
    if "refused" in expected:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        details = dict(caught.value.trailing_metadata())["grpc-status-details-bin"]
        assert expected["refused"].encode() in details
        assert expected.get("says", "").encode() in details
        return
    analysis = (await call).analysis
    display_only = {"GREY_SCALE_MEASURED", "WINDOW_CHOSEN"}
    (result,) = analysis.results
    notices = [*analysis.notices, *result.notices]
    reasons = [notice.reason for notice in notices if notice.reason not in display_only]
    if "part" in expected:
        assert analysis.body_part == expected["part"]
    if "accepted" in expected:
        assert (result.gate_decision == pb.GATE_DECISION_ACCEPTED) == expected["accepted"]
    if "reasons" in expected:
        assert sorted(reasons) == sorted(expected["reasons"])
    if "review" in expected:
        assert any(notice.review_required for notice in notices) == expected["review"]
