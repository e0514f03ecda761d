"""The log: one JSON object a line on stderr. Facts are ids, sizes and names.

Exceptions lose their text, and so does whatever libraries log or warn of: both may quote patient data. What
is left is where it came from.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any, TextIO

from services.chassis.observability import telemetry
from services.chassis.rpc import request

ROOT = "medmesh"
"""Name of the logger above all loggers of the mesh."""


def configure(service: str, level: str, stream: TextIO | None = None) -> logging.Handler:
    """Sends the log of the mesh as JSON to `stream` (default: stderr); returns the handler."""
    handler = logging.StreamHandler(stream if stream is not None else sys.stderr)
    handler.setFormatter(JsonFormatter(service))
    # Nobody asks for these, and each record would look them up.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logger = logging.getLogger(ROOT)
    logger.setLevel(level.upper())
    logger.addHandler(handler)
    logger.propagate = False
    return handler


def withhold_foreign_text(handler: logging.Handler, loop: asyncio.AbstractEventLoop) -> None:
    """Sends warnings and errors of libraries, and the loop's own complaints, to `handler` without their
    text.
    """
    logging.getLogger().addHandler(handler)
    logging.captureWarnings(capture=True)
    loop.set_exception_handler(_log_lost_exception)


def _log_lost_exception(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    # asyncio's own handler prints the repr of the exception, which holds its text.
    error = context.get("exception")
    logging.getLogger(f"{ROOT}.loop").error("an exception was never handled", exc_info=error)


class JsonFormatter(logging.Formatter):
    """Renders a record as one line of JSON. `extra={"facts": {...}}` adds fields."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "service": self._service,
        }
        return json.dumps(line | content(record), default=str, ensure_ascii=False)


def content(record: logging.LogRecord) -> dict[str, Any]:
    """What a line says: the text of the mesh's own records alone, the request's and the trace's id, the
    facts.
    """
    line: dict[str, Any] = {"logger": record.name}
    if record.name == ROOT or record.name.startswith(f"{ROOT}."):
        line["message"] = record.getMessage()
    else:
        line["message"] = "text withheld"
        line["place"] = f"{record.pathname}:{record.lineno}"
    current = request.current.get()
    if current is not None:
        line["request_id"] = current.request_id
    trace_id = telemetry.trace_id()
    if trace_id:
        line["trace_id"] = trace_id
    line.update(getattr(record, "facts", {}))
    if record.exc_info and record.exc_info[1] is not None:
        line["exception"] = describe(record.exc_info[1])
    return line


def describe(error: BaseException) -> list[dict[str, Any]]:
    """Types and places of an exception and its causes, without their texts: these may quote patient data."""
    described = []
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        frames = traceback.extract_tb(cause.__traceback__)
        places = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        described.append({"type": type(cause).__qualname__, "frames": places[-12:]})
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return described
