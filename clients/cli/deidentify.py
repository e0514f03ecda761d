"""`medmesh deidentify`: files and folders without what identifies a patient. The services do it; here
files are told apart, sent, and written where they belong.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from clients.cli import inputs
from clients.cli.deidentifying import Done, Failed, Job, Run, Settings, sources
from clients.cli.failures import ExitCode, explained, fail
from clients.cli.show import deidentification as show
from clients.cli.show import marks
from medmesh import Client, Unavailable
from medmesh.imaging.v1 import deidentification_pb2 as pb

KEY_BYTES = 32
DEFAULT_KEY = Path(".medmesh/deidentification.key")


class Keep(StrEnum):
    """What of DICOM attributes stays beyond the basic profile, by the profile's own options."""

    FULL_DATES = "full-dates"
    MODIFIED_DATES = "modified-dates"
    PATIENT_CHARACTERISTICS = "patient-characteristics"
    DEVICE_IDENTITY = "device-identity"
    INSTITUTION_IDENTITY = "institution-identity"
    UIDS = "uids"
    SAFE_PRIVATE = "safe-private"
    DESCRIPTORS = "descriptors"

    @property
    def option(self) -> pb.ProfileOption:
        """In the contract."""
        name = "CLEAN_DESCRIPTORS" if self is Keep.DESCRIPTORS else f"RETAIN_{self.name}"
        value: pb.ProfileOption = getattr(pb, f"PROFILE_OPTION_{name}")
        return value


def deidentify(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH", help="A file or a folder: notes, FHIR JSON, DICOM, PNG, JPEG."),
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder for the results; made if missing.")
    ],
    key_file: Annotated[
        Path,
        typer.Option(
            "--key-file",
            metavar="FILE",
            help="The secret that pseudonyms hang on; made when it is not there. One key makes the same "
            "of the same in all runs.",
        ),
    ] = DEFAULT_KEY,
    patient: Annotated[
        str,
        typer.Option(
            "--patient",
            metavar="ID",
            help="Who all the files are of, so that their dates move alike. Default: what each file says.",
        ),
    ] = "",
    keep: Annotated[
        list[Keep] | None,
        typer.Option("--keep", help="What of DICOM stays beyond the basic profile; repeatable."),
    ] = None,
    keep_markers: Annotated[
        bool, typer.Option("--keep-markers", help="Leave side markers (L, R, AP) in images uncovered.")
    ] = False,
    keep_pixels: Annotated[
        bool, typer.Option("--keep-pixels", help="Do not look for text in pixels; they stay as they are.")
    ] = False,
    surrogates: Annotated[
        bool,
        typer.Option("--surrogates", help="Put other names and moved dates into notes, not placeholders."),
    ] = False,
    keep_names: Annotated[
        bool, typer.Option("--keep-names", help="Keep the files' names, which often name patients.")
    ] = False,
    as_json: inputs.Json = False,
    timeout: inputs.Timeout = 120.0,
) -> None:
    """Take what identifies a patient out of notes, FHIR bundles, DICOM files and pictures.

    Sources are never changed. DIR.report.jsonl says what was done to each file, without a value that was
    taken out, but with the sources' names: it stays with the sources. A second run goes on where the
    first one ended. What comes out still needs a person's look: docs/deidentifying-files.md says how much is
    missed.

    Examples: medmesh deidentify samples/chest_xray.dcm --out shared/

    medmesh deidentify study/ --out shared/ --keep modified-dates --patient 4711

    medmesh deidentify notes/ --out shared/ --surrogates --key-file project.key
    """
    with explained():
        settings = Settings(
            _key(key_file),
            patient,
            tuple(one.option for one in keep or ()),
            _about_text(keep_markers=keep_markers, keep_pixels=keep_pixels),
            surrogates=surrogates,
            keep_names=keep_names,
            timeout_s=timeout,
        )
        run = Run(out, settings)
        jobs = list(sources(paths, out, key_file))
        with Client(timeout_s=timeout) as client:
            results, unavailable = _all(run, jobs, client)
    failures = [one for one in results if isinstance(one, Failed)]
    if as_json:
        for one in results:
            typer.echo(json.dumps(one.fields(), ensure_ascii=False))
    else:
        marks.present(show.table(results, run.report))
    if unavailable is not None:
        fail(f"{unavailable} The same command goes on from here.", ExitCode.UNAVAILABLE)
    if failures:
        left_out = marks.count(len(failures), "file was", "files were")
        fail(f"{left_out} not de-identified.", ExitCode.INPUT)


def _about_text(*, keep_markers: bool, keep_pixels: bool) -> pb.BurnedInText:
    if keep_pixels:
        return pb.BURNED_IN_TEXT_KEPT
    return pb.BURNED_IN_TEXT_MARKERS_KEPT if keep_markers else pb.BURNED_IN_TEXT_MASKED


def _all(run: Run, jobs: list[Job], client: Client) -> tuple[list[Done | Failed], Unavailable | None]:
    """What came of each file, up to where the mesh did not answer."""
    results: list[Done | Failed] = []
    console = marks.console(sys.stderr)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task("de-identifying", total=len(jobs))
        for job in jobs:
            try:
                results.append(run.one(job, client))
            except Unavailable as error:
                return results, error
            progress.advance(task)
    return results, None


def _key(path: Path) -> bytes:
    """The key in the file, which is made where it is not there, for its owner's eyes alone."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            key = secrets.token_bytes(KEY_BYTES)
            file.write(key)
            return key
    except FileExistsError:
        return path.read_bytes()
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return _key(path)
