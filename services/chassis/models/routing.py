"""Models that generate text on a server of their own, the others on another one: a large language model wants
other hardware, and vLLM comes in a Triton without the other backends.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from services.chassis.models.inference import Answer, Arrays, Inference, ModelVersion


class RoutedInference:
    """Two servers as one (`services.chassis.models.inference.Inference`): what streams, and the rest."""

    def __init__(self, answers: Inference, streams: Inference) -> None:
        self._answers = answers
        self._streams = streams

    async def infer(
        self, model: ModelVersion, inputs: Arrays, *, timeout_s: float | None = None, priority: int = 0
    ) -> Answer:
        """See `Inference.infer`."""
        return await self._of(model).infer(model, inputs, timeout_s=timeout_s, priority=priority)

    def stream(
        self, model: ModelVersion, inputs: Arrays, *, timeout_s: float | None = None
    ) -> AsyncGenerator[Answer]:
        """See `Inference.stream`."""
        return self._of(model).stream(model, inputs, timeout_s=timeout_s)

    async def is_ready(self, model: ModelVersion) -> bool:
        """See `Inference.is_ready`."""
        return await self._of(model).is_ready(model)

    async def load(self, versions: Sequence[ModelVersion]) -> None:
        """See `Inference.load`. The versions of one model are of one kind."""
        await self._of(versions[0]).load(versions)

    async def unload(self, model: ModelVersion, kept: Sequence[ModelVersion]) -> None:
        """See `Inference.unload`."""
        await self._of(model).unload(model, kept)

    async def drop(self, model: ModelVersion) -> None:
        """See `Inference.drop`."""
        await self._of(model).drop(model)

    def _of(self, model: ModelVersion) -> Inference:
        return self._streams if model.streams else self._answers
