"""The limit: the services' own decoding and preparation and ONNX Runtime in one process, nothing sent
anywhere.

`python -m clients.loadtest.peers.onnxruntime_alone FILE …` as a worker (`worker.py`).
"""

from __future__ import annotations

import sys
from pathlib import Path

from clients.loadtest.peers.chest import ChestReader
from clients.loadtest.peers.worker import Work, serve


def main(paths: list[str]) -> None:
    """Reads the files in turn."""
    files = [Path(path).read_bytes() for path in paths]

    def make() -> Work:
        reader = ChestReader()
        return lambda number: reader(files[number % len(files)])

    serve(make)


if __name__ == "__main__":
    main(sys.argv[1:])
