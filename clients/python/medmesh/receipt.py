"""Evidence receipts, for whoever holds one: what it states, its signature, its chain, a replay's comparison.

A receipt is a DSSE envelope around the exact bytes of an in-toto statement. Everything is verified on those
bytes, so a statement of a newer mesh verifies as well. Needs protobuf and the standard library only;
`verify_signature` needs the package `cryptography` (`pip install medmesh-client[receipts]`), or use openssl:
docs/receipts.md.

    statement(receipt).predicate.models                 # what was computed with what
    verify_signature(receipt, path.read_bytes())        # raises SignatureInvalid
    faults = verify_chain(path.read_text().splitlines())
    differences = compare(receipt, second)              # of a second computation under the receipt's salt

Digests of inputs are HMAC-SHA-256 keyed with the receipt's own salt, so equal contents of two requests do not
show. The salt is in the receipt: whoever holds a receipt can test a guess of its contents, so receipts are
kept as confidential as the log they come from.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.protobuf.json_format import MessageToDict, Parse, ParseError

from medmesh.common.v1 import answer_pb2
from medmesh.orchestrator.v1.receipt_pb2 import (
    EvidenceReceipt,
    InputDigest,
    ReceiptStatement,
    Signature,
)

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from medmesh.orchestrator.v1.orchestrator_pb2 import Diagnosis

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:medmesh:diagnosis-receipt:v1"


class SignatureInvalid(Exception):  # noqa: N818 - named for what is wrong
    """A receipt does not carry a valid signature of the key."""


@dataclass(frozen=True)
class Difference:
    """One thing that a second computation does differently."""

    kind: str
    """`input`, `model`, `fusion` or `output`."""
    name: str
    """Which, e.g. `note`, `image 0`, `chest_xray`, `images/0`."""
    recorded: str
    """What the receipt says: a digest or a version; empty when it has none."""
    recomputed: str
    """What the second computation gives; empty when it has none."""


@dataclass(frozen=True)
class ChainFault:
    """One place where a log of receipts is not what was written."""

    line: int
    """Line number, from 1."""
    problem: str
    """What is wrong, in one sentence."""


def statement(receipt: EvidenceReceipt) -> ReceiptStatement:
    """What the receipt states, without fields of a newer mesh. ValueError when it is no such statement."""
    try:
        found = Parse(receipt.payload.decode(), ReceiptStatement(), ignore_unknown_fields=True)
    except (ParseError, UnicodeDecodeError) as error:
        raise ValueError("the receipt holds no statement of a diagnosis") from error
    if (found.type, found.predicate_type) != (STATEMENT_TYPE, PREDICATE_TYPE):
        raise ValueError("the receipt holds no statement of a diagnosis")
    return found


def identifier(diagnosis: Diagnosis) -> str:
    """Id of a diagnosis' receipt; empty: it has none, or one of another kind."""
    try:
        return statement(diagnosis.receipt).predicate.receipt_id
    except ValueError:
        return ""


def payload_of(made: ReceiptStatement) -> bytes:
    """A statement as the bytes that are signed: ProtoJSON, keys sorted, no spaces. Done once a receipt."""
    return _compact(MessageToDict(made))


def payload_sha256(receipt: EvidenceReceipt) -> str:
    """Digest of the payload's exact bytes: the link of the chain."""
    return hashlib.sha256(receipt.payload).hexdigest()


def to_line(receipt: EvidenceReceipt) -> str:
    """A receipt as one line of the log, without the line end: DSSE's JSON form."""
    envelope = {
        "payloadType": receipt.payload_type,
        "payload": base64.b64encode(receipt.payload).decode(),
        "signatures": [
            {"keyid": one.keyid, "sig": base64.b64encode(one.sig).decode()} for one in receipt.signatures
        ],
    }
    return _compact(envelope).decode()


def from_line(line: str) -> EvidenceReceipt:
    """The receipt of one line of the log, or of a file that holds one. ValueError when it is not one.

    Members that DSSE does not name are left out of account, as DSSE asks.
    """
    try:
        return from_object(json.loads(line))
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError("not an evidence receipt") from error


def from_object(envelope: Any) -> EvidenceReceipt:
    """The receipt of a parsed envelope, with DSSE's names or the .proto's. ValueError when it is not one."""
    try:
        receipt = EvidenceReceipt(
            payload_type=envelope.get("payloadType", envelope.get("payload_type", "")),
            payload=base64.b64decode(envelope["payload"], validate=True),
            signatures=[
                Signature(keyid=one.get("keyid", ""), sig=base64.b64decode(one["sig"], validate=True))
                for one in envelope.get("signatures", [])
            ],
        )
    except (KeyError, TypeError, AttributeError, binascii.Error, ValueError) as error:
        raise ValueError("not an evidence receipt") from error
    if not receipt.payload:
        raise ValueError("not an evidence receipt")
    return receipt


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """The bytes that a DSSE signature is over (DSSE v1, PAE)."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def key_id(public_key: Ed25519PublicKey) -> str:
    """Lower-case hexadecimal SHA-256 of the key's SubjectPublicKeyInfo in DER."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    spki = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).hexdigest()


def verify_signature(receipt: EvidenceReceipt, public_key_pem: bytes) -> None:
    """Raises SignatureInvalid unless one of the receipt's signatures is the key's.

    `public_key_pem` is an Ed25519 key as `openssl pkey -pubout` writes it; ValueError when it is not one.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    key = load_pem_public_key(public_key_pem)
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("the key is not an Ed25519 public key")  # noqa: TRY004 - a file, not an argument
    if not receipt.signatures:
        raise SignatureInvalid("The receipt is not signed.")
    signed = pre_authentication_encoding(receipt.payload_type, receipt.payload)
    for one in receipt.signatures:
        try:
            key.verify(one.sig, signed)
        except InvalidSignature:
            continue
        return
    if key_id(key) in {one.keyid for one in receipt.signatures}:
        raise SignatureInvalid("The signature is not valid: the receipt was changed.")
    raise SignatureInvalid("The receipt is not signed with this key.")


def verify_chain(lines: Iterable[str]) -> list[ChainFault]:
    """What is wrong with a log of receipts; empty when every record follows the one before it.

    Finds changed, inserted, removed and reordered records. What was changed in or cut off after the last
    record shows only in its signature, or against a receipt that was handed out: that is then not in the log.
    """
    faults = []
    previous = ""
    for number, line in enumerate(lines, start=1):
        try:
            receipt = from_line(line)
            follows = _previous_of(receipt)
        except ValueError:
            faults.append(
                ChainFault(number, "The line is not a receipt: it was cut off in writing, or changed.")
            )
            continue
        if follows != previous:
            faults.append(
                ChainFault(
                    number,
                    "The record does not follow the one before it: one of the two was changed, "
                    "or records were removed or moved.",
                )
            )
        previous = payload_sha256(receipt)
    return faults


def file_digest(files: Iterable[bytes], salt: str) -> str:
    """The digest under which a receipt has an image (`KIND_IMAGE_FILE`) of these files, or a note, or a
    bundle.
    """
    state = hmac.new(bytes.fromhex(salt), digestmod="sha256")
    for content in files:
        state.update(content)
    return state.hexdigest()


def compare(recorded: EvidenceReceipt, recomputed: EvidenceReceipt) -> list[Difference]:
    """What a second computation does differently, from both receipts.

    The second request carried the first receipt's salt (`receipt_salt`); ValueError where it did not. Of an
    image the content counts where both have it: another copy of the same image is the same input.
    """
    first, second = statement(recorded), statement(recomputed)
    if first.predicate.salt != second.predicate.salt:
        raise ValueError("the receipts have different salts: their digests cannot be compared")
    return [
        *_differing("input", *_comparable(first, second)),
        *_differing("model", _models(first), _models(second)),
        *_differing(
            "fusion",
            {"conditions and cards": first.predicate.fusion_sha256},
            {"conditions and cards": second.predicate.fusion_sha256},
        ),
        *_differing("output", _outputs(first), _outputs(second)),
    ]


def input_name(one: InputDigest) -> str:
    """What an input is called: `image 0`, `note`, `record`, `options`."""
    if one.kind in {InputDigest.KIND_IMAGE_FILE, InputDigest.KIND_IMAGE_CONTENT}:
        return f"image {one.image_index}"
    return InputDigest.Kind.Name(one.kind).removeprefix("KIND_").lower()


def input_names(made: ReceiptStatement) -> list[str]:
    """The inputs that a receipt has digests of, each once: `image 0`, `note`, `record`, `options`."""
    return list(dict.fromkeys(input_name(one) for one in made.predicate.inputs))


def _differing(kind: str, before: Mapping[str, str], after: Mapping[str, str]) -> Iterable[Difference]:
    for name in dict.fromkeys((*before, *after)):
        if before.get(name) != after.get(name):
            yield Difference(kind, name, before.get(name, ""), after.get(name, ""))


def _comparable(first: ReceiptStatement, second: ReceiptStatement) -> tuple[dict[str, str], dict[str, str]]:
    both = [
        {(input_name(one), one.kind): one.hmac_sha256 for one in made.predicate.inputs}
        for made in (first, second)
    ]
    content = InputDigest.KIND_IMAGE_CONTENT
    by_content = {name for name, kind in both[0].keys() & both[1].keys() if kind == content}
    sides = [
        {name: digest for (name, kind), digest in side.items() if (kind == content) == (name in by_content)}
        for side in both
    ]
    return sides[0], sides[1]


def _models(made: ReceiptStatement) -> dict[str, str]:
    return {model.model_name: _identity(model) for model in made.predicate.models}


def _identity(model: answer_pb2.Provenance) -> str:
    # Not the runtime: the same weights on another server are the same model, and a number that it changes
    # shows itself.
    return (
        f"version {model.model_version}, card {model.card_version}, weights {model.weights_sha256}, "
        f"preprocessing {model.preprocessing_version}"
    )


def _outputs(made: ReceiptStatement) -> dict[str, str]:
    return {one.name: " ".join(one.digest.values()) for one in made.subject}


def _previous_of(receipt: EvidenceReceipt) -> str:
    try:
        previous = json.loads(receipt.payload)["predicate"].get("previousPayloadSha256", "")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError("the payload is not a statement") from error
    return str(previous)


def _compact(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
