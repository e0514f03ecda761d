"""Where a queue is kept: one SQLite file, for one process, or a PostgreSQL database, for several.

The queue's SQL is what both understand; what differs stands here. Connections are blocking and shared under a
lock: an event loop calls the queue in a thread.
"""

from __future__ import annotations

import fcntl
import os
import re
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, ClassVar, Protocol

Values = Mapping[str, Any]
Row = tuple[Any, ...]
NONE: Values = MappingProxyType({})

POSTGRES = ("postgresql://", "postgres://")
_BUSY_S = 30.0
_SECRET_MODE = 0o600


class DatabaseError(Exception):
    """The database cannot be opened; the message is for the operator."""


class Session(Protocol):
    """One transaction."""

    def rows(self, sql: str, values: Values = NONE) -> list[Row]:
        """What a statement returns. Values stand in it as `:name`."""

    def change(self, sql: str, values: Values = NONE) -> int:
        """How many rows a statement changed."""

    def change_many(self, sql: str, values: Sequence[Values]) -> int:
        """How many rows it changed, executed for each of `values`."""


class Database(Protocol):
    """A database of queues."""

    exclusive: bool
    """Whether nobody else works on it: what runs when it is opened is left from a process that ended."""
    skip_locked: str
    """Ends a subquery that picks a row which no other worker picks meanwhile."""

    def transaction(self) -> AbstractContextManager[Session]:
        """A block with a Session: all of it happens, durably, or nothing does."""

    def close(self) -> None:
        """Closes it."""


def open_database(address: str | Path, *, read_only: bool = False, repeatable: bool = False) -> Database:
    """`postgresql://…`, or the path of an SQLite file, which is made where it is not there.

    `read_only` looks at a file on which another process may be working. `repeatable`: the last
    transactions before a power failure may be undone, in their order, which spares the disk two flushes an
    item; what a killed process did stays. Raises DatabaseError.
    """
    if isinstance(address, str) and address.startswith(POSTGRES):
        return PostgresDatabase(address)
    return SqliteDatabase(Path(address), read_only=read_only, repeatable=repeatable)


class SqliteDatabase:
    """One file, with the files that SQLite puts beside it; readable by its owner alone.

    What is deleted is overwritten (`secure_delete`), since payloads and results may be patient data.
    """

    exclusive = True
    skip_locked = ""
    _TYPES: ClassVar[Mapping[str, str]] = {"{id}": "INTEGER PRIMARY KEY AUTOINCREMENT", "{bytes}": "BLOB"}

    def __init__(self, path: Path, *, read_only: bool = False, repeatable: bool = False) -> None:
        self._lock = threading.RLock()
        self._guard: IO[bytes] | None = None
        if read_only:
            if not path.is_file():
                raise DatabaseError(f"there is no {path}")
        else:
            self._guard = _alone(path)
        self._connection = sqlite3.connect(
            path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
        )
        # FULL: a transaction that has ended is on the disk, also after the power fails.
        synchronous = "NORMAL" if repeatable else "FULL"
        for pragma in (
            "journal_mode=WAL",
            f"synchronous={synchronous}",
            "secure_delete=ON",
            "foreign_keys=ON",
        ):
            self._connection.execute(f"PRAGMA {pragma}")

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A block with a Session."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE" if self._guard else "BEGIN")
            try:
                yield _SqliteSession(self._connection, self._TYPES)
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def close(self) -> None:
        """Closes the file, and lets others open it."""
        with self._lock:
            if self._guard is not None:
                # What was deleted is gone from the log too.
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._connection.close()
            if self._guard is not None:
                self._guard.close()


class _SqliteSession:
    def __init__(self, connection: sqlite3.Connection, types: Mapping[str, str]) -> None:
        self._connection = connection
        self._types = types

    def rows(self, sql: str, values: Values = NONE) -> list[Row]:
        return self._connection.execute(_with(sql, self._types), dict(values)).fetchall()

    def change(self, sql: str, values: Values = NONE) -> int:
        return self._connection.execute(_with(sql, self._types), dict(values)).rowcount

    def change_many(self, sql: str, values: Sequence[Values]) -> int:
        return self._connection.executemany(sql, values).rowcount


def _alone(path: Path) -> IO[bytes]:
    """Makes the file for its owner's eyes, and holds it until the guard is closed."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, _SECRET_MODE))
    path.chmod(_SECRET_MODE)
    guard = path.with_name(f"{path.name}.lock").open("wb")
    try:
        fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        guard.close()
        raise DatabaseError(f"another process works on {path}: wait for it, or end it") from None
    return guard


class PostgresDatabase:
    """A database of PostgreSQL 13 or later, on which several workers may work."""

    exclusive = False
    skip_locked = "FOR UPDATE SKIP LOCKED"
    _TYPES: ClassVar[Mapping[str, str]] = {
        "{id}": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
        "{bytes}": "BYTEA",
    }

    def __init__(self, address: str) -> None:
        try:
            import psycopg
        except ImportError:
            raise DatabaseError("PostgreSQL needs psycopg: pip install 'psycopg[binary]'") from None
        self._lock = threading.RLock()
        self._psycopg = psycopg
        self._address = address
        self._connection = self._connected()

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A block with a Session. A connection that broke is made anew with the next block."""
        with self._lock:
            if self._connection.closed:
                self._connection = self._connected()
            with self._connection.transaction(), self._connection.cursor() as cursor:
                yield _PostgresSession(cursor, self._TYPES)

    def close(self) -> None:
        """Closes the connection."""
        with self._lock:
            self._connection.close()

    def _connected(self) -> Any:
        try:
            return self._psycopg.connect(self._address, autocommit=True, connect_timeout=10)
        except self._psycopg.OperationalError:
            # Without its text, which may show the address with its password.
            raise DatabaseError("PostgreSQL does not answer at the address that was given") from None


class _PostgresSession:
    def __init__(self, cursor: Any, types: Mapping[str, str]) -> None:
        self._cursor = cursor
        self._types = types

    def rows(self, sql: str, values: Values = NONE) -> list[Row]:
        self._cursor.execute(_named(_with(sql, self._types)), values)
        found: list[Row] = self._cursor.fetchall()
        return found

    def change(self, sql: str, values: Values = NONE) -> int:
        self._cursor.execute(_named(_with(sql, self._types)), values)
        changed: int = self._cursor.rowcount
        return changed

    def change_many(self, sql: str, values: Sequence[Values]) -> int:
        self._cursor.executemany(_named(sql), values)
        changed: int = self._cursor.rowcount
        return changed


def _with(sql: str, types: Mapping[str, str]) -> str:
    for name, kind in types.items():
        sql = sql.replace(name, kind)
    return sql


def _named(sql: str) -> str:
    """`:name` as psycopg writes it."""
    return re.sub(r":(\w+)", r"%(\1)s", sql)
