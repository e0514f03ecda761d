"""`medmesh audit` and `medmesh receipts verify`: whether the logs, or a receipt, are as they were written."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
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


class _Chain:
    """A log, walked once and a line at a time, and what is wrong with it."""

    def __init__(
        self, path: Path, what: str, digest: Callable[[bytes], str], digest_name: str, anchored: Any = None
    ) -> None:
        """`digest`: of a line; ValueError: it is no record. `digest_name`: what an anchor calls it.
        `anchored`: what the anchor says of this log. ValueError: it says nothing that can be understood.
        """
        self.path, self.what = path, what
        self.count = 0
        self.problems: list[tuple[int, str]] = []
        self._digest, self._digest_name = digest, digest_name
        self._last: bytes | None = None
        self._then: bytes | None = None
        try:
            self._kept = (int(anchored["records"]), str(anchored[digest_name])) if anchored else (0, "")
        except (ValueError, KeyError, TypeError):
            raise ValueError(f"the anchor holds none of {path}") from None

    def walked(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        """The lines, counted on their way."""
        for line in lines:
            self.count += 1
            self._last = line
            if self.count == self._kept[0]:
                self._then = line
            yield line

    def head(self) -> dict[str, Any]:
        """How many records there are, and the digest of the last of them."""
        return {
            "records": self.count,
            self._digest_name: "" if self._last is None else self._digest(self._last),
        }

    def lost(self) -> str:
        """What became of the record that was the last once, in one sentence; empty: it is where it was."""
        count, digest = self._kept
        if count > self.count:
            return f"The log had {count} records and has {self.count}: its end was cut off."
        try:
            is_there = ("" if self._then is None else self._digest(self._then)) == digest
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
        if log is None and (handed_out or keys):
            raise ValueError("--receipt and --key are of a log of receipts: name it")
        missing = {read_receipt(path).payload: path for path in handed_out or []}
        kept = _anchor(anchor, log, calls) if anchor is not None else {}
        receipts = _receipts(log, keys, missing, kept) if log is not None else None
        of_calls = _call_logs(calls, kept.get("calls", {})) if calls is not None else {}
    chains = [*([receipts] if receipts is not None else []), *of_calls.values()]
    lost = _lost(chains, kept, calls)
    for chain in chains:
        # Where there are several logs a line alone says too little.
        place = f"{chain.path}, line" if calls is not None else "line"
        for number, problem in sorted(chain.problems):
            typer.echo(f"{place} {number}: {problem}")
    for path in missing.values():
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
        typer.echo(f"{chain.path}: {chain.count} {chain.what}{'' if chain.count == 1 else 's'}, {state}")
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


def receipt_lines(log: Path) -> Iterator[str]:
    """The lines of a log of receipts."""
    from services.chassis.observability import audit

    return map(_text, audit.lines(log))


def _text(line: bytes) -> str:
    """What is no text in a line makes it no receipt."""
    return line.decode(errors="replace")


def _receipts(log: Path, keys: list[bytes], missing: dict[bytes, Path], kept: Mapping[str, Any]) -> _Chain:
    """Takes what it holds out of `missing`."""
    from services.chassis.observability import audit

    def digest(line: bytes) -> str:
        return receipt.payload_sha256(receipt.from_line(_text(line)))

    def looked_at() -> Iterator[str]:
        for line in map(_text, chain.walked(audit.lines(log))):
            if missing or keys:
                with suppress(ValueError):  # the chain's check tells
                    found = receipt.from_line(line)
                    missing.pop(found.payload, None)
                    holds, problem = _signature(found, keys) if keys else (True, "")
                    if not holds:
                        chain.problems.append((chain.count, problem))
            yield line

    chain = _Chain(log, "record", digest, "payload_sha256", kept if "records" in kept else None)
    chain.problems += [(fault.line, fault.problem) for fault in receipt.verify_chain(looked_at())]
    return chain


def _call_logs(folder: Path, kept: Mapping[str, Any]) -> dict[str, _Chain]:
    """By the names of the files."""
    from services.chassis.observability import audit

    paths = sorted(folder.glob(audit.PATTERN))
    if not paths:
        raise ValueError(f"{folder} holds no {audit.PATTERN}")
    found = {}
    for path in paths:
        chain = _Chain(path, "line", audit.sha256_of_record, "line_sha256", kept.get(path.name))
        chain.problems += [
            (fault.line, fault.problem) for fault in audit.faults(chain.walked(audit.lines(path)))
        ]
        found[path.name] = chain
    return found


def _anchor(path: Path, log: Path | None, folder: Path | None) -> Mapping[str, Any]:
    """What was kept of an earlier check. Raises ValueError."""
    try:
        kept: Any = json.loads(path.read_text(encoding="utf-8"))
        of_receipts, logs = "records" in kept, dict(kept.get("calls", {}))
    except (ValueError, AttributeError, TypeError):
        raise ValueError(f"{path} holds no anchor") from None
    if not (of_receipts or logs):
        raise ValueError(f"{path} holds no anchor")
    if of_receipts and log is None:
        raise ValueError(f"{path} is of a log of receipts too: name it")
    if logs and folder is None:
        raise ValueError(f"{path} is of logs of calls too: name their folder with --calls")
    return {**kept, "calls": logs}


def _lost(chains: Iterable[_Chain], kept: Mapping[str, Any], folder: Path | None) -> list[tuple[Path, str]]:
    """What is no longer as the anchor has it: the log, and a sentence."""
    found = [(chain.path, chain.lost()) for chain in chains]
    there = {chain.path.name for chain in chains}
    found += [(Path(n), f"{n} is no longer in {folder}.") for n in kept.get("calls", {}) if n not in there]
    several = len(kept.get("calls", {})) + ("records" in kept) > 1
    return [(path, f"{path.name}: {said}" if several else said) for path, said in found if said]


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
