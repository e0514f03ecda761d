"""The HTTP door of a service's telemetry: `GET /metrics` for Prometheus, and `POST /v1/traces`, where the
embedded Triton of this machine hands in its spans (`triton_spans`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import make_wsgi_app

from services.chassis.observability.triton_spans import spans_of
from services.chassis.settings import SettingsError, is_loopback

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from opentelemetry.sdk.trace import ReadableSpan
    from prometheus_client.registry import Collector

MAX_BODY_BYTES = 4 * 1024 * 1024
_POLL_S = 0.1
"""How soon it notices that it is being closed."""
TakeSpans = Callable[[Sequence["ReadableSpan"]], None]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Handler(WSGIRequestHandler):
    timeout = 10.0

    def log_message(self, *_: object) -> None:  # a scrape is no request of the mesh
        pass

    def address_string(self) -> str:  # no name server is asked
        return str(self.client_address[0])


class Door:
    """Open until it is closed. Raises SettingsError where the address cannot be had."""

    def __init__(self, listen: str, metrics: Collector, take_spans: TakeSpans) -> None:
        host, _, port = listen.rpartition(":")
        app = _app(make_wsgi_app(metrics), take_spans)
        try:
            self._server = make_server(host.strip("[]"), int(port), app, _Server, _Handler)
        except OSError as error:
            raise SettingsError(
                "MEDMESH_METRICS_LISTEN", f"cannot be listened on ({error.strerror})"
            ) from error
        self.address = f"{host}:{self._server.server_port}"
        """Host and port."""
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_S,), name="metrics", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Closes it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _app(metrics: Any, take_spans: TakeSpans) -> WSGIApplication:
    def app(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        if path == "/metrics":
            answer: Iterable[bytes] = metrics(environ, start)
            return answer
        takes = path == "/v1/traces" and method == "POST"
        status = _taken(environ, take_spans) if takes else "404 Not Found"
        start(status, [("Content-Type", "text/plain; charset=utf-8")])
        return [f"{status}\n".encode()]

    return app


def _taken(environ: WSGIEnvironment, take_spans: TakeSpans) -> str:
    """Takes spans from this machine alone."""
    if not is_loopback(environ["REMOTE_ADDR"]):
        return "403 Forbidden"
    length = environ.get("CONTENT_LENGTH") or ""
    if not length.isdigit() or int(length) > MAX_BODY_BYTES:
        return "413 Content Too Large"
    try:
        take_spans(spans_of(environ["wsgi.input"].read(int(length))))
    except ValueError:
        return "400 Bad Request"
    return "200 OK"
