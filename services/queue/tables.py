"""The tables of a queue, and its longer statements, in the SQL that SQLite and PostgreSQL share.

Items that ended stay for days, and tenants for good: what is asked for each item must cost as much as what
waits or is at work, not as much as all that is kept.
"""

from __future__ import annotations

TABLES = (
    """CREATE TABLE IF NOT EXISTS queue_item (
        id {id},
        queue TEXT NOT NULL,
        tenant TEXT NOT NULL,
        key TEXT NOT NULL,
        note TEXT NOT NULL,
        state TEXT NOT NULL,
        priority INTEGER NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        reason TEXT NOT NULL DEFAULT '',
        token TEXT,
        lease_until DOUBLE PRECISION,
        due DOUBLE PRECISION NOT NULL,
        created DOUBLE PRECISION NOT NULL,
        started DOUBLE PRECISION,
        ended DOUBLE PRECISION,
        UNIQUE (queue, tenant, key)
    )""",
    # Payloads and results apart: an update of an item does not write 64 MiB of it again.
    """CREATE TABLE IF NOT EXISTS queue_content (
        item BIGINT NOT NULL REFERENCES queue_item (id),
        what TEXT NOT NULL,
        content {bytes} NOT NULL,
        PRIMARY KEY (item, what)
    )""",
    """CREATE TABLE IF NOT EXISTS queue_tenant (
        queue TEXT NOT NULL,
        tenant TEXT NOT NULL,
        served DOUBLE PRECISION NOT NULL,
        PRIMARY KEY (queue, tenant)
    )""",
    # Until when all that waits of a tenant waits: a million items are not written for it.
    """CREATE TABLE IF NOT EXISTS queue_pause (
        queue TEXT NOT NULL,
        tenant TEXT NOT NULL,
        until DOUBLE PRECISION NOT NULL,
        PRIMARY KEY (queue, tenant)
    )""",
    "CREATE INDEX IF NOT EXISTS queue_turn ON queue_item (queue, state, tenant, priority DESC, id)",
    "CREATE INDEX IF NOT EXISTS queue_newest ON queue_item (queue, tenant, id)",
    "CREATE INDEX IF NOT EXISTS queue_newest_of_state ON queue_item (queue, tenant, state, id)",
    "CREATE INDEX IF NOT EXISTS queue_order ON queue_item (queue, id)",
    "CREATE INDEX IF NOT EXISTS queue_ended ON queue_item (queue, ended) WHERE ended IS NOT NULL",
)
# The tenants for whom something waits, each by one step into `queue_turn`.
WHOSE_TURN = """
    WITH RECURSIVE has_waiting (tenant) AS (
        SELECT min(tenant) FROM queue_item WHERE queue = :queue AND state = 'waiting'
        UNION ALL
        SELECT (
            SELECT min(i.tenant) FROM queue_item i
            WHERE i.queue = :queue AND i.state = 'waiting' AND i.tenant > w.tenant)
        FROM has_waiting w WHERE w.tenant IS NOT NULL)
    SELECT t.tenant FROM has_waiting w JOIN queue_tenant t ON t.queue = :queue AND t.tenant = w.tenant
    WHERE NOT EXISTS (
        SELECT 1 FROM queue_pause p WHERE p.queue = :queue AND p.tenant = t.tenant AND p.until > :now)
    AND EXISTS (
        SELECT 1 FROM queue_item i
        WHERE i.queue = :queue AND i.state = 'waiting' AND i.tenant = t.tenant AND i.due <= :now)
    ORDER BY (
        SELECT count(*) FROM queue_item r
        WHERE r.queue = :queue AND r.state = 'running' AND r.tenant = t.tenant), t.served, t.tenant
    LIMIT 1
"""
CLAIM = """
    UPDATE queue_item SET state = 'running', attempts = attempts + 1, token = :token, lease_until = :until,
        started = :now
    WHERE id = (
        SELECT id FROM queue_item
        WHERE queue = :queue AND state = 'waiting' AND tenant = :tenant AND due <= :now
        ORDER BY priority DESC, id LIMIT 1 {skip})
    RETURNING id, key, attempts, note
"""
# `|| ''` keeps the index by state out, whose items would be sorted, with their contents, for each page.
ENDED = """
    SELECT i.id, i.tenant, i.key, i.note, i.state, i.priority, i.attempts, i.reason, i.created,
        i.started, i.ended, p.content, r.content
    FROM queue_item i
    LEFT JOIN queue_content p ON p.item = i.id AND p.what = 'payload'
    LEFT JOIN queue_content r ON r.item = i.id AND r.what = 'result'
    WHERE i.queue = :queue AND i.state || '' IN ('done', 'failed') AND {which}
    ORDER BY i.id
"""
PAYLOADS = """
    SELECT i.id, p.content
    FROM queue_item i
    LEFT JOIN queue_content p ON p.item = i.id AND p.what = 'payload'
    WHERE i.queue = :queue AND i.id > :after
    ORDER BY i.id LIMIT :count
"""
