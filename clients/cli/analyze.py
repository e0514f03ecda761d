"""`medmesh image` and `medmesh note`: one service asked by itself."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from clients.cli import inputs, machine, saving
from clients.cli.failures import explained
from clients.cli.show import image as show_image
from clients.cli.show import marks
from clients.cli.show import note as show_note
from medmesh import Client


def image(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH",
            help="A DICOM, PNG or JPEG file; or one series: its files, their folder, or a zip of them. An "
            "https:// address where the mesh allows it.",
        ),
    ],
    model: inputs.ImagingModels = None,
    body_part: inputs.BodyPart = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="DIR", help="Save the answer as JSON, heat maps and masks there."),
    ] = None,
    as_json: inputs.Json = False,
    url: inputs.ServiceUrl = None,
    timeout: inputs.Timeout = 30.0,
) -> None:
    """Analyse one image or one series, without the rest of the case.

    Every served model that applies answers, each with its own findings and its provenance. A heat map comes
    from the model itself or, where it provides none, from occlusion (covering parts of the image); the answer
    says which.

    Examples:
      medmesh image samples/chest_xray.dcm --output answer/

      medmesh image ct-series/ --body-part head --timeout 120

      medmesh image chest.dcm --model chest_xray --model chest_findings
    """
    with explained(), Client(imaging=url, timeout_s=timeout) as client:
        answer = client.analyze_image(
            files, body_part=body_part, models=model or (), overlay=output is not None
        )
        written = []
        if output:
            output.mkdir(parents=True, exist_ok=True)
            written = [*saving.save_pictures(answer, output), output / "answer.json"]
        saving.drop_pictures(answer)
        if output:
            written[-1].write_text(machine.text(answer), encoding="utf-8")
        if as_json:
            machine.write(answer)
            return
        marks.present(show_image.image(answer))
        marks.present(marks.provenance(result.provenance) for result in answer.results)
        marks.present(marks.provenance(gate.provenance) for gate in answer.gates)
        marks.present(Text(f"  saved {path}", style="dim") for path in written)


def note(
    text: Annotated[str, typer.Argument(metavar="FILE|-", help=inputs.NOTE_HELP)],
    model: inputs.Models = None,
    as_json: inputs.Json = False,
    url: inputs.ServiceUrl = None,
    timeout: inputs.Timeout = 30.0,
) -> None:
    """Find what a note mentions (diseases, chemicals, whatever else a model looks for), and what it asserts
    of each.

    Examples:
      medmesh note samples/note.txt

      echo "Fever and cough. No pleural effusion. His mother has asthma." | medmesh note -
    """
    with explained(), Client(language=url, timeout_s=timeout) as client:
        content = inputs.note_text(text)
        answer = client.analyze_note(content, models=model or ())
    if as_json:
        machine.write(answer)
        return
    colour = marks.console(sys.stdout).color_system is not None
    marks.present(show_note.note(content, answer, colour=colour))
    marks.present(marks.provenance(result.provenance) for result in answer.results)
