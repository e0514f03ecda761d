"""One model's folder, read and checked: the version that answers, the one that is the candidate, and all that
is wrong.

Weights and configuration may lie on another machine, beside Triton: then the card alone is here, and is
held against what Triton says when the model is asked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from medmesh.common.v1.model_card_pb2 import ModelCard, TensorContract
from services.chassis.models import checks, signatures, tasks
from services.chassis.models.card import Problem, card_in, read_aliases, task_named_in
from services.chassis.models.inference import DATATYPES, ModelVersion, Tensor
from services.chassis.models.repository import ALIASES, CARD, CONFIG, WEIGHTS, ModelFolder
from services.chassis.models.signatures import TrustedKeys
from services.chassis.models.triton_config import Configuration


@dataclass(frozen=True)
class CheckedVersion:
    """A version of a model whose card holds."""

    card: ModelCard
    folder: Path
    """Where the card lies; the files that it names are relative to it."""
    runs: ModelVersion
    """What is asked of Triton."""
    model_sha256: str
    """Over the card, the weights and every file that the card lists."""
    weights: Path | None
    """The file that was digested; None: the weights lie elsewhere."""


@dataclass(frozen=True)
class CheckedModel:
    """A model as it lies in the repository."""

    name: str
    place: int
    """Number of the repository's folder that it lies in."""
    task: str
    """Empty where the card cannot be read."""
    card: ModelCard | None
    """Of the version that answers; None where it cannot be read."""
    stable: CheckedVersion | None
    """None where something is wrong with it."""
    candidate: CheckedVersion | None
    """None where there is none, or something is wrong with it."""
    shadow: bool
    """Whether the candidate runs on the inputs of the stable version."""
    problems: tuple[Problem, ...]
    """All that is wrong, with the candidate too."""
    path: Path
    """Its folder."""
    small_files: Mapping[Path, str] = field(default_factory=dict)
    """Digests of what decides its answers beside the weights and the files that a card lists: cards,
    configurations, aliases, the signature."""

    @property
    def fingerprint(self) -> tuple[object, ...]:
        """Equal while nothing that matters has changed."""
        versions = [(v.model_sha256, v.runs) if v else None for v in (self.stable, self.candidate)]
        return (*versions, self.shadow)


def inspect(
    folder: ModelFolder, *, complete: bool = False, trusted: TrustedKeys | None = None
) -> CheckedModel:
    """Reads and checks a model's folder. `complete`: weights and configuration have to be there;
    `trusted`: one of these keys must have signed it.

    What the machine does not let be read is a problem of the model too.
    """
    try:
        return _inspect(folder, complete=complete, trusted=trusted)
    except OSError as error:
        name = Path(str(error.filename)).name if error.filename else folder.name
        problem = Problem(name, f"cannot be read ({error.strerror})", "see its permissions")
        return CheckedModel(folder.name, folder.place, "", None, None, None, False, (problem,), folder.path)


def _inspect(folder: ModelFolder, *, complete: bool, trusted: TrustedKeys | None) -> CheckedModel:
    # Before any is read: a change meanwhile is found at the next look.
    small = {path: checks.sha256(path) for path in small_files(folder.path)}
    aliases, problems = read_aliases(folder.path)
    problems = [replace(problem, field=f"{ALIASES}: {problem.field}") for problem in problems]
    stable, card, wrong = _version(folder, aliases.stable, complete=complete)
    problems += wrong
    candidate = None
    if aliases.candidate:
        candidate, _, wrong = _version(folder, aliases.candidate, complete=complete)
        problems += [replace(problem, field=f"{aliases.candidate}/{problem.field}") for problem in wrong]
        if aliases.shadow_candidate and stable and candidate and not _take_the_same(stable, candidate):
            problems.append(
                Problem(
                    f"{ALIASES}: shadow_candidate",
                    "is set, and the candidate's inputs are not prepared as those of the stable version",
                    "leave it out: such versions can only be compared on their answers",
                )
            )
            candidate = None
    task = tasks.task_of(card.serving) if card is not None else task_named_in(folder.path / CARD)
    if trusted is not None and (unsigned := trusted.problems(folder.path)):
        problems += unsigned
        stable = candidate = None
    return CheckedModel(
        folder.name,
        folder.place,
        task,
        card,
        stable,
        candidate,
        aliases.shadow_candidate,
        tuple(problems),
        folder.path,
        small,
    )


def small_files(folder: Path) -> list[Path]:
    """Those of `CheckedModel.small_files` that are there."""
    named = (folder / name for name in (CARD, CONFIG, ALIASES, signatures.FILE))
    found = (*named, *folder.glob("configs/*.pbtxt"), *folder.glob(f"[0-9]*/{CARD}"))
    return [path for path in found if path.is_file()]


def _version(
    folder: ModelFolder, number: int, *, complete: bool
) -> tuple[CheckedVersion | None, ModelCard | None, list[Problem]]:
    place, card, problems = card_in(folder.path, number)
    if card is None:
        return None, None, problems
    problems += checks.check_card(card, folder.name)
    problems += checks.check_files(card, place)
    number = card.model_version or 1
    path = folder.path / CONFIG
    config: Configuration | None = None
    if path.is_file():
        config, wrong = checks.check_config(card, path)
        problems += wrong
    weights = folder.path / str(number) / (config.weights_file if config else WEIGHTS)
    if weights.is_file():
        problems += checks.check_weights(card, weights, config)
    if not path.is_file() and (complete or weights.is_file()):
        problems.append(Problem(CONFIG, "is missing", "add it: Triton needs it"))
    if not weights.is_file() and complete:
        problems.append(Problem(f"{number}/{weights.name}", "is missing", "add the weights"))
    if problems:
        return None, card, problems
    text = path.read_text(encoding="utf-8") if config else ""
    limit = max(config.max_batch_count, 1) if config else None
    runs = ModelVersion(
        card.name,
        number,
        _contract(card.inputs, tasks.examples_of(card.serving)),
        _contract(card.outputs),
        card.weights_sha256,
        text,
        limit,
        tasks.streams(card.serving),
        config.loads_on_first_use if config else False,
    )
    there = weights if weights.is_file() else None
    return CheckedVersion(card, place, runs, _model_sha256(card, place), there), card, []


def _contract(
    declared: Iterable[TensorContract], examples: Mapping[str, bytes] = MappingProxyType({})
) -> tuple[Tensor, ...]:
    return tuple(
        Tensor(t.name, DATATYPES[t.datatype], tuple(t.shape), examples.get(t.name, Tensor.example))
        for t in declared
    )


def _take_the_same(one: CheckedVersion, other: CheckedVersion) -> bool:
    contracts = [tasks.contract_of(version.card.serving) for version in (one, other)]
    prepared = [getattr(contract, "preprocessing", None) for contract in contracts]
    return one.runs.inputs == other.runs.inputs and prepared[0] == prepared[1]


def _model_sha256(card: ModelCard, place: Path) -> str:
    digests = {file.path: file.sha256 for file in card.serving.files}
    digests |= {CARD: checks.sha256(place / CARD), WEIGHTS: card.weights_sha256}
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))
    return hashlib.sha256(lines.encode()).hexdigest()
