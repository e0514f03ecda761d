"""Log lines as OpenTelemetry's log records: what stands in the line on stderr is the record's body, with the
trace and the span that it belongs to.
"""

from __future__ import annotations

import json
import logging

from opentelemetry import context
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExporter
from opentelemetry.sdk.resources import Resource

from services.chassis.observability import log
from services.chassis.observability.telemetry import SCOPE

_SEVERITIES = {
    logging.DEBUG: SeverityNumber.DEBUG,
    logging.INFO: SeverityNumber.INFO,
    logging.WARNING: SeverityNumber.WARN,
    logging.ERROR: SeverityNumber.ERROR,
    logging.CRITICAL: SeverityNumber.FATAL,
}
_SENDERS = ("opentelemetry", "urllib3", "requests")
"""A line about a failed export, exported, would make the next."""


class LogExport(logging.Handler):
    """Sends the mesh's lines, and those of libraries without their text, to an exporter."""

    def __init__(self, exporter: LogRecordExporter, resource: Resource) -> None:
        super().__init__()
        self._provider = LoggerProvider(resource, shutdown_on_exit=False)
        self._provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
        self._logger = self._provider.get_logger(SCOPE)
        self._loggers = (logging.getLogger(log.ROOT), logging.getLogger())
        for logger in self._loggers:
            logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Hands one line on."""
        if record.name.partition(".")[0] in _SENDERS:
            return
        try:
            body = json.loads(json.dumps(log.content(record), default=str))
            self._logger.emit(
                LogRecord(
                    timestamp=int(record.created * 1e9),
                    context=context.get_current(),
                    severity_number=_SEVERITIES.get(record.levelno, SeverityNumber.INFO),
                    severity_text=record.levelname,
                    body=body,
                )
            )
        except Exception:  # noqa: BLE001 - logging's own way: a line must never end a request
            self.handleError(record)

    def close(self) -> None:
        """Sends what is left. Blocks for a few seconds at most."""
        for logger in self._loggers:
            logger.removeHandler(self)
        self._provider.shutdown()
        super().close()
