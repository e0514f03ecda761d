"""A corpus on disk: an index of words, which also holds the publications, and a file of embeddings.

    <corpus>/words/          tantivy's index
    <corpus>/vectors         a row for each embedded passage, numbered as the passages say
    <corpus>/embedding.json  which model embedded them, and the width of its points
    <corpus>/lock            held by whoever writes, of whatever process

What is added is there when the index is committed, and then all of it: rows of embeddings are on disk before.
Those that no passage names, left behind by a writer that was killed, are never found.
"""

from __future__ import annotations

import errno
import fcntl
import json
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tantivy
from google.protobuf.json_format import MessageToDict, ParseDict

from medmesh.common.v1.answer_pb2 import Provenance
from services.chassis.errors import CorpusUnavailable, Overloaded
from services.language.literature.publications import Passage, Publication
from services.language.literature.vectors import Embedded, Filter, VectorFile, Vectors
from services.language.literature.words import NO_ROW, Hit, Words, documents, open_index

_WRITER_BYTES = 48_000_000
_LOCK_WAIT_S = 10.0


@dataclass(frozen=True)
class Prepared:
    """A publication that is ready to be added. `vectors`: FP32 [passages, width] of unit length; None: it is
    found by its words alone.
    """

    publication: Publication
    passages: Sequence[Passage]
    vectors: npt.NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Embedding:
    """The model that embedded a corpus, and the width of its points."""

    provenance: Provenance
    width: int

    def is_of(self, provenance: Provenance) -> bool:
        """Whether points of that model can be compared with those of the corpus."""
        return _identity(self.provenance) == _identity(provenance)


@dataclass(frozen=True)
class Snapshot:
    """A corpus as it was committed at some time; safe to share between threads."""

    words: Words
    embedding: Embedding | None
    vectors: Vectors | None

    def nearest_in_words(self, query: str, count: int, only: Filter) -> list[tuple[Hit, float]]:
        """At most `count` passages with their BM25, the nearest first."""
        with _explained():
            return self.words.nearest(query, count, only)

    def nearest_in_meaning(
        self, query: npt.NDArray[np.float32], count: int, only: Filter
    ) -> list[tuple[Hit, float]]:
        """At most `count` passages with their cosine, the nearest first."""
        if self.vectors is None:
            return []
        with _explained():
            rows = self.vectors.nearest(query, count, only)
            hits = self.words.of_rows([row for row, _ in rows])
        return [(hits[row], cosine) for row, cosine in rows if row in hits]


class Corpus:
    """A corpus that is there, or with `make` a new one. One object serves all threads.

    CorpusUnavailable, here and of each method: its files cannot be read or written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with _explained():
            self._index = open_index(folder / "words")
        self._latest: tuple[tuple[int, int], Snapshot] | None = None

    def now(self) -> Snapshot:
        """The corpus as it was committed last, by this process or another."""
        with _explained():
            status = (self._folder / "words" / "meta.json").stat()
            stamp = (status.st_mtime_ns, status.st_ino)
            if self._latest is None or self._latest[0] != stamp:
                self._latest = stamp, self._snapshot()
            return self._latest[1]

    def write(self, batch: Sequence[Prepared], provenance: Provenance | None = None) -> None:
        """Adds the publications, in the place of those with the same ids: all of them or none.

        `provenance` is that of their vectors. Overloaded: others are writing.
        """
        with self._exclusively():
            if provenance is not None and self._embedding() is None:
                width = next(one.vectors.shape[1] for one in batch if one.vectors is not None)
                self._write_embedding(Embedding(provenance, width))
            file = self._vector_file()
            length = len(file) if file else 0
            before = self._snapshot().words
            gone = [row for one in batch for row in before.rows(one.publication.id)]
            writer = self._index.writer(_WRITER_BYTES, 1)
            try:
                for prepared, first_row in zip(batch, _append(file, batch), strict=True):
                    writer.delete_documents_by_term("key", prepared.publication.id)
                    for document in documents(prepared.publication, prepared.passages, first_row):
                        writer.add_document(document)
                writer.commit()
            except BaseException:
                with suppress(
                    ValueError
                ):  # where the commit failed, so may this; the writer then ends without
                    writer.rollback()
                if file:
                    file.truncate(length)
                raise
            finally:
                _end(writer)
            if file:
                file.kill(gone)

    def remove(self, ids: Sequence[str]) -> int:
        """Removes the publications, and returns how many there were. Overloaded: others are writing."""
        with self._exclusively():
            before = self._snapshot().words
            there = [key for key in dict.fromkeys(ids) if before.publication(key) is not None]
            gone = [row for key in there for row in before.rows(key)]
            writer = self._index.writer(_WRITER_BYTES, 1)
            try:
                for key in there:
                    writer.delete_documents_by_term("key", key)
                writer.commit()
            finally:
                _end(writer)
            if file := self._vector_file():
                file.kill(gone)
            return len(there)

    def remove_all(self) -> int:
        """Removes the corpus, and returns how many publications it had. Overloaded: others are writing."""
        with self._exclusively():
            count = self._snapshot().words.counts()[0]
            # First the name, so that what is left of a removal that was cut short is no corpus.
            doomed = self._folder.with_name(f".removed-{self._folder.name}-{time.time_ns()}")
            self._folder.rename(doomed)
            shutil.rmtree(doomed)
            return count

    def size_bytes(self) -> int:
        """What its files take on disk."""
        total = 0
        for path in self._folder.rglob("*"):
            with suppress(FileNotFoundError):  # a merge ended in between
                total += path.stat().st_size if path.is_file() else 0
        return total

    def _snapshot(self) -> Snapshot:
        self._index.reload()
        embedding, file = self._embedding(), self._vector_file()
        return Snapshot(Words(self._index), embedding, file.read() if file else None)

    def _embedding(self) -> Embedding | None:
        path = self._folder / "embedding.json"
        if not path.exists():
            return None
        kept = json.loads(path.read_text("utf-8"))
        return Embedding(ParseDict(kept["model"], Provenance()), int(kept["width"]))

    def _write_embedding(self, embedding: Embedding) -> None:
        kept = {"width": embedding.width, "model": MessageToDict(embedding.provenance)}
        new = self._folder / "embedding.json.new"
        new.write_text(json.dumps(kept), "utf-8")
        new.replace(self._folder / "embedding.json")

    def _vector_file(self) -> VectorFile | None:
        embedding = self._embedding()
        return None if embedding is None else VectorFile(self._folder / "vectors", embedding.width)

    @contextmanager
    def _exclusively(self) -> Iterator[None]:
        with _explained(), (self._folder / "lock").open("a") as lock:
            end = time.monotonic() + _LOCK_WAIT_S
            while not _locked(lock.fileno()):
                if time.monotonic() > end:
                    raise Overloaded("others are writing to the corpus")
                time.sleep(0.02)
            yield


def _append(file: VectorFile | None, batch: Sequence[Prepared]) -> list[int]:
    """The number of each publication's first row, or NO_ROW."""
    rows = [
        Embedded(one.vectors, one.publication.year, one.publication.kinds)
        for one in batch
        if one.vectors is not None
    ]
    numbers = iter(file.append(rows) if file is not None and rows else ())
    return [NO_ROW if one.vectors is None else next(numbers) for one in batch]


def _end(writer: tantivy.IndexWriter) -> None:
    """Lets what the writer merges in the background end: until then it holds tantivy's own lock."""
    with suppress(ValueError):
        writer.wait_merging_threads()


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _identity(provenance: Provenance) -> tuple[str, str, str]:
    return provenance.model_name, provenance.preprocessing_version, provenance.weights_sha256


@contextmanager
def _explained() -> Iterator[None]:
    """Tantivy raises ValueError for whatever fails, and quotes paths; no text of it leaves here."""
    try:
        yield
    except OSError as error:
        reason = errno.errorcode.get(error.errno or 0, "")
        raise CorpusUnavailable(metadata={"error": reason} if reason else None) from error
    except (ValueError, KeyError) as error:
        raise CorpusUnavailable from error
