"""What the imaging models are trained with is what their cards declare."""

from __future__ import annotations

import pytest

from medmesh.common.v1.serving_pb2 import ImageGate
from tests.fakes import real_card
from training.image_gate.columns import FLAWS, GATE_LABELS, GATE_SIDE_PX, INVERTED, SOUND, UPSIDE_DOWN, Kind
from training.imaging.declared import preparation, side_px
from training.model_card import decided_serving

MODELS = ("chest_xray", "head_ct", "image_gate")


@pytest.mark.parametrize("name", MODELS)
def test_the_card_declares_the_steps_that_it_was_trained_with(name):
    card, decided = real_card(name), decided_serving(name)
    task = card.serving.WhichOneof("task")
    assert getattr(card.serving, task).preprocessing == getattr(decided, task).preprocessing
    assert list(card.inputs[0].shape) == [1, side_px(name), side_px(name)]
    assert preparation(name).tensor == card.inputs[0].name


def test_the_gates_columns_are_named_as_training_names_them():
    columns = real_card("image_gate").serving.image_gate.columns
    role = ImageGate.Column
    assert tuple(column.name for column in columns) == GATE_LABELS
    assert GATE_LABELS[: len(Kind)] == tuple(Kind)
    assert GATE_LABELS[len(Kind) :] == (UPSIDE_DOWN, INVERTED, SOUND, *FLAWS)
    kinds = [role.ROLE_KIND, role.ROLE_KIND, role.ROLE_OTHER]
    flags = [role.ROLE_UPSIDE_DOWN, role.ROLE_INVERTED, role.ROLE_SOUND]
    assert [column.role for column in columns] == [*kinds, *flags, *[role.ROLE_FLAW] * len(FLAWS)]
    assert GATE_SIDE_PX == 128
