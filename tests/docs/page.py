"""Runs a page of the documentation as its reader would, in an empty folder.

A page is Markdown. Three kinds of fenced block count, from top to bottom:
- after a line that is a file's name in back quotes and a colon, the block is that file's content;
- ```console has commands after `$ `, which are run by one bash, and below each the output that is expected.
  An `…` stands for any text; blanks and line breaks count as one blank. A command that ends with ` &` goes on
  beside the others, until the end of the page;
- all other blocks are for the eye alone.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(
    r"(?:^`(?P<file>[^`\n]+)`:\n\n)?^```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Command:
    """One command line, or a file to write."""

    line: str
    expected: str = ""
    file: str = ""
    """Name of the file whose content `line` is; empty: a command."""

    @property
    def beside(self) -> bool:
        """Whether it goes on beside the others."""
        return not self.file and self.line.endswith(" &")


def read(page: Path) -> list[Command]:
    """What the page has its reader do, in order."""
    steps = []
    for block in _FENCE.finditer(page.read_text(encoding="utf-8")):
        if block["file"]:
            steps.append(Command(block["text"], file=block["file"]))
        elif block["kind"] == "console":
            for part in re.split(r"^\$ ", block["text"], flags=re.MULTILINE)[1:]:
                line, _, expected = part.partition("\n")
                steps.append(Command(line, expected))
    return steps


def says(expected: str, said: str) -> bool:
    """Whether `said` is what is expected, with `…` for any text."""
    parts = [re.escape(" ".join(part.split())) for part in expected.split("…")]
    pattern = ".*".join(part.replace(r"\ ", r"\s+") for part in parts)
    return re.fullmatch(rf"\s*{pattern}\s*", said, re.DOTALL) is not None


def run(page: Path, folder: Path, variables: Mapping[str, str]) -> None:
    """Does all that the page shows, in `folder`. Raises AssertionError where it says something else."""
    programs = folder / ".bin"
    programs.mkdir()
    for name, arguments in (("medmesh", "-P -m clients.cli.main"), ("python", "")):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments} "$@"\n')
        program.chmod(0o755)
    environment = {
        **os.environ,
        **variables,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "clients" / "python")]),
        "COLUMNS": "100",
        "PYTHONUNBUFFERED": "1",
    }
    differing = []
    with contextlib.ExitStack() as running:
        for step in read(page):
            if step.file:
                path = folder / step.file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(step.line, encoding="utf-8")
            elif step.beside:
                said = running.enter_context(_beside(step, folder, environment))
                assert says(step.expected, said), f"$ {step.line}\n{said}"
            else:
                done = subprocess.run(
                    ["bash", "-c", step.line],
                    cwd=folder,
                    env=environment,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    timeout=120,
                    check=False,
                )
                if done.returncode or not says(step.expected, done.stdout):
                    differing.append(f"$ {step.line}\n{done.stdout}exit code {done.returncode}")
    assert not differing, f"{page.name} does not say this:\n" + "\n".join(differing)


@contextlib.contextmanager
def _beside(step: Command, folder: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """The command goes on during the block; what it had said when its last expected line came."""
    last = step.expected.rstrip().rpartition("\n")[2].strip()
    process = subprocess.Popen(
        ["bash", "-c", "exec " + step.line.removesuffix(" &")],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    lines: list[str] = []
    overdue = threading.Timer(120, process.terminate)
    overdue.start()
    try:
        for line in process.stdout:
            lines.append(line)
            if line.strip() == last:
                break
        yield "".join(lines)
    finally:
        overdue.cancel()
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=60)
        process.kill()
