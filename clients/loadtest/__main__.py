"""`python -m clients.loadtest`."""

from __future__ import annotations

import typer

from clients.loadtest.command import loadtest

if __name__ == "__main__":
    typer.run(loadtest)
