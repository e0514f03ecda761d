"""What an operator sees of the ledger, and may do with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clients.dicom_node.database import Database


@dataclass(frozen=True)
class Parked:
    """Something that waits for a person."""

    what: str
    """`object`, `analysis` or `delivery`."""
    id: str
    """A number of the ledger, or an analysis' id."""
    reason: str
    """A word such as `NO_RULE`, and after a colon what else was said."""
    count: int
    """Objects that it concerns."""
    since: float
    """When it was parked, in seconds since 1970."""
    destination: str = ""
    """Of a delivery."""

    @property
    def name(self) -> str:
        """What an operator calls it by."""
        return f"{self.what}/{self.id}"

    @property
    def why(self) -> str:
        """The reason, and whose it is."""
        return f"{self.destination}: {self.reason}" if self.destination else self.reason

    def has_reason(self, word: str) -> bool:
        """Whether it was parked for that."""
        return self.reason.partition(":")[0] == word


def files(database: Database) -> set[str]:
    """Names of all files that it counts on."""
    rows = database.rows(
        "SELECT file FROM objects WHERE kept = 1 UNION SELECT file FROM results WHERE kept = 1"
    )
    return {str(row[0]) for row in rows}


def counts(database: Database) -> dict[str, int]:
    """How many of what: `objects.waiting`, `analyses.done`, `deliveries.discarded` and so on."""
    found: dict[str, int] = {}
    for table in ("objects", "analyses", "deliveries"):
        query = (
            "SELECT iif(reason LIKE 'DISCARDED: %', 'discarded', state), count(*) "  # noqa: S608
            f"FROM {table} GROUP BY 1"
        )
        for state, count in database.rows(query):
            found[f"{table}.{state}"] = int(str(count))
    return found


def parked(database: Database) -> list[Parked]:
    """What waits for a person, the oldest first."""
    rows = database.rows(
        """
        SELECT * FROM (
            SELECT 'object', id, reason, 1, taken_at, '' FROM objects WHERE state = 'parked'
            UNION ALL
            SELECT 'analysis', a.id, a.reason, count(*), a.ended_at, ''
                FROM analyses a JOIN objects o ON o.analysis = a.id WHERE a.state = 'parked' GROUP BY a.id
            UNION ALL
            SELECT 'delivery', rowid, reason, 1, due_at, destination FROM deliveries WHERE state = 'parked')
        WHERE reason NOT LIKE 'DISCARDED: %' ORDER BY 5
        """
    )
    return [
        Parked(str(what), str(identifier), str(reason), int(str(count)), float(str(since)), str(to))
        for what, identifier, reason, count, since, to in rows
    ]


def retry(database: Database, now: float) -> int:
    """Takes up all parked analyses and deliveries again; returns how many. Objects stay: the rules
    or their content exclude them. So does what was discarded.
    """
    with database.writing() as db:
        return sum(
            db.execute(query, (now,)).rowcount
            for query in (
                "UPDATE analyses SET state = 'pending', due_at = ? WHERE state = 'parked' "  # noqa: ISC004
                "AND reason != 'REPLACED' AND reason NOT LIKE 'DISCARDED: %'",
                "UPDATE deliveries SET state = 'pending', due_at = ? WHERE state = 'parked' "  # noqa: ISC004
                "AND reason NOT LIKE 'DISCARDED: %'",
            )
        )


_ENTRIES = {"object": ("objects", "id"), "analysis": ("analyses", "id"), "delivery": ("deliveries", "rowid")}


def discard(database: Database, chosen: Sequence[Parked]) -> list[str]:
    """Gives up what is parked. Its line stays in the ledger, as `DISCARDED` with the reason that it had; the
    files of objects and of analyses count as gone from now on, and are returned. A delivery has none of its
    own: a result and its image go when nothing else waits for them (`outdated`).

    What is parked no more is left alone.
    """
    files: list[str] = []
    with database.writing() as db:
        for one in chosen:
            table, key = _ENTRIES[one.what]
            changed = db.execute(
                f"UPDATE {table} SET reason = 'DISCARDED: ' || reason WHERE {key} = ? "  # noqa: S608
                "AND state = 'parked' AND reason NOT LIKE 'DISCARDED: %'",
                (one.id,),
            ).rowcount
            if changed and one.what != "delivery":
                whose = "id" if one.what == "object" else "analysis"
                query = f"UPDATE objects SET kept = 0 WHERE {whose} = ? AND kept = 1 RETURNING file"  # noqa: S608
                files += [str(row[0]) for row in db.execute(query, (one.id,))]
    return files


def outdated(database: Database, before: float) -> list[str]:
    """Files whose analysis ended before and whose results were all delivered or given up; they count as
    gone from now on.
    """
    # From what is kept to its analysis, not from all that were ever made.
    where = (
        "WHERE kept = 1 AND EXISTS (SELECT 1 FROM analyses a WHERE a.id = analysis AND a.state = 'done' AND "
        "a.ended_at < ? AND NOT EXISTS (SELECT 1 FROM results r JOIN deliveries d ON d.result = "
        "r.sop_instance_uid WHERE r.analysis = a.id AND d.state != 'done' AND "
        "d.reason NOT LIKE 'DISCARDED: %'))"
    )
    with database.writing() as db:
        return [
            str(row[0])
            for table in ("objects", "results")
            for row in db.execute(f"UPDATE {table} SET kept = 0 {where} RETURNING file", (before,))  # noqa: S608
        ]
