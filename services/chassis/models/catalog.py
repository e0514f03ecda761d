"""The models of a service: every folder of the repository whose card names a task that the service serves.

What is read of it is a snapshot that changes at a reload, all at once; a request that holds a model goes on
with the version that it began with.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from medmesh.common.v1.model_card_pb2 import ModelCard
from services.chassis.errors import ModelUnavailable, ModelUnknown
from services.chassis.models.card import TASKS, Problem, task_named_in
from services.chassis.models.inference import Inference
from services.chassis.models.inspection import CheckedModel, inspect
from services.chassis.models.repository import ALIASES, CARD, ModelFolder, model_folders
from services.chassis.models.served import ServedModel, Task
from services.chassis.models.shadow import Shadow
from services.chassis.models.signatures import TrustedKeys
from services.chassis.observability.telemetry import Telemetry

logger = logging.getLogger("medmesh.models")

T = TypeVar("T")


@dataclass(frozen=True)
class Entry:
    """One model of the service as it stands now."""

    checked: CheckedModel
    """As it lay in the repository when what is served of it was taken up; of a refused one as it lies there
    now."""
    served: ServedModel | None
    """None: it is refused."""
    made: Any
    """What the task built of it; None: it is refused."""
    shadow: Shadow | None
    """What runs its candidate. None: there is none that runs."""
    problems: tuple[Problem, ...]
    """What is wrong with what lies in the repository now."""

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.checked.name

    @property
    def card(self) -> ModelCard:
        """The card of what is served; of a refused model what could be read."""
        return self.served.card if self.served else self.checked.card or ModelCard(name=self.name)

    @property
    def refusal(self) -> str:
        """Why it is not served; empty when it is."""
        return "" if self.served else f"{self.name} is not served: {' '.join(map(str, self.problems))}"


class Catalog:
    """The models of one service."""

    def __init__(
        self,
        service: str,
        repository: Sequence[Path],
        tasks: Iterable[Task[Any]],
        inference: Inference,
        telemetry: Telemetry,
        *,
        intended_use: str = "",
        terminology_sha256: str = "",
        trusted: TrustedKeys | None = None,
    ) -> None:
        """Reads the repository once. A model that does not hold is refused by name; the others are served."""
        self.service = service
        self.inference = inference
        self.trusted = trusted
        """The keys that a model must be signed with; None: with none."""
        self._repository = tuple(repository)
        self._tasks = {task.name: task for task in tasks}
        self._telemetry = telemetry
        self._intended_use = intended_use
        self._terminology_sha256 = terminology_sha256
        entries = [self.build(checked) for checked in self.read().values()]
        for entry in entries:
            if entry.problems:
                log_problems(entry)
        self._entries: dict[str, Entry] = {}
        """By name, in their order."""
        self.switch(entries)

    def entries(self) -> list[Entry]:
        """All models, served or not, sorted by name."""
        return list(self._entries.values())

    def entry(self, name: str) -> Entry:
        """One model. Raises ModelUnknown; the name is whatever a caller sends, so it is not quoted."""
        if name not in self._entries:
            raise ModelUnknown
        return self._entries[name]

    def models(self, task: Task[T]) -> tuple[T, ...]:
        """What the task made of each of its models that is served, sorted by the models' names."""
        return tuple(entry.made for entry in self._served(task))

    def defaults(self, task: Task[T]) -> tuple[T, ...]:
        """Those that answer requests which name no models."""
        return tuple(e.made for e in self._served(task) if e.served is not None and e.served.is_default)

    def named(self, task: Task[T], name: str) -> T:
        """What the task made of the model with this name.

        Raises ModelUnknown where no model of the task has it, and ModelUnavailable where it is refused.
        """
        entry = self.entry(name)
        if entry.checked.task != task.name:
            raise ModelUnknown
        if entry.served is None:
            raise ModelUnavailable(entry.refusal, metadata={"model": name})
        made: T = entry.made
        return made

    def choose(self, task: Task[T], names: Sequence[str]) -> tuple[T, ...]:
        """The models that a request names, in its order, each once; where it names none, the defaults."""
        return tuple(self.named(task, name) for name in dict.fromkeys(names)) or self.defaults(task)

    def only(self, task: Task[T], name: str = "") -> T:
        """The one model of a task that gives one answer a request: the one named, else the default of the
        first folder of the repository that has one.

        Raises ModelUnknown and ModelUnavailable; the latter says why the only model of the task is refused.
        """
        if name:
            return self.named(task, name)
        defaults = [e for e in self._served(task) if e.served is not None and e.served.is_default]
        if defaults:
            made: T = min(defaults, key=lambda e: e.checked.place).made
            return made
        refused = [e for e in self.entries() if e.checked.task == task.name and e.served is None]
        if refused:
            raise ModelUnavailable(refused[0].refusal, metadata={"model": refused[0].name})
        raise ModelUnavailable(f"no model with the task {task.name} is served; add one to the repository")

    @property
    def edition(self) -> tuple[object, ...]:
        """What answers are made from: two catalogs of one service with the same edition answer alike."""
        served = ((e.name, e.checked.fingerprint) for e in self.entries() if e.served is not None)
        return self._intended_use, self._terminology_sha256, *served

    # What a reload works with
    # --------------------------------------------------------------------------------------

    def read(self) -> dict[str, CheckedModel]:
        """The service's models as they lie in the repository now. Blocks: files are digested."""
        found = {}
        for folder in model_folders(self._repository).values():
            if self._is_plainly_anothers(folder):
                continue
            checked = inspect(folder, trusted=self.trusted)
            if self._is_ours(checked):
                found[folder.name] = checked
                if folder.shadowed:
                    _log_shadowed(folder)
        return found

    def build(self, checked: CheckedModel) -> Entry:
        """What the task makes of a model; where it cannot, or the card does not hold, a refused entry. May
        block.
        """
        if checked.stable is None:
            return Entry(checked, None, None, None, checked.problems)
        shadow = None
        if checked.candidate is not None and checked.shadow:
            shadow = Shadow(checked.candidate, self.inference, self._telemetry)
        served = ServedModel(
            checked.stable,
            self.inference,
            intended_use=self._intended_use,
            terminology_sha256=self._terminology_sha256,
            observer=shadow.observe if shadow else None,
        )
        try:
            made = self._tasks[checked.task].build(served)
        except Exception as error:  # noqa: BLE001 - readers share no error, and no model may end the service
            problem = _unreadable(checked.task, error)
            return Entry(checked, None, None, None, (*checked.problems, problem))
        return Entry(checked, served, made, shadow, checked.problems)

    def switch(self, entries: Iterable[Entry], removed: Iterable[str] = ()) -> None:
        """Takes up these entries and drops those removed, at once."""
        changed = dict(self._entries)
        changed |= {entry.name: entry for entry in entries}
        for name in removed:
            changed.pop(name, None)
        self._entries = dict(sorted(changed.items()))

    async def close(self) -> None:
        """Ends what runs beside the answers."""
        for entry in self.entries():
            if entry.shadow is not None:
                await entry.shadow.close()

    def _served(self, task: Task[Any]) -> Iterator[Entry]:
        return (e for e in self.entries() if e.served is not None and e.checked.task == task.name)

    def _is_plainly_anothers(self, folder: ModelFolder) -> bool:
        """Whether nothing need be digested to know that the model is another service's."""
        task = task_named_in(folder.path / CARD)
        return task in TASKS and task not in self._tasks and not (folder.path / ALIASES).is_file()

    def _is_ours(self, checked: CheckedModel) -> bool:
        # Of a card that cannot be read at all, nobody knows whose it is: every service reports it.
        return checked.task in self._tasks or not checked.task


def log_problems(entry: Entry) -> None:
    """A log line of what is wrong with a model's folder."""
    told = [str(problem) for problem in entry.problems]
    what = "a model has problems" if entry.served else "a model is not served"
    logger.warning(what, extra={"facts": {"model": entry.name, "problems": " ".join(told)}})


def _log_shadowed(folder: ModelFolder) -> None:
    facts = {"model": folder.name, "used": str(folder.path), "unused_count": len(folder.shadowed)}
    logger.info("a model is in several folders of the repository", extra={"facts": facts})


def _unreadable(task: str, error: Exception) -> Problem:
    if isinstance(error, FileNotFoundError) and error.filename:
        return Problem(
            f"serving.{task}", f"needs {Path(str(error.filename)).name}, which is missing", "add the file"
        )
    told = str(error) if isinstance(error, ValueError | ModelUnavailable) else type(error).__name__
    return Problem(f"serving.{task}", f"cannot be served: {told}", "correct the card or the file it names")
