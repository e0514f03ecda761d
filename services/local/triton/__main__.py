"""The embedded Triton in the foreground: `python -m services.local.triton up`. Ctrl-C or SIGTERM ends it."""

from __future__ import annotations

import argparse
import dataclasses
import signal
import sys
import time
from pathlib import Path

from services.chassis.settings import SettingsError
from services.local.triton.installation import Installation
from services.local.triton.launcher import EmbeddedTriton, TritonError, TritonSettings, is_ready
from tools.bootstrap import Missing


def main(arguments: list[str] | None = None) -> int:
    """0 after it was told to end; 1 after one sentence on stderr."""
    parser = argparse.ArgumentParser(prog="python -m services.local.triton", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start tritonserver and stay in the foreground")
    up.add_argument(
        "--repository",
        type=Path,
        action="append",
        help="folder of models (default: triton_repo/); may be given more than once",
    )
    up.add_argument("--model", action="append", help="load only this model; may be given more than once")
    up.add_argument("--log", type=Path, help="file for Triton's log, - for this terminal")
    commands.add_parser(
        "prepare", help="make its environment and backend folder, and check them, without starting it"
    )
    wait = commands.add_parser("wait", help="return when a Triton is ready, for containers; 1 when it is not")
    wait.add_argument("--http", default="127.0.0.1:8000", help="its HTTP address (default: %(default)s)")
    wait.add_argument("--seconds", type=float, default=60.0, help="how long to wait (default: %(default)s)")
    options = parser.parse_args(arguments)
    try:
        if options.command == "wait":
            return _wait(options.http, options.seconds)
        if options.command == "prepare":
            print(f"medmesh: backends in {Installation.find(_say).backends()}")
            return 0
        return _run(_settings(options))
    except (SettingsError, Missing, TritonError) as error:
        print(f"medmesh: {error}", file=sys.stderr)
        return 1


def _settings(options: argparse.Namespace) -> TritonSettings:
    settings = TritonSettings.from_environment()
    if options.repository:
        settings = dataclasses.replace(settings, repository=tuple(options.repository))
    if options.model:
        settings = dataclasses.replace(settings, models=tuple(options.model))
    if options.log:
        settings = dataclasses.replace(settings, log=options.log)
    return settings


def _run(settings: TritonSettings) -> int:
    def end(*_: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # the end has begun; a second Ctrl-C must not cut it short
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    try:
        with EmbeddedTriton.start(settings, _say) as triton:
            while True:
                for line in triton.new_log_lines():
                    print(f"triton: {line}", file=sys.stderr, flush=True)
                triton.check()
                time.sleep(0.5)
    except KeyboardInterrupt:
        _say("Triton has stopped")
    return 0


def _wait(http_address: str, seconds: float) -> int:
    deadline = time.monotonic() + seconds
    while not is_ready(http_address):
        if time.monotonic() > deadline:
            print(
                f"medmesh: no Triton is ready at {http_address} after {seconds:.0f} s; is one started "
                "(docker compose --profile gpu, or --profile cpu)?",
                file=sys.stderr,
            )
            return 1
        time.sleep(0.2)
    return 0


def _say(text: str) -> None:
    print(f"medmesh: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
