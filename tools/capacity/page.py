"""docs/capacity.md's generated part: costs, what breaks first, what sites need, the check."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tools.bench.page import put
from tools.bootstrap import ROOT
from tools.capacity import costs
from tools.capacity.plans import SITES, Plan, limits_per_s, plan

PAGE = ROOT / "docs" / "capacity.md"
BEGIN = "<!-- written by make capacity -->"
INSTANCES: Mapping[str, int] = {"model chest_xray": 2, "model clinical_ner": 2}
"""What a mesh runs as it comes, where it is more than one."""
_CORES = (2, 16)


def write(kept: Mapping[str, Mapping[str, Any]], checked: Mapping[str, Any]) -> None:
    """Puts what the kept figures of the bench, and of the check, come to into the page."""
    put(generated(kept, checked), PAGE, BEGIN)


def generated(kept: Mapping[str, Mapping[str, Any]], checked: Mapping[str, Any]) -> Iterable[str]:
    """The lines of it."""
    study = costs.of_study(kept)
    alone_s = np.array(checked["case"]["alone_ms"]) / 1e3
    yield from _costs(kept)
    yield ""
    yield from _limits(study)
    yield ""
    yield from plans({name: plan(per_day, study, alone_s) for name, per_day in SITES.items()})
    yield ""
    yield from _check(checked)


def _costs(kept: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
    yield "| one request | processor time, ms | of it |"
    yield "|---|---|---|"
    for name, of in costs.KINDS.items():
        work = of(kept)
        parts = sorted(work.items(), key=lambda item: -item[1])
        told = ", ".join(f"{process} {ms:.1f}" for process, ms in parts if ms >= 0.2)
        yield f"| {name} | {costs.total_ms(work):.0f} | {told} |"


def _limits(study: costs.Work) -> Iterable[str]:
    yield "| machine | breaks first, at studies a second | then |"
    yield "|---|---|---|"
    for cores in _CORES:
        (first, rate), *rest = limits_per_s(study, INSTANCES, cores).items()
        told = ", ".join(f"{name} ({limit:.0f})" for name, limit in rest[:4])
        yield f"| {cores} cores, the mesh as it comes | **{first}**, {rate:.0f} | {told} |"


def plans(found: Mapping[str, Plan]) -> Iterable[str]:
    """A table of plans by the names of their loads."""
    yield (
        "| load | mean; burst, a second | cores without GPUs (busy in the burst) | p99 in the burst "
        "| processes | with GPUs |"
    )
    yield "|---|---|---|---|---|---|"
    for name, one in found.items():
        replicas = ", ".join(f"{process} {count}" for process, count in one.replicas.items())
        rates = f"{one.mean_per_s:.3g}; {one.burst_per_s:.3g}"
        cores = f"{one.cores} ({one.utilisation:.0%})"
        gpus = f"{one.gpus} and {one.cores_beside_gpus} cores"
        yield f"| {name} | {rates} | {cores} | {one.p99_s * 1e3:.0f} ms | {replicas} | {gpus} |"


def _check(checked: Mapping[str, Any]) -> Iterable[str]:
    yield "| request | a second | utilisation: measured, predicted | p50 ms | p99 ms |"
    yield "|---|---|---|---|---|"
    for kind in ("image", "case"):
        for level in checked[kind]["levels"]:
            pairs = " | ".join(
                f"{found:.0f}, {expected:.0f}" for found, expected in (level["p50_ms"], level["p99_ms"])
            )
            busy = ", ".join(f"{share:.2f}" for share in level["utilisation"])
            yield f"| {kind} | {level['rate_per_s']:.1f} | {busy} | {pairs} |"
    yield ""
    yield f"Measured on {checked['machine']}."
