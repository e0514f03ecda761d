"""Reads profiles from TOML. Whatever is wrong is said with the file, the key, and what is allowed there."""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from clients.loadtest import arrivals
from clients.loadtest.calls import CALLS, PARTS
from clients.loadtest.profile import IMAGE_FORMATS, Profile, Stage, Tenant, Traffic
from clients.loadtest.thresholds import Threshold
from medmesh.connection import PRIORITIES, PRIORITY_HEADER

SHIPPED = Path(__file__).with_name("profiles")
LONGEST_S = 7 * 86_400.0
MAXIMUM_USERS = 10_000
MAXIMUM_RATE = 100_000.0
MAXIMUM_CHARACTERS = 2_000_000
MAXIMUM_SIDE_PX = 8192

Reader = Callable[[Any, Path], Any]
"""Reads one value of a key; paths are relative to the folder of the profile. ValueError: what is allowed."""


def shipped() -> list[Path]:
    """The profiles that come with medmesh."""
    return sorted(SHIPPED.glob("*.toml"))


def read(name: str) -> Profile:
    """The profile in a TOML file, or the shipped one of that name. ValueError: it is none, or is wrong."""
    path = Path(name)
    if not path.suffix and not path.is_file():
        path = SHIPPED / f"{name}.toml"
        if not path.is_file():
            there = ", ".join(one.stem for one in shipped())
            raise ValueError(f"no profile is named {name}; there are {there}, or give a TOML file")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path} is not TOML: {error}") from None
    try:
        return _profile(content, path)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _profile(content: Mapping[str, Any], path: Path) -> Profile:
    folder = path.parent
    top = _read(content, {**_TOP, "stage": _tables, "traffic": _tables, "tenants": _table}, "", folder)
    if "traffic" not in top:
        raise ValueError('[[traffic]] is missing: it says what is asked, e.g. call = "analyze_note"')
    traffic = [
        _traffic(table, f"[[traffic]] {number}", folder) for number, table in enumerate(top["traffic"], 1)
    ]
    _must_differ([one.name for one in traffic], "[[traffic]] name")
    stages = [
        _stage(table, f"[[stage]] {number}", folder, traffic)
        for number, table in enumerate(top.get("stage", ()), 1)
    ]
    if any(later.warm_up and not earlier.warm_up for earlier, later in itertools.pairwise(stages)):
        raise ValueError("[[stage]]: a warm-up comes before every stage that counts")
    if stages and stages[-1].warm_up:
        raise ValueError("[[stage]]: after the warm-up there must be a stage that counts")
    tenants = {
        name: _tenant(table, f"[tenants.{name}]", folder) for name, table in top.get("tenants", {}).items()
    }
    for number, one in enumerate(traffic, 1):
        if one.tenant and one.tenant not in tenants:
            raise ValueError(
                f"[[traffic]] {number} tenant: there is no [tenants.{one.tenant}]; there are "
                f"{', '.join(tenants) or 'none'}"
            )
    thresholds = top.get("thresholds", [])
    for threshold in thresholds:
        check(threshold, traffic)
    return Profile(
        stages, traffic, tenants, thresholds, top.get("name", path.stem), top.get("description", "")
    )


def check(threshold: Threshold, traffic: Sequence[Traffic]) -> None:
    """ValueError: the threshold is about traffic that there is not, or that has no such figure."""
    names = [one.name for one in traffic]
    if threshold.traffic and threshold.traffic not in names:
        raise ValueError(
            f"threshold `{threshold}`: no traffic is named {threshold.traffic}; there are {', '.join(names)}"
        )
    about = [one for one in traffic if not threshold.traffic or one.name == threshold.traffic]
    if threshold.metric.startswith("first_event") and not any(CALLS[one.call].streams for one in about):
        raise ValueError(f"threshold `{threshold}`: none of this traffic answers with a stream of events")


def _stage(table: Any, where: str, folder: Path, traffic: Sequence[Traffic]) -> Stage:
    given = _read(table, _STAGE, where, folder)
    kinds = [kind for kind in ("rate", "users", "arrivals") if kind in given]
    if len(kinds) != 1:
        raise ValueError(
            f"{where}: give one of rate, users and arrivals, not {' and '.join(kinds) or 'none'}"
        )
    if "arrivals" in given:
        speed = given.get("speed", 1.0)
        last_s = arrivals.recorded(given["arrivals"], traffic).length_s / speed
        given.setdefault("duration_s", max(0.001, last_s))
    elif "duration_s" not in given:
        raise ValueError(f"{where}: duration_s is missing, a number of seconds")
    elif "speed" in given:
        raise ValueError(f"{where} speed: goes with recorded arrivals alone")
    if given.get("rate") == (0, 0) or given.get("users") == (0, 0):
        raise ValueError(f"{where} {kinds[0]}: a stage must send something")
    return Stage(**given)


def _traffic(table: Any, where: str, folder: Path) -> Traffic:
    given = _read(table, _TRAFFIC, where, folder)
    if "call" not in given:
        raise ValueError(f"{where}: call is missing; one of {', '.join(CALLS)}")
    call = CALLS[given["call"]]
    given.setdefault("name", given["call"])
    carried = given.get("parts", call.carries)
    if "parts" in given and call.carries != PARTS:
        raise ValueError(f"{where} parts: goes with diagnose and diagnose_stream alone")
    for key in given:
        part = key.partition("_")[0]
        if part in PARTS and part not in carried:
            raise ValueError(f"{where} {key}: a request of {given['call']} here carries no {part}")
    return Traffic(**given)


def _tenant(table: Any, where: str, folder: Path) -> Tenant:
    given = _read(table, {"token_env": _text, "token_file": _file}, where, folder)
    if len(given) != 1:
        raise ValueError(
            f"{where}: give one of token_env and token_file; a token itself stands in no profile"
        )
    return Tenant(**given)


def _read(table: Any, readers: Mapping[str, Reader], where: str, folder: Path) -> dict[str, Any]:
    """The table's values. ValueError: with the key, and what may stand there."""
    found = {}
    for key, value in _table(table, folder).items():
        place = f"{where} {key}".strip()
        if key not in readers:
            raise ValueError(f"{place}: there is no such key; there are {', '.join(readers)}")
        try:
            found[key] = readers[key](value, folder)
        except ValueError as error:
            raise ValueError(f"{place}: {error}") from None
    return found


def _must_differ(names: Sequence[str], what: str) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{what}: {', '.join(twice)} is there twice; give each a name of its own")


def _table(value: Any, _: Path) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("must be a table")  # noqa: TRY004 - of the reader of files
    return value


def _tables(value: Any, _: Path) -> list[Any]:
    if not isinstance(value, list) or not value or not all(isinstance(one, dict) for one in value):
        raise ValueError("must be tables, each under a line with two brackets, e.g. [[stage]]")
    return value


def _text(value: Any, _: Path) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be a text")
    return value


def _name(value: Any, folder: Path) -> str:
    text = _text(value, folder).strip()
    if len(text) > 40 or any(character in ":<>\n" for character in text):
        raise ValueError("must be a name of at most 40 characters without : < >")
    return text


def _truth(value: Any, _: Path) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")  # noqa: TRY004 - as above
    return value


def _one_of(*allowed: str) -> Reader:
    def read_(value: Any, _: Path) -> str:
        if value not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}")
        return str(value)

    return read_


def _some_of(*allowed: str) -> Reader:
    def read_(value: Any, _: Path) -> tuple[str, ...]:
        if not isinstance(value, list) or not value or not all(one in allowed for one in value):
            raise ValueError(f"must be a list of some of {', '.join(allowed)}")
        return tuple(dict.fromkeys(value))

    return read_


def _number(low: float, high: float, *, whole: bool = False) -> Reader:
    def read_(value: Any, _: Path) -> float | int:
        kind = "a whole number" if whole else "a number"
        right = isinstance(value, int) if whole else isinstance(value, int | float)
        if not right or isinstance(value, bool) or not low <= value <= high:
            raise ValueError(f"must be {kind} from {low:g} to {high:g}")
        return int(value) if whole else float(value)

    return read_


def _range(low: float, high: float, *, whole: bool = False, rising: bool = False) -> Reader:
    """One number, or two in a list: from and to."""
    one = _number(low, high, whole=whole)

    def read_(value: Any, folder: Path) -> tuple[float, float]:
        ends = value if isinstance(value, list) else [value, value]
        if len(ends) != 2:
            raise ValueError("must be a number, or two in a list: [from, to]")
        first, last = one(ends[0], folder), one(ends[1], folder)
        if rising and first > last:
            raise ValueError("must be [from, to] with from at most to")
        return first, last

    return read_


def _file(value: Any, folder: Path) -> Path:
    path = folder / Path(_text(value, folder)).expanduser()
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    return path


def _headers(value: Any, folder: Path) -> dict[str, str]:
    for key, text in _table(value, folder).items():
        if not key.isascii() or key != key.lower() or key.startswith((":", "grpc-")) or key.endswith("-bin"):
            raise ValueError(f"{key} is no name of gRPC metadata: lower-case ASCII, not grpc-…, not …-bin")
        if key == "authorization":
            raise ValueError("authorization belongs into [tenants.…], which keeps tokens out of profiles")
        if key == PRIORITY_HEADER:  # the mesh would take a wrong word there for routine
            raise ValueError(f"{key} is the key priority, one of {', '.join(PRIORITIES)}")
        if not isinstance(text, str) or not text.isascii() or not text.isprintable():
            raise ValueError(f"{key} must be a text of ASCII characters")
    return dict(value)


def _thresholds(value: Any, folder: Path) -> list[Threshold]:
    if not isinstance(value, list):
        raise ValueError('must be a list of texts, e.g. ["p99_ms < 500"]')  # noqa: TRY004 - as above
    return [Threshold.parse(_text(one, folder)) for one in value]


_TOP: Mapping[str, Reader] = {"name": _name, "description": _text, "thresholds": _thresholds}
_STAGE: Mapping[str, Reader] = {
    "name": _name,
    "duration_s": _number(0.001, LONGEST_S),
    "rate": _range(0, MAXIMUM_RATE),
    "users": _range(0, MAXIMUM_USERS, whole=True),
    "arrivals": _file,
    "speed": _number(0.001, 1000),
    "warm_up": _truth,
}
_TRAFFIC: Mapping[str, Reader] = {
    "name": _name,
    "call": _one_of(*CALLS),
    "weight": _number(1e-6, 1e6),
    "timeout_s": _number(0.001, 3600),
    "think_s": _range(0, 3600, rising=True),
    "tenant": _text,
    "priority": _one_of(*PRIORITIES),
    "headers": _headers,
    "parts": _some_of(*PARTS),
    "image": _file,
    "image_side_px": _number(16, MAXIMUM_SIDE_PX, whole=True),
    "image_format": _one_of(*IMAGE_FORMATS),
    "note": _file,
    "note_characters": _range(1, MAXIMUM_CHARACTERS, whole=True, rising=True),
    "patient": _file,
    "vary": _truth,
}
