"""Says of model folders, before anything is served, what would be refused and why.

What a card shows against its folder is checked here; what only the code of its task knows is asked of each
service, in a process of its own.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Container, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from services.chassis import ed25519
from services.chassis.errors import MedmeshError
from services.chassis.models import signatures
from services.chassis.models.card import Problem
from services.chassis.models.inference import ask_once
from services.chassis.models.inspection import inspect
from services.chassis.models.repository import CARD, CONFIG, ModelFolder, model_folders
from services.chassis.models.signatures import TrustedKeys, signers
from services.chassis.models.triton import TritonInference
from services.chassis.settings import ServiceSettings, split_folders
from services.local import topology
from services.local.triton import EmbeddedTriton, TritonError, TritonSettings
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
    signed: str = ""
    """`verified` by a trusted key (or among the problems), `unverified`, since none is named; empty: it
    is not.
    """


def check(places: Sequence[Path], *, run: bool = False) -> list[Checked]:
    """Checks each model of these folders; a folder may be a repository or one model's own.

    With `run`, each that holds is also loaded into an embedded Triton and asked once.

    Raises Missing where a folder holds no model, a service cannot be asked, or Triton does not start.
    """
    found = inspect_all(places)
    with tempfile.TemporaryDirectory(prefix="medmesh-check-") as scratch:
        repositories = _repositories([one for one in found if not one.problems], Path(scratch))
        answers: dict[Path, tuple[str, tuple[Problem, ...]]] = {}
        for repository in repositories:
            answers |= _ask_services(repository)
        found = [one if one.problems else _answered(one, answers) for one in found]
        if run:
            good = {one.folder for one in found if not one.problems}
            failed: dict[Path, Problem] = {}
            for repository in repositories:
                failed |= _run(repository, good, Path(scratch, "triton.log"))
            found = [replace(o, problems=(failed[o.folder],)) if o.folder in failed else o for o in found]
    return found


def _answered(one: Checked, answers: Mapping[Path, tuple[str, tuple[Problem, ...]]]) -> Checked:
    missing = Problem("serving", f"names {one.task}, which no service implements yet", "use another task")
    service, problems = answers.get(one.folder, ("", (missing,)))
    return replace(one, service=service, problems=problems)


def inspect_all(places: Sequence[Path]) -> list[Checked]:
    """The same as far as cards and folders show it, which is at once; no service is asked. Raises
    SettingsError where a key of MEDMESH_MODEL_KEYS cannot be read.
    """
    trusted = TrustedKeys.read(split_folders(os.environ.get(ServiceSettings.key("model_keys"), "")))
    found = []
    for folder in (folder for place in places for folder in _folders(place)):
        model = inspect(folder, complete=True, trusted=trusted)
        version = model.card.version if model.card else ""
        signed = "verified" if trusted is not None else "unverified" if signers(folder.path) else ""
        found.append(Checked(model.name, folder.path, version, model.task, "", model.problems, signed))
    return found


def sign(places: Sequence[Path], key_file: Path) -> list[tuple[Path, int]]:
    """Signs each model of these folders as it is now: its folder, and how many files that covers.

    Raises Missing where a folder holds no model, OSError and ValueError where the key cannot be used.
    """
    key = ed25519.private_key(key_file)
    return [(f.path, signatures.sign(f.path, key)) for place in places for f in _folders(place)]


def _folders(place: Path) -> list[ModelFolder]:
    place = place.resolve()
    if any((place / name).is_file() for name in (CARD, CONFIG)):
        return [ModelFolder(place.name, place)]
    found = list(model_folders([place]).values())
    if not found:
        raise Missing(f"{place} holds no model: a folder with a {CARD} and a {CONFIG}.")
    return found


@dataclass(frozen=True)
class _Repository:
    """A folder of links to models' folders, no two of one name."""

    place: Path
    folders: dict[str, Path]


def _repositories(models: Iterable[Checked], scratch: Path) -> list[_Repository]:
    made: list[_Repository] = []
    for model in models:
        fitting = (repository for repository in made if model.name not in repository.folders)
        repository = next(fitting, None)
        if repository is None:
            repository = _Repository(scratch / str(len(made)), {})
            repository.place.mkdir()
            made.append(repository)
        repository.folders[model.name] = model.folder
        (repository.place / model.name).symlink_to(model.folder)
    return made


def _ask_services(repository: _Repository) -> dict[Path, tuple[str, tuple[Problem, ...]]]:
    """By folder: the service that would serve the model, and what its code finds wrong with it."""
    services = [service.name for service in topology.load().services.values() if service.triton]
    answers = {}
    with ThreadPoolExecutor(len(services)) as pool:
        answered = pool.map(partial(_ask, repository.place), services)
        for service, lines in zip(services, answered, strict=True):
            for line in lines:
                said = json.loads(line)
                problems = tuple(Problem(p["field"], p["problem"], p["remedy"]) for p in said["problems"])
                answers[repository.folders[said["model"]]] = (service, problems)
    return answers


def _run(repository: _Repository, good: Container[Path], log: Path) -> dict[Path, Problem]:
    """By folder: why a model does not run; those that do are left out."""
    names = tuple(name for name, folder in repository.folders.items() if folder in good)
    if not names:
        return {}
    settings = TritonSettings(repository=(repository.place,), models=names, log=log)
    try:
        with EmbeddedTriton.start(settings, lambda _: None) as triton:
            return asyncio.run(_ask_triton(triton.grpc_address, {n: repository.folders[n] for n in names}))
    except TritonError as error:
        raise Missing(str(error)) from error


async def _ask_triton(address: str, folders: Mapping[str, Path]) -> dict[Path, Problem]:
    inference, failed = TritonInference(address), {}
    for name, folder in folders.items():
        version = inspect(ModelFolder(name, folder)).stable
        if version is None:
            continue  # it has changed under the check
        try:
            await ask_once(inference, version.runs, _TIMEOUT_S)
        except MedmeshError as error:
            what = f"does not run: {str(error).removeprefix(f'{name}: ')}"
            failed[folder] = Problem(f"{version.runs.number}/", what, "correct the model")
    await inference.close()
    return failed


def _ask(place: Path, service: str) -> list[str]:
    command = [sys.executable, "-m", f"services.{service}", "check", str(place)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it does not say why"])[-1]
        raise Missing(f"the {service} service cannot be asked: {last}")
    return done.stdout.splitlines()
