"""What a scheduler needs of a network: logits of what follows, and a memory of what was read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


class Cache(Protocol):
    """What a network remembers of the tokens of some rows."""

    @property
    def length(self) -> int:
        """Places of each row, padding included."""
        ...

    def select(self, rows: Sequence[int], first: int) -> Cache:
        """These rows alone, without the places before `first`."""
        ...

    def beside(self, other: Cache) -> Cache:
        """The rows of both; the shorter one is padded on the left."""
        ...


class Network(Protocol):
    """What a scheduler needs of a network."""

    vocabulary_count: int

    def run(self, ids: Ints, mask: Ints, positions: Ints, past: Cache | None) -> tuple[Floats, Cache]:
        """Logits FP32 [batch, vocabulary] of what follows the last token, and the cache with these tokens."""
        ...
