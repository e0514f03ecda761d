"""LitServe on the same work: `python -m clients.loadtest.peers.litserve_server --port PORT`.

Two workers of one thread each; the image comes as a form's file, and the answer is JSON.
"""

# No postponed annotations: LitServe looks at that of `request`.
import argparse
from typing import Any

import litserve
from fastapi import Request

from clients.loadtest.peers.chest import ChestReader
from clients.loadtest.peers.stopping import end_with_input, say_when_open


class ChestApi(litserve.LitAPI):  # type: ignore[misc]  # it has no types
    """File in, probabilities out."""

    def setup(self, _device: str) -> None:
        """Opens the sessions of one worker."""
        self._read = ChestReader()

    def decode_request(self, request: Request) -> bytes:
        """The form's file."""
        file: Any = request["file"]
        content: bytes = file.file.read()
        return content

    def predict(self, x: bytes) -> dict[str, float]:
        """The whole work."""
        return self._read(x)

    def encode_response(self, output: dict[str, float]) -> dict[str, float]:
        """As JSON."""
        return output


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    server = litserve.LitServer(ChestApi(), accelerator="cpu", workers_per_device=2)
    end_with_input()
    say_when_open(arguments.port)
    server.run(
        host="127.0.0.1",
        port=arguments.port,
        log_level="warning",
        generate_client_file=False,
        api_server_worker_type="thread",  # a process would be forked beside the threads above
    )
