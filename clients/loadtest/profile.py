"""What is asked: a mix of calls with their weights, and the inputs that they carry."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from google.protobuf.message import Message

from medmesh import AsyncClient, requests

Call = Callable[[AsyncClient], Awaitable[Message]]

DEFAULT_WEIGHTS: Mapping[str, float] = MappingProxyType(
    {"diagnose": 1, "analyze_image": 4, "analyze_note": 4, "rank_treatments": 2}
)
SERVICE_OF: Mapping[str, str] = MappingProxyType(
    {
        "diagnose": "orchestrator",
        "models": "orchestrator",
        "analyze_image": "imaging",
        "analyze_note": "language",
        "embed": "language",
        "rank_passages": "language",
        "rank_treatments": "recommendation",
        "read_record": "recommendation",
        "similar_patients": "recommendation",
    }
)
"""The calls that a profile may name, and the service that each goes to."""


@dataclass(frozen=True)
class Inputs:
    """What the calls carry."""

    image: bytes
    note: str
    patient: bytes


@dataclass(frozen=True)
class Profile:
    """A mix of calls."""

    weights: Mapping[str, float]
    """Relative frequency of each call; above 0."""

    def __post_init__(self) -> None:
        if not self.weights:
            raise ValueError("a profile names at least one call")
        for name, weight in self.weights.items():
            if name not in SERVICE_OF:
                raise ValueError(f"no call is named {name}; there are {', '.join(SERVICE_OF)}")
            if not 0 < weight < float("inf"):
                raise ValueError(f"the weight of {name} must be above 0")

    @classmethod
    def parse(cls, text: str) -> Profile:
        """Reads `diagnose=1,analyze_note=4`. ValueError: it has another form."""
        weights = {}
        for part in text.split(","):
            name, _, weight = part.partition("=")
            try:
                weights[name.strip()] = float(weight or 1)
            except ValueError:
                raise ValueError(
                    f"a profile looks like diagnose=1,analyze_note=4, not {part.strip()}"
                ) from None
        return cls(weights)

    @classmethod
    def read(cls, path: Path) -> Profile:
        """Reads a TOML file with a table `weights`. ValueError: it is none."""
        try:
            weights = tomllib.loads(path.read_text(encoding="utf-8"))["weights"]
            return cls({str(name): float(weight) for name, weight in weights.items()})
        except (tomllib.TOMLDecodeError, KeyError, TypeError, AttributeError):
            raise ValueError(f"{path} must be TOML with a table [weights]") from None

    def services(self) -> set[str]:
        """The services that the calls go to."""
        return {SERVICE_OF[name] for name in self.weights}

    def draw(self, random_: random.Random) -> str:
        """The name of the next call."""
        return random_.choices(list(self.weights), list(self.weights.values()))[0]


def calls(inputs: Inputs, timeout_s: float) -> dict[str, Call]:
    """A function for each call that a profile may name; the messages are built once."""
    case = requests.diagnostic_case(image=inputs.image, note=inputs.note, patient=inputs.patient)
    sentences = [line for line in inputs.note.splitlines() if line] or [inputs.note]
    return {
        "diagnose": lambda client: client.diagnose(case, timeout_s=timeout_s),
        "models": lambda client: client.models(timeout_s=timeout_s),
        "analyze_image": lambda client: client.analyze_image(inputs.image, timeout_s=timeout_s),
        "analyze_note": lambda client: client.analyze_note(inputs.note, timeout_s=timeout_s),
        "embed": lambda client: client.embed(sentences, timeout_s=timeout_s),
        "rank_passages": lambda client: client.rank_passages("pneumonia", sentences, timeout_s=timeout_s),
        "rank_treatments": lambda client: client.rank_treatments(inputs.patient, timeout_s=timeout_s),
        "read_record": lambda client: client.read_record(inputs.patient, timeout_s=timeout_s),
        "similar_patients": lambda client: client.similar_patients(inputs.patient, timeout_s=timeout_s),
    }
