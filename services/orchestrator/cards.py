"""The cards of the models that answer, asked from the services that serve them.

A card is looked up by what an answer's provenance says of its model, so that an answer is never weighed by
the card of another version. Looking up is bounded in time and never fails a request: an answer whose card is
not known is shown and does not count.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

from medmesh.common.v1.answer_pb2 import Provenance
from medmesh.common.v1.catalog_pb2 import ListModelsResponse
from medmesh.common.v1.model_card_pb2 import ModelCard
from services.chassis.errors import MedmeshError
from services.chassis.outcomes import outcomes
from services.orchestrator.convert.declaration import declaration_of
from services.orchestrator.declared import Declaration
from services.orchestrator.fusion import Source

logger = logging.getLogger("medmesh.orchestrator")

MAXIMUM_KEPT_COUNT = 512
"""Cards of so many versions are kept; the longest unused go first."""
RETRY_PAUSE_S = 5.0
"""A card that could not be obtained is not asked for again before."""
FIRST_INTERVAL_S = 1.0
"""Time between two tries while a service has not answered yet."""

_Key = tuple[str, str, str, str]


@dataclass(frozen=True)
class CardCalls:
    """The calls of one service's catalog. They raise the errors of `services.chassis.errors`."""

    list_models: Callable[[], Awaitable[ListModelsResponse]]
    get_card: Callable[[str], Awaitable[ModelCard]]
    problem: Callable[[], Awaitable[str]]
    """Why the service does not serve now; empty: it does."""


class ModelCards:
    """What the cards of the mesh's models declare of conditions."""

    def __init__(self, calls: Mapping[Source, CardCalls]) -> None:
        self._calls = calls
        self._known: OrderedDict[_Key, Declaration] = OrderedDict()
        self._served: dict[Source, tuple[Declaration, ...]] = {}
        self._asking: dict[_Key, asyncio.Task[None]] = {}
        self._failed_at: dict[_Key, float] = {}

    def of_answer(self, provenance: Provenance) -> Declaration | None:
        """What is declared of the model that gave an answer; None: its card is not known."""
        key = _key(provenance)
        found = self._known.get(key)
        if found is not None:
            self._known.move_to_end(key)
        return found

    def served(self) -> Mapping[Source, tuple[Declaration, ...] | None]:
        """The models that each source is served by, as last heard of; None: never heard of."""
        return {source: self._served.get(source) for source in self._calls}

    async def learn(self, source: Source, provenances: Iterable[Provenance], timeout_s: float) -> None:
        """Asks for the cards of these answers, as far as they are not known, and waits `timeout_s` at most.

        What comes later is known the next time.
        """
        asked = [self._ask(source, one) for one in provenances if self._is_wanted(_key(one))]
        if asked:
            await asyncio.wait(asked, timeout=max(timeout_s, 0.0))

    async def refresh(self, source: Source) -> None:
        """Reads again which models serve a source, and what their cards declare. Raises MedmeshError."""
        calls = self._calls[source]
        names = [model.name for model in (await calls.list_models()).models]
        cards = await outcomes([calls.get_card(name) for name in names])
        unexpected = [
            one for one in cards if isinstance(one, BaseException) and not isinstance(one, MedmeshError)
        ]
        if unexpected:
            raise unexpected[0]
        found = (_declared(card) for card in cards if isinstance(card, ModelCard))
        self._served[source] = tuple(one for one in found if one is not None)

    async def follow(self, interval_s: float) -> None:
        """Refreshes for ever: soon while a service has not answered yet, then every `interval_s` seconds."""
        while True:
            for source, calls in self._calls.items():
                if await calls.problem():
                    continue  # asking would tell the breaker of failures that no request has met
                try:
                    await self.refresh(source)
                except MedmeshError as error:
                    logger.debug("models not listed", extra={"facts": {"reason": error.reason.value}})
                except Exception:  # a fault of this service, e.g. of its token: it may pass
                    logger.exception("models not listed")
            heard_of_all = self._served.keys() == self._calls.keys()
            await asyncio.sleep(interval_s if heard_of_all else min(FIRST_INTERVAL_S, interval_s))

    def _is_wanted(self, key: _Key) -> bool:
        if key in self._known:
            return False
        return time.monotonic() - self._failed_at.get(key, -RETRY_PAUSE_S) >= RETRY_PAUSE_S

    def _ask(self, source: Source, provenance: Provenance) -> asyncio.Task[None]:
        key = _key(provenance)
        if key not in self._asking:
            task = asyncio.create_task(self._fetch(source, provenance))
            self._asking[key] = task
            task.add_done_callback(lambda _: self._asking.pop(key, None))
        return self._asking[key]

    async def _fetch(self, source: Source, provenance: Provenance) -> None:
        key = _key(provenance)
        try:
            card = await self._calls[source].get_card(provenance.model_name)
        except MedmeshError as error:
            logger.warning(
                "card not had",
                extra={"facts": {"model": provenance.model_name, "reason": error.reason.value}},
            )
            card = None
        except Exception:  # as above; nobody waits for this task
            logger.exception("card not had", extra={"facts": {"model": provenance.model_name}})
            card = None
        declared = _declared(card) if card is not None and _describes(card, provenance) else None
        if declared is None:
            if len(self._failed_at) >= MAXIMUM_KEPT_COUNT:
                self._failed_at.clear()
            self._failed_at[key] = time.monotonic()
            return
        self._failed_at.pop(key, None)
        self._known[key] = declared
        while len(self._known) > MAXIMUM_KEPT_COUNT:
            self._known.popitem(last=False)
        others = (one for one in self._served.get(source, ()) if one.model != declared.model)
        if source in self._served:
            self._served[source] = (*others, declared)


def _key(provenance: Provenance) -> _Key:
    return (
        provenance.model_name,
        provenance.card_version,
        provenance.model_sha256,
        provenance.weights_sha256,
    )


def _describes(card: ModelCard, provenance: Provenance) -> bool:
    """Whether it is the card of the very version that answered: a reload may lie between both."""
    return (
        card.version == provenance.card_version
        and card.weights_sha256.lower() == provenance.weights_sha256.lower()
    )


def _declared(card: ModelCard) -> Declaration | None:
    try:
        return declaration_of(card)
    except ValueError as error:
        logger.warning("card not usable", extra={"facts": {"model": card.name, "problem": str(error)}})
        return None
