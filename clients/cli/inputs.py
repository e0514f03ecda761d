"""The options that several commands share, and how their values are read."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from medmesh import Client

Url = Annotated[
    str | None,
    typer.Option(
        "--url", metavar="HOST:PORT", help="The orchestrator. Default: MEDMESH_URL, else 127.0.0.1:50060."
    ),
]
ServiceUrl = Annotated[
    str | None,
    typer.Option(
        "--url",
        metavar="HOST:PORT",
        help="The service. Default: MEDMESH_<SERVICE>_URL, else its usual port on this machine.",
    ),
]
Timeout = Annotated[
    float,
    typer.Option(
        "--timeout", envvar="MEDMESH_TIMEOUT_S", metavar="SECONDS", min=0.001, help="Deadline of the request."
    ),
]
Images = Annotated[
    list[Path] | None,
    typer.Option(
        "--image", metavar="FILE", help="A DICOM, PNG or JPEG file. Repeat it for several, at most 4."
    ),
]
NoteOption = Annotated[
    str | None,
    typer.Option(
        "--note",
        metavar="FILE|TEXT",
        help="A clinical note: a UTF-8 file, - for stdin, or the text itself, which other users of this "
        "machine can then read in its list of processes.",
    ),
]
Patient = Annotated[
    Path | None,
    typer.Option("--patient", metavar="FILE", help="The patient's record: a FHIR R4 bundle as JSON."),
]
BodyPart = Annotated[
    str | None,
    typer.Option(
        "--body-part",
        metavar="PART",
        help="What the images show, where the files do not say, in DICOM's terms: chest, head, knee, …",
    ),
]
Models = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        metavar="NAME",
        help="Model that is to read the images; left out: all that apply. Repeatable.",
    ),
]
MaxTreatments = Annotated[
    int | None,
    typer.Option("--max-treatments", min=1, max=100, metavar="N", help="How many treatments to rank: 10."),
]
Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON, for machines.")]

_TEXT_SUFFIXES = (".txt", ".text", ".md", ".note")


def note_text(given: str | None) -> str:
    """The note's text; empty where none was given.

    ValueError: what looks like a path leads to no file. It is not analysed as text: a typing error would go
    unseen.
    """
    if given is None:
        return ""
    if given == "-":
        return _standard_input()
    if _is_file(given):
        try:
            return Path(given).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise ValueError(f"{given} is not UTF-8 text") from None
    one_word = len(given.split()) == 1
    if one_word and ("/" in given or given.lower().endswith(_TEXT_SUFFIXES)):
        raise ValueError(f"{given}: no such file (a note given as text has more than one word)")
    return given


def _standard_input() -> str:
    """Standard input as UTF-8, whatever the locale says. ValueError: it is closed, or is something else."""
    if sys.stdin is None:
        raise ValueError("standard input is closed: give the note as a file")
    try:
        return sys.stdin.buffer.read().decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("standard input is not UTF-8 text") from None


def _is_file(given: str) -> bool:
    try:
        return Path(given).is_file()
    except (OSError, ValueError):  # longer than a path may be, or with a character that none may have
        return False


def client(url: str | None, timeout_s: float | None = None) -> Client:
    """A client of the mesh at `url`."""
    return Client(url, timeout_s=timeout_s)
