"""What happened in a run: each call with its end, what health and the mesh said, what was broken when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from medmesh import receipt
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb

COMPLETE, PARTIAL = "COMPLETE", "PARTIAL"
LATE_S = 0.5
"""How far beyond its deadline a call may end as its caller sees it: the two share the cores."""
WORD_S = 0.5
"""A server of the mesh says that time is over by so much before its caller's own clock, at the most."""
LOSS_SHARE = 0.1
LONG_STALL_S, AFTER_STALL_S = 1.0, 8.0
"""After so much time without a turn breakers are open, and what was cut off connects again, for so long."""


@dataclass(frozen=True)
class Answer:
    """What of a diagnosis is held against the promises."""

    branches: Mapping[str, str]
    """State of each requested branch: empty: answered, else its reason."""
    effects: Mapping[str, str]
    """What each failed branch says of how the answer suffers."""
    contents: frozenset[str]
    """The branches of which the answer has content."""
    gated: bool
    """Whether a gate has judged each image."""
    review_required: bool
    notices: frozenset[str]
    models: Mapping[str, tuple[str, str]]
    """Weights' digest and card's version that each model names."""
    findings: Mapping[str, float]
    """Probability of each finding of the images."""
    intervals: Mapping[str, tuple[float, float, float]]
    """Low, probability and high of each assessed condition."""
    receipt_id: str


@dataclass(frozen=True)
class Call:
    """One call and how it ended. Times are in seconds of the run."""

    request_id: str
    began_s: float
    ended_s: float
    deadline_s: float
    """Time that its caller gave it."""
    outcome: str
    """`COMPLETE`, `PARTIAL`, or `CODE/REASON`; the reason is `-` where no server of the mesh said it."""
    end_count: int = 1
    """How often it ended: answers and errors that its caller got."""
    answer: Answer | None = None


@dataclass(frozen=True)
class HealthSample:
    """What a service said of itself."""

    at_s: float
    service: str
    """Its name, or that of a part that is told beside it: `imaging/safeguards`."""
    serving: bool


@dataclass(frozen=True)
class Strike:
    """One fault, while it lasted."""

    fault: str
    began_s: float
    healed_s: float
    recovered_s: float | None
    """When answers were complete again, row upon row; None: they were not in time."""
    may_lack: frozenset[str]
    """Branches that answers may lack meanwhile."""
    tells: frozenset[str] = frozenset()
    """Services whose health must not say SERVING meanwhile."""
    up_says: str = ""
    """What `medmesh up` must say, as a regular expression."""
    silence: bool = False
    """Whether calls may end without a word of the mesh: whoever would say it is broken."""
    loses_calls: bool = False
    """Whether what was accepted may be lost with the process that accepted it."""

    def covers(self, call: Call) -> bool:
        """Whether the call was under way while it lasted or was recovered from."""
        until = self.recovered_s if self.recovered_s is not None else float("inf")
        return call.began_s <= until and call.ended_s >= self.began_s


@dataclass
class History:
    """A run."""

    calls: list[Call] = field(default_factory=list)
    health: list[HealthSample] = field(default_factory=list)
    strikes: list[Strike] = field(default_factory=list)
    said: list[tuple[float, str]] = field(default_factory=list)
    """What `medmesh up` said, and when."""
    cards: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Weights' digest and version of each model's card, as it was committed."""
    receipts: Sequence[str] = ()
    """Ids in the log of receipts, in its order."""
    lost_count: int = 0
    """How many of them nobody may have heard of: whoever served them was killed, or cut off."""
    audited: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By request id: the receipt of each line that the audit log has of it; empty where it had none."""
    chain_faults: Sequence[str] = ()
    """What is wrong with the chains of the two logs."""
    written: Mapping[str, bytes] = field(default_factory=dict)
    """What the mesh has written: logs and what stood on the screen, by file."""
    canaries: Sequence[str] = ()
    """Words of the requests that nobody may write down."""

    stalls: Sequence[tuple[float, float]] = ()
    """From when to when a heartbeat beside the callers, which is due every moment, did not come: the machine
    gave it no turn. They do not overlap (`merged`)."""

    def stalled_s(self, call: Call, before_s: float = 0.0) -> float:
        """For how long a heartbeat got no turn while the call was under way, or `before_s` ahead of it."""
        began_s = call.began_s - before_s
        return sum(
            max(0.0, min(ended_s, call.ended_s) - max(start_s, began_s)) for start_s, ended_s in self.stalls
        )

    def excuses_lateness(self, call: Call, over_s: float) -> bool:
        """Whether a heartbeat was late by as much while the call was under way."""
        return over_s <= self.stalled_s(call)

    def excuses_silence(self, call: Call) -> bool:
        """Whether the heartbeat was late just before the call ended: a word may have come too late."""
        return self.stalled_s(replace(call, began_s=call.ended_s - WORD_S)) > 0

    def excuses_loss(self, call: Call) -> bool:
        """Whether so much time was lost, in the call or shortly before it, that breakers may have opened, or
        a branch have used its share up.
        """
        return self.stalled_s(call) > LOSS_SHARE * call.deadline_s or (
            self.stalled_s(call, AFTER_STALL_S) > LONG_STALL_S
        )

    def excused(self) -> dict[str, list[Call]]:
        """The calls that an excuse was needed for, by what it excused."""
        late = [call for call in self.calls if call.ended_s - call.began_s - call.deadline_s > LATE_S]
        silent = [call for call in self.calls if call.outcome == "DEADLINE_EXCEEDED/-"]
        lacking = [call for call in self.calls if call.outcome == PARTIAL and self.lacks_more(call)]
        return {
            "late": [
                c for c in late if self.excuses_lateness(c, c.ended_s - c.began_s - c.deadline_s - LATE_S)
            ],
            "silent": [call for call in silent if self.excuses_silence(call)],
            "lacking": [call for call in lacking if self.excuses_loss(call)],
        }

    def lacks_more(self, call: Call) -> frozenset[str]:
        """The branches that its answer lacks beyond what may be missing while it was under way."""
        if call.answer is None:
            return frozenset()
        missing = {name for name, reason in call.answer.branches.items() if reason}
        return frozenset(missing.difference(*(strike.may_lack for strike in self.struck(call))))

    def since(self, began_s: float) -> History:
        """The part of the run that began then or later; the logs stay whole."""
        return replace(
            self,
            calls=[call for call in self.calls if call.began_s >= began_s],
            health=[sample for sample in self.health if sample.at_s >= began_s],
            strikes=[strike for strike in self.strikes if strike.began_s >= began_s],
        )

    def struck(self, call: Call) -> list[Strike]:
        """What was broken while a call was under way."""
        return [strike for strike in self.strikes if strike.covers(call)]


def merged(spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """The times that lie within any of them, in order."""
    found: list[tuple[float, float]] = []
    for begin, end in sorted(spans):
        if found and begin <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], end)
        else:
            found.append((begin, end))
    return found


def answer_of(diagnosis: pb.Diagnosis) -> Answer:
    """Of a diagnosis what is held against the promises."""
    asked = {_name(b): b for b in diagnosis.branches if b.state != pb.Branch.STATE_NOT_REQUESTED}
    failed = {name: b for name, b in asked.items() if b.state == pb.Branch.STATE_FAILED}
    images = [image.analysis for image in diagnosis.images]
    models = [
        *(result for image in images for result in image.results),
        *(gate for image in images for gate in image.gates),
        *diagnosis.note.results,
        *([diagnosis.treatments] if diagnosis.HasField("treatments") else []),
    ]
    # What reads the record has no content of its own in the answer; the treatments rest on it.
    contents = {
        **{_numbered("image", one.index): bool(one.analysis.results) for one in diagnosis.images},
        "note": bool(diagnosis.note.results),
        "treatments": bool(diagnosis.treatments.treatments),
        "record": "record" in asked and "record" not in failed,
        "report": diagnosis.HasField("report"),
    }
    notices = [
        *diagnosis.notices,
        *diagnosis.note.notices,
        *(n for image in images for part in (image, *image.results) for n in part.notices),
    ]
    return Answer(
        branches={name: failed[name].reason if name in failed else "" for name in asked},
        effects={name: branch.effect for name, branch in failed.items()},
        contents=frozenset(name for name, there in contents.items() if there),
        gated=all(image.gates for image in images),
        review_required=diagnosis.review_required,
        notices=frozenset(notice.reason for notice in notices),
        models={
            m.provenance.model_name: (m.provenance.weights_sha256, m.provenance.card_version) for m in models
        },
        findings={f.label: f.probability for image in images for r in image.results for f in r.findings},
        intervals={
            a.condition.code: (a.probability_low, a.probability, a.probability_high)
            for a in diagnosis.assessments
        },
        receipt_id=receipt.statement(diagnosis.receipt).predicate.receipt_id,
    )


def _name(branch: pb.Branch) -> str:
    return _numbered(pb.Branch.Kind.Name(branch.kind).removeprefix("KIND_").lower(), branch.index)


def _numbered(kind: str, index: int) -> str:
    return f"{kind} {index}" if index else kind
