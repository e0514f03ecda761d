"""Items that wait, run under a lease, and end once.

An item is claimed with a lease and a token; only the holder of the token can end it, in one transaction with
its result and with whatever follows from it. A worker that dies leaves its lease to run out (in SQLite, which
one process has to itself, the next opening takes all of them back), so that an item may be worked on twice
and is ended once.

Whose turn it is: the tenant with the fewest items at work, of several the one that was served the longest
ago; of its items the one with the highest priority, of several the oldest.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from services.queue.database import Database, Session
from services.queue.items import Claimed, Item, Kept, New, State, kept
from services.queue.tables import CLAIM, ENDED, PAYLOADS, TABLES, WHOSE_TURN

LEASE_S = 60.0
"""How long a claim holds without being renewed."""
WORKER_LOST = "WORKER_LOST"
"""Reason of an item whose workers ended, each time, before it did."""
_BATCH = 5_000
_ITEM = "id, tenant, key, note, state, priority, attempts, reason, created, started, ended"


class Queue:
    """One queue of a database."""

    def __init__(
        self,
        database: Database,
        name: str,
        *,
        maximum_attempts: int = 5,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self._database = database
        self._maximum_attempts = maximum_attempts
        self._clock = clock

    def prepare(self) -> None:
        """Makes the tables where they are not there, and takes back what a dead process had claimed."""
        with self._database.transaction() as session:
            for statement in TABLES:
                session.change(statement)
        if self._database.exclusive:
            self.take_back(everything=True)

    def close(self) -> None:
        """Closes the database."""
        self._database.close()

    def add(self, items: Iterable[New]) -> int:
        """Adds items and returns how many were not there yet. Each few thousand are durable together."""
        added, batch = 0, []
        for item in items:
            batch.append(item)
            if len(batch) == _BATCH:
                added += self._add(batch)
                batch = []
        return added + self._add(batch)

    def _add(self, items: Sequence[New]) -> int:
        if not items:
            return 0
        with self._database.transaction() as session:
            return self._add_within(session, self.name, items)

    def _add_within(self, session: Session, queue: str, items: Sequence[New]) -> int:
        now = self._clock()
        added = 0
        for tenant in {item.tenant for item in items}:
            session.change(
                "INSERT INTO queue_tenant (queue, tenant, served) VALUES (:queue, :tenant, 0) "
                "ON CONFLICT DO NOTHING",
                {"queue": queue, "tenant": tenant},
            )
        for item in items:
            row = session.rows(
                "INSERT INTO queue_item (queue, tenant, key, note, state, priority, due, created) "
                "VALUES (:queue, :tenant, :key, :note, 'waiting', :priority, :now, :now) "
                "ON CONFLICT DO NOTHING RETURNING id",
                {
                    "queue": queue,
                    "tenant": item.tenant,
                    "key": item.key,
                    "note": item.note,
                    "priority": item.priority,
                    "now": now,
                },
            )
            if row:
                added += 1
                _put(session, row[0][0], "payload", item.payload)
        return added

    def claim(self, count: int = 1, lease_s: float = LEASE_S) -> list[Claimed]:
        """Up to `count` items whose turn it is."""
        claimed: list[Claimed] = []
        with self._database.transaction() as session:
            while len(claimed) < count and (one := self._claim_one(session, lease_s)):
                claimed.append(one)
        return claimed

    def _claim_one(self, session: Session, lease_s: float) -> Claimed | None:
        now = self._clock()
        values: dict[str, Any] = {"queue": self.name, "now": now}
        turn = session.rows(WHOSE_TURN, values)
        if not turn:
            return None
        values |= {"tenant": turn[0][0], "token": secrets.token_hex(8), "until": now + lease_s}
        rows = session.rows(CLAIM.replace("{skip}", self._database.skip_locked), values)
        if not rows:
            return None
        session.change(
            "UPDATE queue_tenant SET served = :now WHERE queue = :queue AND tenant = :tenant", values
        )
        identifier, key, attempt, note = rows[0]
        payload = _get(session, identifier, "payload") or b""
        return Claimed(identifier, values["tenant"], key, values["token"], attempt, payload, note)

    def renew(self, claims: Sequence[Claimed], lease_s: float = LEASE_S) -> list[Claimed]:
        """Keeps claims for another lease, and returns those that are lost: cancelled, or taken over."""
        until = self._clock() + lease_s
        with self._database.transaction() as session:
            return [
                one
                for one in claims
                if not session.change(
                    "UPDATE queue_item SET lease_until = :until WHERE id = :id AND token = :token",
                    {"until": until, "id": one.id, "token": one.token},
                )
            ]

    def end(
        self,
        claim: Claimed,
        state: State,
        result: bytes | None = None,
        *,
        reason: str = "",
        keep_payload: bool = False,
        then: Mapping[str, Sequence[New]] | None = None,
    ) -> bool:
        """Ends an item, with its result and what follows from it (items by queue), all or nothing.

        False: the claim is lost, and nothing was changed. Without `keep_payload` the payload is deleted.
        """
        with self._database.transaction() as session:
            return self._end(session, claim, state, result, reason, keep_payload, then or {})

    def _end(
        self,
        session: Session,
        claim: Claimed,
        state: State,
        result: bytes | None,
        reason: str,
        keep_payload: bool,
        then: Mapping[str, Sequence[New]],
    ) -> bool:
        changed = session.change(
            "UPDATE queue_item SET state = :state, reason = :reason, ended = :now, token = NULL, "
            "lease_until = NULL WHERE id = :id AND token = :token",
            {"state": state, "reason": reason, "now": self._clock(), "id": claim.id, "token": claim.token},
        )
        if not changed:
            return False
        if result is not None:
            _put(session, claim.id, "result", result)
        if not keep_payload:
            session.change(
                "DELETE FROM queue_content WHERE item = :id AND what = 'payload'", {"id": claim.id}
            )
        for queue, items in then.items():
            self._add_within(session, queue, items)
        return True

    def give_back(self, claim: Claimed, *, after_s: float, reason: str, counts: bool) -> bool:
        """Lets an item wait again, for at least `after_s`. `counts`: whether the attempt was one.

        False: the claim is lost.
        """
        with self._database.transaction() as session:
            return bool(
                session.change(
                    "UPDATE queue_item SET state = 'waiting', token = NULL, lease_until = NULL, due = :due, "
                    "reason = :reason, attempts = attempts - :less WHERE id = :id AND token = :token",
                    {
                        "due": self._clock() + after_s,
                        "reason": reason,
                        "less": 0 if counts else 1,
                        "id": claim.id,
                        "token": claim.token,
                    },
                )
            )

    def postpone(self, tenant: str, after_s: float) -> None:
        """Lets what waits of a tenant, now or by then, wait for at least `after_s`."""
        with self._database.transaction() as session:
            session.change(
                "INSERT INTO queue_pause (queue, tenant, until) VALUES (:queue, :tenant, :until) "
                "ON CONFLICT (queue, tenant) DO UPDATE SET until = excluded.until "
                "WHERE queue_pause.until < excluded.until",
                {"queue": self.name, "tenant": tenant, "until": self._clock() + after_s},
            )

    def may_try_again(self, claim: Claimed) -> bool:
        """Whether an attempt is left."""
        return claim.attempt < self._maximum_attempts

    def take_back(self, *, everything: bool = False) -> int:
        """Lets items wait again whose leases ran out, and returns how many; `everything`: whatever they say.

        One that has had all its attempts fails with WORKER_LOST: it may be what ends the workers.
        """
        values = {
            "queue": self.name,
            "now": self._clock(),
            "most": self._maximum_attempts,
            "reason": WORKER_LOST,
        }
        which = "queue = :queue AND state = 'running'" + ("" if everything else " AND lease_until < :now")
        with self._database.transaction() as session:
            session.change(
                "UPDATE queue_item SET state = 'failed', reason = :reason, ended = :now, token = NULL, "
                f"lease_until = NULL WHERE {which} AND attempts >= :most",
                values,
            )
            return session.change(
                "UPDATE queue_item SET state = 'waiting', token = NULL, lease_until = NULL, due = :now "
                f"WHERE {which}",
                values,
            )

    def cancel(self, tenant: str, key: str) -> bool:
        """Cancels an item that has not ended, and deletes its payload; its worker learns it by `renew`."""
        values = {"queue": self.name, "tenant": tenant, "key": key, "now": self._clock()}
        with self._database.transaction() as session:
            rows = session.rows(
                "UPDATE queue_item SET state = 'cancelled', ended = :now, token = NULL, lease_until = NULL "
                "WHERE queue = :queue AND tenant = :tenant AND key = :key "
                "AND state IN ('waiting', 'running') RETURNING id",
                values,
            )
            if rows:
                session.change("DELETE FROM queue_content WHERE item = :id", {"id": rows[0][0]})
            return bool(rows)

    def retry(self, reasons: Iterable[str] | None = None) -> int:
        """Lets failed items wait again with all their attempts before them; None: whatever the reason."""
        changed = 0
        with self._database.transaction() as session:
            for reason in [None] if reasons is None else list(reasons):
                changed += session.change(
                    "UPDATE queue_item SET state = 'waiting', attempts = 0, due = 0, ended = NULL "
                    "WHERE queue = :queue AND state = 'failed'"
                    + ("" if reason is None else " AND reason = :reason"),
                    {"queue": self.name, "reason": reason},
                )
        return changed

    def forget(self, ended_before: float, *, failed: bool = True) -> int:
        """Deletes items that ended before a time, with all that is kept of them; without `failed`, those that
        failed stay.
        """
        values = {"queue": self.name, "before": ended_before}
        which = "queue = :queue AND ended < :before" + ("" if failed else " AND state != 'failed'")
        with self._database.transaction() as session:
            session.change(
                f"DELETE FROM queue_content WHERE item IN (SELECT id FROM queue_item WHERE {which})",
                values,
            )
            return session.change(f"DELETE FROM queue_item WHERE {which}", values)

    def item(self, tenant: str, key: str) -> Item | None:
        """The item of that name."""
        with self._database.transaction() as session:
            rows = session.rows(
                f"SELECT {_ITEM} FROM queue_item WHERE queue = :queue AND tenant = :tenant AND key = :key",
                {"queue": self.name, "tenant": tenant, "key": key},
            )
        return Item.of(rows[0]) if rows else None

    def items(
        self,
        *,
        tenant: str | None = None,
        state: State | None = None,
        after: int = 0,
        before: int | None = None,
        count: int = 100,
    ) -> list[Item]:
        """Items in the order in which they were added, those after an id; newest first, those before one."""
        values = {"queue": self.name, "tenant": tenant, "state": state, "count": count}
        where = ["queue = :queue"]
        where += ["tenant = :tenant"] if tenant is not None else []
        where += ["state = :state"] if state is not None else []
        if before is not None:
            values["before"] = before
            where, order = [*where, "id < :before"], "DESC"
        else:
            values["after"] = after
            where, order = [*where, "id > :after"], "ASC"
        with self._database.transaction() as session:
            rows = session.rows(
                f"SELECT {_ITEM} FROM queue_item WHERE {' AND '.join(where)} "
                f"ORDER BY id {order} LIMIT :count",
                values,
            )
        return [Item.of(row) for row in rows]

    def counts(self) -> dict[State, int]:
        """How many items are in each state: a look at all of them."""
        with self._database.transaction() as session:
            rows = session.rows(
                "SELECT state, count(*) FROM queue_item WHERE queue = :queue GROUP BY state",
                {"queue": self.name},
            )
        return dict.fromkeys(State, 0) | {State(state): number for state, number in rows}

    def count(self, *states: State, tenant: str | None = None) -> int:
        """How many items are in one of these states, of a tenant or of all: a look at those."""
        mine = "" if tenant is None else "AND tenant = :tenant"
        sql = f"SELECT count(*) FROM queue_item WHERE queue = :queue AND state = :state {mine}"
        with self._database.transaction() as session:
            values = ({"queue": self.name, "tenant": tenant, "state": state} for state in states)
            return sum(int(session.rows(sql, one)[0][0]) for one in values)

    def reasons(self) -> dict[str, int]:
        """How many items failed for each reason, the most frequent first."""
        with self._database.transaction() as session:
            rows = session.rows(
                "SELECT reason, count(*) FROM queue_item WHERE queue = :queue AND state = 'failed' "
                "GROUP BY reason ORDER BY count(*) DESC, reason",
                {"queue": self.name},
            )
        return dict(rows)

    def payload(self, identifier: int) -> bytes | None:
        """An item's payload; None: deleted."""
        with self._database.transaction() as session:
            return _get(session, identifier, "payload")

    def result(self, identifier: int) -> bytes | None:
        """An item's result; None: it has none."""
        with self._database.transaction() as session:
            return _get(session, identifier, "result")

    def ended(self, page: int = 1_000) -> Iterator[Kept]:
        """Every item that is done or failed, with its payload and result, a page in memory at a time."""
        for rows in self._pages(ENDED.format(which="i.id > :after") + "LIMIT :count", page):
            yield from map(kept, rows)

    def ended_among(self, identifiers: Iterable[int]) -> list[Kept]:
        """Those of some items that are done or failed, with their payloads and results."""
        sql = ENDED.format(which=f"i.id IN ({','.join(str(int(one)) for one in identifiers)})")
        with self._database.transaction() as session:
            return list(map(kept, session.rows(sql, {"queue": self.name})))

    def payloads(self, page: int = 1_000) -> Iterator[tuple[int, bytes]]:
        """The id and payload of every item, whatever its state, a page in memory at a time."""
        for rows in self._pages(PAYLOADS, page):
            yield from ((identifier, bytes(payload or b"")) for identifier, payload in rows)

    def _pages(self, sql: str, size: int) -> Iterator[list[tuple[Any, ...]]]:
        after = 0
        while True:
            with self._database.transaction() as session:
                rows = session.rows(sql, {"queue": self.name, "after": after, "count": size})
            yield rows
            if len(rows) < size:
                return
            after = rows[-1][0]


def _put(session: Session, item: int, what: str, content: bytes) -> None:
    session.change(
        "INSERT INTO queue_content (item, what, content) VALUES (:item, :what, :content) "
        "ON CONFLICT (item, what) DO UPDATE SET content = excluded.content",
        {"item": item, "what": what, "content": content},
    )


def _get(session: Session, item: int, what: str) -> bytes | None:
    rows = session.rows(
        "SELECT content FROM queue_content WHERE item = :item AND what = :what", {"item": item, "what": what}
    )
    return bytes(rows[0][0]) if rows else None
