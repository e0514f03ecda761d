"""The simulation of waiting beside what is known exactly and what was measured, and what plans make of it."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from tools.bench import record
from tools.capacity import costs, page
from tools.capacity.__main__ import CHECKED
from tools.capacity.plans import limits_per_s, plan
from tools.capacity.queues import poisson, simulated, waits

CHECK = json.loads(CHECKED.read_text(encoding="utf-8"))
ALONE_S = np.full(10, 0.1)
WORK = {"service": 20.0, "model chest_xray": 60.0, "model clinical_ner": 20.0}


def chance() -> np.random.Generator:
    return np.random.default_rng(7)


def test_a_request_waits_until_a_server_is_free():
    arrivals, work = np.array([0.0, 0.0, 1.0, 9.0]), np.array([4.0, 3.0, 1.0, 1.0])
    assert [*waits(arrivals, work, 2)] == [0, 0, 2, 0]
    assert [*waits(arrivals, work, 1)] == [0, 4, 6, 0]


@pytest.mark.parametrize(("busy", "servers"), [(0.5, 1), (0.8, 1), (0.7, 4)])
def test_random_work_waits_as_long_as_erlang_says(busy, servers):
    rate = busy * servers
    offered = rate  # mean work of one second
    top = offered**servers / math.factorial(servers) / (1 - busy)
    erlang_c = top / (sum(offered**k / math.factorial(k) for k in range(servers)) + top)
    expected_s = erlang_c / (servers - rate)
    one = chance()
    arrivals, work = poisson(rate, 200_000, one), one.exponential(1.0, 200_000)
    assert waits(arrivals, work, servers).mean() == pytest.approx(expected_s, rel=0.1)


def test_work_that_is_always_the_same_waits_half_as_long_as_random_work():
    arrivals = poisson(0.8, 200_000, chance())
    pollaczek_khinchine_s = 0.8 / (2 * (1 - 0.8))
    assert waits(arrivals, np.ones(200_000), 1).mean() == pytest.approx(pollaczek_khinchine_s, rel=0.1)


def test_what_was_measured_is_near_what_is_predicted():
    """The committed run: utilisation, and the p50 of what uses one core at a time (docs/capacity.md)."""
    for kind in ("image", "case"):
        alone_s, work_s = np.array(CHECK[kind]["alone_ms"]) / 1e3, CHECK[kind]["work_ms"] / 1e3
        for level in CHECK[kind]["levels"]:
            measured_busy, predicted_busy = level["utilisation"]
            assert predicted_busy == pytest.approx(measured_busy, abs=0.15)
            seen = simulated(level["rate_per_s"], alone_s, work_s, 2, chance())
            if kind == "image":
                assert 0.4 < seen.p50_s * 1e3 / level["p50_ms"][0] < 1.5


def test_a_plan_keeps_room_and_its_bound_in_a_burst():
    one = plan(86_400, WORK, ALONE_S)
    assert (one.mean_per_s, one.burst_per_s) == (1, 10)
    assert one.cores >= 2
    assert one.utilisation == pytest.approx(1.0 / one.cores)
    assert one.utilisation <= 0.7
    assert one.p99_s <= 0.2
    assert one.replicas == {"service": 2, "model chest_xray": 2, "model clinical_ner": 2}
    assert one.gpus == 1
    assert one.cores_beside_gpus == 2


def test_more_studies_need_more_and_share_their_cores_better():
    small, large = (plan(per_day, WORK, ALONE_S) for per_day in (1e5, 1e7))
    assert large.cores > small.cores
    assert large.utilisation > small.utilisation
    assert large.replicas["model chest_xray"] == math.ceil(large.burst_per_s * 0.06 / 0.7)


def test_what_breaks_first_stands_first():
    assert next(iter(limits_per_s(WORK, {}, 2))) == "model chest_xray"
    more = {"model chest_xray": 8, "model clinical_ner": 8}
    assert next(iter(limits_per_s(WORK, more, 2))) == "2 cores"
    assert limits_per_s(WORK, {}, 2)["service"] == 50


def test_a_study_is_a_case_with_a_film():
    kept = record.kept()
    assert costs.of_study(kept)["imaging"] > costs.of("orchestrator.16", kept)["imaging"]
    assert "client" not in costs.of_study(kept)


def test_the_committed_page_is_what_the_committed_figures_give():
    text = page.PAGE.read_text(encoding="utf-8")
    assert "\n".join(page.generated(record.kept(), CHECK)).strip() in text
