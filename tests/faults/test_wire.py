"""Hostile HTTP/2 beside a good client: it is answered, and the service lives on in the memory that it had.

How much longer it waits is measured by `make wire`, on a machine that does nothing else.
"""

from __future__ import annotations

import pytest

from tests.faults.wire import ATTACKS, attack, beside, good_calls, processor_s, resident_mb, service

_STREAMS = 600
_MANY_STREAMS = 2000
_MOST_GROWTH_MB = 100
_MOST_COST = 4.0
_SPARE_S = 0.5
"""What the service does by itself meanwhile."""


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with service(tmp_path_factory.mktemp("wire")) as (address, process):
        good_calls(address, lambda calls: calls < 50)
        yield address, process


@pytest.mark.parametrize("name", ATTACKS)
def test_a_good_client_is_answered_beside_an_attack(served, name):
    address, process = served
    before_mb = resident_mb(process.pid)
    seen, sent = beside(address, name, _STREAMS)
    assert sent.times >= _STREAMS
    assert not seen.failed
    assert process.poll() is None
    assert resident_mb(process.pid) - before_mb < _MOST_GROWTH_MB


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_costs_the_service_little_more_than_the_attacker(served, name):
    """A ping too many cost gRPC more with each one before it: an idle attacker kept a core busy for hours."""
    address, process = served
    before_s = processor_s(process.pid)
    sent = attack(address, name, _MANY_STREAMS)
    assert processor_s(process.pid) - before_s < _MOST_COST * sent.processor_s + _SPARE_S
