"""The faults by name: what each does to a mesh that runs, and what may be missing meanwhile."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

from tests.faults import callers, disks, files
from tests.faults.deployment import EDGES, MODELS, Deployment

IMAGE, NOTE = frozenset({"image"}), frozenset({"note"})
TREATMENTS, RECORD = frozenset({"treatments"}), frozenset({"record", "treatments"})
EVERYTHING = IMAGE | NOTE | RECORD
OF_SERVICE = {"imaging": IMAGE, "language": NOTE, "recommendation": RECORD, "orchestrator": EVERYTHING}
OF_MODEL = {
    "chest_xray": IMAGE,
    "image_gate": IMAGE,
    "clinical_ner": NOTE,
    "treatment_ranker": TREATMENTS,
}
NEED_TRITON = frozenset({"imaging", "language", "recommendation"})
"""Each has a model that it cannot serve without."""
_STUTTER_S = 0.1


@dataclass(frozen=True)
class Fault:
    """One way in which something breaks. Its context injects it, and heals what does not heal by itself."""

    name: str
    inflict: Callable[[Deployment], AbstractContextManager[None]]
    may_lack: frozenset[str] = frozenset()
    """Branches that answers may lack."""
    tells: frozenset[str] = frozenset()
    """Services, and parts that they tell of (`imaging/safeguards`), that must not say SERVING throughout."""
    up_says: str = ""
    """What `medmesh up` must say of it, as a regular expression."""
    ends: tuple[str, ...] = ()
    """Parts that `medmesh up` restarts because of it; it gives up what ends too often."""
    lasts_s: float = 3.0
    returns_s: float = 45.0
    """Within this time after it is healed answers are complete again."""
    silence: bool = False
    """See `history.Strike`."""
    loses_calls: bool = False
    needs_disk: bool = False
    needs_clock: bool = False
    in_ci: bool = False


@contextlib.contextmanager
def _signalled(mesh: Deployment, part: str, number: signal.Signals) -> Iterator[None]:
    pid = mesh.pid(part)
    os.kill(pid, number)
    yield
    if number is signal.SIGSTOP:
        with contextlib.suppress(ProcessLookupError):  # it has been replaced
            os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def _stuttering(mesh: Deployment, part: str) -> Iterator[None]:
    """The part stands still for half of the time, in short turns, as on a machine that others use."""
    pid, ended = mesh.pid(part), threading.Event()

    def stutter() -> None:
        while not ended.wait(_STUTTER_S):
            os.kill(pid, signal.SIGSTOP)
            ended.wait(_STUTTER_S)
            os.kill(pid, signal.SIGCONT)

    thread = threading.Thread(target=stutter)
    thread.start()
    yield
    ended.set()
    thread.join()


def _edge(
    caller: str, callee: str, how: str, *arguments: object
) -> Callable[..., AbstractContextManager[None]]:
    return lambda mesh: getattr(mesh.edges[caller, callee], how)(*arguments)


def _of_processes() -> Iterator[Fault]:
    for part in (*OF_SERVICE, "triton", *MODELS):
        model = part in MODELS
        lacks = OF_MODEL.get(part) or OF_SERVICE.get(part, IMAGE | NOTE | TREATMENTS)
        # The whole Triton is replaced when one of its models' processes is lost.
        of_triton = model or part == "triton"
        common = {
            "may_lack": IMAGE | NOTE | TREATMENTS if of_triton else lacks,
            "silence": part == "orchestrator",
        }
        tells = NEED_TRITON if of_triton else frozenset({part})
        what = f"the process of {part}" if model else part
        killed = functools.partial(_signalled, part=part, number=signal.SIGKILL)
        yield Fault(
            f"{what} is killed",
            killed,
            **common,
            tells=tells,
            up_says=rf"{'model ' if model else ''}{part}.*(ended|killed|restarted)",
            ends=("triton" if of_triton else part,),
            loses_calls=part == "orchestrator",
            in_ci=part in {"imaging", "orchestrator", "image_gate"},
        )
        stopped = functools.partial(_signalled, part=part, number=signal.SIGSTOP)
        yield Fault(
            f"{what} is stopped",
            stopped,
            **common,
            # For so long a Triton that answers nothing may be busy; for longer its processes do not bear it.
            tells=frozenset() if part == "triton" else tells,
            up_says=f"{part} is stopped" if model else f"{part} no longer answers",
            ends=("triton",) if of_triton else (),
            lasts_s=9.0,
            in_ci=part == "language",
        )
        if not model:
            ended = functools.partial(_signalled, part=part, number=signal.SIGTERM)
            yield Fault(
                f"{what} is asked to end",
                ended,
                **common,
                tells=tells,
                up_says=f"{part}.*(ended|restarted)",
                ends=("triton",) if of_triton else (),  # a service that ends in order counts for nothing
            )
    for part in ("imaging", "orchestrator", "triton"):
        yield Fault(
            f"{part} gets half of the time",
            functools.partial(_stuttering, part=part),
            OF_SERVICE.get(part, IMAGE | NOTE | TREATMENTS),
            silence=part == "orchestrator",
            ends=("triton",) if part == "triton" else (),
            lasts_s=6.0,
        )


def _of_connections() -> Iterator[Fault]:
    pairs = [(caller, callee) for caller, callees in EDGES.items() for callee in callees]
    for caller, callee in [*pairs, ("client", "orchestrator")]:
        front = caller == "client"
        lacks = OF_SERVICE[caller if callee == "triton" else callee] - (
            {"record"} if callee == "triton" else set()
        )
        common = {"may_lack": EVERYTHING if front else lacks, "silence": front}
        between = f"between {caller} and {callee}"
        of_ci = {("orchestrator", "recommendation"): "cut", ("imaging", "triton"): "silent"}
        for how, words, arguments in (
            ("cut", f"the connection {between} is cut", ()),
            ("silent", f"nothing passes {between}", ()),
            ("slow", f"each piece takes 0.2 s {between}", (0.2,)),
        ):
            if callee == "triton":
                tells = {caller} if how in {"cut", "silent"} else set()
            else:  # a breaker opens after some calls that hung, each of which takes its time
                tells = {f"{caller}/upstream.{callee}"} if how == "cut" and not front else set()
            yield Fault(
                words,
                _edge(caller, callee, how, *arguments),
                **common,
                tells=frozenset(tells),
                lasts_s=3.0 if not tells else 16.0 if how == "silent" else 9.0,
                in_ci=of_ci.get((caller, callee)) == how,
            )
        if callee in {"imaging", "orchestrator"} or caller == "imaging":
            yield Fault(f"connections {between} are reset", _edge(caller, callee, "resetting"), **common)
            yield Fault(
                f"no answer passes {between}",
                _edge(caller, callee, "silent", "answered"),
                **common,
                in_ci=front,
            )


def _of_disks() -> Iterator[Fault]:
    # No answer leaves without its receipt; the audit log shares the disk, so health of all says so.
    common = {"needs_disk": True, "lasts_s": 9.0, "tells": frozenset({"orchestrator"})}
    yield Fault("the disk of receipts is full", disks.full, **common, in_ci=True)
    yield Fault("the disk of receipts is read-only", disks.read_only, **common)
    yield Fault("the last receipt is torn", disks.torn)
    told = {"lasts_s": 9.0, "tells": frozenset({"orchestrator"})}
    yield Fault("another process holds the log of receipts", disks.locked, **told, in_ci=True)
    yield Fault("another process holds the audit log", disks.audit_locked, **told)
    yield Fault("a second orchestrator writes the same log", disks.shared, lasts_s=0.0)


@contextlib.contextmanager
def _stepped(mesh: Deployment, seconds: int) -> Iterator[None]:
    """The wall clock of the orchestrator steps, and back again at the end."""
    mesh.clock.move(seconds)
    yield
    mesh.clock.move(0)


def _of_clocks() -> Iterator[Fault]:
    for words, seconds in (
        ("back by an hour", -3600),
        ("on by an hour", 3600),
        ("on by ten years", 315_360_000),
    ):
        step = functools.partial(_stepped, seconds=seconds)
        # Nothing may be missing: no deadline is kept by it.
        yield Fault(f"the orchestrator's clock steps {words}", step, needs_clock=True, in_ci=seconds < 0)


def _of_files() -> Iterator[Fault]:
    yield Fault("the token file is gone", files.without_token, EVERYTHING, tells=frozenset(), in_ci=True)
    for model, service, tells, up_says in (
        ("chest_xray", "imaging", "imaging", "imaging says that it cannot serve"),
        ("image_gate", "imaging", "imaging/safeguards", "imaging: safeguards: missing: image_gate"),
    ):
        yield Fault(
            f"a bit of the weights of {model} is flipped",
            functools.partial(files.flipped_weights, model=model, service=service),
            IMAGE | NOTE | TREATMENTS,
            tells=frozenset({tells}),
            up_says=up_says,
            ends=("triton", "triton", service, service),
            lasts_s=15.0,
            returns_s=90.0,
        )
    for name, change in files.CHANGES.items():
        yield Fault(
            name,
            functools.partial(files.changed, path=change.path, change=change.change, service=change.service),
            OF_SERVICE[change.service],
            tells=frozenset({f"{change.service}/models"}),
            ends=(change.service, change.service),
            lasts_s=8.0,
            returns_s=60.0,
            in_ci=change.in_ci,
        )
    for service in ("orchestrator", "imaging"):
        yield Fault(
            f"{service} has no descriptor left",
            functools.partial(files.without_descriptors, service=service),
            OF_SERVICE[service],
            silence=service == "orchestrator",
        )


def _of_callers() -> Iterator[Fault]:
    for name, harass in callers.HARASSING.items():
        yield Fault(
            name, functools.partial(callers.beside, harass=harass), EVERYTHING, in_ci=name in callers.IN_CI
        )


FAULTS: dict[str, Fault] = {
    fault.name: fault
    for fault in (
        *_of_processes(),
        *_of_connections(),
        *_of_disks(),
        *_of_clocks(),
        *_of_files(),
        *_of_callers(),
    )
}
