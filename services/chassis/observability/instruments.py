"""What a service counts and measures: OpenTelemetry's rpc and gen_ai metrics, and the mesh's own."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Final

from opentelemetry import metrics, trace
from opentelemetry.context import Context
from opentelemetry.metrics import CallbackOptions, Meter, Observation

from services.chassis.observability.attributes import Attributes, Value

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60, 120)
"""Bounds of durations: those that the conventions advise, and on to the longest deadline."""
ROWS: Final = (1, 2, 4, 8, 16, 32, 64, 128)
TOKENS: Final = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536)

Reading = Callable[[], Iterable[tuple[float, Attributes]]]
"""Values now, each with its attributes."""


_MOST_WAITING = 64
_UNTRACED: Final = Context()


class _Waiting:
    """Values on their way to the meter, which takes them many at once: to take one costs it a hundred calls,
    for which, one by one among other work, the processor's caches have no room. All are there when
    somebody reads the metrics.
    """

    def __init__(self, meter: Meter) -> None:
        self._values: deque[tuple[Callable[..., None], float, Attributes]] = deque()
        meter.create_observable_gauge("medmesh.metrics.waiting", [self._observed])

    def add(self, take: Callable[..., None], value: float, attributes: Attributes) -> None:
        """Adds a value for `take`, at once where it is an exemplar of a trace."""
        if trace.get_current_span().get_span_context().trace_flags.sampled:
            take(value, attributes)
            return
        self._values.append((take, value, dict(attributes)))
        if len(self._values) >= _MOST_WAITING:
            self.hand_over()

    def hand_over(self) -> None:
        """Gives the meter all that waits."""
        with suppress(IndexError):  # none is left: another thread may hand over too
            while True:
                take, value, attributes = self._values.popleft()
                take(value, attributes, _UNTRACED)

    def _observed(self, _: CallbackOptions) -> Iterable[Observation]:
        self.hand_over()  # before the meter gives what it has to whoever reads
        return ()


class Histogram:
    """A distribution of values, which takes registered attributes alone."""

    def __init__(self, histogram: metrics.Histogram, waiting: _Waiting) -> None:
        self._histogram, self._waiting = histogram, waiting

    def record(self, value: float, attributes: Attributes) -> None:
        """Adds one value."""
        self._waiting.add(self._histogram.record, value, attributes)


class Counter:
    """A sum that only grows, which takes registered attributes alone."""

    def __init__(self, counter: metrics.Counter, waiting: _Waiting) -> None:
        self._counter, self._waiting = counter, waiting

    def add(self, count: int, attributes: Attributes) -> None:
        """Adds to the sum."""
        self._waiting.add(self._counter.add, count, attributes)


class Instruments:
    """Of one service. On a meter that does nothing they cost a call each."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._waiting = _Waiting(meter)
        self._readings: dict[str, list[Reading]] = {}
        self._taking: dict[str, Callable[[Any, Attributes], None]] = {}
        self.server_duration = self._seconds(
            "rpc.server.call.duration", "Time to answer a call, by method and status."
        )
        self.client_duration = self._seconds(
            "rpc.client.call.duration", "Time until a service or Triton answers, by method and status."
        )
        self.queue_duration = self._seconds(
            "medmesh.server.queue.duration", "Time that a call waits for its turn."
        )
        self.model_queue_duration = self._seconds(
            "medmesh.model.queue.duration", "Time that a call waits in the service for its turn at a model."
        )
        self.inference_duration = self._seconds(
            "medmesh.model.inference.duration", "Time until Triton has run a model, its queues included."
        )
        self.batch_size = self._histogram(
            "medmesh.model.batch_size", "{row}", "Rows that a service sends to a model in one request.", ROWS
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
        """Measures whatever `read` tells whenever somebody asks, and what was given so before."""
        readings = self._readings.setdefault(name, [])
        readings.append(read)
        if len(readings) > 1:
            return  # the meter would take no second one of a name, and say nothing

        def observations(_: CallbackOptions) -> Iterable[Observation]:
            return [Observation(value, _plain(found)) for one in readings for value, found in one()]

        self._meter.create_observable_gauge(name, [observations], unit=unit, description=description)

    def take(self, name: str, value: float, attributes: Attributes) -> None:
        """Adds a value that another process observed to the histogram or the sum of that name."""
        self._taking[name](value, attributes)

    def hand_over(self) -> None:
        """Gives the meter what is on its way to it."""
        self._waiting.hand_over()

    def _seconds(self, name: str, description: str) -> Histogram:
        return self._histogram(name, "s", description, SECONDS)

    def _histogram(self, name: str, unit: str, description: str, bounds: Sequence[float]) -> Histogram:
        made = self._meter.create_histogram(
            name, unit=unit, description=description, explicit_bucket_boundaries_advisory=bounds
        )
        histogram = Histogram(made, self._waiting)
        self._taking[name] = histogram.record
        return histogram

    def _counter(self, name: str, unit: str, description: str) -> Counter:
        counter = Counter(self._meter.create_counter(name, unit=unit, description=description), self._waiting)
        self._taking[name] = counter.add
        return counter


def _plain(attributes: Attributes) -> dict[str, Value]:
    return {str(name): value for name, value in attributes.items()}
