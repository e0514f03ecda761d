"""Says of model folders, before anything is served, what would be refused and why.

What a card shows against its folder is checked here; what only the code of its task knows is asked of each
service, in a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from services.chassis.models.card import Problem
from services.chassis.models.inspection import inspect
from services.chassis.models.repository import CARD, CONFIG, ModelFolder, model_folders
from services.local import topology
from tools.bootstrap import ROOT, Missing

_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Checked:
    """What was found of one model."""

    name: str
    folder: Path
    version: str
    """Of the card; empty where it cannot be read."""
    task: str
    service: str
    """The service that would serve it; empty: none."""
    problems: tuple[Problem, ...]
    """Empty: it would be served."""


def check(places: Sequence[Path]) -> list[Checked]:
    """Checks each model of these folders; a folder may be a repository or one model's own.

    Raises Missing where a folder holds no model, or a service cannot be asked.
    """
    found = inspect_all(places)
    holding = [one for one in found if not one.problems]
    asked = _ask_services(holding) if holding else {}
    for one in holding:
        no_service = Problem(
            "serving", f"names {one.task}, which no service implements yet", "use another task"
        )
        service, problems = asked.get(one.folder, ("", (no_service,)))
        found[found.index(one)] = replace(one, service=service, problems=problems)
    return found


def inspect_all(places: Sequence[Path]) -> list[Checked]:
    """The same as far as cards and folders show it, which is at once; no service is asked."""
    found = []
    for folder in (folder for place in places for folder in _folders(place)):
        model = inspect(folder, complete=True)
        version = model.card.version if model.card else ""
        found.append(Checked(model.name, folder.path, version, model.task, "", model.problems))
    return found


def _folders(place: Path) -> list[ModelFolder]:
    place = place.resolve()
    if any((place / name).is_file() for name in (CARD, CONFIG)):
        return [ModelFolder(place.name, place)]
    found = list(model_folders([place]).values())
    if not found:
        raise Missing(f"{place} holds no model: a folder with a {CARD} and a {CONFIG}.")
    return found


def _ask_services(models: Iterable[Checked]) -> dict[Path, tuple[str, tuple[Problem, ...]]]:
    """By folder: the service that would serve the model, and what its code finds wrong with it."""
    services = [service.name for service in topology.load().services.values() if service.triton]
    answers: dict[Path, tuple[str, tuple[Problem, ...]]] = {}
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(len(services)) as pool:
        places: dict[Path, dict[str, Path]] = {}
        for model in models:  # those of one name go apart
            place = next(
                (p for p, names in places.items() if model.name not in names), Path(scratch, str(len(places)))
            )
            place.mkdir(exist_ok=True)
            places.setdefault(place, {})[model.name] = model.folder
            (place / model.name).symlink_to(model.folder)
        for place, names in places.items():
            answered = pool.map(partial(_ask, place), services)
            for service, lines in zip(services, answered, strict=True):
                for line in lines:
                    said = json.loads(line)
                    problems = (Problem(p["field"], p["problem"], p["remedy"]) for p in said["problems"])
                    answers[names[said["model"]]] = (service, tuple(problems))
    return answers


def _ask(place: Path, service: str) -> list[str]:
    command = [sys.executable, "-m", f"services.{service}", "check", str(place)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it does not say why"])[-1]
        raise Missing(f"the {service} service cannot be asked: {last}")
    return done.stdout.splitlines()
