"""A series is in the order of its positions, and what is unusual about it is refused or told."""

from __future__ import annotations

import random

import numpy as np
import pytest

from services.chassis.errors import InvalidInput, Reason
from services.imaging.decoding import decode_image
from services.imaging.series.reading import read_series
from tests.imaging.series.stacks import (
    SLICE_MM,
    above,
    enhanced,
    files,
    first_position,
    head,
    slice_of_head,
    tilted_head,
    uid,
    written,
    zipped,
)


def shuffled(items):
    items = list(items)
    random.Random(7).shuffle(items)
    return items


def numbers(series):
    return [one.instance_number for one in series.slices]


def reasons(series):
    return [notice.reason for notice in series.notices]


def refusal(sent):
    with pytest.raises(InvalidInput) as refused:
        read_series(sent)
    return refused.value


def test_slices_are_ordered_from_the_feet_to_the_head_however_they_come():
    series = read_series(files(shuffled(head())))
    assert numbers(series) == list(range(1, 31))
    assert series.geometry.spacing_mm == pytest.approx(SLICE_MM)
    assert series.notices == ()


def test_the_order_follows_positions_and_not_numbers_or_names():
    stack = head(12)
    for number, one in enumerate(shuffled(stack), start=1):
        one.InstanceNumber = number
    heights = [float(one.ImagePositionPatient[2]) for one in stack]
    by_height = [
        int(one.InstanceNumber) for _, one in sorted(zip(heights, stack, strict=True), key=lambda p: p[0])
    ]
    archive = zipped(
        {f"{9 - index % 10}{index}.dcm": data for index, data in enumerate(files(shuffled(stack)))}
    )
    series = read_series([archive])
    assert numbers(series) == by_height
    assert series.notices == ()


def test_a_normal_that_points_to_the_feet_does_not_turn_the_order_over():
    """Columns that go to the front make the cross product of the cosines point to the feet."""
    row, column = (1.0, 0.0, 0.0), (0.0, -1.0, 0.0)
    start = first_position(row, column)
    stack = [slice_of_head(n, above(start, n * SLICE_MM), row, column) for n in (3, 1, 2)]
    series = read_series(files(stack))
    assert numbers(series) == [1, 2, 3]
    assert series.geometry.direction == pytest.approx([0, 0, 1])


def test_each_slice_reads_as_it_does_alone():
    stack = head(5)
    series = read_series(files(stack[::-1]))
    for index, one in enumerate(stack):
        alone, among = decode_image(written(one)), series.decode(index)
        assert (alone.grey == among.grey).all()
        assert (alone.hounsfield == among.hounsfield).all()
        assert alone.notices == among.notices


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda stack: stack[-1].__setattr__("SeriesInstanceUID", uid("another")), "2 series"),
        (lambda stack: stack[-1].__setattr__("FrameOfReferenceUID", uid("another")), "2 frames of reference"),
        (lambda stack: stack[-1].__setattr__("Modality", "MR"), "2 modalities"),
        (lambda stack: stack[-1].__setattr__("ImageOrientationPatient", [1, 0, 0, 0, 0, -1]), "orientations"),
        (lambda stack: stack[-1].__setattr__("PixelSpacing", [2, 2]), "Pixel Spacings"),
        (
            lambda stack: stack[-1].__setattr__("ImagePositionPatient", stack[0].ImagePositionPatient),
            "one place",
        ),
        (lambda stack: stack[-1].__setattr__("SOPInstanceUID", stack[0].SOPInstanceUID), "SOP Instance UID"),
    ],
)
def test_what_is_no_one_stack_is_refused(change, told):
    stack = head(6)
    change(stack)
    error = refusal(files(stack))
    assert (error.reason, told in error.description) == (Reason.INPUT_INCONSISTENT, True), error


@pytest.mark.parametrize("keyword", ["ImagePositionPatient", "PixelSpacing"])
def test_slices_of_which_some_lack_their_place_are_refused(keyword):
    stack = head(6)
    del stack[2][keyword]
    assert refusal(files(stack)).reason is Reason.INPUT_MALFORMED


def test_a_missing_slice_is_told_with_its_place():
    stack = head(10)
    del stack[4]
    (notice,) = read_series(files(shuffled(stack))).notices
    assert (notice.reason, notice.review_required) == ("SERIES_SLICES_MISSING", True)
    assert notice.message.startswith("1 slice is missing")
    assert notice.places == ("InstanceNumber", "slices[3] to slices[4]")


def test_several_missing_slices_are_counted_by_position_alone():
    stack = [one for index, one in enumerate(head(20)) if index not in {5, 6, 12}]
    for number, one in enumerate(stack, start=1):
        one.InstanceNumber = number
    (notice,) = read_series(files(stack)).notices
    assert notice.message.startswith("3 slices are missing")
    assert notice.places == ("slices[4] to slices[5]", "slices[9] to slices[10]")


def test_every_second_slice_shows_by_the_numbers_and_by_the_gaps():
    assert reasons(read_series(files(head(20)[::2]))) == [
        "SERIES_SLICES_MISSING",
        "SERIES_GAPS_BETWEEN_SLICES",
    ]


def test_thicker_slices_further_apart_are_uneven_and_not_missing():
    """A head is often taken in 2.5 mm through the base and in 5 mm above."""
    start = first_position()
    heights = [*np.arange(0, 25, 2.5), *np.arange(25, 60, 5.0)]
    stack = [
        slice_of_head(n, above(start, z), SliceThickness=2.5 if z < 25 else 5.0)
        for n, z in enumerate(heights, start=1)
    ]
    (notice,) = read_series(files(stack)).notices
    assert (notice.reason, notice.review_required) == ("SERIES_SPACING_UNEVEN", True)


def test_slices_further_apart_than_they_are_thick_are_told():
    (notice,) = read_series(files(head(8, step_mm=10))).notices
    assert (notice.reason, notice.review_required) == ("SERIES_GAPS_BETWEEN_SLICES", True)


def test_overlapping_slices_are_usual():
    assert read_series(files(head(8, step_mm=2.5))).notices == ()


def test_the_same_file_twice_is_read_once_and_told():
    sent = files(head(6))
    (notice,) = read_series([*sent, sent[2]]).notices
    assert (notice.reason, notice.review_required) == ("SERIES_SLICE_REPEATED", True)
    assert len(read_series([*sent, sent[2]])) == 6


def test_a_localizer_is_left_out_and_told_even_as_a_series_of_its_own():
    scout = slice_of_head(
        1,
        (-128, 0, 128),
        (1, 0, 0),
        (0, 0, -1),
        ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"],
        SOPInstanceUID=uid("scout"),
        SeriesInstanceUID=uid("scouts"),
    )
    series = read_series(files([scout, *head(6)]))
    assert len(series) == 6
    (notice,) = series.notices
    assert (notice.reason, notice.review_required) == ("SERIES_LOCALIZER_LEFT_OUT", True)


def test_a_tilted_gantry_is_told_and_its_order_is_right():
    series = read_series(files(shuffled(tilted_head(20))))
    assert numbers(series) == list(range(1, 21))
    assert reasons(series) == ["SERIES_TILTED"]
    assert series.geometry.spacing_mm == pytest.approx(SLICE_MM * np.cos(np.deg2rad(20)), rel=1e-4)


def test_a_patient_who_moved_is_told():
    stack = head(10)
    x, y, z = stack[5].ImagePositionPatient
    stack[5].ImagePositionPatient = [x, float(y) + 12, z]
    (notice,) = read_series(files(stack)).notices
    assert (notice.reason, notice.review_required) == ("SERIES_SLICES_SHIFTED", True)


def test_slices_without_places_are_taken_by_number_and_told():
    stack = head(6)
    for one in stack:
        del one.ImagePositionPatient
    series = read_series(files(shuffled(stack)))
    assert numbers(series) == list(range(1, 7))
    assert series.geometry is None
    (notice,) = series.notices
    assert (notice.reason, notice.review_required) == ("SERIES_ORDER_ASSUMED", True)


def test_identifiers_that_are_missing_are_told():
    stack = head(4)
    del stack[1].FrameOfReferenceUID
    (notice,) = read_series(files(stack)).notices
    assert (notice.reason, notice.places) == ("DICOM_ATTRIBUTE_ASSUMED", ("FrameOfReferenceUID",))


def test_an_enhanced_object_is_ordered_by_the_places_of_its_frames():
    stack = shuffled(head(12))
    series = read_series([written(enhanced(stack))])
    heights = [float(one.ImagePositionPatient[2]) for one in stack]
    assert [one.frame for one in series.slices] == list(np.argsort(heights))
    assert series.notices == ()


def test_nothing_that_is_told_quotes_the_files():
    stack = head(10)
    del stack[4]
    series = read_series(files(stack))
    shown = repr(series.notices) + repr(series.slices)
    assert stack[0].SOPInstanceUID not in shown
    assert stack[0].SeriesInstanceUID not in shown
