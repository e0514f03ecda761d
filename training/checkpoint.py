"""Checkpoints of a training that is interrupted: whole or absent, and of one recipe."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def save(path: Path, recipe: DataclassInstance, state: dict[str, Any]) -> None:
    """Write the state in the place of the one before; an interruption leaves one or the other."""
    part = path.with_suffix(".part")
    torch.save({"recipe": dataclasses.asdict(recipe), **state}, part)
    part.replace(path)


def load(path: Path, recipe: DataclassInstance) -> dict[str, Any] | None:
    """The state that `save` wrote, on the CPU; None where nothing was written.

    Exits where it comes from another recipe: going on from it would be neither the one training nor the
    other.
    """
    if not path.is_file():
        return None
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    if state["recipe"] != dataclasses.asdict(recipe):
        raise SystemExit(f"{path} is of another recipe or seed: remove it, or name another folder with --run")
    return state
