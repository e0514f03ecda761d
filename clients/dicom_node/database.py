"""The SQLite file behind the ledger: what is in it, and transactions that are on the disk before anybody is
told.

Lines stay for as long as the node does, so whatever is asked while it works must cost as much as what is
under way or kept, not as much as all that ever came.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    id INTEGER PRIMARY KEY,
    sop_instance_uid TEXT NOT NULL,
    digest TEXT NOT NULL,
    sop_class_uid TEXT NOT NULL,
    study_uid TEXT NOT NULL,
    unit TEXT NOT NULL,          -- what is one image with it: its series, or itself
    ready_at REAL,               -- when its unit is complete; NULL: when its study was quiet for quiet_s
    quiet_s REAL NOT NULL,
    unit_count INTEGER NOT NULL, -- 0: not known
    wanted TEXT NOT NULL,        -- JSON: how to analyse it
    file TEXT NOT NULL,
    taken_at REAL NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'assigned', 'parked')),
    reason TEXT NOT NULL DEFAULT '',
    analysis TEXT REFERENCES analyses(id),
    kept INTEGER NOT NULL DEFAULT 1,
    UNIQUE (sop_instance_uid, digest)
);
CREATE INDEX IF NOT EXISTS objects_by_state ON objects (state, unit);
CREATE INDEX IF NOT EXISTS objects_by_study ON objects (study_uid, taken_at);
CREATE INDEX IF NOT EXISTS objects_by_unit ON objects (unit);
CREATE INDEX IF NOT EXISTS objects_by_analysis ON objects (analysis);
CREATE INDEX IF NOT EXISTS objects_kept ON objects (analysis) WHERE kept = 1;
CREATE TABLE IF NOT EXISTS analyses (
    id TEXT PRIMARY KEY,
    unit TEXT NOT NULL,
    revision INTEGER NOT NULL,   -- from 1; the next where objects came after it was taken for complete
    wanted TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'done', 'parked')),
    reason TEXT NOT NULL DEFAULT '',
    attempts INTEGER NOT NULL DEFAULT 0,
    due_at REAL NOT NULL,
    made_at REAL NOT NULL,
    ended_at REAL,
    receipt_id TEXT NOT NULL DEFAULT '',
    UNIQUE (unit, revision)
);
CREATE INDEX IF NOT EXISTS analyses_by_state ON analyses (state, due_at);
CREATE TABLE IF NOT EXISTS results (
    sop_instance_uid TEXT PRIMARY KEY,
    analysis TEXT NOT NULL REFERENCES analyses(id),
    kind TEXT NOT NULL,
    file TEXT NOT NULL,
    kept INTEGER NOT NULL DEFAULT 1
);
CREATE INDEX IF NOT EXISTS results_by_analysis ON results (analysis);
CREATE INDEX IF NOT EXISTS results_kept ON results (analysis) WHERE kept = 1;
CREATE TABLE IF NOT EXISTS deliveries (
    result TEXT NOT NULL REFERENCES results(sop_instance_uid),
    destination TEXT NOT NULL,
    -- sent: commitment was asked for
    state TEXT NOT NULL CHECK (state IN ('pending', 'sent', 'done', 'parked')),
    reason TEXT NOT NULL DEFAULT '',
    attempts INTEGER NOT NULL DEFAULT 0,
    due_at REAL NOT NULL,
    transaction_uid TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (result, destination)
);
CREATE INDEX IF NOT EXISTS deliveries_by_state ON deliveries (state, due_at);
"""
VERSION = 1


class LedgerError(RuntimeError):
    """The file cannot be used; the message is for the operator."""


class Database:
    """One process has it; its threads share one connection."""

    def __init__(self, path: Path) -> None:
        """Raises LedgerError where another version wrote it."""
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
        os.close(descriptor)
        path.chmod(0o600)
        self.lock = threading.RLock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=30)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("PRAGMA foreign_keys = ON")
        found = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if found not in (0, VERSION):
            self._connection.close()
            raise LedgerError(f"{path} was written by another version of medmesh ({found}, here {VERSION})")
        self._connection.executescript(SCHEMA)  # nothing is written where all of it is there
        if found == 0:
            self._connection.execute(f"PRAGMA user_version = {VERSION}")

    def close(self) -> None:
        """Closes it; whatever was committed is on the disk."""
        with self.lock:
            self._connection.close()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, on the disk when the block has ended."""
        with self.lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise

    def rows(self, query: str, *values: object) -> list[tuple[object, ...]]:
        """All rows of a query."""
        with self.lock:
            return self._connection.execute(query, values).fetchall()
