"""A volume holds, at every place, what the head that was scanned has there."""

from __future__ import annotations

import random
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from services.chassis.errors import InvalidInput, Reason
from services.imaging.series.assembly import read_volume
from services.imaging.series.limits import SeriesLimits
from services.imaging.series.reading import read_series
from tests.imaging.series.stacks import (
    PIXEL_MM,
    SIDE,
    SLICE_MM,
    above,
    enhanced,
    files,
    first_position,
    head,
    hounsfield,
    slice_of_head,
    tilted_head,
    written,
)


def truth(shape, first, steps):
    """Hounsfield units of a grid whose first voxel lies at `first` (left, back, up), by the head itself."""
    z, y, x = (np.arange(count) * step for count, step in zip(shape, steps, strict=True))
    places = np.meshgrid(first[2] + z, first[1] + y, first[0] + x, indexing="ij")
    return np.rint(hounsfield(*places[::-1]))


def test_a_volume_is_the_head_slice_by_slice():
    stack = head()
    random.Random(3).shuffle(stack)
    volume = read_volume(read_series(files(stack)))
    assert volume.hounsfield.shape == (30, SIDE, SIDE)
    assert [axis[1] for axis in volume.positions_mm] == [SLICE_MM, PIXEL_MM, PIXEL_MM]
    assert volume.axes == "SPL"
    expected = truth((30, SIDE, SIDE), first_position(), (SLICE_MM, PIXEL_MM, PIXEL_MM))
    assert (volume.hounsfield == expected).all()


def test_an_enhanced_object_gives_the_same_volume():
    stack = head(10)
    one = read_volume(read_series([written(enhanced(stack[::-1]))]))
    other = read_volume(read_series(files(head(10))))
    assert (one.hounsfield == other.hounsfield).all()


@pytest.mark.parametrize(
    ("row", "column"),
    [((-1, 0, 0), (0, 1, 0)), ((1, 0, 0), (0, -1, 0)), ((0, 1, 0), (1, 0, 0)), ((0, -1, 0), (-1, 0, 0))],
)
def test_slices_that_lie_otherwise_are_set_upright(row, column):
    """Rows to the back, columns to the left, whichever way the scanner wrote them."""
    start = first_position(row, column)
    stack = [slice_of_head(n, above(start, n * SLICE_MM), row, column) for n in range(8)]
    volume = read_volume(read_series(files(stack)))
    corner = np.array([0.0, 0.0, 0.0])
    for axis in (np.array(row, float), np.array(column, float)):
        corner = np.minimum(corner, corner + axis * (SIDE - 1) * PIXEL_MM)
    expected = truth(volume.hounsfield.shape, start + corner, (SLICE_MM, PIXEL_MM, PIXEL_MM))
    assert (volume.hounsfield == expected).all()


def test_pixels_that_are_not_square_keep_their_sides_when_turned():
    row, column = (0, 1, 0), (1, 0, 0)
    start = first_position(row, column)
    stack = [
        slice_of_head(n, above(start, n * SLICE_MM), row, column, PixelSpacing=[2.0, 3.0]) for n in range(3)
    ]
    volume = read_volume(read_series(files(stack)))
    assert [axis[1] for axis in volume.positions_mm] == [SLICE_MM, 3.0, 2.0]
    assert volume.axes == "SPL"


def test_a_tilted_stack_is_set_upright():
    """In the stack's own axes: along the slices' normal, down their columns, along their rows."""
    angle = np.deg2rad(20)
    volume = read_volume(read_series(files(tilted_head(20, count=20))))
    slices, rows, columns = volume.hounsfield.shape
    assert columns == SIDE
    assert rows >= SIDE + 19 * SLICE_MM * np.sin(angle) / PIXEL_MM - 1
    column, normal = np.array([0, np.cos(angle), np.sin(angle)]), np.array([0, -np.sin(angle), np.cos(angle)])
    start = first_position((1, 0, 0), tuple(column))
    k, j, i = np.meshgrid(volume.positions_mm[0], np.arange(rows), np.arange(columns), indexing="ij")
    place = [start[a] + k * normal[a] + j * PIXEL_MM * column[a] for a in range(3)]
    place[0] = place[0] + i * PIXEL_MM
    error = np.abs(volume.hounsfield - hounsfield(*place))
    inside = hounsfield(*place) > -1000
    covered = np.zeros_like(inside)
    for index in range(slices):
        first = int(np.ceil(index * SLICE_MM * np.sin(angle) / PIXEL_MM))
        covered[index, first + 1 : first + SIDE - 2] = True
    # Linear shifts smear the edges of bone; within the brain they are exact to a unit or two.
    brain = inside & covered & (np.abs(hounsfield(*place)) < 200)
    eroded = brain.copy()
    for step in (1, 2):
        eroded[:, step:] &= brain[:, :-step]
        eroded[:, :-step] &= brain[:, step:]
    assert eroded.sum() > 5000
    assert error[eroded].max() < 3


def test_a_volume_is_resampled_to_the_distances_that_are_asked_for():
    volume = read_volume(read_series(files(head(20))))
    even = volume.resampled((2.5, 4.0, 4.0)).hounsfield
    assert even.shape == (39, SIDE, SIDE)
    assert (even[::2] == volume.hounsfield).all()
    between = (volume.hounsfield[:-1].astype(float) + volume.hounsfield[1:]) / 2
    assert np.abs(even[1::2] - between).max() <= 0.5


def test_uneven_slices_are_resampled_by_where_they_lie():
    start = first_position()
    heights = [0.0, 5.0, 7.5, 10.0, 20.0]
    stack = [slice_of_head(n, above(start, z)) for n, z in enumerate(heights, start=1)]
    volume = read_volume(read_series(files(stack)))
    even = volume.resampled((5.0, 4.0, 4.0)).hounsfield.astype(float)
    assert (even[[0, 1, 2, 4]] == volume.hounsfield[[0, 1, 3, 4]]).all()
    assert np.abs(even[3] - (even[2] + even[4]) / 2).max() <= 0.5


def test_distances_are_counted_from_the_first_centre():
    """Every second row and every fourth column lie where voxels do."""
    volume = read_volume(read_series(files(head(4))))
    coarse = volume.resampled((SLICE_MM, 2 * PIXEL_MM, 4 * PIXEL_MM)).hounsfield
    assert coarse.shape == (4, 33, 17)
    assert (coarse[:, :32, :16] == volume.hounsfield[:, ::2, ::4]).all()


@pytest.mark.parametrize("codes", ["RAS", "LPS", "SPL", "IRP", "ALI"])
def test_axes_go_where_they_are_asked_to(codes):
    """Every voxel keeps its place in the patient, and the slices' distances their order."""
    start, steps = first_position(), {"S": SLICE_MM, "P": PIXEL_MM, "L": PIXEL_MM}
    volume = read_volume(read_series(files(head(5))))
    turned = volume.oriented(codes)
    opposite = {"I": "S", "A": "P", "R": "L"}
    ends = {"S": 4 * SLICE_MM, "P": (SIDE - 1) * PIXEL_MM, "L": (SIDE - 1) * PIXEL_MM}
    origin = {"L": start[0], "P": start[1], "S": start[2]}
    grid = np.meshgrid(*turned.positions_mm, indexing="ij")
    place = {}
    for letter, along in zip(codes, grid, strict=True):
        axis = opposite.get(letter, letter)
        place[axis] = origin[axis] + (along if axis == letter else ends[axis] - along)
    assert (turned.hounsfield == np.rint(hounsfield(place["L"], place["P"], place["S"]))).all()
    assert turned.axes == codes
    assert np.shares_memory(turned.hounsfield, volume.hounsfield)
    assert [axis[1] for axis in turned.positions_mm] == [steps[opposite.get(c, c)] for c in codes]


def test_a_volume_across_the_body_has_no_axes_to_turn():
    angle = np.deg2rad(45)
    row, column = (np.cos(angle), np.sin(angle), 0.0), (-np.sin(angle), np.cos(angle), 0.0)
    start = first_position(row, column)
    stack = [slice_of_head(n, above(start, n * SLICE_MM), row, column) for n in range(4)]
    volume = read_volume(read_series(files(stack)))
    assert volume.axes == ""
    with pytest.raises(InvalidInput) as refused:
        volume.oriented("RAS")
    assert refused.value.reason is Reason.INPUT_UNSUPPORTED


def test_finer_places_lie_on_the_line_between_two():
    volume = read_volume(read_series(files(head(3))))
    fine = volume.resampled((SLICE_MM, PIXEL_MM, PIXEL_MM / 4)).hounsfield.astype(float)
    left, right = volume.hounsfield[..., :-1].astype(float), volume.hounsfield[..., 1:]
    for quarter in range(4):
        expected = left + (right - left) * quarter / 4
        assert np.abs(fine[..., quarter : 4 * (SIDE - 1) : 4] - expected).max() <= 0.5 + 1e-3


@pytest.mark.parametrize("keyword", ["ImagePositionPatient", "PixelSpacing"])
def test_slices_without_their_place_make_no_volume(keyword):
    stack = head(4)
    for one in stack:
        del one[keyword]
    with pytest.raises(InvalidInput) as refused:
        read_volume(read_series(files(stack)))
    assert refused.value.reason is Reason.INPUT_UNSUPPORTED


def test_values_that_are_no_hounsfield_units_make_no_volume():
    series = read_series(files(head(4, RescaleSlope=None, RescaleIntercept=None, RescaleType=None)))
    with pytest.raises(InvalidInput) as refused:
        read_volume(series)
    assert refused.value.reason is Reason.INPUT_UNSUPPORTED


def test_a_volume_that_would_be_too_large_is_refused_before_it_is_decoded():
    series = read_series(files(head(4)))
    with pytest.raises(InvalidInput) as refused:
        read_volume(series, replace(SeriesLimits(), max_voxel_count=4 * SIDE * SIDE - 1))
    assert refused.value.reason is Reason.INPUT_TOO_LARGE


@pytest.mark.slow
def test_only_one_volume_and_one_slice_are_held():
    """Beside the files, two bytes a voxel and what one slice takes."""
    sent = files(head(200, step_mm=1.0, SliceThickness=1))
    series = read_series(sent)
    tracemalloc.start()
    volume = read_volume(series)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert volume.hounsfield.nbytes == 200 * SIDE * SIDE * 2
    assert peak < volume.hounsfield.nbytes + 40 * SIDE * SIDE * 8
