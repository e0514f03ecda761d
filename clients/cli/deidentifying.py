"""One file after the other: what kind it is, which call is for it, and where its result goes.

Nothing is overwritten but what an earlier run wrote. Each result is whole or not there: it is written
beside its place first. The report has a line for each file, by which a later run knows what is done.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from medmesh import Client, MedmeshError, Unavailable
from medmesh.imaging.v1 import deidentification_pb2 as pb
from medmesh.language.v1.deidentification_pb2 import (
    REPLACEMENT_STYLE_PLACEHOLDER,
    REPLACEMENT_STYLE_SURROGATE,
    Deidentification,
    IdentifierKind,
)


class Kind(StrEnum):
    """What a file is, by its first bytes."""

    DICOM = "DICOM"
    PICTURE = "picture"
    FHIR = "FHIR"
    NOTE = "note"


@dataclass(frozen=True)
class Settings:
    """What holds for all files of a run."""

    key: bytes = field(repr=False)
    patient: str = ""
    profile_options: tuple[pb.ProfileOption, ...] = ()
    burned_in_text: pb.BurnedInText = pb.BURNED_IN_TEXT_MASKED
    surrogates: bool = False
    keep_names: bool = False
    timeout_s: float = 120.0

    @property
    def digest(self) -> str:
        """Tells runs apart that would give other results; under the key, so that it gives nothing away."""
        said = (
            self.patient,
            sorted(self.profile_options),
            self.burned_in_text,
            self.surrogates,
            self.keep_names,
        )
        return self.mac(repr(said))

    def mac(self, text: str) -> str:
        """Sixteen hexadecimal digits that the key makes of a text."""
        return hmac.digest(self.key, text.encode("utf-8", "surrogateescape"), hashlib.sha256).hex()[:16]


@dataclass(frozen=True)
class Job:
    """One file, and its place in what was given."""

    path: Path
    relative: Path


@dataclass(frozen=True)
class Done:
    """A file that was de-identified, now or by an earlier run."""

    source: Path
    target: Path
    kind: Kind
    changes: dict[str, int]
    """How many of what was changed."""
    notices: tuple[str, ...] = ()
    """Sentences for the reader; those that ask for review begin with `review: `."""
    earlier: bool = False
    details: dict[str, Any] = field(default_factory=dict)

    def fields(self) -> dict[str, Any]:
        """For machines."""
        return {
            "source": str(self.source),
            "target": str(self.target),
            "kind": self.kind.value,
            "changes": self.changes,
            "notices": list(self.notices),
            **self.details,
        }


@dataclass(frozen=True)
class Failed:
    """A file that was not."""

    source: Path
    reason: str

    def fields(self) -> dict[str, Any]:
        """For machines."""
        return {"source": str(self.source), "failed": self.reason}


def sources(paths: Sequence[Path], out: Path, key_file: Path) -> Iterator[Job]:
    """The files below the paths, each once. ValueError: the results would lie among the sources. OSError:
    one is not there.
    """
    seen: set[Path] = set()
    for path in paths:
        whole = path.resolve(strict=True)
        if whole.is_dir() and out.resolve().is_relative_to(whole):
            raise ValueError(f"{out} lies within {path}: results do not belong among their sources")
        files = sorted(one for one in path.rglob("*") if one.is_file()) if whole.is_dir() else [path]
        for file in files:
            hidden = whole.is_dir() and any(part.startswith(".") for part in file.relative_to(path).parts)
            if file.resolve() in seen or file.resolve() == key_file.resolve() or hidden:
                continue
            seen.add(file.resolve())
            yield Job(file, file.relative_to(path) if whole.is_dir() else Path(file.name))


class Run:
    """A run into one folder."""

    def __init__(self, out: Path, settings: Settings) -> None:
        self._out = out
        self._settings = settings
        self.report = out.with_name(f"{out.name}.report.jsonl")
        self._earlier = {line["source"]: line for line in _lines(self.report)}

    def one(self, job: Job, client: Client) -> Done | Failed:
        """What came of one file. Raises Unavailable where the mesh does not answer: it would not for the
        next one.
        """
        try:
            state = self._state(job)
            known = self._earlier.get(str(job.path.resolve()))
            if known is not None and known["state"] == state and (self._out / known["name"]).is_file():
                target = self._out / known["name"]
                return Done(
                    job.path, target, Kind(known["kind"]), known["changes"], tuple(known["notices"]), True
                )
            data = job.path.read_bytes()
            kind = kind_of(data)
            if kind is None:
                return Failed(job.path, "is neither DICOM, PNG, JPEG, FHIR JSON nor UTF-8 text")
            result = self._called(kind, data, client)
            name = self._name(job, result.suffix)
            if (self._out / name).exists() and (known is None or known["name"] != str(name)):
                return Failed(job.path, f"{self._out / name} exists, and is of no earlier run")
            _write(self._out / name, result.data)
        except Unavailable:
            raise
        except MedmeshError as error:
            return Failed(job.path, str(error))
        except OSError as error:
            return Failed(job.path, error.strerror or type(error).__name__)
        done = Done(job.path, self._out / name, kind, result.changes, result.notices, False, result.details)
        line = {**done.fields(), "source": str(job.path.resolve()), "name": str(name), "state": state}
        with self.report.open("a", encoding="utf-8") as report:
            report.write(json.dumps(line, ensure_ascii=False) + "\n")
        return done

    def _state(self, job: Job) -> str:
        """Changes with the file and with the settings."""
        about = job.path.stat()
        return f"{about.st_size}.{about.st_mtime_ns}.{self._settings.digest}"

    def _name(self, job: Job, suffix: str) -> Path:
        if self._settings.keep_names:
            return job.relative.with_suffix(suffix)
        return Path(self._settings.mac(f"name|{job.relative}") + suffix)

    def _called(self, kind: Kind, data: bytes, client: Client) -> _Result:
        settings = self._settings
        if kind is Kind.NOTE:
            return _note(data.decode("utf-8-sig"), settings, client)
        if kind is Kind.FHIR:
            content, bundle = client.deidentify_bundle(data, key=settings.key, patient=settings.patient)
            counted = [(_words(one, "action"), one.count) for one in bundle.changes]
            elements = [[one.element, _words(one, "action"), one.count] for one in bundle.changes]
            return _Result(
                content, ".json", _sums(counted), _sentences(bundle.notices), {"elements": elements}
            )
        content, image = client.deidentify_image(
            data,
            key=settings.key,
            patient=settings.patient,
            profile_options=settings.profile_options,
            burned_in_text=settings.burned_in_text,
        )
        counted = [(_words(one, "action"), one.count) for one in image.changes]
        if image.masked_regions:
            counted.append(("covered", len(image.masked_regions)))
        details = {
            "attributes": [
                [one.tag, one.name, _words(one, "action"), _words(one, "reason"), one.count]
                for one in image.changes
            ],
            "regions": [
                [one.left_px, one.top_px, one.width_px, one.height_px] for one in image.masked_regions
            ],
            "transfer_syntax_uid": image.transfer_syntax_uid,
        }
        suffix = {"DICOM": ".dcm", "PNG": ".png", "JPEG": ".jpg"}.get(image.format, ".bin")
        return _Result(content, suffix, _sums(counted), _sentences(image.notices), details)


@dataclass(frozen=True)
class _Result:
    data: bytes
    suffix: str
    changes: dict[str, int]
    notices: tuple[str, ...]
    details: dict[str, Any]


def kind_of(data: bytes) -> Kind | None:
    """What a file is; None: of no kind that is read."""
    if data[128:132] == b"DICM":
        return Kind.DICOM
    if data.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")):
        return Kind.PICTURE
    if b"\0" in data:
        return None
    with suppress(UnicodeDecodeError):
        text = data.decode("utf-8-sig")
        return Kind.FHIR if text.lstrip().startswith("{") and '"resourceType"' in text else Kind.NOTE
    return None


def _note(text: str, settings: Settings, client: Client) -> _Result:
    if not text.strip():
        return _Result(b"", ".txt", {}, (), {})
    done: Deidentification = client.deidentify(
        text,
        style=REPLACEMENT_STYLE_SURROGATE if settings.surrogates else REPLACEMENT_STYLE_PLACEHOLDER,
        key=settings.key,
        patient=settings.patient,
    )
    (one,) = done.texts
    kinds = [IdentifierKind.Name(r.kind).removeprefix("IDENTIFIER_KIND_").lower() for r in one.replacements]
    changes = _sums((kind.replace("_", " "), 1) for kind in kinds)
    return _Result(one.text.encode(), ".txt", changes, _sentences(done.notices), {})


def _words(message: Any, name: str) -> str:
    """The value of the enum field `name` in words; one of a newer contract has none."""
    values = message.DESCRIPTOR.fields_by_name[name].enum_type.values_by_number
    value = values.get(getattr(message, name))
    return "other" if value is None else value.name.partition("_")[2].replace("_", " ").lower()


def _sums(counted: Iterable[tuple[str, int]]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for what, count in counted:
        sums[what] = sums.get(what, 0) + count
    return sums


def _sentences(notices: Iterable[Any]) -> tuple[str, ...]:
    return tuple(("review: " if one.review_required else "") + (one.message or one.reason) for one in notices)


def _write(target: Path, data: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.part")
    beside.write_bytes(data)
    beside.replace(target)


def _lines(report: Path) -> Iterator[dict[str, Any]]:
    """The lines of an earlier run's report; one that was cut off is left out."""
    if report.is_file():
        for line in report.read_text(encoding="utf-8").splitlines():
            with suppress(ValueError):
                yield json.loads(line)
