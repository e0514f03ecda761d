"""The inputs that are kept: a folder a parser, a file an input, named by its digest."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent / "inputs"
