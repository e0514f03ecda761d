"""`python -m clients.loadtest`: the same as `medmesh loadtest`."""

from __future__ import annotations

from clients.cli.main import load

if __name__ == "__main__":
    load()
