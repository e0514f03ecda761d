"""What a service counts and measures: OpenTelemetry's rpc and gen_ai metrics, and the mesh's own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Meter, Observation

from services.chassis.observability.attributes import Attributes, Value

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60, 120)
"""Bounds of durations: those that the conventions advise, and on to the longest deadline."""
ROWS: Final = (1, 2, 4, 8, 16, 32, 64, 128)
TOKENS: Final = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536)

Reading = Callable[[], Iterable[tuple[float, Attributes]]]
"""Values now, each with its attributes."""


class Histogram:
    """A distribution of values, which takes registered attributes alone."""

    def __init__(self, histogram: metrics.Histogram) -> None:
        self._histogram = histogram

    def record(self, value: float, attributes: Attributes) -> None:
        """Adds one value."""
        self._histogram.record(value, attributes)  # type: ignore[arg-type]  # a Name is a str


class Counter:
    """A sum that only grows, which takes registered attributes alone."""

    def __init__(self, counter: metrics.Counter) -> None:
        self._counter = counter

    def add(self, count: int, attributes: Attributes) -> None:
        """Adds to the sum."""
        self._counter.add(count, attributes)  # type: ignore[arg-type]  # a Name is a str


class Instruments:
    """Of one service. On a meter that does nothing they cost a call each."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self.server_duration = self._seconds(
            "rpc.server.call.duration", "Time to answer a call, by method and status."
        )
        self.client_duration = self._seconds(
            "rpc.client.call.duration", "Time until a service or Triton answers, by method and status."
        )
        self.queue_duration = self._seconds(
            "medmesh.server.queue.duration", "Time that a call waits for its turn."
        )
        self.inference_duration = self._seconds(
            "medmesh.model.inference.duration", "Time until Triton has run a model, its queue included."
        )
        self.batch_size = self._histogram(
            "medmesh.model.batch_size", "{row}", "Rows that a service sends to a model in one call.", ROWS
        )
        self.text_duration = self._seconds(
            "gen_ai.client.operation.duration", "Time until a model has written its text."
        )
        self.first_chunk = self._seconds(
            "gen_ai.client.operation.time_to_first_chunk", "Time until the first piece of a text is there."
        )
        self.tokens = self._histogram(
            "gen_ai.client.token.usage", "{token}", "Tokens that a model reads and writes.", TOKENS
        )
        self.compared = self._counter(
            "medmesh.candidate.compared", "{row}", "Rows on which a candidate was compared, by agreement."
        )
        self.missed = self._counter(
            "medmesh.candidate.missed", "{call}", "Calls that a candidate failed on or did not get to."
        )
        self.hedges = self._counter(
            "medmesh.upstream.hedges", "{call}", "Second calls for late ones, by whether they were faster."
        )
        self.diagnoses = self._counter(
            "medmesh.diagnosis.answers", "{answer}", "Diagnoses, by their completeness."
        )
        self.branches = self._counter(
            "medmesh.diagnosis.branches", "{branch}", "Parts of diagnoses, by whether they failed."
        )

    def observe(self, name: str, unit: str, description: str, read: Reading) -> None:
        """Measures whatever `read` tells whenever somebody asks."""

        def observations(_: CallbackOptions) -> Iterable[Observation]:
            return [Observation(value, _plain(attributes)) for value, attributes in read()]

        self._meter.create_observable_gauge(name, [observations], unit=unit, description=description)

    def _seconds(self, name: str, description: str) -> Histogram:
        return self._histogram(name, "s", description, SECONDS)

    def _histogram(self, name: str, unit: str, description: str, bounds: Sequence[float]) -> Histogram:
        made = self._meter.create_histogram(
            name, unit=unit, description=description, explicit_bucket_boundaries_advisory=bounds
        )
        return Histogram(made)

    def _counter(self, name: str, unit: str, description: str) -> Counter:
        return Counter(self._meter.create_counter(name, unit=unit, description=description))


def _plain(attributes: Attributes) -> dict[str, Value]:
    return {str(name): value for name, value in attributes.items()}
