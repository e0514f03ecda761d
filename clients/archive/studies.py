"""Which entries of a run are of one study, in memory that does not grow with the archive."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from itertools import groupby

from clients.archive.entries import Entry
from services.queue.items import Kept
from services.queue.queue import Queue

_PAGE = 1_000
# A part without a study stands for itself: its number is no text, so that it equals no UID.
_BY_STUDY = """
    SELECT min(id) OVER (PARTITION BY coalesce(study, id)) AS first, id FROM part ORDER BY first, id
"""


def studies(queue: Queue) -> Iterator[tuple[list[Kept], int]]:
    """The entries of each study that have ended, in the order of the archive, and how many of it have not.

    Studies come in the order of their first entries; those of which nothing has ended are left out.
    """
    # Which entry is of which study lies in a file that has no name and goes with the connection.
    table = sqlite3.connect("")
    try:
        table.execute("CREATE TABLE part (id INTEGER PRIMARY KEY, study TEXT)")
        for identifier, payload in queue.payloads():
            study = Entry.unpacked("", payload).study_uid or None
            table.execute("INSERT INTO part VALUES (?, ?)", (identifier, study))
        for _, group in groupby(_parts(queue, table), key=lambda one: one[0]):
            parts = [kept for _, kept in group]
            if ended := [kept for kept in parts if kept]:
                yield ended, len(parts) - len(ended)
    finally:
        table.close()


def _parts(queue: Queue, table: sqlite3.Connection) -> Iterator[tuple[int, Kept | None]]:
    """Every entry with the number of its study's first, in their order; None: it has not ended."""
    found = table.execute(_BY_STUDY)
    while page := found.fetchmany(_PAGE):
        ended = {kept[0].id: kept for kept in queue.ended_among(identifier for _, identifier in page)}
        for first, identifier in page:
            yield first, ended.get(identifier)
