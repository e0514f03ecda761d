from __future__ import annotations

import io

import numpy as np
from PIL import Image

from services.imaging.heat_map import OVERLAY_MAX_SIDE_PX, draw_masks, draw_overlay, heat_maps
from tests.imaging import samples


def test_heat_is_what_speaks_for_a_label_and_not_for_the_others():
    activation = np.zeros((3, 4, 4), np.float32)
    activation[0, 1, 1] = 5
    activation[:, 3, 3] = 9  # shared by all labels: decides nothing
    heat = heat_maps(activation, exclusive=True)
    assert heat[0, 1, 1] == 1
    assert heat[0, 3, 3] == 0
    assert not heat[1].any()


def test_a_map_without_evidence_is_zero_not_undefined():
    assert not heat_maps(np.zeros((2, 3, 3), np.float32), exclusive=True).any()


def test_the_overlay_colours_the_warm_place_and_leaves_the_cold_one():
    grey = samples.chest(2000, 1500)
    heat = np.zeros((8, 8), np.float32)
    heat[1, 1] = 1
    with Image.open(io.BytesIO(draw_overlay(grey, heat))) as image:
        assert image.format == "PNG"
        assert max(image.size) == OVERLAY_MAX_SIDE_PX
        drawn = np.asarray(image).astype(int)
    height, width, _ = drawn.shape
    warm = drawn[int(height * 1.5 / 8), int(width * 1.5 / 8)]
    cold = drawn[int(height * 6.5 / 8), int(width * 6.5 / 8)]
    assert warm.max() - warm.min() > 60
    assert cold.max() == cold.min()


def test_the_heat_of_independent_labels_is_not_counted_against_each_other():
    activation = np.zeros((2, 2, 2), np.float32)
    activation[:, 0, 0] = 4
    activation[1, 1, 1] = -3
    heat = heat_maps(activation, exclusive=False)
    assert heat[:, 0, 0].tolist() == [1, 1]
    assert heat[1, 1, 1] == 0


def test_masks_colour_what_they_cover_and_nothing_else():
    grey = np.full((64, 96), 100, np.uint8)
    left, right = np.zeros((64, 96), bool), np.zeros((64, 96), bool)
    left[:, :20] = True
    right[:, 80:] = True
    with Image.open(io.BytesIO(draw_masks(grey, [left, right]))) as image:
        drawn = np.asarray(image).astype(int)
    assert drawn[30, 50].tolist() == [100, 100, 100]
    colours = {tuple(drawn[30, column]) for column in (5, 90)}
    assert len(colours) == 2
    assert all(max(colour) > min(colour) for colour in colours)
