"""A service's telemetry as its settings want it: spans, metrics and log lines by OTLP, `/metrics`, kept
traces.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from opentelemetry.sdk.metrics.export import MetricReader
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from services.chassis.observability import otlp
from services.chassis.observability.kept_traces import EVERYBODY, KeptTraces
from services.chassis.observability.telemetry import Telemetry
from services.chassis.settings import ServiceSettings


@contextmanager
def running(service: str, settings: ServiceSettings) -> Iterator[tuple[Telemetry, str]]:
    """The telemetry within the block, and the address of its door (empty: it has none). At the end what is
    left is sent, which may take some seconds. Raises SettingsError.
    """
    resource = otlp.resource(service)
    processors: tuple[SpanProcessor, ...] = ()
    readers: list[MetricReader] = []
    if exporter := otlp.span_exporter(settings.otlp_endpoint):
        processors = (BatchSpanProcessor(exporter),)
    if reader := otlp.metric_reader(settings.otlp_endpoint):
        readers.append(reader)
    with ExitStack() as stack:
        if log_exporter := otlp.log_exporter(settings.otlp_endpoint):
            # Imported here, as what a door needs below: who does not ask for them need not have them in
            # memory.
            from services.chassis.observability.log_export import LogExport

            stack.callback(LogExport(log_exporter, resource).close)
        kept = KeptTraces(settings.kept_trace_count)
        address = ""
        if settings.metrics_listen:
            from services.chassis.observability.door import Door
            from services.chassis.observability.prometheus import Scrape

            def take(spans: Sequence[ReadableSpan]) -> None:
                kept.add(spans, EVERYBODY)
                for processor in processors:
                    for span in spans:
                        processor.on_end(span)

            scrape = Scrape(resource)
            readers.append(scrape.reader)
            door = Door(settings.metrics_listen, scrape, take)
            stack.callback(door.close)
            address = door.address
        telemetry = Telemetry(
            service,
            resource=resource,
            kept=kept if settings.kept_trace_count else None,
            span_processors=processors,
            metric_readers=tuple(readers),
        )
        stack.callback(telemetry.close)
        yield telemetry, address
