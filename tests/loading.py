"""Which modules a module brings with it."""

from __future__ import annotations

import subprocess
import sys

from tools.bootstrap import ROOT

_TELL = "import sys, {module}; print(*sys.modules)"


def loaded_by(module: str) -> set[str]:
    """Everything that is loaded in a process that imports only this module."""
    told = subprocess.run(
        [sys.executable, "-c", _TELL.format(module=module)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(told.stdout.split())
