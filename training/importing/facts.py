"""The facts of a card: what the importer knows, what its user says, and what is still missing.

Facts are kept under the card's own field names (protos/medmesh/common/v1/model_card.proto), as a TOML or
JSON file has them; `training.importing.paths` finds one by its path. Nothing is made up: what nobody says
is asked for, and without an answer there is no import.
"""

from __future__ import annotations

import copy
import json
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jsonschema  # type: ignore[import-untyped]
from google.protobuf import json_format

from medmesh.common.v1.model_card_pb2 import ModelCard
from services.chassis.models.tasks import PREPROCESSING
from training.importing import Refused
from training.importing.paths import Facts, set_fact, value_at

SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "model-card.schema.json"

QUESTIONS: Mapping[str, str] = {
    "summary": "What does the model do, in one sentence?",
    "intended_use": "What may it be used for, and what not?",
    "architecture": "Which network is it, how large, trained how?",
    "licence": "Under which licence are the weights (an SPDX identifier where there is one)?",
    "datasets.0.name": "On which data was it trained and measured?",
    "datasets.0.source": "Where was that data published?",
    "datasets.0.licence": "Under which licence is that data?",
    "datasets.0.population": "Who is in it: how many, what age, where, when?",
    "metrics.0.name": "A figure measured on unseen patients: its name, e.g. auroc_pneumonia?",
    "metrics.0.value": "Its value?",
    "metrics.0.case_count": "On how many cases?",
    "metrics.0.measured_on": "Measured on what?",
    "limitations.0": "What can the model not do; where does it fail?",
}
"""Every card needs these; the number 0 stands for each entry that there is, and for a first one."""
TENSOR_QUESTION = "What do its values mean, and in which range are they?"


def read_file(path: Path) -> Facts:
    """Facts from a TOML file, or from a JSON file such as another card."""
    try:
        text = path.read_text(encoding="utf-8")
        facts: Facts = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
        json_format.ParseDict(facts, ModelCard())
        for figure in facts.get("metrics", []) if path.suffix == ".json" else []:
            figure.setdefault("value", 0.0)  # ProtoJSON leaves a 0 out
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}") from error
    except (ValueError, json_format.ParseError) as error:
        raise Refused(f"{path} does not have the form of a card: {error}") from error
    return facts


def merge(known: Facts, given: Facts) -> Facts:
    """What the user says goes before what the importer proposes; limitations of both are kept."""
    merged = _merged(known, given)
    merged["limitations"] = [*given.get("limitations", []), *known.get("limitations", [])]
    return merged


def _merged(known: Any, given: Any) -> Any:
    """Field by field. The entries of a list go by their names, or by number where those given have none; a
    list of entries without names, such as steps, is replaced.
    """
    if isinstance(known, dict) and isinstance(given, dict):
        if _task(given) != _task(known) and _task(given) and _task(known):
            return given  # another task: nothing of the proposed one holds
        return {**known, **{name: _merged(known.get(name), value) for name, value in given.items()}}
    if not (_entries(known) and _entries(given) and all("name" in entry for entry in known)):
        return given
    if all("name" in entry for entry in given):
        proposed, said = ({entry["name"]: entry for entry in of} for of in (known, given))
        return [_merged(proposed.get(name, {}), said.get(name, {})) for name in {**proposed, **said}]
    nothing: Facts = {}
    return [_merged(*pair) for pair in zip_longest(known, given, fillvalue=nothing)]


def _entries(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _task(facts: Facts) -> str:
    return next((name for name in facts if name in PREPROCESSING), "")


def missing(facts: Facts, given: Facts, tensors: Iterable[str], asked: Iterable[str] = ()) -> list[str]:
    """Paths of what is still to be said: of `QUESTIONS`, of the `tensors` (paths such as `inputs.image`) and
    of `asked`, where an empty list is an answer.

    A limitation must come from the user (`given`): the importer's own say nothing of the patients.
    """
    paths = [
        at
        for path in QUESTIONS
        for at, value in _values(given if path.startswith("limitations") else facts, path)
        if _empty(value)
    ]
    paths += [path for path in asked if _empty(value_at(facts, path))]
    described = [f"{tensor}.description" for tensor in tensors]
    return paths + [path for path in described if _empty(value_at(facts, path))]


def _values(facts: Facts, path: str) -> Iterator[tuple[str, Any]]:
    """Path and value for each entry that `path` of QUESTIONS stands for; one without value where none is."""
    head, listed, rest = path.partition(".0")
    if not listed:
        yield path, facts.get(path)
        return
    for number, entry in enumerate(facts.get(head) or [{}]):
        yield f"{head}.{number}{rest}", entry.get(rest.removeprefix(".")) if rest else entry


def question(path: str, asked: Mapping[str, str] = MappingProxyType({})) -> str:
    """What to ask for the fact at `path`."""
    generic = ".".join("0" if step.isdecimal() else step for step in path.split("."))
    return asked.get(path) or QUESTIONS.get(generic, TENSOR_QUESTION)


def complete(
    known: Facts,
    given: Facts,
    tensors: Sequence[str],
    ask: Callable[[str], str] | None,
    asked: Mapping[str, str] = MappingProxyType({}),
) -> Facts:
    """All facts of the card that the user answers for.

    `asked`: questions of this kind of model, by path. `ask` puts one question to a person; None when nobody
    is there, and then Refused lists what is missing.
    """
    while paths := missing(merge(known, given), given, tensors, asked):
        if ask is None:
            lines = "\n".join(f"  {path}: {question(path, asked)}" for path in paths)
            raise Refused(
                "the card is not complete, and nothing is made up. Missing:\n"
                f"{lines}\nSay them in a file (--card-fields FILE.toml) or with --set FIELD=VALUE."
            )
        given = _answered(given, paths[0], question(paths[0], asked), ask)
    return merge(known, given)


def _answered(given: Facts, path: str, asking: str, ask: Callable[[str], str]) -> Facts:
    """`given` with an answer to the question at `path`, put again until the answer has the right form."""
    reason = ""
    while True:
        answer = ask(f"{reason}{asking}\n  {path}: ").strip()
        if not answer:
            raise Refused(f"without {path} there is no import")
        tried = copy.deepcopy(given)
        try:
            set_fact(tried, path, answer)
        except Refused as refused:
            reason = f"{refused}.\n"
            continue
        wrong = [why for at, why in _broken_rules(tried) if at == path]
        if not wrong:
            return tried
        reason = f"{wrong[0]}.\n"


def card_of(facts: Facts) -> ModelCard:
    """The card; raises Refused with every rule of docs/model-card.schema.json that it breaks."""
    try:
        card = json_format.ParseDict(facts, ModelCard())
    except json_format.ParseError as error:
        raise Refused(f"the facts do not have the form of a card: {error}") from error
    text = json_format.MessageToDict(card, preserving_proto_field_name=True)
    problems = [f"  {path}: {why}" for path, why in _broken_rules(text)]
    if problems:
        raise Refused("the card breaks docs/model-card.schema.json:\n" + "\n".join(problems))
    return card


def _broken_rules(facts: Facts) -> list[tuple[str, str]]:
    """Path and reason of each rule of the schema that `facts` break."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    problems = jsonschema.Draft202012Validator(schema).iter_errors(facts)
    return [(".".join(map(str, problem.absolute_path)), problem.message) for problem in problems]


def _empty(value: Any) -> bool:
    return value in (None, {}) or (isinstance(value, str) and not value.strip())
