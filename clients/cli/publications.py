"""Publications from files: PubMed's XML, JSON lines, texts; and what of them cannot be read, record by
record.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from clients.cli.passages import TEXT_SUFFIXES
from clients.cli.pubmed import MOST_RECORD_BYTES, kind_of, read_pubmed
from medmesh.language.v1.literature_pb2 import Publication

_KNOWN = ".xml, .jsonl, .ndjson, .txt and .md, each also as .gz,"
_MOST_TITLE = 200
"""Characters of a text's first line that still is a title."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A record, or the rest of a file, that cannot be read."""

    where: str
    """File, and line or number of the record."""
    why: str


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A publication that a file says is no more."""

    id: str


Read = Publication | Withdrawn | Fault


class Files:
    """The files that are to be loaded: those named, and of folders those with a known ending."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """OSError: there is no such file. ValueError: one that is named has no known ending, or there is
        none.
        """
        self._files: list[tuple[Path, str]] = []
        self.left_out_count = 0
        """Files in folders that have another ending."""
        self.read_bytes = 0
        """As they lie on disk; what a progress bar shows."""
        for path in paths:
            self._add(path)
        if not self._files:
            raise ValueError(f"there is nothing to load: {_KNOWN} are read")
        self.total_bytes = sum(path.stat().st_size for path, _ in self._files)

    def __iter__(self) -> Iterator[Read]:
        """Their records. OSError: a file cannot be opened any more."""
        done = 0
        for path, name in self._files:
            with path.open("rb") as raw:
                for record in _records(path, name, raw):
                    self.read_bytes = done + raw.tell()
                    yield record
            done += path.stat().st_size
            self.read_bytes = done

    def _add(self, path: Path) -> None:
        if not path.is_dir():
            if _ending(path) not in _READERS:
                raise ValueError(f"{path} has another ending than those that are read: {_KNOWN}")
            path.stat()
            self._files.append((path, path.name))
            return
        for where, folders, names in os.walk(path):
            folders.sort()
            for name in sorted(names):
                file = Path(where) / name
                if _ending(file) in _READERS and not name.startswith("."):
                    self._files.append((file, file.relative_to(path).as_posix()))
                else:
                    self.left_out_count += 1


def _ending(path: Path) -> str:
    name = path.name.lower().removesuffix(".gz")
    return Path(name).suffix


def _records(path: Path, name: str, raw: IO[bytes]) -> Iterator[Read]:
    reader = _READERS[_ending(path)]
    try:
        if path.name.lower().endswith(".gz"):
            with gzip.GzipFile(fileobj=raw) as unpacked:
                yield from reader(cast("IO[bytes]", unpacked), name)
        else:
            yield from reader(raw, name)
    except (gzip.BadGzipFile, zlib.error, EOFError):
        yield Fault(name, "the compressed file is damaged or breaks off; nothing after that was read")
    except ValueError as error:
        yield Fault(name, f"{error}; nothing after that was read")


def _pubmed(file: IO[bytes], name: str) -> Iterator[Read]:
    for number, record in enumerate(read_pubmed(file), 1):
        if isinstance(record, str):
            yield Withdrawn(record)
        elif not record.pmid or not (record.title or record.text):
            yield Fault(f"{name}: record {number}", "it has no PMID, or neither title nor abstract")
        else:
            yield record


def _json_lines(file: IO[bytes], name: str) -> Iterator[Read]:
    number = 0
    while line := file.readline(MOST_RECORD_BYTES + 1):
        number += 1
        where = f"{name}: line {number}"
        if len(line) > MOST_RECORD_BYTES:
            while line and not line.endswith(b"\n"):
                line = file.readline(MOST_RECORD_BYTES)
            yield Fault(where, f"longer than {MOST_RECORD_BYTES // 1024 // 1024} MiB")
        elif line.strip():
            try:
                yield _of_json(json.loads(line))
            except (ValueError, TypeError, RecursionError) as error:
                # The text of json's errors and of protobuf's may quote the line.
                known = (
                    str(error) if isinstance(error, _RecordError) else "not a JSON object with text fields"
                )
                yield Fault(where, known)


class _RecordError(ValueError):
    """What is wrong with a record, in words that quote nothing of it."""


def _of_json(record: Any) -> Publication:
    if not isinstance(record, Mapping):
        raise _RecordError("not a JSON object")
    title, text = (str(record.get(key) or "") for key in ("title", "text"))
    text = text or str(record.get("abstract") or "")
    if not (title.strip() or text.strip()):
        raise _RecordError("it has neither `title` nor `text` (or `abstract`)")
    pmid = str(record.get("pmid") or "")
    key = str(record.get("id") or "") or (f"pmid:{pmid}" if pmid else f"sha256:{_digest(title, text)}")
    authors = record.get("authors") or []
    publication = Publication(
        id=key,
        title=title,
        text=text,
        authors=[authors] if isinstance(authors, str) else authors,
        journal=str(record.get("journal") or ""),
        pmid=pmid,
        kinds=list(_kinds(record.get("kinds") or record.get("publication_types") or [])),
    )
    if record.get("year"):
        publication.year = int(record["year"])
    return publication


def _kinds(names: Any) -> Iterator[str]:
    for name in dict.fromkeys([names] if isinstance(names, str) else names):
        kind = kind_of(str(name))
        if kind is not None:
            yield kind


def _text(file: IO[bytes], name: str) -> Iterator[Read]:
    content = file.read(MOST_RECORD_BYTES + 1)
    if len(content) > MOST_RECORD_BYTES:
        yield Fault(name, f"longer than {MOST_RECORD_BYTES // 1024 // 1024} MiB")
        return
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        yield Fault(name, "not UTF-8 text")
        return
    if not text.strip():
        yield Fault(name, "blank")
        return
    first, _, rest = text.strip().partition("\n")
    has_title = len(first) <= _MOST_TITLE and bool(rest.strip())
    title = first.lstrip("# ").strip() if has_title else Path(name).stem
    yield Publication(id=name, title=title, text=rest.strip() if has_title else text.strip())


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


_READERS = {
    ".xml": _pubmed,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    **dict.fromkeys(TEXT_SUFFIXES, _text),
}
"""By the ending of the file's name, in small letters and without `.gz`."""
