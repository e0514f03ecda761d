"""STOW-RS (PS3.18 10.5): the second way in, with the same promise as C-STORE."""

from __future__ import annotations

import hmac
import json
import logging
import socket
import ssl
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from clients.dicom_node import multipart
from clients.dicom_node.arrivals import MEGABYTE, Arrivals, Refusal, Refused
from clients.dicom_node.configuration import PORT, Configuration, web_token
from clients.dicom_node.receiving import CONNECTIONS_WAITING, STATUSES
from services.chassis.peers import because, endpoint

log = logging.getLogger("medmesh.dicom_node")

SENDER = "STOW-RS"
"""Whom rules see as the sender."""
_IDLE_S = 60
_POLL_S = 0.05
_REMEDY_LENGTH = 300


class WebServer:
    """Listens until it is stopped."""

    def __init__(self, configuration: Configuration, arrivals: Arrivals) -> None:
        places = threading.BoundedSemaphore(configuration.node.max_associations)
        address = endpoint(configuration.node.web_listen, "node.web_listen", PORT)

        class Handler(_Handler):
            def __init__(self, *arguments: Any) -> None:
                self.configuration, self.arrivals, self.places = configuration, arrivals, places
                super().__init__(*arguments)

        class Server(ThreadingHTTPServer):
            request_queue_size = CONNECTIONS_WAITING
            address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET

            def handle_error(self, _request: Any, client_address: Any) -> None:
                """Says where, not what: the library prints all of it."""
                error = sys.exc_info()[1]
                if isinstance(error, ssl.SSLError):
                    facts = {"address": client_address[0], "because": because(error)}
                    log.warning("TLS with a caller failed", extra={"facts": facts})
                elif not isinstance(error, OSError):  # else the caller went away
                    log.warning("a connection failed", exc_info=sys.exc_info())

        self._server = Server(address, Handler, bind_and_activate=False)
        context = configuration.tls.server_context()
        if context is not None:
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._server.daemon_threads = True
        self._server.server_bind()
        self._server.server_activate()
        threading.Thread(target=self._server.serve_forever, args=(_POLL_S,), name="stow", daemon=True).start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    configuration: Configuration
    arrivals: Arrivals
    places: threading.BoundedSemaphore
    timeout = _IDLE_S
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "medmesh", ""

    def do_POST(self) -> None:
        """Takes a message of objects."""
        self.close_connection = True  # what was not read of a refused message is no next request
        parts = self.path.split("?")[0].strip("/").split("/")
        if parts[0] != "studies" or len(parts) > 2:
            self._say(404, "objects are stored at /studies or /studies/{study}")
        elif not self._may():
            facts = {"address": self.client_address[0]}
            log.warning(
                "a sender by STOW-RS was refused: it shows no token, or another", extra={"facts": facts}
            )
            self._say(401, "send the node's token: Authorization: Bearer …")
        elif not self.places.acquire(blocking=False):
            self._say(503, "too many senders at the same time: try again in a moment")
        else:
            try:
                self._take(parts[1] if len(parts) > 1 else "")
            finally:
                self.places.release()

    def do_GET(self) -> None:
        """There is nothing to be had here."""
        self._say(405, "this is the way in (STOW-RS): ask the archive for objects")

    do_PUT = do_DELETE = do_HEAD = do_GET  # noqa: N815 - the names are http.server's

    def _may(self) -> bool:
        if self.configuration.node.web_token_file is None:
            return True
        scheme, _, sent = self.headers.get("Authorization", "").partition(" ")
        token = web_token(self.configuration.node)
        if scheme.lower() != "bearer" or not token:  # a file that was emptied opens nothing
            return False
        return hmac.compare_digest(sent.encode(), token.encode())

    def _take(self, study: str) -> None:
        stored: list[Any] = []
        failed: list[Any] = []
        limit = self.configuration.node.max_object_mb * MEGABYTE
        try:
            self.arrivals.refuse_when_full()
            boundary = multipart.boundary_of(self.headers.get("Content-Type", ""))
            for path in multipart.files(self._reader(), boundary, self.arrivals.new_file, limit):
                try:
                    taken = self.arrivals.take(path, SENDER, study=study)
                    stored.append(_item(str(taken.SOPClassUID), str(taken.SOPInstanceUID)))
                except Refused as refused:
                    failed.append({"00081197": {"vr": "US", "Value": [STATUSES[refused.refusal]]}})
                    log.warning(
                        "an object was not taken", extra={"facts": {"because": refused.refusal.value}}
                    )
        except Refused:
            self._say(503, Refusal.FULL.value)
            return
        except multipart.TooLarge:
            self._say(413, "an object is larger than node.max_object_mb")
            return
        except multipart.Malformed as error:
            self._say(400, str(error))
            return
        answer = {}
        if stored:
            answer["00081199"] = {"vr": "SQ", "Value": stored}
        if failed:
            answer["00081198"] = {"vr": "SQ", "Value": failed}
        code = 409 if not stored else 202 if failed else 200
        self._answer(code, "application/dicom+json", json.dumps(answer).encode())

    def _reader(self) -> Callable[[int], bytes]:
        """Reads the body and no further. Raises multipart.Malformed."""
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            raise multipart.Malformed("state the message's Content-Length")
        left = int(length)

        def read(size: int) -> bytes:
            nonlocal left
            try:
                chunk = self.rfile.read(min(size, left))
            except OSError as error:
                raise multipart.Malformed("the message did not arrive in time") from error
            left -= len(chunk)
            return chunk

        return read

    def _say(self, code: int, sentence: str) -> None:
        self._answer(code, "text/plain; charset=utf-8", sentence[:_REMEDY_LENGTH].encode() + b"\n")

    def _answer(self, code: int, kind: str, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def send_error(self, code: int, *_: Any) -> None:
        """Of what is no request, or of a method that nothing has. The library's answer would quote it."""
        self.close_connection = True
        self._say(code, "this is no request that is answered here")

    def log_message(self, *_: Any) -> None:
        """Addresses hold identifiers of studies: nothing of a request is logged here."""


def _item(sop_class_uid: str, sop_instance_uid: str) -> Any:
    return {
        "00081150": {"vr": "UI", "Value": [sop_class_uid]},
        "00081155": {"vr": "UI", "Value": [sop_instance_uid]},
    }
