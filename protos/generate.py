"""Generates the Python stubs of `protos/` into a folder; `make protos` calls it."""

from __future__ import annotations

import shutil
import sys
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

PROTOS = Path(__file__).resolve().parent
DEFAULT_OUT = PROTOS.parent / "clients" / "python"


def generate(out: Path) -> list[Path]:
    """Writes `*_pb2.py`, `*_pb2_grpc.py` and their `.pyi` below `out`; returns them, sorted."""
    sources = sorted(str(p.relative_to(PROTOS)) for p in PROTOS.rglob("*.proto"))
    plugin = Path(sys.executable).with_name("protoc-gen-mypy_grpc")
    if not plugin.exists():
        raise SystemExit(f"{plugin} is missing: install the dev extra (mypy-protobuf)")
    out.mkdir(parents=True, exist_ok=True)
    for stale in (out / "medmesh").rglob("*_pb2*.py*"):
        stale.unlink()
    arguments = [
        "protoc",
        f"--proto_path={PROTOS}",
        f"--proto_path={files('grpc_tools') / '_proto'}",
        f"--plugin=protoc-gen-mypy_grpc={plugin}",
        f"--python_out={out}",
        f"--pyi_out={out}",
        f"--grpc_python_out={out}",
        f"--mypy_grpc_out={out}",
        *sources,
    ]
    if protoc.main(arguments) != 0:
        raise SystemExit("protoc failed; its message is above")
    # Files without services get empty gRPC modules: nothing imports them.
    for module in (out / "medmesh").rglob("*_pb2_grpc.py"):
        if "Servicer" not in module.read_text():
            module.unlink()
            module.with_suffix(".pyi").unlink(missing_ok=True)
    for cache in (out / "medmesh").rglob("__pycache__"):
        shutil.rmtree(cache)
    return sorted((out / "medmesh").rglob("*_pb2*.py*"))


if __name__ == "__main__":
    written = generate(Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_OUT)
    print(f"{len(written)} files generated from {PROTOS.name}/")
