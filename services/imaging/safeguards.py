"""Whether the gates that models rely on are there: what they should judge is answered without them, with a
notice, and whoever runs the service has to hear of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from services.chassis.models.catalog import Catalog
from services.chassis.observability.attributes import Attributes, Name
from services.imaging.applicability import Applicability
from services.imaging.tasks import GATE, READERS

PART = "safeguards"
"""Its name in health."""
_READING = frozenset(task.name for task in READERS)


class Safeguards:
    """Which models' cards ask for a gate, and have none that answers."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._unjudged: frozenset[str] = frozenset()

    async def problem(self) -> str:
        """Asks the gates: the ones that do not answer and the models that are not judged therefore, by their
        names; empty: each model that asks for one has one (a `health.Check`).
        """
        gates = [e for e in self._catalog.entries() if e.checked.task == GATE.name]
        served = [(e, e.served) for e in gates if e.served is not None]
        ready = await asyncio.gather(*(model.is_ready() for _, model in served))
        answering = [e.made for (e, _), answers in zip(served, ready, strict=True) if answers]
        known = frozenset[str]().union(*(gate.kinds for gate in answering if gate.is_default))
        unjudged = [name for name, relied in self._relying() if not relied.gate_kinds & known]
        self._unjudged = frozenset(unjudged)
        if not unjudged:
            return ""
        names = {gate.name for gate in answering}
        missing = ", ".join(e.name for e in gates if e.name not in names) or "no gate is served"
        return f"missing: {missing}; not judged: {', '.join(unjudged)}"

    def unjudged(self) -> Iterator[tuple[float, Attributes]]:
        """1 for each model that was without a gate when they were last asked, 0 for the others that ask for
        one.
        """
        for name, _ in self._relying():
            yield int(name in self._unjudged), {Name.MODEL: name}

    def _relying(self) -> Iterator[tuple[str, Applicability]]:
        for entry in self._catalog.entries():
            if entry.made is not None and entry.checked.task in _READING and entry.made.applies_to.gate_kinds:
                yield entry.name, entry.made.applies_to
