"""The rows of language: notes, medmesh beside the same models in a direct loop."""

from __future__ import annotations

from collections.abc import Sequence

from tools.bench.rows import Row

ROWS: Sequence[Row] = ()
