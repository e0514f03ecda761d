"""The index of a corpus' words: a document for each passage, and one for each publication, its head.

Kept with tantivy, whose BM25 answers in milliseconds where SQLite's takes half a second (docs/adr/0024).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tantivy

from services.language.literature.publications import Kind, Passage, Publication
from services.language.literature.vectors import Filter

_ANALYZER = "literature"
_WORD = re.compile(r"[^\W_]+")
NO_ROW = -1


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that was found. `row`: of its embedding, or NO_ROW."""

    publication_id: str
    passage: Passage
    row: int


def open_index(folder: Path) -> tantivy.Index:
    """The index in a folder, made where there is none. ValueError: its files do not hold."""
    folder.mkdir(parents=True, exist_ok=True)
    index = tantivy.Index(_schema(), path=str(folder))
    filters = tantivy.Filter
    analyzer = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
    for one in (
        filters.remove_long(60),
        filters.lowercase(),
        filters.ascii_fold(),
        filters.stopword("english"),
        filters.stemmer("english"),
    ):
        analyzer = analyzer.filter(one)
    index.register_tokenizer(_ANALYZER, analyzer.build())
    return index


def documents(
    publication: Publication, passages: Sequence[Passage], first_row: int
) -> Iterator[tantivy.Document]:
    """What is indexed of a publication; its passages have the rows from `first_row` on, or NO_ROW."""
    head = tantivy.Document()
    head.add_text("head", publication.id)
    head.add_text("key", publication.id)
    head.add_bytes("record", _record(publication, is_embedded=first_row != NO_ROW))
    yield head
    for number, passage in enumerate(passages):
        document = tantivy.Document()
        document.add_text("key", publication.id)
        document.add_text("title", publication.title)
        document.add_text("body", passage.text)
        document.add_integer("start", passage.start)
        document.add_integer("end", passage.end)
        document.add_integer("row", NO_ROW if first_row == NO_ROW else first_row + number)
        if publication.year is not None:
            document.add_integer("year", publication.year)
        for kind in publication.kinds:
            document.add_integer("kind", int(kind))
        yield document


class Words:
    """The index as it was when this was made; safe to share between threads."""

    def __init__(self, index: tantivy.Index) -> None:
        self._index = index
        self._schema = index.schema
        self._searcher = index.searcher()
        self._counts: tuple[int, int, int] | None = None

    def nearest(self, query: str, count: int, only: Filter) -> list[tuple[Hit, float]]:
        """At most `count` passages with a word of the query that the filter lets through, with their BM25."""
        words = " ".join(dict.fromkeys(_WORD.findall(query.lower())))
        try:
            wanted = self._index.parse_query(words, ["title", "body"])
        except ValueError:  # words that stand everywhere alone: "the of and"
            return []
        must = [(tantivy.Occur.Must, wanted), *self._filters(only)]
        return self._found(tantivy.Query.boolean_query(must), count)

    def of_rows(self, rows: Sequence[int]) -> dict[int, Hit]:
        """The passages that have these rows; those that none has are left out."""
        if not rows:
            return {}
        query = tantivy.Query.term_set_query(self._schema, "row", list(rows))
        return {hit.row: hit for hit, _ in self._found(query, len(rows))}

    def rows(self, publication_id: str) -> list[int]:
        """Of its embedded passages."""
        query = self._term("key", publication_id)
        hits = self._searcher.search(query, 10_000, count=False).hits
        found = self._searcher.fast_field_values("row", [address for _, address in hits])
        return [int(row) for row in found if row is not None and row != NO_ROW]

    def publication(self, publication_id: str) -> Publication | None:
        """The publication without its text; None: there is none of that id."""
        record = self._head(publication_id)
        if record is None:
            return None
        return Publication(
            publication_id,
            title=record["title"],
            authors=tuple(record["authors"]),
            journal=record["journal"],
            year=record["year"],
            pmid=record["pmid"],
            kinds=tuple(Kind(kind) for kind in record["kinds"]),
        )

    def has(self, publication: Publication, *, embedded: bool) -> bool:
        """Whether exactly this publication is there, and embedded where that is asked for."""
        record = self._head(publication.id)
        return (
            record is not None
            and record["digest"] == publication.digest()
            and (record["is_embedded"] or not embedded)
        )

    def counts(self) -> tuple[int, int, int]:
        """Publications, passages, embedded passages; counted once."""
        if self._counts is not None:
            return self._counts
        rows = [
            tantivy.Query.range_query(self._schema, "row", tantivy.FieldType.Integer, lowest)
            for lowest in (NO_ROW, 0)
        ]
        passages, embedded = (self._count(query) for query in rows)
        self._counts = int(self._searcher.num_docs) - passages, passages, embedded
        return self._counts

    def _found(self, query: tantivy.Query, count: int) -> list[tuple[Hit, float]]:
        hits = self._searcher.search(query, count, count=False).hits
        return [(_hit(self._searcher.doc(address)), float(score)) for score, address in hits]

    def _count(self, query: tantivy.Query) -> int:
        result: Any = self._searcher.search(query, 1)  # its stub lacks the count
        return int(result.count)

    def _head(self, publication_id: str) -> dict[str, Any] | None:
        hits = self._searcher.search(self._term("head", publication_id), 1, count=False).hits
        if not hits:
            return None
        record: dict[str, Any] = json.loads(self._searcher.doc(hits[0][1])["record"][0])
        return record

    def _term(self, field: str, value: str) -> tantivy.Query:
        return tantivy.Query.term_query(self._schema, field, value, "basic")

    def _filters(self, only: Filter) -> Iterator[tuple[tantivy.Occur, tantivy.Query]]:
        query, must = tantivy.Query, tantivy.Occur.Must
        if only.from_year is not None or only.to_year is not None:
            years = query.range_query(
                self._schema, "year", tantivy.FieldType.Integer, only.from_year, only.to_year
            )
            yield must, query.const_score_query(years, 0.0)
        if only.kinds:
            kinds = query.term_set_query(self._schema, "kind", [int(kind) for kind in only.kinds])
            yield must, query.const_score_query(kinds, 0.0)


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("head", tokenizer_name="raw", index_option="basic")
    builder.add_text_field("key", stored=True, tokenizer_name="raw", index_option="basic")
    builder.add_bytes_field("record", stored=True)
    builder.add_text_field("title", tokenizer_name=_ANALYZER, index_option="freq")
    builder.add_text_field("body", stored=True, tokenizer_name=_ANALYZER, index_option="freq")
    builder.add_integer_field("start", stored=True)
    builder.add_integer_field("end", stored=True)
    builder.add_integer_field("row", stored=True, indexed=True, fast=True)
    builder.add_integer_field("year", indexed=True, fast=True)
    builder.add_integer_field("kind", indexed=True)
    return builder.build()


def _record(publication: Publication, *, is_embedded: bool) -> bytes:
    record = {
        "digest": publication.digest(),
        "is_embedded": is_embedded,
        "title": publication.title,
        "authors": publication.authors,
        "journal": publication.journal,
        "year": publication.year,
        "pmid": publication.pmid,
        "kinds": publication.kinds,
    }
    return json.dumps(record, ensure_ascii=False).encode()


def _hit(document: tantivy.Document) -> Hit:
    stored = document.to_dict()
    passage = Passage(stored["body"][0], stored["start"][0], stored["end"][0])
    return Hit(stored["key"][0], passage, stored["row"][0])
