"""The promises, each as a check of a recorded history: it yields what breaks it, in one sentence each."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise

from tests.faults.history import AFTER_STALL_S, COMPLETE, LATE_S, PARTIAL, Answer, Call, History

TOLD_S = 15.0
"""Health tells what is broken within this time: a model that answered ten seconds ago may be busy."""
_TOLERANCE = 2e-3
"""Probabilities of one input may differ so far between two answers: batches are put together anew."""
_KNOWN_CODES = {"UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"}
_FAULTS_OF_OURS = {"INTERNAL", "MODEL_FAILED", "-"}
_NO_GATE = {"IMAGE_NOT_JUDGED"}


def complete_is_whole(history: History) -> Iterator[str]:
    """COMPLETE is said of nothing that lacks a branch, or a branch's content."""
    for call, answer in _answers(history, COMPLETE):
        lacking = {name for name, reason in answer.branches.items() if reason or name not in answer.contents}
        if lacking or not answer.branches:
            yield f"{call.request_id} is COMPLETE without {', '.join(sorted(lacking)) or 'any branch'}"


def partial_says_what_is_missing(history: History) -> Iterator[str]:
    """PARTIAL names a branch, why it is missing and what that does to the answer, and asks for review."""
    for call, answer in _answers(history, PARTIAL):
        missing = {name: reason for name, reason in answer.branches.items() if reason}
        if not missing:
            yield f"{call.request_id} is PARTIAL and names no branch"
        for name in missing:
            if not answer.effects.get(name):
                yield f"{call.request_id} does not say what the answer is worth without {name}"
        if not answer.review_required:
            yield f"{call.request_id} is PARTIAL and asks for no review"


def no_safeguard_is_missing_silently(history: History) -> Iterator[str]:
    """An image that no gate has judged is reported as such, with review."""
    for call, answer in _answers(history, COMPLETE, PARTIAL):
        if "image" in answer.contents and not answer.gated:
            if not answer.review_required:
                yield f"{call.request_id}: no gate has judged the image, and no review is asked for"
            if not answer.notices & _NO_GATE:
                yield f"{call.request_id}: no gate has judged the image, and no notice says so"


def nothing_is_late(history: History) -> Iterator[str]:
    """A call ends within the time that its caller gave it."""
    for call in history.calls:
        over_s = call.ended_s - call.began_s - call.deadline_s
        if over_s > LATE_S and not history.excuses_lateness(call, over_s - LATE_S):
            stalled = f"the machine gave no turn for {history.stalled_s(call):.1f} s of it"
            yield f"{call.request_id} ended {over_s:.1f} s after its deadline; {stalled}"


def every_call_ends_once(history: History) -> Iterator[str]:
    """A caller gets one answer or one error, never both and never none."""
    for call in history.calls:
        if call.end_count != 1:
            yield f"{call.request_id} ended {call.end_count} times ({call.outcome})"


def failures_are_told(history: History) -> Iterator[str]:
    """Where the mesh can speak, an error has a reason of its own: no INTERNAL, no silence."""
    for call in history.calls:
        if call.outcome in {COMPLETE, PARTIAL}:
            continue
        code, _, reason = call.outcome.partition("/")
        silent = reason == "-" and any(strike.silence for strike in history.struck(call))
        # A caller's own clock may end a call a moment before the word of a mesh that gets no turn.
        silent |= call.outcome == "DEADLINE_EXCEEDED/-" and history.excuses_silence(call)
        if not silent and (code not in _KNOWN_CODES or reason in _FAULTS_OF_OURS):
            yield f"{call.request_id} ended with {call.outcome} while {_strikes(history, call)}"


def branches_fail_for_a_reason(history: History) -> Iterator[str]:
    """What a branch lacks is never an INTERNAL of the mesh, unless it is the orchestrator that is broken."""
    for call, answer in _answers(history, PARTIAL):
        for name, reason in answer.branches.items():
            own = any("orchestrator" in strike.tells for strike in history.struck(call))
            if reason in _FAULTS_OF_OURS and not own:
                yield f"{call.request_id}: {name} failed with {reason} while {_strikes(history, call)}"


def only_what_is_broken_is_missing(history: History) -> Iterator[str]:
    """A fault takes no branch with it that does not need the broken part."""
    for call, answer in _answers(history, PARTIAL):
        lacking = history.lacks_more(call)
        if lacking and not history.excuses_loss(call):
            why = ", ".join(f"{name} ({answer.branches[name]})" for name in sorted(lacking))
            stalled_s = history.stalled_s(call, AFTER_STALL_S)
            when = f"from {call.began_s:.1f} to {call.ended_s:.1f} s (no turn for {stalled_s:.1f} s)"
            yield f"{call.request_id} lacks {why} {when}, while {_strikes(history, call)}"


def answers_name_the_models_of_the_cards(history: History) -> Iterator[str]:
    """Weights and card that an answer names are those of the card that was committed."""
    for call, answer in _answers(history, COMPLETE, PARTIAL):
        for model, named in answer.models.items():
            if named != history.cards.get(model):
                yield f"{call.request_id} names {model} {named}, the card says {history.cards.get(model)}"


def the_same_case_gets_the_same_answer(history: History) -> Iterator[str]:
    """What is answered of one case never changes with what is broken: only what is missing does."""
    known: dict[str, float] = {}
    for call, answer in _answers(history, COMPLETE, PARTIAL):
        whole = {code: middle for code, (_, middle, _) in answer.intervals.items()}
        for name, value in {**answer.findings, **(whole if call.outcome == COMPLETE else {})}.items():
            if abs(known.setdefault(name, value) - value) > _TOLERANCE:
                yield f"{call.request_id}: {name} is {value:.3f}, elsewhere {known[name]:.3f}"


def what_is_missing_makes_no_answer_surer(history: History) -> Iterator[str]:
    """Intervals of a PARTIAL answer contain what the whole answer says."""
    whole = next((answer for _, answer in _answers(history, COMPLETE)), None)
    for call, answer in _answers(history, PARTIAL):
        for code, (low, _, high) in answer.intervals.items():
            if whole is not None and code in whole.intervals:
                middle = whole.intervals[code][1]
                if not low - _TOLERANCE <= middle <= high + _TOLERANCE:
                    yield f"{call.request_id}: {code} is {low:.3f} to {high:.3f}, with all of it {middle:.3f}"


def health_tells(history: History) -> Iterator[str]:
    """What is broken does not say SERVING all the while, nor for long."""
    for strike in history.strikes:
        over_s = strike.recovered_s if strike.recovered_s is not None else float("inf")
        until_s = min(strike.began_s + TOLD_S, over_s)
        for service in strike.tells:
            samples = [
                one
                for one in history.health
                if one.service == service and strike.began_s <= one.at_s <= until_s
            ]
            if all(one.serving for one in samples):
                yield f"{service} says SERVING for {until_s - strike.began_s:.0f} s while {strike.fault}"


def health_recovers(history: History) -> Iterator[str]:
    """What works says SERVING: before anything is broken, and when answers are complete again."""
    for before, after in pairwise(history.strikes):
        if before.recovered_s is None or after.began_s - before.recovered_s < TOLD_S:
            continue
        for service in {one.service for one in history.health}:
            last = [o for o in history.health if o.service == service and o.at_s < after.began_s][-1:]
            if not all(one.serving for one in last):
                yield f"{service} does not say SERVING {TOLD_S:.0f} s after {before.fault}"


def what_ends_is_named(history: History) -> Iterator[str]:
    """`medmesh up` says what has ended or hangs, by name."""
    for strike in history.strikes:
        until_s = strike.recovered_s if strike.recovered_s is not None else float("inf")
        said = [line for at_s, line in history.said if strike.began_s <= at_s <= until_s]
        if strike.up_says and not any(re.search(strike.up_says, line) for line in said):
            yield f"`medmesh up` says nothing of {strike.up_says!r} while {strike.fault}"


def it_recovers(history: History) -> Iterator[str]:
    """When a fault has ended, answers are complete again within its time."""
    for strike in history.strikes:
        if strike.recovered_s is None:
            yield f"answers were not complete again after {strike.fault}"


def each_answer_has_one_receipt(history: History) -> Iterator[str]:
    """An answer that left is in the log of receipts, once; no two answers share a receipt."""
    logged = Counter(history.receipts)
    handed = Counter(answer.receipt_id for _, answer in _answers(history, COMPLETE, PARTIAL))
    for receipt_id, count in handed.items():
        if count != 1 or logged[receipt_id] != 1:
            yield f"receipt {receipt_id} was handed out {count} times and logged {logged[receipt_id]}"


def each_answer_is_audited(history: History) -> Iterator[str]:
    """A call that was answered has one line in the audit log, which names its receipt."""
    for call, answer in _answers(history, COMPLETE, PARTIAL):
        lines = list(history.audited.get(call.request_id, ()))
        lost = any(strike.loses_calls for strike in history.struck(call))
        if lines != [answer.receipt_id] and not (lost and not lines):
            yield f"{call.request_id} got receipt {answer.receipt_id}; the audit log has {lines or 'nothing'}"


def nothing_is_receipted_that_nobody_asked(history: History) -> Iterator[str]:
    """Every receipt belongs to a call that was audited, or lost with the process that served it."""
    audited = {receipt_id for lines in history.audited.values() for receipt_id in lines if receipt_id}
    unknown = set(history.receipts) - audited
    if len(unknown) > history.lost_count:
        yield f"{len(unknown)} receipts belong to no audited call, {history.lost_count} may have been lost"


def the_logs_are_unbroken(history: History) -> Iterator[str]:
    """The chains of receipts and of the audit log hold, whatever happened while they were written."""
    yield from history.chain_faults


def nothing_of_a_patient_is_written(history: History) -> Iterator[str]:
    """No word of a request stands in a log, a receipt, the audit log or on the screen."""
    for file, content in history.written.items():
        for word in history.canaries:
            if word.lower().encode() in content.lower():
                yield f"{word} stands in {file}"


INVARIANTS: tuple[Callable[[History], Iterator[str]], ...] = (
    complete_is_whole,
    partial_says_what_is_missing,
    no_safeguard_is_missing_silently,
    nothing_is_late,
    every_call_ends_once,
    failures_are_told,
    branches_fail_for_a_reason,
    only_what_is_broken_is_missing,
    answers_name_the_models_of_the_cards,
    the_same_case_gets_the_same_answer,
    what_is_missing_makes_no_answer_surer,
    health_tells,
    health_recovers,
    what_ends_is_named,
    it_recovers,
    each_answer_has_one_receipt,
    each_answer_is_audited,
    nothing_is_receipted_that_nobody_asked,
    the_logs_are_unbroken,
    nothing_of_a_patient_is_written,
)


def broken(history: History) -> dict[str, list[str]]:
    """The promises that the history breaks, by name, and how."""
    found = {check.__name__: list(check(history)) for check in INVARIANTS}
    return {name: problems for name, problems in found.items() if problems}


def _answers(history: History, *outcomes: str) -> Iterator[tuple[Call, Answer]]:
    for call in history.calls:
        if call.outcome in outcomes and call.answer is not None:
            yield call, call.answer


def _strikes(history: History, call: Call) -> str:
    return ", ".join(strike.fault for strike in history.struck(call)) or "nothing was broken"
