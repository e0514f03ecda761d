"""Serves the page and the sample case, from memory, under a policy that lets nothing else in."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from tools.bootstrap import ROOT

PAGE = Path(__file__).parent / "page"
"""What `make console` builds of `web/`, and what is committed."""
SAMPLES = ("chest_xray.dcm", "note.txt", "patient.json")
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".json": "application/json",
    ".dcm": "application/dicom",
}
DIRECTIVES = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    "img-src 'self' blob:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types lit-html",
)
"""Content-Security-Policy: the page's own files, the door that served it, and pictures made in the page."""
HEADERS = (
    (b"content-security-policy", "; ".join(DIRECTIVES).encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
    (b"cache-control", b"no-cache"),
)


@dataclass(frozen=True)
class _File:
    content: bytes
    kind: str
    tag: bytes

    @classmethod
    def of(cls, path: Path) -> _File:
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()[:16]
        return cls(content, TYPES[path.suffix], f'"{digest}"'.encode())


class Console:
    """Answers for the page's own files, and passes every other request on to the door."""

    def __init__(self, door: ASGIApp) -> None:
        self._door = door
        files = {f"/{path.name}": _File.of(path) for path in sorted(PAGE.iterdir())}
        samples = [ROOT / "samples" / name for name in SAMPLES]
        files |= {f"/samples/{path.name}": _File.of(path) for path in samples}
        files["/"] = files["/index.html"]
        self._files = files

    @property
    def paths(self) -> Iterable[str]:
        """Where its files are."""
        return self._files

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        known = scope["type"] == "http" and scope["method"] in {"GET", "HEAD"}
        file = self._files.get(scope["path"]) if known else None
        if file is None:
            await self._door(scope, receive, send)
            return
        unchanged = (b"if-none-match", file.tag) in scope["headers"]
        body = b"" if unchanged or scope["method"] == "HEAD" else file.content
        headers = [
            (b"content-type", file.kind.encode()),
            (b"content-length", str(0 if unchanged else len(file.content)).encode()),
            (b"etag", file.tag),
            *HEADERS,
        ]
        status = 304 if unchanged else 200
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
