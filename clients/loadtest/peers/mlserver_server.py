"""MLServer on the same work, by its gRPC endpoint:
`python -m clients.loadtest.peers.mlserver_server --port PORT`.

Two workers of one thread each; the image comes as a tensor of bytes.
"""

from __future__ import annotations

import argparse
import asyncio
import socket

import numpy as np
from mlserver import MLModel, MLServer, ModelSettings, Settings
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse

from clients.loadtest.peers.chest import ChestReader
from clients.loadtest.peers.stopping import end_with_input, say_when_open


class ChestModel(MLModel):  # type: ignore[misc]  # it has no types
    """File in, probabilities out."""

    async def load(self) -> bool:
        """Opens the sessions of one worker."""
        self._read = ChestReader()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """The whole work."""
        data = payload.inputs[0].data[0]
        found = self._read(data)
        values = np.array([list(found.values())], np.float32)
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("found", values)])


def _free_port() -> int:
    with socket.socket() as claimed:
        claimed.bind(("127.0.0.1", 0))
        return int(claimed.getsockname()[1])


async def main(port: int) -> None:
    """Serves until SIGTERM."""
    settings = Settings(
        host="127.0.0.1",
        grpc_port=port,
        http_port=_free_port(),
        metrics_port=_free_port(),
        parallel_workers=2,
        debug=False,
        use_structured_logging=False,
        logging_settings={"version": 1, "disable_existing_loggers": True},
    )
    model = ModelSettings(
        name="chest_reader", implementation="clients.loadtest.peers.mlserver_server.ChestModel"
    )
    await MLServer(settings).start([model])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    end_with_input()
    say_when_open(arguments.port)
    asyncio.run(main(arguments.port))
