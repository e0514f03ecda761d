"""`medmesh audit` and `medmesh receipts verify`: whether a log, or one receipt, is as it was written."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from clients.cli import inputs
from clients.cli.failures import ExitCode, explained
from medmesh import images, receipt
from medmesh.orchestrator.v1.receipt_pb2 import EvidenceReceipt, InputDigest, ReceiptStatement

LOG = Path(".medmesh/receipts/receipts.jsonl")
"""Where the orchestrator that `medmesh up` starts keeps its log."""

Keys = Annotated[
    list[Path] | None,
    typer.Option(
        "--key",
        metavar="FILE",
        help="Ed25519 public key (PEM) that must have signed. Repeatable: one of them must have.",
    ),
]


def audit(
    log: Annotated[
        Path, typer.Argument(help="receipts.jsonl in the orchestrator's MEDMESH_RECEIPT_FOLDER.")
    ] = LOG,
    handed_out: Annotated[
        list[Path] | None,
        typer.Option(
            "--receipt",
            metavar="FILE",
            help="receipt.json or answer.json of an answer that must be in the log. Repeatable.",
        ),
    ] = None,
    anchor: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Anchor of an earlier check, kept elsewhere: its record must be in the log."
        ),
    ] = None,
    write_anchor: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where to write the anchor of this check, if all is as written."),
    ] = None,
    key: Keys = None,
) -> None:
    """Check the log of receipts: nothing changed, inserted, removed or moved. Exits 1 where it is not so.

    Records cut off at the end leave an unbroken chain, and whoever can write the log can compute it anew.
    Both show with --anchor, against the digest of a record that was the last one once and is kept where they
    cannot write; and with --receipt, since what was handed out is then no longer in the log. Changes of the
    last record show with --key too. No service is asked.

    Example:
      medmesh audit
      medmesh audit --anchor /elsewhere/head.json --write-anchor /elsewhere/head.json
      medmesh audit receipts.jsonl --receipt answer/receipt.json --key receipt-key.pub.pem
    """
    with explained():
        lines = log.read_text(encoding="utf-8").splitlines()
        kept = set(_payloads(lines))
        missing = [path for path in handed_out or [] if read_receipt(path).payload not in kept]
        keys = _keys(key)
        lost = _lost(anchor, lines) if anchor is not None else ""
    problems = [(fault.line, fault.problem) for fault in receipt.verify_chain(lines)]
    if keys:
        problems += _unsigned(lines, keys)
    for number, problem in sorted(problems):
        typer.echo(f"line {number}: {problem}")
    for path in missing:
        typer.echo(f"{path}: The log does not hold this receipt: its record was changed or removed.")
    if lost:
        typer.echo(f"{anchor}: {lost}")
    count = f"{len(lines)} record{'' if len(lines) == 1 else 's'}"
    holds = not (problems or missing or lost)
    state = ("unbroken and signed" if keys else "unbroken") if holds else "NOT as written"
    typer.echo(f"{log}: {count}, {state}")
    if not holds:
        raise typer.Exit(ExitCode.FAILED)
    if write_anchor is not None:
        with explained():
            write_anchor.write_text(json.dumps(_head(lines)) + "\n", encoding="utf-8")


def verify(
    receipt_file: Annotated[
        Path,
        typer.Argument(
            metavar="RECEIPT", help="receipt.json or answer.json of `--output`, or a line of the log."
        ),
    ],
    key: Keys = None,
    image: inputs.Images = None,
    note: inputs.NoteOption = None,
    patient: inputs.Patient = None,
) -> None:
    """Check one receipt: who signed it, and whether these files were its inputs. Exits 1 where it is not so.

    An image is told by its file; another copy of it may have another header, which only `medmesh replay` sees
    through. No service is asked.

    Example:
      medmesh receipts verify answer/receipt.json --key receipt-key.pub.pem --note note.txt
    """
    with explained():
        found = read_receipt(receipt_file)
        stated = receipt.statement(found)
        keys = _keys(key)
        given = [(f"image {index}", _contents(path)) for index, path in enumerate(image or [])]
        text = inputs.note_text(note)
        given += [("note", [text.encode()])] if text else []
        given += [("record", [patient.read_bytes()])] if patient is not None else []
    predicate = stated.predicate
    typer.echo(f"receipt {predicate.receipt_id} of {predicate.create_time.ToJsonString()}")
    checks = [_signature(found, keys)] if keys else []
    checks += [_input(stated, name, content) for name, content in given]
    for _, said in checks:
        typer.echo(said)
    for model in predicate.models:
        typer.echo(f"computed with {model.model_name} {model.card_version}, weights {model.weights_sha256}")
    if not keys:
        typer.echo("signature not checked: give --key")
    if not all(holds for holds, _ in checks):
        raise typer.Exit(ExitCode.FAILED)


def read_receipt(path: Path) -> EvidenceReceipt:
    """The receipt in a file: alone, or inside of a saved answer. ValueError: there is none."""
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
        return receipt.from_object(content.get("receipt", content))
    except (ValueError, AttributeError):
        raise ValueError(f"{path} holds no receipt") from None


def _keys(paths: Iterable[Path] | None) -> list[bytes]:
    return [path.read_bytes() for path in paths or []]


def _payloads(lines: Iterable[str]) -> Iterable[bytes]:
    for line in lines:
        try:
            yield receipt.from_line(line).payload
        except ValueError:
            continue


def _head(lines: list[str]) -> dict[str, Any]:
    """The last record: how many there are with it, and the digest of its payload."""
    last = receipt.payload_sha256(receipt.from_line(lines[-1])) if lines else ""
    return {"records": len(lines), "payload_sha256": last}


def _lost(anchor: Path, lines: list[str]) -> str:
    """What became of the record that the anchor is of, in one sentence; empty: it is where it was."""
    try:
        kept = json.loads(anchor.read_text(encoding="utf-8"))
        count, digest = int(kept["records"]), str(kept["payload_sha256"])
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{anchor} holds no anchor") from None
    if count > len(lines):
        return f"The log had {count} records and has {len(lines)}: its end was cut off."
    try:
        is_there = _head(lines[:count])["payload_sha256"] == digest
    except ValueError:
        is_there = False
    return "" if is_there else f"Record {count} is another one: the log was computed anew."


def _unsigned(lines: Iterable[str], keys: list[bytes]) -> Iterable[tuple[int, str]]:
    for number, line in enumerate(lines, start=1):
        try:
            holds, problem = _signature(receipt.from_line(line), keys)
        except ValueError:
            continue  # the chain's check has told
        if not holds:
            yield number, problem


def _signature(found: EvidenceReceipt, keys: list[bytes]) -> tuple[bool, str]:
    problem = ""
    for key in keys:
        try:
            receipt.verify_signature(found, key)
        except receipt.SignatureInvalid as error:
            problem = str(error)
        else:
            return True, "signed with the key"
    return False, problem


def _contents(image: str) -> list[bytes]:
    """The files of an image or a series."""
    return [file.read_bytes() for file in images.files(image) if isinstance(file, Path)]


def _input(stated: ReceiptStatement, name: str, content: list[bytes]) -> tuple[bool, str]:
    digest = receipt.file_digest(content, stated.predicate.salt)
    recorded = {
        one.hmac_sha256
        for one in stated.predicate.inputs
        if one.kind != InputDigest.KIND_IMAGE_CONTENT and receipt.input_name(one) == name
    }
    if digest in recorded:
        return True, f"{name} is the one that was sent"
    return False, f"{name} is NOT the one that was sent" if recorded else f"the receipt has no {name}"
