"""From bytes to the entries of a bundle: one JSON Bundle of any type, each resource in its newest version.

Bundles within a bundle, as a batch of searches answers with, are opened. What is not a Bundle is refused with
what it seems to be and what to do about it.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final, NoReturn

from services.chassis.errors import InvalidInput, Reason
from services.clinical.fhir import dates
from services.clinical.fhir.bounded_json import Node, parse
from services.clinical.fhir.remarks import Remark, Remarks

MAX_BUNDLE_BYTES: Final = 8 * 1024 * 1024
MAX_ENTRIES: Final = 20_000
MAX_DEPTH: Final = 64
MAX_NESTED_BUNDLES: Final = 2
"""Bundles within bundles within the bundle."""

_HISTORY = re.compile(r"/_history/[^/]*$")
_REST_URL = re.compile(r"^(https?://.+?)/[A-Za-z]+/[A-Za-z0-9\-.]{1,64}$")
_ETAG = re.compile(r'^(?:W/)?"?(\d{1,18})"?$')


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One resource of the bundle."""

    kind: str
    """Its resourceType."""
    resource: Node
    id: str = ""
    url: str = ""
    """Its full URL without the version; empty where it has none."""
    base: str = ""
    """The server's part of the URL."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Version:
    """One state of a resource; `entry` is None where it was deleted."""

    entry: Entry | None
    node: Node
    """The entry of the bundle."""

    def number(self) -> int | None:
        """Its version, as far as the resource or the server's response tells a number."""
        meta, response = self._meta(), self.node.get("response")
        text = "" if meta is None else meta.text("versionId")
        match = _ETAG.match(text or ("" if response is None else response.text("etag")))
        return None if match is None else int(match.group(1))

    def updated(self) -> datetime | None:
        """When it was written, as far as the resource or the server's response tells."""
        meta, response = self._meta(), self.node.get("response")
        updated = None if meta is None else dates.when(meta, "lastUpdated")
        updated = updated or (None if response is None else dates.when(response, "lastModified"))
        return None if updated is None else updated.moment

    def _meta(self) -> Node | None:
        return None if self.entry is None else self.entry.resource.get("meta")


def parse_bundle(content: bytes) -> Node:
    """The Bundle in these bytes; InvalidInput with what they are instead."""
    try:
        bundle = parse(content, max_bytes=MAX_BUNDLE_BYTES, max_depth=MAX_DEPTH)
    except InvalidInput as error:
        if error.reason is Reason.INPUT_MALFORMED and (better := _foreign_format(content)):
            raise InvalidInput(error.reason, "", better) from None
        raise
    if isinstance(bundle.value, list):
        _refuse_root("must be Bundle; this is a list: put its resources into the entries of one Bundle")
    kind = bundle.value.get("resourceType") if isinstance(bundle.value, dict) else None
    if kind == "OperationOutcome":
        _refuse_root("must be Bundle; this is a server's error (OperationOutcome): fetch the record again")
    if kind != "Bundle":
        _refuse_root("must be Bundle; put a resource that stands alone into the entries of one")
    return bundle


def entries_of(bundle: Node, remarks: Remarks) -> list[Entry]:
    """The resources of a bundle, each once, in the order of the bundle.

    InvalidInput: too many entries, or an entry that holds no resource.
    """
    versions = list(_versions(bundle, remarks, 0))
    grouped: dict[tuple[str, str, str], list[_Version]] = {}
    is_history = bundle.text("type") == "history"
    for index, version in enumerate(versions):
        grouped.setdefault(_identity(version, index, one_server=is_history), []).append(version)
    if len(grouped) == len(versions):
        return [version.entry for version in versions if version.entry is not None]
    kept: list[_Version] = []
    for versions_of_one in grouped.values():
        kept += versions_of_one if len(versions_of_one) == 1 else _newest(versions_of_one, bundle, remarks)
    return [version.entry for version in kept if version.entry is not None]


def _foreign_format(content: bytes) -> str:
    """What bytes that are not JSON are, with the remedy; empty where it cannot be told."""
    start = content[:4096].lstrip(b"\xef\xbb\xbf \t\r\n")
    if content.startswith(b"\x1f\x8b"):
        return "must be JSON in UTF-8; this is compressed (gzip): decompress it first"
    if content.startswith((b"PK\x03\x04", b"%PDF")):
        return "must be JSON in UTF-8; this is a zip archive or a PDF: send the FHIR Bundle itself"
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "must be JSON in UTF-8; this is UTF-16: convert it"
    if start.startswith(b"<"):
        if b"http://hl7.org/fhir" in start:
            return "must be JSON; this is FHIR XML: ask the server for application/fhir+json"
        if b"urn:hl7-org:v3" in start:
            return "must be a FHIR Bundle in JSON; this is a CDA document: convert it to FHIR R4"
        return "must be a FHIR Bundle in JSON; this is XML or HTML, perhaps a server's log-in or error page"
    if start.startswith((b"MSH|", b"FHS|", b"BHS|")):
        return "must be a FHIR Bundle in JSON; this is an HL7 v2 message: convert it to FHIR R4"
    if re.match(rb'\{[^\r\n]*"resourceType"[^\r\n]*\}\s*[\r\n]+\s*\{', content):
        return (
            "must be one Bundle; this is NDJSON (bulk export): put the resources of one patient, one a line, "
            "into the entries of one Bundle"
        )
    return ""


def _refuse_root(description: str) -> NoReturn:
    raise InvalidInput(Reason.INPUT_MALFORMED, "resourceType", description)


def _versions(bundle: Node, remarks: Remarks, depth: int) -> Iterator[_Version]:
    """All entries that hold or delete a resource, also those of bundles within."""
    if _has_more_pages(bundle):
        remarks.add(Remark.BUNDLE_INCOMPLETE, bundle)
    is_history = bundle.text("type") == "history"
    for count, entry in enumerate(bundle.items("entry")):
        if count >= MAX_ENTRIES:
            bundle.refuse_member("entry", f"must have at most {MAX_ENTRIES} items", Reason.INPUT_TOO_LARGE)
        response = entry.get("response")
        if response is not None and response.text("status").strip()[:1] in {"4", "5"}:
            remarks.add(Remark.BUNDLE_INCOMPLETE, entry)
        resource = entry.get("resource")
        if resource is None:
            request = entry.get("request") if is_history else None
            if request is not None and request.text("method") == "DELETE":
                yield _Version(None, entry)
            continue
        kind = resource.text("resourceType")
        if not kind:
            resource.refuse_member("resourceType", "is required")
        if kind == "Bundle" and depth < MAX_NESTED_BUNDLES:
            yield from _versions(resource, remarks, depth + 1)
            continue
        if kind == "OperationOutcome" and _is_error(resource):
            remarks.add(Remark.BUNDLE_INCOMPLETE, resource)
        url = _HISTORY.sub("", entry.text("fullUrl").strip()).rstrip("/")
        rest = _REST_URL.match(url) if url[:4] == "http" else None
        base = "" if rest is None else rest.group(1)
        found = Entry(kind, resource, resource.text("id").strip(), url, base)
        yield _Version(found, entry)


def _has_more_pages(bundle: Node) -> bool:
    if bundle.text("type") != "searchset":
        return False
    if any(link.text("relation") == "next" for link in bundle.items("link")):
        return True
    total = bundle.number("total")
    return total is not None and sum(map(_is_match, bundle.items("entry"))) < total


def _is_match(entry: Node) -> bool:
    """Whether a search found the entry, rather than adding it to another one."""
    search = entry.get("search")
    return search is None or search.text("mode") in {"", "match"}


def _is_error(outcome: Node) -> bool:
    return any(issue.text("severity") in {"error", "fatal"} for issue in outcome.items("issue"))


def _identity(version: _Version, index: int, *, one_server: bool) -> tuple[str, str, str]:
    """What the versions of one resource have in common."""
    entry = version.entry
    if entry is None:
        request = version.node.get("request")
        name = _HISTORY.sub("", "" if request is None else request.text("url"))
        kind, _, identity = name.rpartition("/")
        return kind.rpartition("/")[2], "", identity
    if entry.id:
        return entry.kind, "" if one_server else entry.url, entry.id
    return entry.kind, entry.url or f"[{index}]", ""


def _newest(versions: list[_Version], bundle: Node, remarks: Remarks) -> list[_Version]:
    """The newest version; all of them where it cannot be told which that is."""
    contents = [None if version.entry is None else version.entry.resource.value for version in versions]
    if all(content == contents[0] for content in contents):
        return versions[:1]
    is_history = bundle.text("type") == "history"
    newest = _position_of_newest(versions)
    if newest is None and is_history:
        newest = 0  # "sorted with oldest versions last" (R4, http.html#history)
    if newest is None:
        for version in versions:
            remarks.add(Remark.VERSIONS_NOT_ORDERED, version.node)
        return versions
    if not is_history:
        for version in (*versions[:newest], *versions[newest + 1 :]):
            remarks.add(Remark.VERSION_SUPERSEDED, version.node)
    return [versions[newest]]


def _position_of_newest(versions: list[_Version]) -> int | None:
    """By the time, then the number of the versions; None where some have neither, or two are the newest."""
    numbers, times = [item.number() for item in versions], [item.updated() for item in versions]
    keys: list[Any] = []
    if None not in times:
        keys = [(time, number or 0) for time, number in zip(times, numbers, strict=True)]
    elif None not in numbers:
        keys = numbers
    return keys.index(max(keys)) if keys and keys.count(max(keys)) == 1 else None
