"""Takes up a changed model repository without losing a request.

Of each model that changed: checked, built, loaded in Triton beside what answers now, asked once, and then
switched to. Requests under way finish on the version that they began with, so the old one is unloaded only
when the longest of them must have ended. What does not hold is refused by name, and what was served of it
goes on, unless a file that it answers from is no longer as it was: Triton may map it, so what runs is given
up, and loaded anew once a reload finds the file whole.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from services.chassis.errors import MedmeshError
from services.chassis.models import checks
from services.chassis.models.card import Problem
from services.chassis.models.catalog import Catalog, Entry, log_problems
from services.chassis.models.inference import ModelVersion, ask_once
from services.chassis.models.inspection import CheckedModel, small_files
from services.chassis.models.served import ServedModel
from services.chassis.models.signatures import NOT_SIGNED, TrustedKeys
from services.chassis.rpc import request

logger = logging.getLogger("medmesh.models")

_PROBE_S = 60.0
_UNREAD = "cannot be read"


class Result(Enum):
    """What became of a model; the values are those of `ModelReload.Result` without the prefix."""

    UNCHANGED = "UNCHANGED"
    TAKEN_UP = "TAKEN_UP"
    REFUSED = "REFUSED"
    REMOVED = "REMOVED"


@dataclass(frozen=True)
class Reloaded:
    """One model after a reload."""

    entry: Entry
    result: Result


class Reloader:
    """Reloads one service's catalog, one reload at a time."""

    def __init__(self, catalog: Catalog, *, retire_after_s: float) -> None:
        """`retire_after_s`: how long a version stays loaded after the switch, the longest that a request
        may take.
        """
        self._catalog = catalog
        self._retire_after_s = retire_after_s
        self._lock = asyncio.Lock()
        self._retiring: dict[ModelVersion, asyncio.Task[None]] = {}
        self._reloading: set[asyncio.Task[list[Reloaded]]] = set()

    async def reload(self) -> list[Reloaded]:
        """Reads the repository again. Sorted by the models' names; never raises for a model's sake.

        What has begun is brought to its end, whether or not its caller waits for it.
        """
        task = asyncio.create_task(self._reload())
        self._reloading.add(task)
        task.add_done_callback(self._reloading.discard)
        return await asyncio.shield(task)

    async def _reload(self) -> list[Reloaded]:
        request.current.set(None)  # loading is not bounded by the caller's deadline
        async with self._lock:
            before = {entry.name: entry for entry in self._catalog.entries()}
            now = await asyncio.to_thread(self._catalog.read)
            results = [await self._take_up(checked, before.get(name)) for name, checked in now.items()]
            for name in before.keys() - now.keys():
                self._switch(before[name], None)
                results.append(Reloaded(before[name], Result.REMOVED))
            results.sort(key=lambda reloaded: reloaded.entry.name)
            counts = {r.value.lower(): sum(x.result is r for x in results) for r in Result}
            logger.info("models reloaded", extra={"facts": counts})
            return results

    async def close(self) -> None:
        """Ends what is under way. Old versions stay loaded until Triton ends, or a service that uses them."""
        under_way = [*self._retiring.values(), *self._reloading]
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)

    async def follow(self, every_s: float) -> None:
        """Digests what the served models are made of again and again, until cancelled. A model with a file
        that has changed is refused until a reload; what cannot be read, is gone or was added is told alone.
        """
        while True:
            await asyncio.sleep(every_s)
            async with self._lock:
                for entry in self._catalog.entries():
                    if entry.served is not None:
                        await self._look_at(entry, entry.served)

    async def _look_at(self, entry: Entry, served: ServedModel) -> None:
        found = await asyncio.to_thread(_look, entry.checked, self._catalog.trusted)
        if set(found.changed) - set(entry.problems):  # else a reload has told them, and it went on
            await self._give_up(entry, served, (*found.changed, *found.told))
        elif (problems := (*found.changed, *found.told)) and problems != entry.problems:
            marked = replace(entry, problems=problems)
            log_problems(marked)
            self._catalog.switch([marked])

    async def _take_up(self, checked: CheckedModel, before: Entry | None) -> Reloaded:
        if (
            before is not None
            and before.served is not None
            and checked.fingerprint == before.checked.fingerprint
        ):
            entry = replace(before, checked=checked, problems=checked.problems)
            self._catalog.switch([entry])
            return Reloaded(entry, Result.UNCHANGED)
        loaded = [*_versions(before), *(v for v in self._retiring if v.name == checked.name)]
        problems = _reused_number(checked, loaded)
        entry = Entry(checked, None, None, None, (*checked.problems, *problems))
        if not problems:
            entry = await asyncio.to_thread(self._catalog.build, checked)
        if entry.served is not None:
            if before is not None and before.served is None:
                # Whatever Triton has of a model that was refused, it may be what it was refused for.
                await self._catalog.inference.drop(entry.served.version.runs)
            problems = await self._prove(checked)
            entry = replace(entry, problems=(*entry.problems, *problems))
        if entry.served is None or problems:
            return await self._refuse(entry, before)
        self._switch(before, entry)
        return Reloaded(entry, Result.TAKEN_UP)

    async def _prove(self, checked: CheckedModel) -> list[Problem]:
        """Loads the versions beside what runs, and asks the one that is to answer."""
        versions = [v.runs for v in (checked.stable, checked.candidate) if v is not None]
        try:
            await self._catalog.inference.load(versions)
            await ask_once(self._catalog.inference, versions[0], _PROBE_S)
        except MedmeshError as error:
            path = f"{versions[0].number}/"
            return [
                Problem(
                    path, f"does not run: {error}", "correct the model; Triton's log has the whole reason"
                )
            ]
        return []

    async def _refuse(self, refused: Entry, before: Entry | None) -> Reloaded:
        """What was served goes on, with what is wrong with its successor; not with a changed file of its
        own.
        """
        if before is None or before.served is None:
            entry = replace(refused, served=None, made=None, shadow=None)
            log_problems(entry)
            self._catalog.switch([entry])
            return Reloaded(entry, Result.REFUSED)
        changed, _ = await asyncio.to_thread(_compare, _own_files(before.checked), before.checked.path)
        if changed:
            problems = (*changed, *refused.problems)
            return Reloaded(await self._give_up(before, before.served, problems), Result.REFUSED)
        log_problems(refused)
        # Whoever reloads has been told of the small files as they are: the next look finds what changes then.
        small = refused.checked.small_files or before.checked.small_files
        entry = replace(before, checked=replace(before.checked, small_files=small), problems=refused.problems)
        self._catalog.switch([entry])
        return Reloaded(entry, Result.REFUSED)

    async def _give_up(self, entry: Entry, served: ServedModel, problems: tuple[Problem, ...]) -> Entry:
        """Refuses what is served from now on, and has Triton end it: another replica that asks for it has it
        loaded anew, which digests the weights.
        """
        checked = replace(entry.checked, stable=None, candidate=None)
        refused = Entry(checked, None, None, None, problems)
        log_problems(refused)
        self._catalog.switch([refused])
        await self._catalog.inference.drop(served.version.runs)
        return refused

    def _switch(self, before: Entry | None, entry: Entry | None) -> None:
        """From now on `entry` answers. No await in here: a request sees the one or the other."""
        if entry is None:
            self._catalog.switch([], removed=[before.name] if before else [])
        else:
            self._catalog.switch([entry])
        kept = {v.number for v in _versions(entry)}
        for version in _versions(entry):
            waiting = self._retiring.pop(version, None)
            if waiting is not None:
                waiting.cancel()
        for version in _versions(before):
            if version.number not in kept and version not in self._retiring:
                self._retiring[version] = asyncio.create_task(self._retire(version))

    async def _retire(self, version: ModelVersion) -> None:
        request.current.set(None)
        await asyncio.sleep(self._retire_after_s)
        async with self._lock:
            entries = {entry.name: entry for entry in self._catalog.entries()}
            kept = _versions(entries.get(version.name))
            if version.number not in {v.number for v in kept}:
                await self._catalog.inference.unload(version, kept)
            self._retiring.pop(version, None)


def _versions(entry: Entry | None) -> list[ModelVersion]:
    if entry is None or entry.served is None:
        return []
    candidate = entry.checked.candidate
    return [entry.served.version.runs, *([candidate.runs] if candidate else [])]


def _reused_number(checked: CheckedModel, loaded: Iterable[ModelVersion]) -> list[Problem]:
    """A version's weights never change while it is loaded: its number is how an answer names them."""
    known = {version.number: version.weights_sha256 for version in loaded}
    for version in (checked.stable, checked.candidate):
        if version is not None and known.get(version.runs.number, version.runs.weights_sha256) != (
            version.runs.weights_sha256
        ):
            number, free = version.runs.number, max(known) + 1
            return [
                Problem(
                    "model_version",
                    f"is {number}, under which other weights are being served",
                    f"put the new weights into {free}/ and write {free}",
                )
            ]
    return []


@dataclass(frozen=True)
class _Look:
    """What of a model's folder is no longer as it was taken up."""

    changed: list[Problem]
    told: list[Problem]
    """What is gone, cannot be read or was added: nothing of it says that what is loaded is wrong."""


def _look(checked: CheckedModel, trusted: TrustedKeys | None) -> _Look:
    """Reads all that a restart would read, of the candidate too; with trusted keys everything that was
    signed.
    """
    changed, told = _compare({**checked.small_files, **_own_files(checked)}, checked.path)
    for path in small_files(checked.path):
        if path not in checked.small_files:
            what, remedy = "has appeared since it was taken up", "take it out, or reload the models"
            told.append(Problem(path.relative_to(checked.path).as_posix(), what, remedy))
    if trusted is not None and not changed and not any(problem.what.startswith(_UNREAD) for problem in told):
        for problem in trusted.problems(checked.path):
            (told if problem.what == NOT_SIGNED else changed).append(problem)
    return _Look(changed, told)


def _own_files(checked: CheckedModel) -> dict[Path, str]:
    """What answers are computed from: the weights, and the files that the cards list, with their digests."""
    stated: dict[Path, str] = {}
    for version in filter(None, (checked.stable, checked.candidate)):
        stated |= {version.folder / file.path: file.sha256 for file in version.card.serving.files}
        if version.weights is not None:
            stated[version.weights] = version.card.weights_sha256
    return stated


def _compare(stated: Mapping[Path, str], folder: Path) -> tuple[list[Problem], list[Problem]]:
    """Which files have another digest, and which cannot be read."""
    changed, unread = [], []
    for path, digest in stated.items():
        name = path.relative_to(folder).as_posix()
        try:
            if checks.sha256(path) != digest:
                what = "has changed since it was taken up"
                remedy = "put it back or add a new version, and reload the models"
                changed.append(Problem(name, what, remedy))
        except FileNotFoundError:
            what, remedy = "has disappeared since it was taken up", "put it back, or reload the models"
            unread.append(Problem(name, what, remedy))
        except OSError as error:
            unread.append(Problem(name, f"{_UNREAD} ({error.strerror})", "see its permissions"))
    return changed, unread
