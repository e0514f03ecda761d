"""`medmesh diagnose` and `medmesh replay`: one combined request, and the same one again against its
receipt.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from clients.cli import inputs, machine, saving, tracing
from clients.cli.audit import read_receipt
from clients.cli.failures import ExitCode, explained, fail
from clients.cli.show import diagnosis as show
from clients.cli.show import marks
from clients.cli.show.waterfall import waterfall
from medmesh import Client, receipt
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from medmesh.orchestrator.v1.receipt_pb2 import ReceiptStatement
from medmesh.requests import BRANCHES

Branch = StrEnum("Branch", {name: name for name in BRANCHES})  # type: ignore[misc]  # not spelled out twice
DIGEST_START_LENGTH = 12
"""Hexadecimal digits that people compare."""


def diagnose(
    image: inputs.Images = None,
    note: inputs.NoteOption = None,
    patient: inputs.Patient = None,
    model: inputs.ImagingModels = None,
    body_part: inputs.BodyPart = None,
    max_treatments: inputs.MaxTreatments = None,
    draft_report: inputs.DraftReport = False,
    required: Annotated[
        list[Branch] | None,
        typer.Option(
            "--require", help="Fail instead of answering in part where this one fails; may be repeated."
        ),
    ] = None,
    as_json: inputs.Json = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", metavar="DIR", help="Save the answer as JSON, the receipt and the heat maps there."
        ),
    ] = None,
    stream: Annotated[
        bool, typer.Option("--stream", help="Report each branch on stderr as it ends.")
    ] = False,
    trace: Annotated[
        bool,
        typer.Option(
            "--trace", help="Show what took the time: every step in the mesh, on stderr with --json."
        ),
    ] = False,
    url: inputs.Url = None,
    timeout: inputs.Timeout = 30.0,
) -> None:
    """Diagnose one case from images, a note, a patient's record, or any of them.

    Examples:
      medmesh diagnose --image samples/chest_xray.dcm --note samples/note.txt --patient samples/patient.json

      echo "Fever and cough. No pleural effusion." | medmesh diagnose --note - --json | jq .assessments

      medmesh diagnose --image ct-series/ --body-part head --output answer/ --stream

      medmesh diagnose --note samples/note.txt --draft-report

      medmesh diagnose --note samples/note.txt --trace
    """
    with explained(), inputs.client(url, timeout) as client:
        text = inputs.note_text(note)
        case = case_of(image, text, patient, body_part, model, max_treatments)
        case["draft_report"] = draft_report
        case["required"] = [one.value for one in required or ()]
        spans = None
        if trace:
            answer, spans = tracing.traced(
                client, lambda: ask(client, case, overlay=output is not None, tell=stream)
            )
        else:
            answer = ask(client, case, overlay=output is not None, tell=stream)
        written = save(answer, output) if output else []
        if as_json:
            machine.write(without_pictures(answer))
        else:
            present(answer, text)
            marks.present(Text(f"  saved {path}", style="dim") for path in written)
        if spans is not None:
            marks.present(waterfall(spans), sys.stderr if as_json else sys.stdout)
    if answer.completeness != pb.COMPLETENESS_COMPLETE:
        raise typer.Exit(ExitCode.PARTIAL)


def replay(
    receipt_file: Annotated[
        Path,
        typer.Argument(
            metavar="RECEIPT", help="receipt.json or answer.json of `--output`, or a line of the log."
        ),
    ],
    image: inputs.Images = None,
    note: inputs.NoteOption = None,
    patient: inputs.Patient = None,
    model: inputs.ImagingModels = None,
    body_part: inputs.BodyPart = None,
    max_treatments: inputs.MaxTreatments = None,
    draft_report: inputs.DraftReport = False,
    url: inputs.Url = None,
    timeout: inputs.Timeout = 30.0,
) -> None:
    """Compute a case again and say what differs from its receipt: inputs, models, fusion, outputs. Exits 1 on
    a difference. There is no tolerance: what is compared are digests, and a last digit of another processor
    shows. Another copy of an image, e.g. from an archive that rewrote its file header, is the same
    input.

    Example:
      medmesh replay answer/receipt.json --image chest.dcm --note note.txt --patient patient.json
    """
    with explained(), inputs.client(url, timeout) as client:
        recorded = read_receipt(receipt_file)
        case = case_of(image, inputs.note_text(note), patient, body_part, model, max_treatments)
        case["draft_report"] = draft_report
        made = receipt.statement(recorded)
        answer = ask(client, case, receipt_salt=made.predicate.salt)
        differences = receipt.compare(recorded, answer.receipt)
    title = f"{len(differences)} differ" if differences else "the same"
    style = "bold red" if differences else "bold green"
    parts: list[RenderableType] = [
        marks.heading(f"Replay of {made.predicate.receipt_id}", title, style),
        comparison(made, differences),
    ]
    if answer.completeness != pb.COMPLETENESS_COMPLETE:
        parts.append(Text("  The second computation is PARTIAL: a branch did not answer.", style="yellow"))
    marks.present(parts)
    if differences:
        raise typer.Exit(ExitCode.FAILED)


def case_of(
    image: Sequence[str | Path] | None,
    note: str,
    patient: Path | None,
    body_part: str | None,
    models: list[str] | None,
    max_treatments: int | None,
) -> dict[str, Any]:
    """The case of the command line's inputs, as `Client.diagnose` takes it. Exits where there is none."""
    if not image and not note and patient is None:
        fail("there is nothing to diagnose: give --image, --note or --patient.", ExitCode.USAGE)
    return {
        "image": image,
        "note": note or None,
        "patient": patient,
        "body_part": body_part,
        "models": models or (),
        "max_treatments": max_treatments,
    }


def ask(
    client: Client,
    case: Mapping[str, Any],
    *,
    overlay: bool = False,
    receipt_salt: str | None = None,
    tell: bool = False,
) -> pb.Diagnosis:
    """Sends the case; with `tell` each branch is printed on stderr as it ends, and each sentence of a draft
    report as it is written.
    """
    if not tell:
        return client.diagnose(**case, overlay=overlay, receipt_salt=receipt_salt)
    for event in client.diagnose_stream(**case, overlay=overlay, receipt_salt=receipt_salt):
        if isinstance(event, pb.Diagnosis):
            return event
        line = show.branch(event) if isinstance(event, pb.Branch) else Text(f"  {event.text}", style="dim")
        marks.present([line], sys.stderr)
    return fail("the mesh ended the stream without an answer.", ExitCode.FAILED)


def present(answer: pb.Diagnosis, note: str) -> None:
    """Prints the answer for people."""
    colour = marks.console().color_system is not None
    marks.present(show.diagnosis(answer, note, colour=colour))


def save(answer: pb.Diagnosis, folder: Path) -> list[Path]:
    """Writes `answer.json`, `receipt.json`, and the heat maps and masks of each image."""
    folder.mkdir(parents=True, exist_ok=True)
    written = [folder / "answer.json"]
    written[0].write_text(machine.text(without_pictures(answer)), encoding="utf-8")
    if answer.HasField("receipt"):
        written.append(folder / "receipt.json")
        written[-1].write_text(receipt.to_line(answer.receipt) + "\n", encoding="utf-8")
    for result in answer.images:
        written += saving.save_pictures(result.analysis, folder, f"-{result.index}")
    return written


def without_pictures(answer: pb.Diagnosis) -> pb.Diagnosis:
    """The answer without overlays, masks and maps; `--output` saves the pictures."""
    slim = pb.Diagnosis()
    slim.CopyFrom(answer)
    for result in slim.images:
        saving.drop_pictures(result.analysis)
    return slim


def comparison(recorded: ReceiptStatement, differences: list[receipt.Difference]) -> Table:
    """A line for each part of the receipt: the same, or what it was and what it is now."""
    changed = {(d.kind, d.name): d for d in differences}
    parts = [("input", name) for name in receipt.input_names(recorded)]
    parts += [("model", model.model_name) for model in recorded.predicate.models]
    parts += [("fusion", "conditions and cards")]
    parts += [("output", part.name) for part in recorded.subject]
    parts += [key for key in changed if key not in parts]
    table = Table.grid(padding=(0, 2))
    for _ in range(3):
        table.add_column()
    table.add_column(style="dim", overflow="fold")
    for kind, name in parts:
        difference = changed.get((kind, name))
        state = Text("differs", style="bold red") if difference else Text("same", style="green")
        table.add_row(f"  {kind}", name, state, _change(difference) if difference else "")
    return table


def _change(difference: receipt.Difference) -> str:
    before, after = difference.recorded or "absent", difference.recomputed or "absent"
    if difference.kind == "model":
        return f"{before} → {after}"
    return f"{_digest_start(before)} → {_digest_start(after)}"


def _digest_start(digest: str) -> str:
    return digest if len(digest) <= DIGEST_START_LENGTH else f"{digest[:DIGEST_START_LENGTH]}…"
