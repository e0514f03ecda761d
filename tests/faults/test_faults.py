"""A dozen of the faults, one after the other, in one mesh under load: every promise holds through them all.

`make drill` goes through the whole catalogue.
"""

from __future__ import annotations

import pytest

from tests.faults.catalogue import FAULTS
from tests.faults.drill import Drill, whole

pytestmark = [pytest.mark.live, pytest.mark.slow]


@pytest.fixture(scope="module")
def drill(tmp_path_factory):
    with Drill(tmp_path_factory.mktemp("faults"), rate_per_s=2.0) as drill:
        yield drill


@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if fault.in_ci])
def test_every_promise_holds_while_something_is_broken(drill, name):
    if not drill.fits(FAULTS[name]):
        pytest.skip("no disk of its own can be mounted here, or there is no gcc for a clock of its own")
    began_s = drill.callers.now_s()
    drill.strike(FAULTS[name])
    assert whole(drill.history().since(began_s)) == {}


def test_a_mesh_that_has_been_through_all_of_it_ends_and_leaves_nothing(drill):
    drill.callers.stop()
    assert drill.mesh.stop() < 30.0
    assert drill.mesh.left_behind == []
