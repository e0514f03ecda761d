"""Triton alone on the same work, with the decoding beside the networks in its Python backend:
`python -m clients.loadtest.peers.triton_server --port PORT` (its gRPC endpoint). Two instances of one thread.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import sysconfig
import tempfile
from pathlib import Path
from urllib.request import urlopen

from clients.loadtest.peers import chest
from services.local.triton import EmbeddedTriton, TritonSettings

_ROOT = chest.REPOSITORY.parent
_PACKAGES = (
    "PIL",
    "pillow.libs",
    "pydicom",
    "pydicom-*.dist-info",
    "imagecodecs",
    "imagecodecs.libs",
    "opentelemetry",
    "opentelemetry_*.dist-info",
    "typing_extensions.py",
)
"""What the services' code needs beside the packages of Triton's own environment, whose numpy is another."""

_CONFIG = """
name: "chest_reader"
backend: "python"
max_batch_size: 1
input [ {{ name: "image" data_type: TYPE_STRING dims: [ 1 ] }} ]
output [ {{ name: "found" data_type: TYPE_FP32 dims: [ -1 ] }} ]
instance_group [ {{ count: 2 kind: KIND_CPU }} ]
parameters {{ key: "paths" value: {{ string_value: "{paths}" }} }}
"""


def main(port: int) -> None:
    """Serves until standard input ends."""
    with tempfile.TemporaryDirectory(prefix="medmesh-triton-peer-") as folder:
        packages, repository = Path(folder) / "packages", Path(folder) / "repository"
        packages.mkdir()
        site = Path(sysconfig.get_paths()["purelib"])
        for package in (path for name in _PACKAGES for path in site.glob(name)):
            (packages / package.name).symlink_to(package)
        (repository / "chest_reader" / "1").mkdir(parents=True)
        shutil.copy(
            Path(__file__).with_name("triton_model.py"), repository / "chest_reader" / "1" / "model.py"
        )
        paths = ":".join(map(str, (_ROOT, _ROOT / "clients" / "python", packages)))
        (repository / "chest_reader" / "config.pbtxt").write_text(
            _CONFIG.format(paths=paths), encoding="utf-8"
        )
        settings = TritonSettings(repository=(repository,), grpc_port=port, log=Path(folder) / "triton.log")
        with EmbeddedTriton.start(settings, say=lambda text: print(text, file=sys.stderr)) as triton:
            urlopen(
                f"http://{triton.http_address}/v2/models/chest_reader/ready"
            ).close()  # HTTPError: it is not
            print("ready", flush=True)
            sys.stdin.read()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    main(parser.parse_args().port)
