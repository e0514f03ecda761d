"""Which results still have to go where: the part of the ledger that the senders keep."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from clients.dicom_node.database import Database


@dataclass(frozen=True)
class Delivery:
    """A result that is to be sent."""

    result: str
    destination: str
    file: str
    attempts: int


class Outbox:
    """Deliveries of results. A delivery is entered with its result (`Ledger.finish`)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def deliveries(self, destination: str, now: float, limit: int) -> list[Delivery]:
        """Results that are due to be sent there, the oldest first."""
        rows = self._database.rows(
            "SELECT d.result, d.destination, r.file, d.attempts FROM deliveries d JOIN results r "
            "ON r.sop_instance_uid = d.result WHERE d.state IN ('pending', 'sent') AND d.destination = "
            "? AND d.due_at <= ? "
            "ORDER BY d.due_at, d.rowid LIMIT ?",
            destination,
            now,
            limit,
        )
        return [Delivery(str(r), str(d), str(f), int(str(a))) for r, d, f, a in rows]

    def delivered(self, delivery: Delivery) -> None:
        """It lies there."""
        with self._database.writing() as db:
            db.execute(
                "UPDATE deliveries SET state = 'done', reason = '', attempts = attempts + 1 "
                "WHERE result = ? AND destination = ?",
                (delivery.result, delivery.destination),
            )

    def not_delivered(self, delivery: Delivery, reason: str, due_at: float | None) -> None:
        """It was not taken; another attempt follows at `due_at`, or a person must look (None)."""
        with self._database.writing() as db:
            db.execute(
                "UPDATE deliveries SET state = ?, attempts = attempts + 1, reason = ?, due_at = ? "
                "WHERE result = ? AND destination = ?",
                (
                    "pending" if due_at is not None else "parked",
                    reason,
                    due_at or time.time(),
                    delivery.result,
                    delivery.destination,
                ),
            )

    def await_commitment(self, deliveries: Sequence[Delivery], transaction_uid: str, until: float) -> None:
        """They were sent, and the destination is asked whether it keeps them; who does not answer `until`
        then is sent them again.
        """
        with self._database.writing() as db:
            db.executemany(
                "UPDATE deliveries SET state = 'sent', transaction_uid = ?, due_at = ? WHERE result = ? "
                "AND destination = ?",
                [(transaction_uid, until, one.result, one.destination) for one in deliveries],
            )

    def committed(self, transaction_uid: str, kept: Sequence[str], lost: Sequence[str], now: float) -> bool:
        """The destination's answer: what it keeps is done, what it has not is sent again. False: nobody
        asked.
        """
        with self._database.writing() as db:
            known = db.execute(
                "SELECT count(*) FROM deliveries WHERE transaction_uid = ? AND state = 'sent'",
                (transaction_uid,),
            ).fetchone()[0]
            for uids, state in ((kept, "done"), (lost, "pending")):
                db.executemany(
                    "UPDATE deliveries SET state = ?, reason = ?, due_at = ? "
                    "WHERE transaction_uid = ? AND result = ? AND state = 'sent'",
                    [
                        (state, "" if state == "done" else "NOT_COMMITTED", now, transaction_uid, uid)
                        for uid in uids
                    ],
                )
        return bool(known)
