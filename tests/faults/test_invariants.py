"""Each promise's check finds a history that breaks it, and nothing in one that keeps it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.faults.history import Answer, Call, HealthSample, History, Strike
from tests.faults.invariants import INVARIANTS, broken

ALL = ("image", "note", "record", "treatments")
CARDS = {"chest_xray": ("digest", "1.0.0")}


def answer(receipt: str, **fields) -> Answer:
    return Answer(
        **{
            "branches": dict.fromkeys(ALL, ""),
            "effects": {},
            "contents": frozenset(ALL),
            "gated": True,
            "review_required": True,
            "notices": frozenset(),
            "models": CARDS,
            "findings": {"normal": 0.2},
            "intervals": {"233604007": (0.3, 0.4, 0.5)},
            "receipt_id": receipt,
        }
        | fields
    )


def partial(receipt: str, **fields) -> Answer:
    lacking = {
        "branches": dict.fromkeys(ALL, "") | {"note": "UPSTREAM_UNAVAILABLE"},
        "effects": {"note": "The note does not count."},
        "contents": frozenset(ALL) - {"note"},
        "intervals": {"233604007": (0.2, 0.45, 0.6)},
    }
    return answer(receipt, **(lacking | fields))


WHOLE = Call("1", 1.0, 1.2, 5.0, "COMPLETE", answer=answer("r1"))
LACKING = Call("2", 10.5, 11.0, 5.0, "PARTIAL", answer=partial("r2"))
FAILED = Call("3", 10.6, 11.0, 5.0, "UNAVAILABLE/UPSTREAM_UNAVAILABLE")
STRIKE = Strike(
    "language is stopped", 10.0, 20.0, 21.0, frozenset({"note"}), frozenset({"language"}), "language"
)
LATER = Strike("nothing", 40.0, 41.0, 42.0, frozenset())


def history(calls=(WHOLE, LACKING, FAILED), **fields) -> History:
    samples = [HealthSample(float(second), "language", not 11 < second < 22) for second in range(45)]
    return History(
        **{
            "calls": list(calls),
            "health": samples,
            "strikes": [STRIKE, LATER],
            "said": [(11.0, "language is stopped")],
            "cards": CARDS,
            "receipts": ["r1", "r2"],
            "audited": {"1": ["r1"], "2": ["r2"], "3": [""]},
            "written": {"imaging.log": b"request"},
            "canaries": ("Qvortrup",),
        }
        | fields
    )


def with_answer(**fields) -> History:
    return history([replace(WHOLE, answer=answer("r1", **fields)), LACKING])


def with_partial(**fields) -> History:
    return history([WHOLE, replace(LACKING, answer=partial("r2", **fields))])


BREAKING = {
    "complete_is_whole": with_answer(contents=frozenset({"image"})),
    "partial_says_what_is_missing": with_partial(effects={}),
    "no_safeguard_is_missing_silently": with_answer(gated=False),
    "nothing_is_late": history([replace(WHOLE, ended_s=7.0), LACKING]),
    "every_call_ends_once": history([replace(WHOLE, end_count=2), LACKING]),
    "failures_are_told": history([WHOLE, LACKING, replace(FAILED, outcome="DEADLINE_EXCEEDED/-")]),
    "branches_fail_for_a_reason": with_partial(branches=dict.fromkeys(ALL, "") | {"note": "INTERNAL"}),
    "only_what_is_broken_is_missing": history([WHOLE, replace(LACKING, began_s=2.0, ended_s=3.0)]),
    "answers_name_the_models_of_the_cards": with_answer(models={"chest_xray": ("another", "1.0.0")}),
    "the_same_case_gets_the_same_answer": with_partial(findings={"normal": 0.3}),
    "what_is_missing_makes_no_answer_surer": with_partial(intervals={"233604007": (0.5, 0.55, 0.6)}),
    "health_tells": history(health=[HealthSample(float(second), "language", True) for second in range(45)]),
    "health_recovers": history(
        health=[HealthSample(float(second), "language", False) for second in range(45)]
    ),
    "what_ends_is_named": history(said=[(11.0, "stopping"), (30.0, "language is stopped")]),
    "it_recovers": history(strikes=[replace(STRIKE, recovered_s=None)]),
    "each_answer_has_one_receipt": history(receipts=["r1", "r2", "r2"]),
    "each_answer_is_audited": history(audited={"1": ["r1"], "2": [""]}),
    "nothing_is_receipted_that_nobody_asked": history(receipts=["r1", "r2", "r9"]),
    "the_logs_are_unbroken": history(chain_faults=["receipts, line 2: torn"]),
    "nothing_of_a_patient_is_written": history(written={"imaging.log": b"of qvortrup"}),
}


def test_a_history_that_keeps_every_promise_breaks_none():
    assert broken(history()) == {}


def test_each_check_has_its_case():
    assert list(BREAKING) == [check.__name__ for check in INVARIANTS]


LATE = replace(WHOLE, ended_s=7.0)  # a second over
UNTOLD = replace(FAILED, outcome="DEADLINE_EXCEEDED/-")
UNSTRUCK = replace(LACKING, began_s=2.0, ended_s=3.0)


@pytest.mark.parametrize(
    ("call", "promise", "stall", "excused"),
    [
        (LATE, "nothing_is_late", (1.5, 2.1), "late"),
        (LATE, "nothing_is_late", (6.9, 12.0), ""),  # late by much more than it was stalled itself
        (LATE, "nothing_is_late", (7.1, 9.0), ""),
        (UNTOLD, "failures_are_told", (10.8, 12.0), "silent"),
        (UNTOLD, "failures_are_told", (8.0, 10.4), ""),
        (UNSTRUCK, "only_what_is_broken_is_missing", (2.1, 2.7), "lacking"),
        (UNSTRUCK, "only_what_is_broken_is_missing", (0.2, 1.4), "lacking"),  # breakers may be open still
        (UNSTRUCK, "only_what_is_broken_is_missing", (2.1, 2.3), ""),
    ],
)
def test_an_excuse_is_as_large_as_a_heartbeat_was_late_and_is_counted(call, promise, stall, excused):
    calls = [one for one in (WHOLE, LACKING, FAILED) if one.request_id != call.request_id]
    made = history([*calls, call], stalls=[stall])
    assert (promise in broken(made)) is not bool(excused)
    assert {name for name, found in made.excused().items() if found} == ({excused} if excused else set())
    assert promise in broken(history([*calls, call]))


@pytest.mark.parametrize("name", BREAKING)
def test_what_breaks_a_promise_is_found(name):
    assert name in broken(BREAKING[name])
