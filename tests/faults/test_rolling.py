"""One service of two replicas, then Triton, are restarted under load; `make rolling` does it with all."""

from __future__ import annotations

import pytest

from tests.faults.history import Call
from tests.faults.rolling import DEADLINE_S, Rolling, lost


@pytest.mark.live
@pytest.mark.slow
def test_nothing_that_was_accepted_is_lost_while_parts_are_restarted(tmp_path):
    with Rolling(tmp_path, rate_per_s=2.0) as rolling:
        rolled = rolling.roll(["recommendation", "triton"])
        receipts, audited, faults = rolling.accounts()
        calls = list(rolling.callers.calls)
    for part, found in rolled.items():
        assert len(found) >= 4, part
        assert lost(part, found) == []
    answered = {call.request_id: call.answer.receipt_id for call in calls if call.answer is not None}
    assert sorted(receipts) == sorted(answered.values())
    assert {request_id: [receipt] for request_id, receipt in answered.items()} == audited
    assert faults == []


@pytest.mark.parametrize(
    ("call", "part", "is_lost"),
    [
        (Call("1", 0, 1, DEADLINE_S, "COMPLETE"), "imaging", False),
        (Call("1", 0, 1, DEADLINE_S, "PARTIAL"), "imaging", True),
        (Call("1", 0, 1, DEADLINE_S, "PARTIAL"), "triton", False),
        (Call("1", 0, 1, DEADLINE_S, "UNAVAILABLE/-"), "triton", True),
        (Call("1", 0, 1, DEADLINE_S, "COMPLETE", 2), "imaging", True),
    ],
)
def test_what_counts_as_lost(call, part, is_lost):
    assert bool(lost(part, [call])) is is_lost
