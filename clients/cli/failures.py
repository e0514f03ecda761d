"""What the command says when something fails, in one sentence with the remedy, and its exit codes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import NoReturn

import typer
from rich.text import Text

from clients.cli.show import marks
from medmesh import (
    DeadlineExceeded,
    InvalidInput,
    MedmeshError,
    NotFound,
    Overloaded,
    PermissionDenied,
    Unauthenticated,
    Unavailable,
)


class ExitCode(IntEnum):
    """What the command's exit code means."""

    DONE = 0
    """Done; a diagnosis is COMPLETE."""
    FAILED = 1
    """Something failed or differs: a replay, a check of `doctor`, a request of the load test, the mesh
    itself.
    """
    USAGE = 2
    """The command line is wrong."""
    INPUT = 3
    """An input is missing, unreadable or refused."""
    UNAVAILABLE = 4
    """The mesh does not answer, is overloaded, or was too slow: try again."""
    FORBIDDEN = 5
    """No valid identity, or one that may not do this."""
    PARTIAL = 6
    """The diagnosis is PARTIAL: a branch is missing."""


EXIT_CODES_HELP = """\
\b
Exit codes:
  0  done; a diagnosis is COMPLETE
  1  something failed or differs
  2  the command line is wrong
  3  an input is missing, unreadable or refused
  4  the mesh does not answer, is overloaded or too slow
  5  not allowed
  6  the diagnosis is PARTIAL"""

_REMEDIES: tuple[tuple[type[MedmeshError], ExitCode, str], ...] = (
    (InvalidInput, ExitCode.INPUT, ""),
    (NotFound, ExitCode.INPUT, "`medmesh models` lists the names."),
    (
        Unavailable,
        ExitCode.UNAVAILABLE,
        "Start the mesh with `medmesh up`, or name one with --url or MEDMESH_URL.",
    ),
    (Overloaded, ExitCode.UNAVAILABLE, "Try again in a moment."),
    (DeadlineExceeded, ExitCode.UNAVAILABLE, "Give it more time with --timeout."),
    (
        Unauthenticated,
        ExitCode.FORBIDDEN,
        "Set MEDMESH_TOKEN, or the MEDMESH_CLIENT_* files.",
    ),
    (PermissionDenied, ExitCode.FORBIDDEN, "Ask whoever runs the mesh to allow it to this identity."),
)


@contextmanager
def explained() -> Iterator[None]:
    """Ends the command with one sentence and the right exit code where the block fails in a known way."""
    try:
        yield
    except MedmeshError as error:
        code, remedy = _remedy(error)
        request = f" (request {error.request_id})" if error.request_id and error.reason else ""
        if len(error.violations) > 1:
            faults = "".join(f"\n  {fault.field}: {fault.description}" for fault in error.violations)
            fail(f"{len(error.violations)} problems with the input{request}:{faults}", code)
        fail(f"{_ended(str(error))}{request} {remedy}".strip(), code)
    except BrokenPipeError:
        raise  # whoever read the output has seen enough: no failure of ours
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        fail(f"{where}{error.strerror or type(error).__name__}.", ExitCode.INPUT)
    except (ValueError, TypeError) as error:
        fail(f"{error}.", ExitCode.INPUT)


def warn(sentence: str) -> None:
    """Prints the sentence on stderr; the command goes on."""
    text = Text.assemble(("medmesh: ", "bold yellow"), _ended(sentence))
    marks.console(sys.stderr).print(text, soft_wrap=True)


def fail(sentence: str, code: ExitCode) -> NoReturn:
    """Prints the sentence on stderr and exits."""
    text = Text.assemble(("medmesh: ", "bold red"), sentence)
    marks.console(sys.stderr).print(text, soft_wrap=True)
    raise typer.Exit(code)


def _remedy(error: MedmeshError) -> tuple[ExitCode, str]:
    for kind, code, remedy in _REMEDIES:
        if isinstance(error, kind):
            if error.reason == "CORPUS_UNKNOWN":
                return code, "`medmesh literature status` lists the names."
            # What a service itself says is not there needs no advice on addresses.
            told = kind is Unavailable and error.reason
            return code, "`medmesh doctor` says what is wrong." if told else remedy
    return ExitCode.FAILED, "Report it with the request id." if error.request_id else ""


def _ended(text: str) -> str:
    return text if text.endswith((".", "?")) else f"{text}."
