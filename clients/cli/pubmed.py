"""PubMed's XML (https://www.nlm.nih.gov/bsd/licensee/elements_descriptions.html) as publications, a record at
a time.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO
from xml.etree.ElementTree import Element, ParseError

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from medmesh.language.v1.literature_pb2 import Publication, PublicationKind

MOST_RECORD_BYTES = 8 * 1024 * 1024
"""Of one record of a file: the longest of PubMed's have a tenth of it."""
_MOST_AUTHORS = 200
"""As in the contract; of more, which large collaborations have, the first are kept."""
_RECORD, _BOOK, _DELETED = "PubmedArticle", "PubmedBookArticle", "DeleteCitation"
_YEAR = re.compile(r"\b(1[5-9]\d\d|20\d\d)\b")
_TYPES = Path(__file__).parent / "publication_types.tsv"


class RecordTooLongError(ValueError):
    """A record has no end within the limit."""


def read_pubmed(file: IO[bytes]) -> Iterator[Publication | str]:
    """The publications of a file in its order, and the ids of those that it withdraws (`DeleteCitation`).

    ValueError: what follows cannot be read: it is no XML of PubMed's, breaks off, declares entities, or has a
    record longer than MOST_RECORD_BYTES.
    """
    source = _Bounded(file)
    try:
        events = ElementTree.iterparse(source, events=("start", "end"), forbid_dtd=False)
        _, root = next(events)
        if root.tag != "PubmedArticleSet":
            raise ValueError("it is XML, and not a PubmedArticleSet")
        for event, element in events:
            if event == "end" and element.tag in {_RECORD, _BOOK, _DELETED}:
                yield from _read(element)
                root.clear()
                source.begin_record()
    except ParseError as error:
        line, _ = error.position
        raise ValueError(f"the XML breaks off or is not well-formed at line {line}") from None
    except DefusedXmlException:
        raise ValueError("it declares entities, which PubMed's files never do") from None


@functools.cache
def kind_of(publication_type: str) -> str | None:
    """The `PublicationKind` that one of PubMed's publication types is brought to, or that has this name
    without its prefix; None: none.
    """
    by_type = dict(
        line.split("\t")
        for line in _TYPES.read_text("utf-8").splitlines()
        if line and not line.startswith("#")
    )
    name = by_type.get(publication_type, publication_type.upper().replace(" ", "_").replace("-", "_"))
    full = f"PUBLICATION_KIND_{name}"
    return full if full in PublicationKind.keys() else None  # noqa: SIM118 - no mapping


class _Bounded:
    """A file of which no record may be longer than the limit: a parser holds a whole one in memory."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._read = 0

    def begin_record(self) -> None:
        self._read = 0

    def read(self, size: int = -1) -> bytes:
        part = self._file.read(size)
        self._read += len(part)
        if self._read > MOST_RECORD_BYTES:
            raise RecordTooLongError(f"a record is longer than {MOST_RECORD_BYTES // 1024 // 1024} MiB")
        return part


def _read(element: Element) -> Iterator[Publication | str]:
    if element.tag == _DELETED:
        for number in element.iter("PMID"):
            yield f"pmid:{_words(number)}"
    elif element.tag == _RECORD and (citation := element.find("MedlineCitation")) is not None:
        yield _publication(citation)


def _publication(citation: Element) -> Publication:
    article = citation.find("Article")
    pmid = _words(citation.find("PMID"))
    if article is None:
        return Publication(id=f"pmid:{pmid}", pmid=pmid)
    types = [_words(one) for one in article.iter("PublicationType")]
    kinds = [kind for one in dict.fromkeys(types) if (kind := kind_of(one)) is not None]
    publication = Publication(
        id=f"pmid:{pmid}",
        pmid=pmid,
        title=_words(article.find("ArticleTitle")),
        text=_abstract(article),
        authors=list(_authors(article))[:_MOST_AUTHORS],
        journal=_words(article.find("Journal/ISOAbbreviation")) or _words(article.find("Journal/Title")),
        kinds=list(dict.fromkeys(kinds)),
    )
    date = article.find("Journal/JournalIssue/PubDate")
    stated = [_words(date.find(name)) for name in ("Year", "MedlineDate")] if date is not None else []
    if year := _YEAR.search(" ".join(stated)):
        publication.year = int(year.group())
    return publication


def _abstract(article: Element) -> str:
    """The parts with their labels, a paragraph each."""
    parts = []
    for part in article.findall("Abstract/AbstractText"):
        if words := _words(part):
            label = part.get("Label", "")
            parts.append(f"{label}: {words}" if label else words)
    return "\n".join(parts)


def _authors(article: Element) -> Iterator[str]:
    for author in article.findall("AuthorList/Author"):
        group = _words(author.find("CollectiveName"))
        name = f"{_words(author.find('LastName'))} {_words(author.find('Initials'))}".strip()
        if group or name:
            yield group or name


def _words(element: Element | None) -> str:
    """All text of an element, without its markup, with single spaces."""
    return "" if element is None else " ".join("".join(element.itertext()).split())
