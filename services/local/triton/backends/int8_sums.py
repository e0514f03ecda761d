"""Whether this processor adds the products of int8 exactly. Copied beside each backend.

x86 without VNNI clips the sums of int8 networks unless ONNX Runtime takes a longer way. It takes that way
where it is asked to also on processors that need not (those with AMX: 27 ms an image in place of 10, the same
bits), so it is asked to only where it has to.
"""

from __future__ import annotations

from pathlib import Path

EXACT_SUMS = "session.x64quantprecision"
"""Key of ONNX Runtime's option, and of the parameter in a model's configuration."""
_VNNI = frozenset({"avx512_vnni", "avx_vnni"})
_PROCESSORS = Path("/proc/cpuinfo")


def are_exact() -> bool:
    """Whether the sums are exact without the option."""
    flags = _PROCESSORS.read_text(encoding="utf-8").partition("\nflags")[2].partition("\n")[0]
    return not _VNNI.isdisjoint(flags.split())
