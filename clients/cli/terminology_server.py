"""What `medmesh terminology` asks a FHIR terminology server: concept maps, value sets, single codes.

It is asked when a terminology is made, never while a request waits (docs/adr/0026). FHIR R4 and R5; answers
are bounded in size, pages and time. Only standard-library HTTP: three reads need no more.
"""

from __future__ import annotations

import ipaddress
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

MAX_BYTES: Final = 64 * 1024 * 1024
"""Largest answer that is read."""
MAX_CODES: Final = 100_000
"""Codes that a value set may expand to."""
PAGE: Final = 1000

SAME_OR_WIDER: Final = frozenset(
    # R4 `equivalence`, of the target; R5 `relationship`, of the source.
    {"equal", "equivalent", "wider", "subsumes", "source-is-narrower-than-target"}
)
"""What a target may be to its source so that a rule on the target holds for the source."""


class ServerError(Exception):
    """The server does not answer, refuses, or answers with something else than was asked for."""


@dataclass(frozen=True, slots=True)
class Coding:
    """A code of a code system, with what the server calls it."""

    system: str
    code: str
    display: str


@dataclass(frozen=True, slots=True)
class Translation:
    """What a concept map says of a code."""

    source: Coding
    target: Coding


@dataclass(frozen=True)
class ConceptMap:
    """The mappings of a concept map that can be used, and how many cannot."""

    name: str
    """Its canonical address and version."""
    mappings: tuple[Translation, ...]
    left_out_count: int
    """Targets that are narrower than their source or only related to it: a rule on them need not hold."""


class TerminologyServer:
    """A FHIR terminology server by its base address."""

    def __init__(self, base: str, *, token: str = "", timeout_s: float = 30.0) -> None:
        """ServerError where a token would travel in the clear."""
        parts = urllib.parse.urlsplit(base)
        if parts.scheme not in {"http", "https"} or not parts.netloc:
            raise ServerError("the server's address is one such as https://tx.example.org/r4")
        if token and parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
            raise ServerError("a token is sent by https only")
        self._base = base.rstrip("/")
        self._token = token
        self._timeout_s = timeout_s

    def concept_map(self, url: str) -> ConceptMap:
        """The concept map with this canonical address."""
        found = self._get("ConceptMap", {"url": url})
        resources = [entry.get("resource", {}) for entry in _items(found, "entry")]
        maps = [item for item in resources if item.get("resourceType") == "ConceptMap"]
        if not maps:
            raise ServerError(f"the server has no concept map {url}")
        newest = max(maps, key=lambda item: str(item.get("version", "")))
        mappings, left_out = [], 0
        for group in _items(newest, "group"):
            for element in _items(group, "element"):
                display = str(element.get("display", ""))
                source = Coding(_system(group, "source"), str(element.get("code", "")), display)
                for target in _items(element, "target"):
                    if target.get("relationship", target.get("equivalence")) not in SAME_OR_WIDER:
                        left_out += 1
                    elif source.code and target.get("code") and not target.get("dependsOn"):
                        display = str(target.get("display", ""))
                        meant = Coding(_system(group, "target"), str(target["code"]), display)
                        mappings.append(Translation(source, meant))
                    else:
                        left_out += 1
        return ConceptMap(_named(newest, url), tuple(mappings), left_out)

    def value_set(self, url: str) -> tuple[str, tuple[Coding, ...]]:
        """Canonical address with version, and the codes that the value set expands to."""
        codings: dict[tuple[str, str], Coding] = {}
        name, offset = url, 0
        while True:
            answer = self._get("ValueSet/$expand", {"url": url, "count": str(PAGE), "offset": str(offset)})
            expansion = answer.get("expansion")
            if answer.get("resourceType") != "ValueSet" or not isinstance(expansion, dict):
                raise ServerError(f"the server does not expand the value set {url}")
            name = _named(answer, url)
            page = list(_contained(expansion))
            fresh = [coding for coding in page if (coding.system, coding.code) not in codings]
            codings.update({(coding.system, coding.code): coding for coding in fresh})
            if len(codings) > MAX_CODES:
                raise ServerError(f"the value set {url} has more than {MAX_CODES} codes")
            offset += len(page)
            # A server without paging gives the whole expansion again.
            if not fresh or offset >= int(expansion.get("total", offset)):
                return name, tuple(codings.values())

    def lookup(self, system: str, code: str) -> str | None:
        """What the server calls a code; None where it does not know it."""
        try:
            answer = self._get("CodeSystem/$lookup", {"system": system, "code": code})
        except _NotFoundError:
            return None
        for parameter in _items(answer, "parameter"):
            if parameter.get("name") == "display":
                return str(parameter.get("valueString", ""))
        raise ServerError("the server's answer to $lookup has no display")

    def _get(self, path: str, query: Mapping[str, str]) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{self._base}/{path}?{urllib.parse.urlencode(query)}",
            headers={"Accept": "application/fhir+json"},
        )
        if self._token:
            request.add_unredirected_header("Authorization", f"Bearer {self._token}")
        try:
            with urllib.request.urlopen(request, timeout=self._timeout_s) as response:
                content = response.read(MAX_BYTES + 1)
        except urllib.error.HTTPError as error:
            if error.code in {400, 404, 422}:
                raise _NotFoundError(f"{path}: {_diagnosis(error)}") from None
            raise ServerError(f"{path}: the server answers {error.code}") from None
        except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
            reason = getattr(error, "reason", error)
            raise ServerError(f"the server does not answer: {reason}") from None
        if len(content) > MAX_BYTES:
            raise ServerError(f"{path}: the answer has more than {MAX_BYTES // 2**20} MiB")
        try:
            answer = json.loads(content)
        except ValueError:
            raise ServerError(f"{path}: the answer is no JSON") from None
        if not isinstance(answer, dict):
            raise ServerError(f"{path}: the answer is no FHIR resource")
        return answer


class _NotFoundError(ServerError):
    """The server does not have what was asked for."""


def _contained(part: Mapping[str, Any]) -> Iterator[Coding]:
    for item in _items(part, "contains"):
        if item.get("code") and not item.get("abstract"):
            yield Coding(str(item.get("system", "")), str(item["code"]), str(item.get("display", "")))
        yield from _contained(item)


def _items(part: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    found = part.get(name, [])
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _system(group: Mapping[str, Any], side: str) -> str:
    """Of an R4 group a URI, of an R5 group a canonical address with its version."""
    return str(group.get(side, "")).split("|")[0]


def _named(resource: Mapping[str, Any], url: str) -> str:
    version = resource.get("version")
    return f"{resource.get('url', url)}|{version}" if version else str(resource.get("url", url))


def _diagnosis(error: urllib.error.HTTPError) -> str:
    """What an OperationOutcome says, in one line."""
    try:
        outcome = json.loads(error.read(65536))
        issue = _items(outcome, "issue")[0]
        text = issue.get("diagnostics") or issue.get("details", {}).get("text")
        return " ".join(str(text).split())[:200]
    except (ValueError, AttributeError, IndexError):
        return f"the server answers {error.code}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
