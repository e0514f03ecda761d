"""What references point to: entries of the bundle or contained resources; above all, whether to its Patient.

Follows FHIR R4, Bundle 2.36.4 (resolving references) and References 2.3: absolute URLs name one resource of
one server, with http and https and any version taken as the same; a relative reference is of the server of
the entry that holds it. Where the entries have no URLs of their own, type and id decide.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import parse_qs

from services.clinical.fhir.bounded_json import Node
from services.clinical.fhir.bundle import Entry

_HISTORY = re.compile(r"/_history/[^/]*$")
_SCHEME = re.compile(r"^https?://")


class References:
    """The entries of one bundle by all that they may be called."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._by_url: dict[str, Entry] = {}
        self._by_name: dict[str, list[Entry]] = {}
        self._by_identifier: dict[tuple[str, str, str], Entry] = {}
        self._assumed_bases: dict[str, str] = {}
        self._known: dict[tuple[str, str], Entry | None] = {}
        for entry in entries:
            if entry.url:
                self._by_url.setdefault(_normalised(entry.url), entry)
            if entry.id:
                self._by_url.setdefault(f"urn:uuid:{entry.id.lower()}", entry)
                self._by_name.setdefault(f"{entry.kind}/{entry.id}", []).append(entry)
            if entry.kind in {"Patient", "Medication"}:
                for identifier in entry.resource.items("identifier"):
                    system, value = _member(identifier, "system"), _member(identifier, "value")
                    if value:
                        self._by_identifier.setdefault((entry.kind, system, value), entry)

    def find(self, reference: Node, holder: Entry, kind: str) -> Entry | None:
        """The entry of a kind that a Reference of `holder` points to; None where it is not in the bundle."""
        target = reference.text("reference").strip()
        if target.startswith("#"):
            return None
        if target:
            key = (target, holder.base)
            if key not in self._known:
                self._known[key] = self._resolve(target, holder)
            found = self._known[key]
            return found if found is not None and found.kind == kind else None
        identifier = reference.get("identifier")
        if identifier is None:
            return None
        return self._by_identifier.get((kind, _member(identifier, "system"), _member(identifier, "value")))

    def _resolve(self, target: str, holder: Entry) -> Entry | None:
        target = _HISTORY.sub("", target)
        if target.lower().startswith("urn:"):
            return self._by_url.get(_normalised(target))
        if "?" in target:
            return self._by_query(target)
        if _SCHEME.match(target):
            return self._by_url.get(_normalised(target)) or self._of_unnamed_server(target)
        if holder.base and (found := self._by_url.get(_normalised(f"{holder.base}/{target}"))):
            return found
        candidates = [
            entry
            for entry in self._by_name.get(target, ())
            if not (holder.base and entry.base and entry.base != holder.base)
        ]
        if candidates:
            return candidates[0] if len(candidates) == 1 else None
        return self._by_url.get(_normalised(target))  # servers that write `Patient/1` as the full URL

    def _of_unnamed_server(self, target: str) -> Entry | None:
        """The entry that an absolute URL may name because the entry has no URL itself: all such must agree on
        the server, or two patients of the same id could be taken for one.
        """
        base, *name = target.rsplit("/", 2)
        candidates = [entry for entry in self._by_name.get("/".join(name), ()) if not entry.base]
        if len(candidates) != 1:
            return None
        assumed = self._assumed_bases.setdefault("/".join(name), _normalised(base))
        return candidates[0] if assumed == _normalised(base) else None

    def _by_query(self, target: str) -> Entry | None:
        """A conditional reference: `Patient?identifier=system|value`."""
        kind, _, query = target.partition("?")
        values = parse_qs(query).get("identifier", [])
        if len(values) != 1 or parse_qs(query).keys() != {"identifier"}:
            return None
        system, bar, value = values[0].rpartition("|")
        found = {
            id(entry): entry
            for (of, its_system, its_value), entry in self._by_identifier.items()
            if of == kind and its_value == value and (its_system == system or not bar)
        }
        return next(iter(found.values())) if len(found) == 1 else None


def contained_in(holder: Entry, reference: Node) -> Node | None:
    """The contained resource that a Reference such as `#med` points to."""
    target = reference.text("reference").strip()
    if not target.startswith("#"):
        return None
    for contained in holder.resource.items("contained"):
        if contained.text("id").removeprefix("#") == target[1:]:  # STU3's servers wrote the "#" into the id
            return contained
    return None


def _member(identifier: Node, name: str) -> str:
    """A member of an Identifier; what is not text identifies nothing."""
    value = identifier.value.get(name) if isinstance(identifier.value, dict) else None
    return value.strip() if isinstance(value, str) else ""


def _normalised(url: str) -> str:
    """Scheme, host and UUIDs compare without case, the path with it."""
    if url[:4].lower() == "urn:":
        return url.lower()
    rest = _SCHEME.sub("", url.rstrip("/"))
    host, slash, path = rest.partition("/")
    return host.lower() + slash + path
