"""What a load test does: its stages, the traffic in them, its tenants and its thresholds. `profile_file`
reads one from TOML.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from clients.loadtest.calls import CALLS, PARTS
from clients.loadtest.thresholds import Threshold

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
IMAGE_FORMATS = ("dicom", "jpeg", "png")
DEFAULT_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Stage:
    """A stretch of time with one kind of load: exactly one of `rate`, `users` and `arrivals`."""

    duration_s: float
    rate: tuple[float, float] | None = None
    """Open loop: requests a second at its start and at its end; between them it changes evenly."""
    users: tuple[int, int] | None = None
    """Closed loop: users at its start and at its end."""
    arrivals: Path | None = None
    """Open loop: a file of recorded arrivals (`arrivals.py`)."""
    speed: float = 1.0
    """How much faster than recorded they are sent."""
    warm_up: bool = False
    """Whether its requests are sent and not counted."""
    name: str = ""

    @property
    def said(self) -> str:
        """What it is, in a few words."""
        if self.arrivals is not None:
            what = f"{self.arrivals.name} at {self.speed:g} times its speed"
        else:
            first, last = self.rate or self.users or (0, 0)
            unit = "/s" if self.rate else " users"
            what = f"{first:.4g}{unit}" if first == last else f"{first:.4g} to {last:.4g}{unit}"
        return f"{self.name or ('warm-up' if self.warm_up else 'stage')}: {what}"


@dataclass(frozen=True)
class Traffic:
    """One kind of request, with its share of all of them."""

    name: str
    call: str
    weight: float = 1.0
    """Relative frequency; above 0."""
    timeout_s: float = DEFAULT_TIMEOUT_S
    """The deadline of each request, in seconds."""
    think_s: tuple[float, float] = (0.0, 0.0)
    """How long a user pauses after the answer, drawn evenly between the two; closed loop only."""
    tenant: str = ""
    priority: str | None = None
    """One of `medmesh.connection.PRIORITIES`; None: that of the connection."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Further gRPC metadata, for what stands before the mesh."""
    parts: tuple[str, ...] = PARTS
    """What a combined case carries."""
    image: Path = SAMPLES / "chest_xray.dcm"
    image_side_px: int | None = None
    """The image as a square of so many pixels; None: the file as it is."""
    image_format: str | None = None
    note: Path = SAMPLES / "note.txt"
    note_characters: tuple[int, int] | None = None
    """The note repeated or cut to a length between the two, drawn evenly in its logarithm; None: as it is."""
    patient: Path = SAMPLES / "patient.json"
    vary: bool = True
    """Whether no two requests carry the same image, note or record."""


@dataclass(frozen=True)
class Tenant:
    """An identity that requests are sent under: its token is in a variable or a file, never in a profile."""

    token_env: str | None = None
    token_file: Path | None = None

    def token(self, environment: Mapping[str, str]) -> str:
        """The token. ValueError: the variable is not set; OSError: the file cannot be read."""
        if self.token_file is not None:
            return self.token_file.read_text(encoding="utf-8").strip()
        if not environment.get(self.token_env or ""):
            raise ValueError(f"the variable {self.token_env}, which should hold a tenant's token, is not set")
        return environment[self.token_env or ""]


@dataclass(frozen=True)
class Profile:
    """A whole load test."""

    stages: Sequence[Stage]
    traffic: Sequence[Traffic]
    tenants: Mapping[str, Tenant] = field(default_factory=dict)
    thresholds: Sequence[Threshold] = ()
    name: str = ""
    description: str = ""

    @property
    def duration_s(self) -> float:
        """Length of all stages, in seconds."""
        return sum(stage.duration_s for stage in self.stages)

    @property
    def warm_up_s(self) -> float:
        """How long the warm-up is, in seconds; it comes first."""
        return sum(stage.duration_s for stage in self.stages if stage.warm_up)

    def servers(self) -> set[str]:
        """The services that are called."""
        return {CALLS[one.call].server for one in self.traffic}

    def lasting(self, duration_s: float) -> Profile:
        """The same with the measured stages stretched or shrunk to `duration_s` together."""
        factor = duration_s / (self.duration_s - self.warm_up_s)
        stages = [
            stage if stage.warm_up else dataclasses.replace(stage, duration_s=factor * stage.duration_s)
            for stage in self.stages
        ]
        return dataclasses.replace(self, stages=stages)

    def times(self, factor: float) -> Profile:
        """The same with all rates, users and speeds of recorded arrivals multiplied."""
        return dataclasses.replace(self, stages=[_times(stage, factor) for stage in self.stages])


def _times(stage: Stage, factor: float) -> Stage:
    if stage.rate:
        first, last = stage.rate
        return dataclasses.replace(stage, rate=(factor * first, factor * last))
    if stage.users:
        first, last = (max(1, round(factor * users)) if users else 0 for users in stage.users)
        return dataclasses.replace(stage, users=(first, last))
    return dataclasses.replace(stage, speed=factor * stage.speed, duration_s=stage.duration_s / factor)


def parse_mix(text: str) -> list[Traffic]:
    """Reads `diagnose=1,analyze_note=4`. ValueError: it has another form."""
    traffic = []
    for part in text.split(","):
        name, _, given = part.strip().partition("=")
        if name not in CALLS:
            raise ValueError(f"no call is named {name or repr(text)}; there are {', '.join(CALLS)}")
        try:
            weight = float(given or 1)
        except ValueError:
            raise ValueError(f"a mix looks like diagnose=1,analyze_note=4, not {part.strip()}") from None
        if not 0 < weight < float("inf"):
            raise ValueError(f"the weight of {name} must be above 0")
        traffic.append(Traffic(name, name, weight))
    if len({one.name for one in traffic}) < len(traffic):
        raise ValueError("a mix names each call once")
    return traffic
