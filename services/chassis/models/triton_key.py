"""The key that a Triton asks its callers for in a header: `--grpc-restricted-protocol=…:medmesh-key=KEY`.

It keeps everybody else on its network from asking its models; what travels is not encrypted.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

from services.chassis.settings import ServiceSettings, SettingsError

NAME = "medmesh-key"
"""The header over HTTP."""
HEADER = f"triton-grpc-protocol-{NAME}"
"""The same over gRPC."""
_READ_AGAIN_S = 1.0


def key_of(file: Path) -> str:
    """The key in a file. Raises OSError, ValueError where there is none: everybody could show that."""
    key = file.read_text(encoding="ascii").strip()
    if not key:
        raise ValueError("the file is empty")
    return key


class TritonKey:
    """Adds the key to each call of a client, as its plugin; a file that changed is read within a second."""

    def __init__(self, file: Path) -> None:
        """Raises SettingsError where the file cannot be read."""
        self._file = file
        self._key = ""
        self._read_at = float("-inf")
        try:
            self._key = self._read()
        except (OSError, ValueError) as error:
            raise SettingsError(
                ServiceSettings.key("triton_key_file"), "the file cannot be read, or is empty"
            ) from error

    def headers(self) -> dict[str, str]:
        """What each call has to carry."""
        if time.monotonic() - self._read_at > _READ_AGAIN_S:
            # What was read before may still hold, and Triton says so where it does not.
            with contextlib.suppress(OSError, ValueError):
                self._key = self._read()
        return {HEADER: self._key}

    def __call__(self, request: Any) -> None:
        """Called by tritonclient before it sends a request."""
        request.headers = {**request.headers, **self.headers()}

    def _read(self) -> str:
        self._read_at = time.monotonic()
        return key_of(self._file)
