"""`medmesh image`, `medmesh note` and `medmesh treatments`: one service asked by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from google.protobuf.message import Message
from rich.console import RenderableType

from clients.cli import inputs, machine
from clients.cli.failures import explained
from clients.cli.show import image as show_image
from clients.cli.show import marks
from clients.cli.show import note as show_note
from clients.cli.show import treatments as show_treatments
from medmesh import Client


def image(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A DICOM, PNG or JPEG file, at most 64 MiB.")],
    body_part: inputs.BodyPart = None,
    model: inputs.Models = None,
    heat_map: Annotated[
        Path | None,
        typer.Option(
            "--heat-map",
            metavar="PNG",
            help="Save the image with its heat map there; of several models the first one's that draws any.",
        ),
    ] = None,
    as_json: inputs.Json = False,
    url: inputs.ServiceUrl = None,
    timeout: inputs.Timeout = 30.0,
) -> None:
    """Analyse one image, without the rest of the case.

    Example:
      medmesh image samples/chest_xray.dcm --heat-map heat.png
    """
    with explained(), Client(imaging=url, timeout_s=timeout) as client:
        answer = client.analyze_image(
            file, body_part=body_part, models=model or (), overlay=heat_map is not None
        )
        if heat_map:
            heat_map.write_bytes(next((one.overlay_png for one in answer.results if one.overlay_png), b""))
            show_image.leave_out_pictures(answer)
    origins = [marks.provenance(result.provenance) for result in answer.results]
    _print(answer, [*show_image.image(answer), *origins], as_json=as_json)


def note(
    text: Annotated[
        str,
        typer.Argument(
            metavar="FILE|TEXT",
            help="A UTF-8 file, - for stdin, or the text itself (seen in the list of processes).",
        ),
    ],
    as_json: inputs.Json = False,
    url: inputs.ServiceUrl = None,
    timeout: inputs.Timeout = 30.0,
) -> None:
    """Find the diseases and chemicals of a note, and what it asserts of each.

    Example:
      medmesh note "Fever and cough. No pleural effusion. His mother has asthma."
    """
    with explained(), Client(language=url, timeout_s=timeout) as client:
        content = inputs.note_text(text)
        answer = client.analyze_note(content)
    colour = marks.console().color_system is not None
    origins = [marks.provenance(result.provenance) for result in answer.results]
    _print(answer, [*show_note.note(content, answer, colour=colour), *origins], as_json=as_json)


def treatments(
    patient: Annotated[
        Path, typer.Argument(metavar="FILE", help="The patient's record: a FHIR R4 bundle as JSON.")
    ],
    max_treatments: inputs.MaxTreatments = None,
    as_json: inputs.Json = False,
    url: inputs.ServiceUrl = None,
    timeout: inputs.Timeout = 30.0,
) -> None:
    """Rank treatments for a patient's record.

    Example:
      medmesh treatments samples/patient.json --max-treatments 5
    """
    with explained(), Client(recommendation=url, timeout_s=timeout) as client:
        answer = client.rank_treatments(patient, max_results=max_treatments)
    parts = [*show_treatments.treatments(answer), marks.provenance(answer.provenance)]
    _print(answer, parts, as_json=as_json)


def _print(answer: Message, parts: list[RenderableType], *, as_json: bool) -> None:
    if as_json:
        machine.write(answer)
        return
    marks.present(parts)
