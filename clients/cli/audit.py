"""`medmesh audit` and `medmesh receipts verify`: whether the logs, or a receipt, are as they were written."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from clients.cli import inputs
from clients.cli.failures import ExitCode, explained
from medmesh import images, receipt
from medmesh.orchestrator.v1.receipt_pb2 import EvidenceReceipt, InputDigest, ReceiptStatement

LOG = Path(".medmesh/receipts/receipts.jsonl")
"""Where the orchestrator that `medmesh up` starts keeps its log."""
CALLS = Path(".medmesh/audit")
"""Where the services that `medmesh up` starts keep their audit logs."""

Keys = Annotated[
    list[Path] | None,
    typer.Option(
        "--key",
        metavar="FILE",
        help="Ed25519 public key (PEM) that must have signed. Repeatable: one of them must have.",
    ),
]


@dataclass(frozen=True)
class _Chain:
    """A log, and what is wrong with it."""

    path: Path
    what: str
    lines: Sequence[Any]
    digest: Callable[[Any], str]
    """Of a line; ValueError: it is no record."""
    digest_name: str
    """What the anchor calls the digest."""
    problems: list[tuple[int, str]]

    def head(self, count: int | None = None) -> dict[str, Any]:
        """How many records there are, or `count`, and the digest of the last of them."""
        lines = self.lines if count is None else self.lines[:count]
        return {"records": len(lines), self.digest_name: self.digest(lines[-1]) if lines else ""}

    def lost(self, kept: Any, anchor: Path) -> str:
        """What became of the record that was the last once, in one sentence; empty: it is where it was."""
        try:
            count, digest = int(kept["records"]), str(kept[self.digest_name])
        except (ValueError, KeyError, TypeError):
            raise ValueError(f"{anchor} holds no anchor of {self.path}") from None
        if count > len(self.lines):
            return f"The log had {count} records and has {len(self.lines)}: its end was cut off."
        try:
            is_there = self.head(count)[self.digest_name] == digest
        except ValueError:
            is_there = False
        return "" if is_there else f"Record {count} is another one: the log was computed anew."


def audit(
    log: Annotated[
        Path | None,
        typer.Argument(
            help="receipts.jsonl in the orchestrator's MEDMESH_RECEIPT_FOLDER. "
            f"[default: {LOG}, unless --calls is given]"
        ),
    ] = None,
    calls: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="MEDMESH_AUDIT_FOLDER of the services: the logs of their calls. "
            f"[default: {CALLS}, where it is there and no log is given]",
        ),
    ] = None,
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
            metavar="FILE",
            help="Anchor of an earlier check, kept elsewhere: its records must be in the logs.",
        ),
    ] = None,
    write_anchor: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where to write the anchor of this check, if all is as written."),
    ] = None,
    key: Keys = None,
) -> None:
    """Check the log of receipts and those of calls: nothing changed, inserted, removed or moved.

    Exits 1 where it is not so. Records cut off at the end leave an unbroken chain, and whoever can write a
    log can compute it anew. Both show with --anchor, against the digest of a record that was the last one
    once and is kept where they cannot write; of receipts also with --receipt, since what was handed out is
    then no longer in the log. Changes of the last receipt show with --key too. No service is asked.

    Example:
      medmesh audit
      medmesh audit --anchor /elsewhere/head.json --write-anchor /elsewhere/head.json
      medmesh audit receipts.jsonl --calls audit --receipt answer/receipt.json --key receipt-key.pub.pem
      medmesh audit --calls /var/lib/medmesh/audit
    """
    if log is None and calls is None:
        log, calls = LOG, CALLS if CALLS.exists() else None
    with explained():
        keys = _keys(key)
        receipts = _receipts(log, keys) if log is not None else None
        of_calls = _call_logs(calls) if calls is not None else {}
        if receipts is None and (handed_out or keys):
            raise ValueError("--receipt and --key are of a log of receipts: name it")
        kept = set(_payloads(receipts.lines)) if receipts is not None else set()
        missing = [path for path in handed_out or [] if read_receipt(path).payload not in kept]
        lost = _lost(anchor, receipts, of_calls, calls) if anchor is not None else []
    chains = [*([receipts] if receipts is not None else []), *of_calls.values()]
    for chain in chains:
        # Where there are several logs a line alone says too little.
        place = f"{chain.path}, line" if calls is not None else "line"
        for number, problem in sorted(chain.problems):
            typer.echo(f"{place} {number}: {problem}")
    for path in missing:
        typer.echo(f"{path}: The log does not hold this receipt: its record was changed or removed.")
    for _, sentence in lost:
        typer.echo(f"{anchor}: {sentence}")
    changed = {path for path, _ in lost}
    for chain in chains:
        holds = not (chain.problems or chain.path in changed or (chain is receipts and missing))
        state = (
            ("unbroken and signed" if chain is receipts and keys else "unbroken")
            if holds
            else "NOT as written"
        )
        typer.echo(
            f"{chain.path}: {len(chain.lines)} {chain.what}{'' if len(chain.lines) == 1 else 's'}, {state}"
        )
    if missing or lost or any(chain.problems for chain in chains):
        raise typer.Exit(ExitCode.FAILED)
    if write_anchor is not None:
        heads = receipts.head() if receipts is not None else {}
        if of_calls:
            heads["calls"] = {name: chain.head() for name, chain in of_calls.items()}
        with explained():
            write_anchor.write_text(json.dumps(heads) + "\n", encoding="utf-8")


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


def _receipts(log: Path, keys: list[bytes]) -> _Chain:
    lines = log.read_text(encoding="utf-8").splitlines()
    problems = [(fault.line, fault.problem) for fault in receipt.verify_chain(lines)]
    if keys:
        problems += _unsigned(lines, keys)

    def digest(line: str) -> str:
        return receipt.payload_sha256(receipt.from_line(line))

    return _Chain(log, "record", lines, digest, "payload_sha256", problems)


def _call_logs(folder: Path) -> dict[str, _Chain]:
    """By the names of the files."""
    from services.chassis.observability import audit

    paths = sorted(folder.glob(audit.PATTERN))
    if not paths:
        raise ValueError(f"{folder} holds no {audit.PATTERN}")
    found = {}
    for path in paths:
        lines = path.read_bytes().splitlines()
        problems = [(fault.line, fault.problem) for fault in audit.faults(lines)]
        found[path.name] = _Chain(path, "line", lines, audit.sha256_of_record, "line_sha256", problems)
    return found


def _lost(
    anchor: Path, receipts: _Chain | None, of_calls: Mapping[str, _Chain], folder: Path | None
) -> list[tuple[Path, str]]:
    """What is no longer as the anchor has it: the log, and a sentence."""
    try:
        kept: Any = json.loads(anchor.read_text(encoding="utf-8"))
        of_receipts, logs = "records" in kept, dict(kept.get("calls", {}))
    except (ValueError, AttributeError, TypeError):
        raise ValueError(f"{anchor} holds no anchor") from None
    if not (of_receipts or logs):
        raise ValueError(f"{anchor} holds no anchor")
    if of_receipts and receipts is None:
        raise ValueError(f"{anchor} is of a log of receipts too: name it")
    if logs and folder is None:
        raise ValueError(f"{anchor} is of logs of calls too: name their folder with --calls")
    found = [(receipts.path, receipts.lost(kept, anchor))] if receipts is not None and of_receipts else []
    for name, head in logs.items():
        if name in of_calls:
            found.append((of_calls[name].path, of_calls[name].lost(head, anchor)))
        else:
            found.append((Path(name), f"{name} is no longer in {folder}."))
    several = len(found) > 1
    return [(path, f"{path.name}: {said}" if several else said) for path, said in found if said]


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
