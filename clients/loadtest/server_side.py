"""What the servers say of themselves while they are loaded: Triton's split of each request into waiting and
computing, the services' requests at work, their queues and breakers, health, and how busy this machine is.
"""

from __future__ import annotations

import asyncio
import time
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from clients.loadtest.generator import open_channel
from medmesh.connection import Connection

INTERVAL_S = 1.0
TIMEOUT_S = 2.0
AT_WORK = "medmesh_server_active_requests"
WAITING = "medmesh_server_queue_length"
BREAKER = "medmesh_upstream_breaker_open"
_LOADED = (AT_WORK, WAITING, BREAKER)
"""Gauges that say how loaded the services are: they come first, and also where nothing happened to them."""
_TRITON = "nv_"
_OURS = ("medmesh_", "rpc_", "triton_", "gen_ai_")
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))

Key = tuple[str, tuple[tuple[str, str], ...]]
"""A sample's name, and its labels in order."""
Scrape = dict[Key, float]


@dataclass(frozen=True)
class ModelFigures:
    """What Triton says of one version of a model over the run."""

    model: str
    version: str
    requests: int
    failures: int
    batch: float
    """Inferences an execution: what batching made of the load."""
    queue_ms: float
    """How long a request waited on average, in the services for its turn and at Triton."""
    compute_ms: float
    """How long it was computed on average, inputs and outputs included."""


@dataclass
class Server:
    """The servers' side of a run."""

    metrics: Mapping[str, str]
    """By address that is asked: whose metrics are there."""
    connection: Connection
    services: Sequence[str]
    times: list[float] = field(default_factory=list)
    """When each scrape was made, in seconds of the run."""
    scrapes: list[Scrape] = field(default_factory=list)
    gauges: set[str] = field(default_factory=set)
    """Names of the metrics that are gauges."""
    busy: list[float] = field(default_factory=list)
    """Share of this machine's cores that was used before each scrape."""
    health: dict[str, list[tuple[float, str]]] = field(default_factory=dict)
    """By service: its state, and each change of it."""
    _known: dict[str, Scrape] = field(default_factory=dict)
    """By address: what it said last."""
    _unanswered: Counter[str] = field(default_factory=Counter)
    _why: dict[str, str] = field(default_factory=dict)

    async def watch(self, begin: float) -> None:
        """Asks every second until it is cancelled, and then once more."""
        channels = {service: open_channel(self.connection, service) for service in self.services}
        stubs = {service: health_pb2_grpc.HealthStub(channel) for service, channel in channels.items()}
        cpu = _cpu_times()
        try:
            while True:
                now = time.monotonic() - begin
                scraped = await asyncio.gather(
                    *(asyncio.to_thread(self._scrape, url) for url in self.metrics)
                )
                self._add(now, scraped)
                before, cpu = cpu, _cpu_times()
                self.busy.append(_busy(before, cpu))
                await asyncio.gather(*(self._check(service, stub, now) for service, stub in stubs.items()))
                await asyncio.sleep(max(0.05, INTERVAL_S - (time.monotonic() - begin - now)))
        finally:
            # Those that never answered are not waited for again.
            scraped = [self._scrape(url) for url in self.metrics if url in self._known]
            self._add(time.monotonic() - begin, scraped)
            self.busy.append(_busy(cpu, _cpu_times()))
            for channel in channels.values():
                await channel.close()

    def _add(self, now: float, scraped: Sequence[Scrape]) -> None:
        self.times.append(now)
        self.scrapes.append({key: value for one in scraped for key, value in one.items()})

    def unanswered(self) -> dict[str, str]:
        """By address that did not answer: why, and how often where it did at other times."""
        asked = len(self.times)
        return {
            url: f"{self._unanswered[url]} of {asked} times, {why}" if url in self._known else why
            for url, why in self._why.items()
        }

    def _scrape(self, url: str) -> Scrape:
        """What is there now. Of an address that does not answer: its counters as they were, so that they
        neither fall nor rise by all that they ever counted.
        """
        from prometheus_client.parser import text_string_to_metric_families  # here: no other command needs it

        try:
            found: Scrape = {}
            with _DIRECT.open(url, timeout=TIMEOUT_S) as answer:
                text = answer.read().decode("utf-8")
            for family in text_string_to_metric_families(text):
                if not family.name.startswith((_TRITON, *_OURS)):
                    continue
                if family.type == "gauge":
                    self.gauges.add(family.name)
                # The services' metrics have the same names and labels; Triton's are named by its models.
                whose = [("server", self.metrics[url])] if family.name.startswith(_OURS) else []
                for sample in family.samples:
                    found[sample.name, (*whose, *sorted(sample.labels.items()))] = float(sample.value)
        except (OSError, ValueError, HTTPException) as error:
            self._unanswered[url] += 1
            said = "it speaks no HTTP" if isinstance(error, HTTPException) else error
            self._why[url] = str(getattr(error, "reason", said))
            if isinstance(error, HTTPError):
                error.close()  # its body has not been read
            return {
                key: value for key, value in self._known.get(url, {}).items() if key[0] not in self.gauges
            }
        self._known[url] = found
        return found

    async def _check(self, service: str, stub: Any, now: float) -> None:
        try:
            answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S)
            state = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
        except grpc.RpcError as error:
            state = f"no answer ({error.code().name})"
        states = self.health.setdefault(service, [])
        if not states or states[-1][1] != state:
            states.append((now, state))

    def triton(self, since: float = 0.0) -> list[ModelFigures]:
        """Each model's figures from `since` (seconds of the run) on; those that were asked."""
        first, last = self._from(since), self._last()
        figures = []
        for model, version in sorted(_models(last)):
            change = _changes(first, last, model, version)
            requests = change["nv_inference_request_success"]
            failures = change["nv_inference_request_failure"]
            if not requests + failures:
                continue
            compute = sum(change[f"nv_inference_compute_{part}_duration_us"] for part in _PARTS)
            figures.append(
                ModelFigures(
                    model,
                    version,
                    round(requests),
                    round(failures),
                    change["nv_inference_count"] / max(1.0, change["nv_inference_exec_count"]),
                    _waited_us(change) / max(1.0, requests) / 1e3,
                    compute / max(1.0, requests) / 1e3,
                )
            )
        return figures

    def over_time(self, what: str) -> dict[str, list[float | None]]:
        """By model: mean `queue_ms` or `compute_ms` of the requests between two scrapes."""
        series: dict[str, list[float | None]] = {}
        figures = self.triton()
        few = _WORTH_DRAWING * sum(one.requests for one in figures)
        for model, version in [(one.model, one.version) for one in figures if one.requests >= few]:
            values: list[float | None] = [None]
            for before, after in zip(self.scrapes, self.scrapes[1:], strict=False):
                change = _changes(before, after, model, version)
                requests = change["nv_inference_request_success"]
                spent = (
                    _waited_us(change)
                    if what == "queue_ms"
                    else sum(change[f"nv_inference_compute_{part}_duration_us"] for part in _PARTS)
                )
                values.append(spent / requests / 1e3 if requests > 0 else None)
            if any(value is not None for value in values):
                series[model if version == "1" else f"{model} {version}"] = values
        return series

    def pending(self) -> dict[str, list[float | None]]:
        """By model: requests that wait in Triton's queue."""
        waiting = self._by_label("nv_inference_pending_request_count", ("model",))
        return {model: values for model, values in waiting.items() if any(values)}

    def own_gauges(self) -> dict[str, dict[str, list[float | None]]]:
        """By metric of the services that is a gauge: its values over time, by labels. Those of _LOADED, and
        the others that moved.
        """
        others = sorted(name for name in self.gauges - {*_LOADED} if name.startswith(_OURS))
        found = {}
        for name in (*_LOADED, *others):
            series = self._by_label(name, None)
            moved = any(len({*values} - {None}) > 1 for values in series.values())
            if moved or (series and name in _LOADED):
                found[name] = series
        return found

    def own_counters(self, since: float = 0.0) -> dict[str, float]:
        """How much each counter of the services grew; sums and counts of their histograms are among them."""
        first, last = self._from(since), self._last()
        grown: dict[str, float] = defaultdict(float)
        for (name, labels), value in last.items():
            if (
                name.startswith(_OURS)
                and name not in self.gauges
                and not name.endswith(("_bucket", "_created"))
            ):
                said = ", ".join(f"{key}={text}" for key, text in labels if key not in _SCOPE)
                grown[f"{name}{{{said}}}" if said else name] += value - first.get((name, labels), 0.0)
        return {name: value for name, value in sorted(grown.items()) if value}

    def _by_label(self, name: str, wanted: tuple[str, ...] | None) -> dict[str, list[float | None]]:
        series: dict[str, list[float | None]] = {}
        for index, scrape in enumerate(self.scrapes):
            for (found, labels), value in scrape.items():
                if found != name:
                    continue
                kept = [text for key, text in labels if key not in _SCOPE and (not wanted or key in wanted)]
                values = series.setdefault(" ".join(kept) or "all", [None] * len(self.scrapes))
                values[index] = value + (values[index] or 0.0)
        return series

    def _from(self, since: float) -> Mapping[Key, float]:
        """What was there nearest to that moment, but not what was there last: in a run of less than a second
        that may be nearest, and nothing would have grown.
        """
        there = [
            (abs(at - since), scrape) for at, scrape in zip(self.times, self.scrapes, strict=True) if scrape
        ]
        return min(there[:-1] or there, key=lambda one: one[0], default=(0.0, {}))[1]

    def _last(self) -> Mapping[Key, float]:
        return next((scrape for scrape in reversed(self.scrapes) if scrape), {})


_WORTH_DRAWING = 0.02
"""Share of Triton's requests below which a model's line, mostly of health checks, is only in the way."""
_PARTS = ("input", "infer", "output")
_SCOPE = {"otel_scope_name", "otel_scope_version", "otel_scope_schema_url", "gpu_uuid"}
"""Labels that say nothing here."""


def _models(scrape: Mapping[Key, float]) -> set[tuple[str, str]]:
    found = set()
    for name, labels in scrape:
        if name.startswith("nv_inference_request_success"):
            named = dict(labels)
            found.add((named.get("model", ""), named.get("version", "")))
    return found


def _waited_us(change: Mapping[str, float]) -> float:
    return change["nv_inference_queue_duration_us"] + change["medmesh_model_queue_duration_seconds_sum"] * 1e6


def _changes(
    before: Mapping[Key, float], after: Mapping[Key, float], model: str, version: str
) -> defaultdict[str, float]:
    """How much each of a model's counters grew, without the `_total` that the parser adds."""
    change: defaultdict[str, float] = defaultdict(float)
    for (name, labels), value in after.items():
        named = dict(labels)
        of = named.get("model", named.get("medmesh_model_name"))
        if of == model and named.get("version", named.get("medmesh_model_version")) == version:
            change[name.removesuffix("_total")] += max(0.0, value - before.get((name, labels), 0.0))
    return change


def _cpu_times() -> tuple[float, float]:
    """Time that all cores were busy, and all of it, since this machine started; zeros where it is unknown."""
    try:
        numbers = [
            float(text)
            for text in Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:9]
        ]
    except (OSError, ValueError, IndexError):
        return 0.0, 0.0
    return sum(numbers) - numbers[3] - numbers[4], sum(numbers)


def _busy(before: tuple[float, float], after: tuple[float, float]) -> float:
    whole = after[1] - before[1]
    return (after[0] - before[0]) / whole if whole > 0 else 0.0
