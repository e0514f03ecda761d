"""The messages of `Deidentify` and `DeidentifyBundle` to and from the domain's dataclasses."""

from __future__ import annotations

from medmesh.language.v1 import bundle_deidentification_pb2 as bundle_pb
from medmesh.language.v1 import deidentification_pb2 as pb
from services.chassis.rpc.notices import notice_messages
from services.language.deidentification.bundles import DeidentifiedBundle
from services.language.deidentification.identifiers import Kind
from services.language.deidentification.reading import Deidentification
from services.language.deidentification.replacing import Known, Options, Replaced, Replacement, Style

_KIND = "IDENTIFIER_KIND_"
_ORIGIN = "IDENTIFIER_ORIGIN_"
_STYLES = {pb.REPLACEMENT_STYLE_SURROGATE: Style.SURROGATE}


def options(request: pb.DeidentifyRequest, own_key: bytes) -> Options:
    """What the request asks for; `own_key` where it brings none. Kinds of a newer contract are left out."""
    return Options(
        style=_STYLES.get(request.style, Style.PLACEHOLDER),
        key=request.key or own_key,
        patient=request.patient,
        kept=frozenset(kind for number in request.kept_kinds if (kind := _kind(number))),
        known=tuple(Known(kind, known.text) for known in request.known if (kind := _kind(known.kind))),
    )


def _kind(number: int) -> Kind | None:
    name = pb.IdentifierKind.Name(number) if number in pb.IdentifierKind.values() else ""
    return Kind(name.removeprefix(_KIND)) if name.removeprefix(_KIND) in set(Kind) else None


def deidentification_message(done: Deidentification) -> pb.Deidentification:
    """The texts with what was replaced in them."""
    message = pb.Deidentification(
        texts=[_text(text) for text in done.texts], notices=notice_messages(done.notices)
    )
    if done.provenance is not None:
        message.provenance.CopyFrom(done.provenance)
    return message


def _text(text: Replaced) -> pb.DeidentifiedText:
    return pb.DeidentifiedText(text=text.text, replacements=[_replacement(one) for one in text.replacements])


def _replacement(one: Replacement) -> pb.Replacement:
    return pb.Replacement(
        kind=f"{_KIND}{one.found.kind}",
        start_offset=one.found.start,
        end_offset=one.found.end,
        replaced_start_offset=one.start,
        replaced_end_offset=one.end,
        number=one.number,
        confidence=one.found.confidence,
        origin=f"{_ORIGIN}{one.found.origin}",
    )


def bundle_message(done: DeidentifiedBundle) -> bundle_pb.DeidentifyBundleResponse:
    """A bundle and what was done to it."""
    changes = [
        bundle_pb.ElementChange(element=element, action=f"ACTION_{change.name}", count=count)
        for element, change, count in done.changes
    ]
    return bundle_pb.DeidentifyBundleResponse(
        fhir_bundle=done.content,
        deidentification=bundle_pb.BundleDeidentification(
            changes=changes, notices=notice_messages(done.notices)
        ),
    )
