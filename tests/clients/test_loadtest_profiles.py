"""Profiles are read whole or refused with file, key and what is allowed; arrivals and figures are right."""

from __future__ import annotations

import json
import random
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from clients.loadtest import arrivals, charts, comparison, overload, profile_file
from clients.loadtest.calls import CALLS
from clients.loadtest.profile import Stage, Traffic, parse_mix
from clients.loadtest.report import _latency
from clients.loadtest.server_side import Server
from clients.loadtest.statistics import Latency, Sample, Statistics
from clients.loadtest.thresholds import Threshold

TRAFFIC = '[[traffic]]\ncall = "analyze_note"\n'


@pytest.fixture
def read(tmp_path):
    def read(text):
        path = tmp_path / "mine.toml"
        path.write_text(text)
        return profile_file.read(str(path))

    return read


@pytest.mark.parametrize("path", profile_file.shipped(), ids=lambda path: path.stem)
def test_shipped_profiles_hold(path):
    profile = profile_file.read(path.stem)
    assert profile.name == path.stem
    assert profile.description
    assert profile.thresholds
    assert profile.duration_s <= 200


def test_a_profile_is_read_whole(read, tmp_path):
    (tmp_path / "own.txt").write_text("Fever.")
    profile = read("""
        name = "mine"
        thresholds = ["notes: p95_ms < 400", "error_share <= 0"]
        [[stage]]
        duration_s = 3
        rate = 2
        warm_up = true
        [[stage]]
        name = "ramp"
        duration_s = 20
        users = [1, 8]
        [[traffic]]
        name = "notes"
        call = "analyze_note"
        weight = 4
        timeout_s = 3
        think_s = [0.5, 2]
        tenant = "ward"
        priority = "urgent"
        headers = { x-ward = "7b" }
        note = "own.txt"
        note_characters = [10, 500]
        vary = false
        [tenants.ward]
        token_env = "WARD"
    """)
    assert profile.stages[0] == Stage(3.0, rate=(2.0, 2.0), warm_up=True)
    assert profile.stages[1] == Stage(20.0, users=(1, 8), name="ramp")
    (notes,) = profile.traffic
    assert (notes.weight, notes.timeout_s, notes.think_s, notes.vary) == (4.0, 3.0, (0.5, 2.0), False)
    assert (notes.priority, notes.headers) == ("urgent", {"x-ward": "7b"})
    assert (notes.note.resolve(), notes.note_characters) == ((tmp_path / "own.txt").resolve(), (10, 500))
    assert str(profile.thresholds[0]) == "notes: p95_ms < 400"
    assert profile.warm_up_s == 3.0
    assert profile.lasting(10).duration_s == 13.0
    assert profile.times(3).stages[1].users == (3, 24)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[traffic", "is not TOML"),
        ("", "[[traffic]] is missing"),
        ("trafic = 1", "trafic: there is no such key; there are name, description"),
        ("[traffic]\ncall = 'models'", "traffic: must be tables"),
        ("[[traffic]]\nname = 'x'", "[[traffic]] 1: call is missing; one of diagnose"),
        ("[[traffic]]\ncall = 'analyse'", "[[traffic]] 1 call: must be one of diagnose"),
        (TRAFFIC + "wieght = 2", "[[traffic]] 1 wieght: there is no such key; there are name, call, weight"),
        (TRAFFIC + "weight = 0", "[[traffic]] 1 weight: must be a number from 1e-06"),
        (TRAFFIC + "weight = true", "weight: must be a number"),
        (TRAFFIC + "weight = nan", "weight: must be a number"),
        (TRAFFIC + "image_side_px = 512", "carries no image"),
        (TRAFFIC + "note = 'nowhere.txt'", "note: there is no file"),
        (TRAFFIC + "note_characters = [50, 10]", "from at most to"),
        (TRAFFIC + "think_s = [1, 2, 3]", "two in a list"),
        (TRAFFIC + "tenant = 'ward'", "there is no [tenants.ward]; there are none"),
        (TRAFFIC + "headers = { authorization = 'x' }", "belongs into [tenants.…]"),
        (TRAFFIC + "headers = { X-Ward = 'x' }", "lower-case"),
        (TRAFFIC + "headers = { x-medmesh-priority = 'bulk' }", "is the key priority, one of urgent"),
        (TRAFFIC + "priority = 'high'", "[[traffic]] 1 priority: must be one of urgent, routine, bulk"),
        (TRAFFIC + "priority = 1", "[[traffic]] 1 priority: must be one of urgent, routine, bulk"),
        (TRAFFIC + "parts = ['note']", "goes with diagnose"),
        (TRAFFIC + TRAFFIC, "analyze_note is there twice"),
        (TRAFFIC + "[tenants.ward]\ntoken = 'x'", "[tenants.ward] token: there is no such key"),
        (TRAFFIC + "[tenants.ward]", "give one of token_env and token_file"),
        (TRAFFIC + "[[stage]]\nrate = 1", "[[stage]] 1: duration_s is missing"),
        (TRAFFIC + "[[stage]]\nduration_s = 1", "give one of rate, users and arrivals, not none"),
        (TRAFFIC + "[[stage]]\nduration_s = 1\nrate = 1\nusers = 1", "not rate and users"),
        (TRAFFIC + "[[stage]]\nduration_s = 1\nrate = -1", "[[stage]] 1 rate: must be a number from 0"),
        (TRAFFIC + "[[stage]]\nduration_s = 1\nrate = 0", "must send something"),
        (TRAFFIC + "[[stage]]\nduration_s = 1\nrate = 1\nwarm_up = true", "after the warm-up"),
        ("thresholds = ['p99 < 5']\n" + TRAFFIC, "no threshold is about p99; there are p50_ms"),
        ("thresholds = ['fast']\n" + TRAFFIC, "a threshold looks like"),
        ("thresholds = ['x: p99_ms < 5']\n" + TRAFFIC, "no traffic is named x; there are analyze_note"),
        ("thresholds = ['first_event_p50_ms < 5']\n" + TRAFFIC, "a stream of events"),
    ],
)
def test_a_wrong_profile_is_refused_with_file_key_and_what_is_allowed(read, text, said):
    with pytest.raises(ValueError) as error:
        read(text)
    assert said in str(error.value)
    assert "mine.toml" in str(error.value)


def test_a_profile_that_is_nowhere_is_told_with_those_that_are(tmp_path):
    with pytest.raises(ValueError, match=r"burst.*smoke"):
        profile_file.read("nothing")
    with pytest.raises(FileNotFoundError):
        profile_file.read(str(tmp_path / "none.toml"))


def test_a_mix_is_read_from_text():
    mix = parse_mix("diagnose=1, analyze_note=2.5")
    assert [(one.call, one.weight) for one in mix] == [("diagnose", 1), ("analyze_note", 2.5)]
    for text in ("", "nothing=1", "models=0", "models=-1", "models=x", "models=inf", "models,models"):
        with pytest.raises(ValueError):
            parse_mix(text)


@pytest.mark.parametrize("rate", [(20.0, 20.0), (0.0, 40.0), (40.0, 0.0), (10.0, 30.0)])
def test_arrivals_are_poisson_at_a_rate_that_goes_evenly(rate):
    times = list(arrivals.poisson(rate, 1000.0, random.Random(1)))
    assert times == sorted(times)
    assert times[0] >= 0
    assert times[-1] <= 1000
    assert len(times) == pytest.approx(20_000, rel=0.03)
    first, last = rate
    half = 500 * (first + (first + last) / 2) / 2
    assert sum(time < 500 for time in times) == pytest.approx(half, rel=0.05)
    if first == last:
        gaps = np.array([after - before for before, after in pairwise(times)])
        assert gaps.std() == pytest.approx(gaps.mean(), rel=0.03)  # of an exponential distribution


def test_a_services_log_is_replayed_from_when_its_requests_began(tmp_path):
    """Of a log's lines the requests count, at their end less their duration; what has no traffic is told."""
    method = {name: f"/{call.rpc.name}" for name, call in CALLS.items()}

    def line(second, elapsed_ms, name, logger="medmesh.request"):
        time = f"2026-11-27T19:17:{second:06.3f}+00:00"
        return json.dumps({"time": time, "logger": logger, "method": method[name], "elapsed_ms": elapsed_ms})

    path = tmp_path / "language.log"
    lines = [
        line(20.0, 500, "analyze_note"),
        line(20.25, 1000, "analyze_note"),
        line(20.5, 5, "embed"),
        line(21, 1, "analyze_note", "medmesh.models"),
        '{"torn',
    ]
    path.write_text("\n".join(lines))
    found = arrivals.recorded(path, [Traffic("notes", "analyze_note")])
    assert [(round(at, 3), index) for at, index in found.due] == [(0.0, 0), (0.25, 0)]
    assert found.left_out == {"embed": 1}
    assert found.length_s == pytest.approx(0.25)
    with pytest.raises(ValueError, match="only of analyze_note, embed"):
        arrivals.recorded(path, [Traffic("models", "models")])
    (tmp_path / "bad.csv").write_text("time_s\n1\nsoon\n")
    with pytest.raises(ValueError, match="line 3: time_s must be a number"):
        arrivals.recorded(tmp_path / "bad.csv", [Traffic("models", "models")])


def samples(*rows):
    statistics = Statistics(["one", "two"], [1.0, 9.0], 1.0)
    for row in rows:
        statistics.add(Sample(*row))
    return statistics


def test_latency_counts_from_when_a_request_was_due():
    """A server that stalls for a second makes all requests due in it late, not only the one it held."""
    rows = [(0, 0, 1 + i / 100, 2.0, None, 2.0) for i in range(100)]
    summary = samples(*rows).summary()
    assert summary.total.latency.percentile_ms(50) == pytest.approx(500, rel=0.002)
    assert summary.total.latency.max_ms == pytest.approx(1000, rel=0.002)
    assert summary.send_lag_p99_ms == pytest.approx(990, rel=0.002)


def test_the_warm_up_does_not_count_and_windows_hold_what_came_in_them():
    statistics = samples(
        (0, 0, 0.5, 0.5, None, 0.6),
        (0, 1, 1.5, 1.5, 1.6, 3.5),
        (1, 1, 1.7, 1.7, None, 1.71, "OVERLOADED"),
    )
    summary = statistics.summary()
    assert (summary.total.count, summary.total.succeeded) == (2, 1)
    assert summary.duration_s == pytest.approx(2.5)
    assert summary.total.first_event.percentile_ms(50) == pytest.approx(100, rel=0.002)
    assert [statistics.windows[n].due for n in range(4)] == [1, 2, 0, 0]
    assert [statistics.windows[n].succeeded for n in range(4)] == [1, 0, 0, 1]
    assert statistics.windows[1].errors == {"OVERLOADED": 1}
    assert {stage: (figures.count, figures.per_second) for stage, figures in summary.by_stage.items()} == {
        1: (2, pytest.approx(1 / 9))
    }
    assert samples().summary().total.count == 0
    assert samples().summary().duration_s == 0


def test_percentiles_are_those_of_the_values_to_three_digits():
    values = np.random.default_rng(3).lognormal(-3, 1.2, 5000)
    latency = Latency()
    for value in values:
        latency.record(float(value))
    ordered = np.sort(values) * 1e3
    for percent in (0, 1, 50, 90, 99, 99.9, 100):
        rank = max(1, int(np.ceil(round(percent * len(ordered)) / 100)))
        assert latency.percentile_ms(percent) == pytest.approx(ordered[rank - 1], rel=2e-3)
    assert latency.mean_ms == pytest.approx(values.mean() * 1e3, rel=2e-3)
    again = Latency.decoded(latency.encoded())
    assert again.percentiles_ms([50, 99]) == latency.percentiles_ms([50, 99])
    both = Latency.of([latency, again])
    assert (both.count, both.percentile_ms(90)) == (10_000, latency.percentile_ms(90))
    assert Latency().percentile_ms(99) == Latency().mean_ms == 0


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("p99_ms < 3000", True),
        ("p99.9_ms<2000", False),
        ("two: error_share <= 0.67", True),
        ("two: error_share <= 0.66", False),
        ("one: count >= 1", True),
        ("one: first_event_p95_ms < 101", True),
        ("two: first_event_p95_ms < 101", False),  # it has none
        ("three: max_ms < 9e9", False),  # nothing of it succeeded
        ("ok_per_s > 0.3", True),
    ],
)
def test_thresholds(text, kept):
    statistics = Statistics(["one", "two", "three"], [1.0, 9.0], 1.0)
    refused = (1.7, 1.7, None, 1.71, "OVERLOADED")
    statistics.add(Sample(0, 1, 1.5, 1.5, 1.6, 3.6))
    statistics.add(Sample(1, 1, 1.7, 1.7, None, 1.71))
    for traffic in (1, 1, 2):
        statistics.add(Sample(traffic, 1, *refused))
    assert Threshold.parse(text).kept(statistics.summary()) is kept


def test_triton_split_into_queue_and_compute():
    """Means between two scrapes, from counters as Triton names them."""

    def scrape(requests, executions, queue_us, compute_us, pending):
        labels = (("model", "note_tagger"), ("version", "1"))
        counters = {
            "nv_inference_request_success_total": requests,
            "nv_inference_count_total": requests * 2,
            "nv_inference_exec_count_total": executions,
            "nv_inference_queue_duration_us_total": queue_us,
            "nv_inference_compute_input_duration_us_total": 0,
            "nv_inference_compute_infer_duration_us_total": compute_us,
            "nv_inference_compute_output_duration_us_total": 0,
            "nv_inference_pending_request_count": pending,
        }
        return {(name, labels): float(value) for name, value in counters.items()}

    server = Server({}, None, [])
    server.times = [0.0, 1.0, 2.0]
    server.scrapes = [scrape(10, 5, 100, 1000, 0), scrape(20, 10, 50_100, 201_000, 3), {}]
    (figures,) = server.triton()
    assert (figures.requests, figures.batch, figures.queue_ms, figures.compute_ms) == (10, 4.0, 5.0, 20.0)
    assert server.over_time("queue_ms") == {"note_tagger": [None, 5.0, None]}
    assert server.pending() == {"note_tagger": [0.0, 3.0, None]}


def report(ok_per_s, p50_ms, errors):
    latency = Latency()
    latency.record(p50_ms / 1e3)
    figures = {"per_second": ok_per_s, "latency": _latency(latency), "error_share": errors}
    same = {"profile": {}, "machine": {}, "harness": {"bottleneck": ""}, "started_at": ""}
    return {"total": figures, "by_traffic": {"notes": figures}, **same}


def test_comparison_says_what_is_better_and_worse_beyond_the_tolerance():
    found = comparison.compared(report(100, 10, 0.0), report(95, 30, 0.02), 0.1)
    verdicts = {one.figure: one.verdict for one in found if one.traffic == "notes"}
    assert verdicts == {
        "ok/s": "",
        "p50 ms": "worse",
        "p95 ms": "worse",
        "p99 ms": "worse",
        "errors %": "worse",
    }
    back = comparison.compared(report(50, 30, 0.02), report(100, 10, 0.0), 0.1)
    assert {one.verdict for one in back} == {"better"}


def overloaded(*, ok_per_s=10.0, refusal_ms=5.0, other="", abnormal_s=0.0):
    """A report as of an overload of 20 s after 2 s of warm-up and `BEFORE_S`, answered at `ok_per_s`."""
    end = 2.0 + overload.BEFORE_S + 20.0
    times = [n + 0.5 for n in range(int(end + overload.AFTER_S))]
    failing = [1.0 if 10 < at < end + abnormal_s else 0.0 for at in times]
    errors = {"OVERLOADED": {"count": 300, "p99_ms": refusal_ms}}
    errors |= {other: {"count": 3, "p99_ms": 9000.0}} if other else {}
    usual, slow = ({"percentile_ms": {"p99": p99_ms}} for p99_ms in (100.0, 900.0))
    return {
        "warm_up_s": 2.0,
        "over_time": {
            "width_s": 1.0,
            "times_s": times,
            "ok_per_s": [ok_per_s] * len(times),
            "errors_per_s": {"OVERLOADED": failing},
            "latency_ms": {"p99": [100.0] * len(times)},
        },
        "by_stage": [
            {"latency": usual, "errors": {}},
            {"latency": slow, "errors": errors},
            {"latency": usual, "errors": {}},
        ],
    }


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({}, [True, True, True, True]),
        ({"ok_per_s": 8.9}, [False, True, True, True]),
        ({"refusal_ms": 21.0}, [True, False, True, True]),
        ({"other": "DEADLINE_EXCEEDED"}, [True, True, False, True]),
        ({"abnormal_s": 5.0}, [True, True, True, False]),
        ({"abnormal_s": 99.0}, [True, True, True, False]),
    ],
)
def test_overload_is_held_against_what_is_promised(changes, kept):
    found = overload.verdicts(overloaded(**changes), peak=10.0, duration_s=20.0)
    assert [one.kept for one in found] == kept


def test_charts_leave_out_nothing_silently_and_mark_text_as_text():
    series = {f"<b>{n}": [float(n), None, n + 1.0] for n in range(10)}
    chart = charts.over_time("x", "ms", [0.0, 1.0, 2.0], series, logarithmic=True)
    assert chart.left_out == 2
    assert "<b>" not in chart.svg
    assert charts.over_time("x", "ms", [0.0], {"a": [None]}) is None
    assert charts.percentiles("x", {}) is None


def test_profiles_are_named_in_the_page():
    page = (Path(__file__).resolve().parents[2] / "docs" / "load-testing.md").read_text(encoding="utf-8")
    assert not [path.stem for path in profile_file.shipped() if f"`{path.stem}`" not in page]
