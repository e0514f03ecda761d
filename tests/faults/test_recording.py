"""What the machine takes from a run is seen, on whichever of the processors."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.faults.deployment import until
from tests.faults.history import merged
from tests.faults.recording import Recorder

_TAKEN_S = 0.4
_TAKE = """
import os, sys, time
os.sched_setaffinity(0, {int(sys.argv[1])})
os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
ends = time.monotonic() + float(sys.argv[2])
while time.monotonic() < ends:
    pass
"""


def test_times_that_overlap_are_counted_once():
    assert merged([(5.0, 6.0), (1.0, 2.0), (1.5, 1.8), (2.0, 3.0)]) == [(1.0, 3.0), (5.0, 6.0)]


@pytest.mark.live
@pytest.mark.parametrize("processor", sorted(os.sched_getaffinity(0)))
def test_a_processor_that_is_taken_away_is_seen(processor):
    with Recorder("127.0.0.1:1", {}, rate_per_s=1.0, deadline_s=0.1) as callers:
        take = subprocess.run(
            [sys.executable, "-c", _TAKE, str(processor), str(_TAKEN_S)], capture_output=True, check=False
        )
        if take.returncode:
            pytest.skip("no processor can be taken here: that needs the right to schedule in real time")
        assert until(lambda: callers.stalled_s(60.0) > _TAKEN_S / 2, timeout_s=2.0)
