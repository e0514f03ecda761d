"""A mistyped setting is named, with the nearest one that exists, and its value is never shown."""

from __future__ import annotations

import pytest

from services.chassis import environment


def test_settings_of_any_process_of_the_mesh_are_known() -> None:
    names = ("MEDMESH_LISTEN", "MEDMESH_RECEIPT_FOLDER", "MEDMESH_TRITON_LOG", "MEDMESH_CLIENT_CA", "PATH")
    assert environment.unknown(names) == []


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("MEDMESH_MAXIMUM_DEADLINE", "MEDMESH_MAXIMUM_DEADLINE_S"),
        ("MEDMESH_RECEIPTS_FOLDER", "MEDMESH_RECEIPT_FOLDER"),
        ("MEDMESH_TLS_CERTFICATE", "MEDMESH_TLS_CERTIFICATE"),
    ],
)
def test_a_mistyped_setting_is_named_with_the_nearest_one(name: str, nearest: str) -> None:
    (sentence,) = environment.unknown([name])
    assert sentence.startswith(f"{name} is not a setting")
    assert f"{nearest} is, did you mean that?" in sentence


def test_a_setting_unlike_all_others_has_no_suggestion() -> None:
    (sentence,) = environment.unknown(["MEDMESH_XYZZY_QQQ"])
    assert "did you mean" not in sentence
