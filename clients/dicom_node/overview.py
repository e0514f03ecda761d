"""What an operator sees of the ledger, and may do with it."""

from __future__ import annotations

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
    count: int
    """Objects that it concerns."""


def files(database: Database) -> set[str]:
    """Names of all files that it counts on."""
    rows = database.rows(
        "SELECT file FROM objects WHERE kept = 1 UNION SELECT file FROM results WHERE kept = 1"
    )
    return {str(row[0]) for row in rows}


def counts(database: Database) -> dict[str, int]:
    """How many of what: `objects.waiting`, `analyses.done`, `deliveries.pending` and so on."""
    found: dict[str, int] = {}
    for table in ("objects", "analyses", "deliveries"):
        for state, count in database.rows(f"SELECT state, count(*) FROM {table} GROUP BY state"):  # noqa: S608
            found[f"{table}.{state}"] = int(str(count))
    return found


def parked(database: Database) -> list[Parked]:
    """What waits for a person, by reason."""
    rows = [
        *database.rows("SELECT 'object', id, reason, 1 FROM objects WHERE state = 'parked' ORDER BY id"),
        *database.rows(
            "SELECT 'analysis', a.id, a.reason, count(o.id) FROM analyses a JOIN objects o ON "
            "o.analysis = a.id "
            "WHERE a.state = 'parked' GROUP BY a.id ORDER BY a.made_at"
        ),
        *database.rows(
            "SELECT 'delivery', d.rowid, d.destination || ': ' || d.reason, 1 FROM deliveries d "
            "WHERE d.state = 'parked'"
        ),
    ]
    return [Parked(str(w), str(i), str(r), int(str(c))) for w, i, r, c in rows]


def retry(database: Database, now: float) -> int:
    """Takes up all parked analyses and deliveries again; returns how many. Objects stay: the rules
    or their content exclude them.
    """
    with database.writing() as db:
        return sum(
            db.execute(query, (now,)).rowcount
            for query in (
                "UPDATE analyses SET state = 'pending', due_at = ? "  # noqa: ISC004
                "WHERE state = 'parked' AND reason != 'REPLACED'",
                "UPDATE deliveries SET state = 'pending', due_at = ? WHERE state = 'parked'",
            )
        )


def outdated(database: Database, before: float) -> list[str]:
    """Files whose analysis ended before and whose results were all delivered; they count as gone from
    now on.
    """
    done = (
        "SELECT a.id FROM analyses a WHERE a.state = 'done' AND a.ended_at < ? AND NOT EXISTS (SELECT 1 FROM "
        "results r JOIN deliveries d ON d.result = r.sop_instance_uid WHERE r.analysis = a.id AND "
        "d.state != 'done')"
    )
    with database.writing() as db:
        ended = [row[0] for row in db.execute(done, (before,))]
        files = []
        for analysis in ended:
            for table in ("objects", "results"):
                query = f"SELECT file FROM {table} WHERE analysis = ? AND kept = 1"  # noqa: S608
                files += [row[0] for row in db.execute(query, (analysis,))]
                db.execute(f"UPDATE {table} SET kept = 0 WHERE analysis = ?", (analysis,))  # noqa: S608
    return files
