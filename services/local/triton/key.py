"""The key that the embedded Triton asks its callers for, and how it is kept out of the list of processes.

Triton takes it as an argument alone, and every user of a machine may read the arguments of every process. So
they are overwritten in its memory as soon as it has read them. What is left is the moment before.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from services.chassis.models.triton_key import NAME, key_of

RESTRICTED = (
    "metadata",
    "inference",
    "shared-memory",
    "model-config",
    "model-repository",
    "statistics",
    "trace",
    "logging",
)
"""What is not asked without the key: all that Triton can restrict but health."""
_ARGUMENTS_BEGIN, _ARGUMENTS_END = 45, 46
"""Fields of /proc/PID/stat after the program's name."""


def make(file: Path) -> Path:
    """Writes a new random key, which its owner alone can read."""
    file.unlink(missing_ok=True)
    file.touch(mode=0o600, exist_ok=False)
    file.write_text(secrets.token_hex(32))
    return file


def arguments(file: Path) -> list[str]:
    """Those of tritonserver that make it ask for the key. Raises OSError, ValueError where there is none."""
    restricted = f"{','.join(RESTRICTED)}:{NAME}={key_of(file)}"
    return [f"--grpc-restricted-protocol={restricted}", f"--http-restricted-api={restricted}"]


def hide(pid: int, file: Path) -> bool:
    """Overwrites the key in the arguments of a process that has read them; whether it could."""
    key = file.read_bytes().strip()
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        begin, end = int(fields[_ARGUMENTS_BEGIN]), int(fields[_ARGUMENTS_END])
        memory = os.open(f"/proc/{pid}/mem", os.O_RDWR)
    except OSError:
        return False
    try:
        words = os.pread(memory, end - begin, begin)
        os.pwrite(memory, words.replace(key, b"x" * len(key)), begin)
    except OSError:
        return False
    finally:
        os.close(memory)
    return key not in Path(f"/proc/{pid}/cmdline").read_bytes()
