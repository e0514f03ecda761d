"""A receiver of OTLP over HTTP: what a service really sends, as bytes and read."""

from __future__ import annotations

import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Receiver:
    """Takes what is exported and keeps the bytes: strings stand in them as they are."""

    def __init__(self):
        self.posts: list[tuple[str, bytes]] = []
        posts = self.posts

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                posts.append((self.path, body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def content(self) -> bytes:
        return b"\n".join(body for _, body in self.posts)

    def spans(self):
        """Each span, and the resource that it comes from."""
        for one in self._read("/v1/traces", ExportTraceServiceRequest):
            for resource in one.resource_spans:
                for scope in resource.scope_spans:
                    for span in scope.spans:
                        yield resource.resource, span

    def metrics(self):
        """Each metric, with the attributes and exemplars of its points, of every export."""
        for one in self._read("/v1/metrics", ExportMetricsServiceRequest):
            for resource in one.resource_metrics:
                for scope in resource.scope_metrics:
                    for metric in scope.metrics:
                        yield resource.resource, metric

    def logs(self):
        """Each log record."""
        for one in self._read("/v1/logs", ExportLogsServiceRequest):
            for resource in one.resource_logs:
                for scope in resource.scope_logs:
                    yield from scope.log_records

    def _read(self, path, message):
        return [message.FromString(body) for where, body in list(self.posts) if where == path]

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def attributes(pairs) -> dict[str, object]:
    """OTLP's attributes as a dictionary."""
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in pairs}


def points(metric):
    """The points of a metric, of whatever kind."""
    return getattr(metric, metric.WhichOneof("data")).data_points
