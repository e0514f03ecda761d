"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib import metadata
from pathlib import Path

from tools.bootstrap import ENVIRONMENTS, ROOT

_OWN = ("grpcio", "protobuf", "numpy", "pillow", "pydicom", "imagecodecs", "tokenizers")
_TRITON = ("nvidia-pytriton", "onnxruntime")
_PEERS = ("onnxruntime", "litserve", "mlserver")


def description() -> dict[str, str]:
    """The machine, its load now, and every version that bears on the figures."""
    processors = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = re.search(r"model name\s*: (.+)", processors)
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text(encoding="utf-8"))
    flags = set((re.search(r"flags\s*: (.+)", processors) or [""])[0].split())
    return {
        "cores": str(os.cpu_count()),
        "processor": model[1] if model else platform.machine(),
        "instructions": " ".join(f for f in ("avx2", "avx512f", "avx512_vnni", "amx_int8") if f in flags),
        "memory": f"{int(memory[1]) / 2**20:.0f} GiB" if memory else "unknown",
        "load at start": f"{os.getloadavg()[0]:.1f}",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "medmesh": _revision(),
        "services": ", ".join(f"{name} {metadata.version(name)}" for name in _OWN),
        "embedded Triton": _versions("triton", _TRITON),
        "peers": _versions("peers", _PEERS),
    }


def _versions(environment: str, packages: tuple[str, ...]) -> str:
    site = next(ENVIRONMENTS[environment].path.glob("lib/python3*/site-packages"))
    found = {d.metadata["Name"].lower(): d.version for d in metadata.distributions(path=[str(site)])}
    return ", ".join(f"{name} {found.get(name, 'missing')}" for name in packages)


def _revision() -> str:
    told = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return told.stdout.strip() or metadata.version("medmesh")
