"""Hostile HTTP/2 beside a good client: it is answered, and the service lives on in the memory that it had.

How much longer it waits is measured by `make wire`, on a machine that does nothing else.
"""

from __future__ import annotations

import pytest

from tests.faults.wire import ATTACKS, beside, good_calls, resident_mb, service

_STREAMS = 600
_MOST_GROWTH_MB = 100


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with service(tmp_path_factory.mktemp("wire")) as (address, process):
        good_calls(address, lambda calls: calls < 50)
        yield address, process


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_good_client_is_answered_beside_an_attack(served, attack):
    address, process = served
    before_mb = resident_mb(process.pid)
    seen, said = beside(address, attack, _STREAMS)
    assert "connections" in said, "the attack did not end"
    assert not seen.failed
    assert process.poll() is None
    assert resident_mb(process.pid) - before_mb < _MOST_GROWTH_MB
