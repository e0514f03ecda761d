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
    list[str] | None,
    typer.Option(
        "--image",
        metavar="PATH",
        help="A DICOM, PNG or JPEG file, or a series: a folder or a zip of its files. An https:// address "
        "where the mesh allows it. Repeat it for several images, at most 4.",
    ),
]
NOTE_HELP = (
    "A clinical note: a UTF-8 file, or - for stdin. Not the text itself: every user of the machine can read "
    "command lines in the list of processes."
)
NoteOption = Annotated[str | None, typer.Option("--note", metavar="FILE|-", help=NOTE_HELP)]
Patient = Annotated[
    Path | None,
    typer.Option("--patient", metavar="FILE", help="The patient's record: a FHIR R4 bundle as JSON."),
]
BodyPart = Annotated[
    str | None,
    typer.Option(
        "--body-part",
        metavar="TERM",
        help="What the images show, as a DICOM body part, e.g. chest, head, knee. Overrides the files.",
    ),
]
ImagingModels = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        metavar="NAME",
        help="Imaging model to run; repeatable. Default: every served one that applies. `medmesh models` "
        "lists the names.",
    ),
]
Models = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        metavar="NAME",
        help="Model to run; repeatable. Default: every served one that applies; `medmesh models` lists them.",
    ),
]
Model = Annotated[
    str | None,
    typer.Option("--model", metavar="NAME", help="The model to run. Default: the served one."),
]
MaxTreatments = Annotated[
    int | None,
    typer.Option(
        "--max-treatments", min=1, max=100, metavar="N", help="How many treatments to rank. Default: 10."
    ),
]
DraftReport = Annotated[
    bool, typer.Option("--draft-report", help="Draft a report too, each sentence with its evidence.")
]
Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON, for machines.")]


def note_text(given: str | None) -> str:
    """The text of a note's file, or of stdin for `-`; empty where none was given.

    ValueError: there is no such file. The argument is never quoted: it may be the note itself.
    """
    if given is None:
        return ""
    if given == "-":
        return _standard_input()
    if not _is_file(given):
        raise ValueError(
            "there is no such file for the note (give a note itself on stdin, with -: command lines can be "
            "read in the list of processes)"
        )
    try:
        return Path(given).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{given} is not UTF-8 text") from None


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
