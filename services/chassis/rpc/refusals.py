"""Refusals that cost little when there are many: the first of a second are told as every call is, with a line
of their own in the log and in the audit log; those after them are counted, and told in one line for all that
are alike.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping

from services.chassis.observability.audit import COUNT

logger = logging.getLogger("medmesh.request")

TOLD_ONE_BY_ONE = 10
"""A second. Counting begins behind them."""
_SECOND_S = 1.0


class Refusals:
    """The refusals of one service; of one event loop."""

    def __init__(self, audit: Callable[[Mapping[str, object]], None] | None) -> None:
        """`audit` takes a record."""
        self._audit = audit
        self._since = 0.0
        self._told = 0
        self._counted: dict[tuple[tuple[str, str], ...], list[float]] = {}
        """Of those that are alike: how many, and seconds spent on them."""

    @property
    def are_many(self) -> bool:
        """Whether the next one of this second is only counted."""
        return self._told >= TOLD_ONE_BY_ONE and time.monotonic() - self._since < _SECOND_S

    def told(self) -> None:
        """One was told by itself."""
        now = time.monotonic()
        if now - self._since >= _SECOND_S:
            self._since, self._told = now, 0
        self._told += 1

    def count(self, facts: Mapping[str, str], elapsed_s: float) -> None:
        """One is told with all that have the same facts, within a second."""
        if not self._counted:
            asyncio.get_running_loop().call_later(_SECOND_S, self.tell)
        sums = self._counted.setdefault(tuple(facts.items()), [0, 0.0])
        sums[0] += 1
        sums[1] += elapsed_s

    def tell(self) -> None:
        """Writes what was counted."""
        counted, self._counted = self._counted, {}
        for facts, (count, elapsed_s) in counted.items():
            record = {**dict(facts), "elapsed_ms": round(elapsed_s * 1e3, 1), COUNT: count}
            if self._audit is not None:
                self._audit(record)
            logger.info("refused", extra={"facts": record})
