"""What goes out by OTLP, as OpenTelemetry's standard environment variables say.

Nothing does unless an endpoint is set. The exporters themselves read `OTEL_EXPORTER_OTLP_*` (endpoints,
headers, certificates, timeout, compression), the batches `OTEL_BSP_*`, `OTEL_BLRP_*` and
`OTEL_METRIC_EXPORT_INTERVAL`.
"""

from __future__ import annotations

import importlib.metadata
import os
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from opentelemetry.sdk._logs.export import LogRecordExporter
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace.export import SpanExporter

from services.chassis.settings import SettingsError, is_loopback

if TYPE_CHECKING:
    from requests import Session

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
TRACES, METRICS, LOGS = "traces", "metrics", "logs"
_PROTOCOL = "http/protobuf"


def resource(service: str) -> Resource:
    """Who sends; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES add to it and take precedence."""
    own = Resource.create(
        {
            "service.name": f"medmesh-{service}",
            "service.namespace": "medmesh",
            "service.version": _version(),
            "service.instance.id": str(uuid.uuid4()),
        }
    )
    return own.merge(OTELResourceDetector().detect())


def _version() -> str:
    try:
        return importlib.metadata.version("medmesh")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def address(signal: str, base: str, environment: Mapping[str, str] = os.environ) -> str:
    """Where a signal (`traces`, `metrics`, `logs`) goes; empty: nowhere. `base`: the endpoint of all signals.

    Raises SettingsError for a protocol that is not spoken here.
    """
    own = environment.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT", "")
    exporter = environment.get(f"OTEL_{signal.upper()}_EXPORTER", "otlp")
    disabled = environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if disabled or "otlp" not in exporter.split(",") or not (own or base):
        return ""
    for key in (f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        if environment.get(key, _PROTOCOL) != _PROTOCOL:
            raise SettingsError(key, f"must be {_PROTOCOL}, which every collector takes at port 4318")
    return own or f"{base.rstrip('/')}/v1/{signal}"


def span_exporter(base: str) -> SpanExporter | None:
    """What sends spans; None: they go nowhere."""
    if not (url := address(TRACES, base)):
        return None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter(endpoint=url, session=_session(url))


def metric_reader(base: str) -> MetricReader | None:
    """What sends metrics; None: they go nowhere."""
    if not (url := address(METRICS, base)):
        return None
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

    return PeriodicExportingMetricReader(OTLPMetricExporter(endpoint=url, session=_session(url)))


def log_exporter(base: str) -> LogRecordExporter | None:
    """What sends log lines; None: they go nowhere."""
    if not (url := address(LOGS, base)):
        return None
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter

    return OTLPLogExporter(endpoint=url, session=_session(url))


def _session(url: str) -> Session:
    # Imported here, as the exporters above: they pull in an HTTP client, which nobody else needs.
    import requests

    session = requests.Session()
    # A proxy of the environment is for what lies beyond this machine.
    session.trust_env = not is_loopback(urlsplit(url).hostname or "")
    return session
