"""The spans of the last few traces, for the callers who made them: what `TraceService` hands back.

Only traces that are sampled are kept, a bounded number of them with a bounded number of spans each. A span
belongs to the identity whose call it is part of, and no other is shown it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from services.chassis.rpc import request

MAX_SPANS = 512
"""Of one trace."""
EVERYBODY = None
"""Whose the spans of Triton are: of everybody who has others of the trace."""

Key = tuple[int, str | None]


@dataclass
class Kept:
    """What is kept of one trace of one caller."""

    spans: list[ReadableSpan] = field(default_factory=list)
    dropped_count: int = 0
    """Spans beyond the bound."""


class KeptTraces(SpanProcessor):
    """Keeps ended spans; the oldest trace gives way to a new one."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._traces: OrderedDict[Key, Kept] = OrderedDict()
        self._lock = threading.Lock()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Nothing is kept of a span that has not ended."""

    def on_end(self, span: ReadableSpan) -> None:
        """Keeps a span for the caller of the request in progress."""
        current = request.current.get()
        if current is not None:
            self.add([span], current.caller)

    def add(self, spans: Iterable[ReadableSpan], identity: str | None) -> None:
        """Keeps spans for one identity, or for EVERYBODY who has others of their traces."""
        with self._lock:
            for span in spans:
                if span.context is None or self._count < 1:
                    continue
                key = (span.context.trace_id, identity)
                kept = self._traces.get(key)
                if kept is None:
                    kept = self._traces[key] = Kept()
                    if len(self._traces) > self._count:
                        self._traces.popitem(last=False)
                if len(kept.spans) < MAX_SPANS:
                    kept.spans.append(span)
                else:
                    kept.dropped_count += 1

    def of(self, trace_id: int, identity: str) -> Kept:
        """What is kept of a trace for an identity; empty: nothing."""
        with self._lock:
            own = self._traces.get((trace_id, identity))
            if own is None:
                return Kept()
            other = self._traces.get((trace_id, EVERYBODY), Kept())
            return Kept([*own.spans, *other.spans], own.dropped_count + other.dropped_count)
