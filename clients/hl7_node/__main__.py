"""`python -m clients.hl7_node [CONFIGURATION]`: runs the node until SIGTERM or Ctrl-C."""

from __future__ import annotations

import sys
from pathlib import Path

from clients.hl7_node.running import run

if __name__ == "__main__":
    run(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
