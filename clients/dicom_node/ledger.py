"""What was taken, what is to be done, what was done: one SQLite file, synced before anybody is told of
success.

An object is taken once for each SOP Instance UID and content. An analysis has an id before the mesh is
asked, which is also the `request_id` that the mesh repeats its answer under; the identifiers of its results
are made of it. So whatever was cut off is done again to the same end, and nothing is done twice.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from clients.dicom_node.database import Database

UID_REUSED = "UID_REUSED"


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """An object to be entered."""

    sop_instance_uid: str
    sop_class_uid: str
    digest: str
    study_uid: str
    unit: str
    is_alone: bool
    """Whether it is an image of its own, which is complete with it."""
    quiet_s: float
    unit_count: int
    wanted: Wanted
    file: str
    parked: str = ""
    """Why it is not analysed; empty: it is."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """How to analyse an image."""

    models: tuple[str, ...] = ()
    body_part: str = ""

    @classmethod
    def from_json(cls, text: str) -> Wanted:
        content = json.loads(text)
        return cls(models=tuple(content["models"]), body_part=content["body_part"])

    def to_json(self) -> str:
        return json.dumps({"models": self.models, "body_part": self.body_part})


@dataclass(frozen=True)
class Work:
    """An analysis that is to be made."""

    id: str
    revision: int
    wanted: Wanted
    files: tuple[str, ...]
    """Of its objects, in the order in which they came: the same at each attempt."""
    attempts: int
    previous: str
    """File of the report of the revision before; empty: none."""


@dataclass(frozen=True)
class Result:
    """An object that was made of an answer."""

    sop_instance_uid: str
    kind: str
    file: str


class Ledger:
    """Objects that were taken, and the analyses that they are for."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def has(self, sop_instance_uid: str, digest: str) -> bool:
        """Whether this very object was taken before."""
        found = self._database.rows(
            "SELECT 1 FROM objects WHERE sop_instance_uid = ? AND digest = ?", sop_instance_uid, digest
        )
        return bool(found)

    def is_result(self, sop_instance_uid: str) -> bool:
        """Whether an object is one that this node made."""
        return bool(self._database.rows("SELECT 1 FROM results WHERE sop_instance_uid = ?", sop_instance_uid))

    def enter(self, arrival: Arrival, now: float) -> bool:
        """Enters an object whose file is durable. False: it was there already, the file is not needed."""
        with self._database.writing() as db:
            parked = arrival.parked
            others = db.execute(
                "SELECT digest FROM objects WHERE sop_instance_uid = ?", (arrival.sop_instance_uid,)
            ).fetchall()
            if (arrival.digest,) in others:
                return False
            if others and not parked:
                parked = UID_REUSED
            db.execute(
                "INSERT INTO objects (sop_instance_uid, digest, sop_class_uid, study_uid, unit, "
                "ready_at, quiet_s, "
                "unit_count, wanted, file, taken_at, state, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, "
                "?, ?, ?, ?)",
                (
                    arrival.sop_instance_uid,
                    arrival.digest,
                    arrival.sop_class_uid,
                    arrival.study_uid,
                    arrival.unit,
                    now if arrival.is_alone else None,
                    arrival.quiet_s,
                    arrival.unit_count,
                    arrival.wanted.to_json(),
                    arrival.file,
                    now,
                    "parked" if parked else "waiting",
                    parked,
                ),
            )
        return True

    def backlog(self) -> int:
        """Objects without a result, those that wait for a person left out."""
        # CROSS JOIN: from the few analyses that are pending to their objects, not from all objects.
        query = (
            "SELECT (SELECT count(*) FROM objects WHERE state = 'waiting') + (SELECT count(*) FROM "
            "analyses a CROSS JOIN objects o ON o.analysis = a.id WHERE a.state = 'pending' AND "
            "o.state = 'assigned')"
        )
        return int(str(self._database.rows(query)[0][0]))

    def assign(self, now: float) -> int:
        """Makes an analysis of each unit that is complete; returns how many."""
        with self._database.writing() as db:
            units = db.execute(
                """
                SELECT o.unit, min(o.wanted) FROM objects o WHERE o.state = 'waiting' GROUP BY o.unit HAVING
                    max(o.ready_at) IS NOT NULL
                    OR max(o.quiet_s) + (
                        SELECT max(s.taken_at) FROM objects s WHERE s.study_uid = o.study_uid) <= ?
                    OR (max(o.unit_count) > 0 AND max(o.unit_count) <= (
                        SELECT count(*) FROM objects u WHERE u.unit = o.unit AND u.state != 'parked'))
                """,
                (now,),
            ).fetchall()
            for unit, wanted in units:
                made = str(uuid.uuid4())
                db.execute(
                    "INSERT INTO analyses (id, unit, revision, wanted, state, due_at, made_at) SELECT ?, ?, "
                    "1 + coalesce((SELECT max(revision) FROM analyses WHERE unit = ?), 0), ?, "
                    "'pending', ?, ?",
                    (made, unit, unit, wanted, now, now),
                )
                # A revision before that was not made yet is this one: it would be of an image that is not
                # whole.
                db.execute(
                    "UPDATE analyses SET state = 'parked', reason = 'REPLACED', ended_at = ? "
                    "WHERE unit = ? AND id != ? AND state = 'pending'",
                    (now, unit, made),
                )
                db.execute(
                    "UPDATE objects SET state = 'assigned', analysis = ? WHERE unit = ? AND state != "
                    "'parked'",
                    (made, unit),
                )
        return len(units)

    def work(self, now: float, but: set[str]) -> Work | None:
        """The next analysis that is due, other than those under way. None: none."""
        with self._database.lock:
            rows = self._database.rows(
                "SELECT id, unit, revision, wanted, attempts FROM analyses WHERE state = 'pending' AND "
                "due_at <= ? "
                "ORDER BY due_at, made_at LIMIT ?",
                now,
                len(but) + 1,
            )
            row = next((row for row in rows if row[0] not in but), None)
            if row is None:
                return None
            identifier, unit, revision, wanted, attempts = row
            files = self._database.rows("SELECT file FROM objects WHERE analysis = ? ORDER BY id", identifier)
            previous = self._database.rows(
                "SELECT r.file FROM results r JOIN analyses a ON a.id = r.analysis WHERE a.unit = ? AND "
                "a.id != ? "
                "AND r.kind = 'report' AND r.kept = 1 ORDER BY a.revision DESC LIMIT 1",
                unit,
                identifier,
            )
        return Work(
            id=str(identifier),
            revision=int(str(revision)),
            wanted=Wanted.from_json(str(wanted)),
            files=tuple(str(file[0]) for file in files),
            attempts=int(str(attempts)),
            previous=str(previous[0][0]) if previous else "",
        )

    def finish(
        self, analysis: str, receipt_id: str, results: Sequence[tuple[Result, Sequence[str]]], now: float
    ) -> bool:
        """Enters the results, each with the destinations that it goes to, and ends the analysis, at once.
        False: it had ended already, or was replaced meanwhile.
        """
        with self._database.writing() as db:
            changed = db.execute(
                "UPDATE analyses SET state = 'done', receipt_id = ?, ended_at = ?, attempts = attempts + 1 "
                "WHERE id = ? AND state = 'pending'",
                (receipt_id, now, analysis),
            ).rowcount
            if not changed:
                return False
            for result, destinations in results:
                db.execute(
                    "INSERT INTO results (sop_instance_uid, analysis, kind, file) VALUES (?, ?, ?, ?)",
                    (result.sop_instance_uid, analysis, result.kind, result.file),
                )
                db.executemany(
                    "INSERT INTO deliveries (result, destination, state, due_at) VALUES (?, ?, 'pending', ?)",
                    [(result.sop_instance_uid, name, now) for name in destinations],
                )
        return True

    def put_off(self, analysis: str, reason: str, due_at: float) -> None:
        """An attempt failed and another one follows."""
        with self._database.writing() as db:
            db.execute(
                "UPDATE analyses SET attempts = attempts + 1, reason = ?, due_at = ? WHERE id = ? AND "
                "state = 'pending'",
                (reason, due_at, analysis),
            )

    def park(self, analysis: str, reason: str, now: float) -> None:
        """It cannot be analysed: a person must look."""
        with self._database.writing() as db:
            db.execute(
                "UPDATE analyses SET state = 'parked', attempts = attempts + 1, reason = ?, ended_at = ? "
                "WHERE id = ? AND state = 'pending'",
                (reason, now, analysis),
            )
