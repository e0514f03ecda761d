"""The rows of the orchestrator: what a combined request costs beside its slowest branch."""

from __future__ import annotations

from collections.abc import Sequence

from tools.bench.rows import Row

ROWS: Sequence[Row] = ()
