"""What an archive holds, entry by entry: a file, a series, or a case of a list.

Entries come one after the other and are not kept, so that a million of them need no memory. Slices of one
series belong together where they lie in one folder, or where a DICOMDIR says so.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

CROSS_SECTIONAL = frozenset({"CT", "MR", "PT", "NM"})
"""Modalities (0008,0060) whose instances are slices: a series is one entry. Of others each file is one."""
_NO_ENTRIES = frozenset({"dicomdir", "thumbs.db", "desktop.ini"})
_PREAMBLE_BYTES = 128
_CASE_FIELDS = ("image", "note", "patient")
_NAMES = ("id", "study")


class SourceError(ValueError):
    """A source cannot be read; the message is for whoever named it."""


@dataclass(frozen=True)
class Entry:
    """One thing to read, with one result."""

    key: str
    """What it is known by: its path, its series, or what a list calls it."""
    files: tuple[str, ...] = ()
    """An image, or the instances of one series; or one folder of them."""
    study_uid: str = ""
    """Study Instance UID (0020,000D); empty: not known."""
    series_uid: str = ""
    """Series Instance UID (0020,000E); empty: not known."""
    note: str = ""
    """Path of a note. An entry with a note or a patient is a case, which is diagnosed."""
    patient: str = ""
    """Path of a FHIR bundle."""

    @property
    def is_case(self) -> bool:
        """Whether it is diagnosed as a whole, not only its image read."""
        return bool(self.note or self.patient)

    def packed(self) -> bytes:
        """As the queue keeps it."""
        return json.dumps({k: v for k, v in asdict(self).items() if v and k != "key"}).encode()

    @classmethod
    def unpacked(cls, key: str, content: bytes) -> Entry:
        """From the queue."""
        fields = json.loads(content)
        return cls(key, **fields | {"files": tuple(fields.get("files", ()))})


def entries(source: Path, pattern: str = "*") -> Iterator[Entry]:
    """What a source holds: a folder, a DICOMDIR, or a list. `pattern`: names of files that count in a folder.

    Raises SourceError.
    """
    if source.is_dir():
        return _of_folder(source, pattern)
    if source.name.lower() == "dicomdir":
        return _of_dicomdir(source)
    if source.is_file():
        return _of_list(source)
    raise SourceError(f"there is no folder, DICOMDIR or list at {source}")


def _of_folder(folder: Path, pattern: str) -> Iterator[Entry]:
    for current, folders, names in os.walk(folder, onerror=_unreadable):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        series: dict[str, list[str]] = {}
        studies: dict[str, str] = {}
        for name in sorted(names):
            if name.startswith(".") or name.lower() in _NO_ENTRIES or not fnmatchcase(name, pattern):
                continue
            path = str(Path(current, name).absolute())
            modality, study, serie = _header(path)
            if modality in CROSS_SECTIONAL and serie:
                series.setdefault(serie, []).append(path)
                studies[serie] = study
            else:
                yield Entry(path, (path,), study, serie)
        for serie, files in series.items():
            yield Entry(f"{Path(current).absolute()}#{serie}", tuple(files), studies[serie], serie)


def _unreadable(error: OSError) -> None:
    raise SourceError(f"{error.filename}: {error.strerror}") from error


def _header(path: str) -> tuple[str, str, str]:
    """Modality, study and series of a DICOM file; empty for any other, and for one that cannot be read, which
    is then an entry by itself and gets its reason from the mesh.
    """
    import pydicom

    try:
        with open(path, "rb") as file:  # noqa: PTH123 - of a million, a Path each costs
            if file.read(_PREAMBLE_BYTES + 4)[_PREAMBLE_BYTES:] != b"DICM":
                return "", "", ""
            file.seek(0)
            tags = ["Modality", "StudyInstanceUID", "SeriesInstanceUID"]
            dataset = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=tags)
            return (
                str(dataset.get("Modality", "")),
                str(dataset.get("StudyInstanceUID", "")),
                str(dataset.get("SeriesInstanceUID", "")),
            )
    except Exception:  # noqa: BLE001 - pydicom raises what it likes at hostile files
        return "", "", ""


def _study(files: tuple[str, ...]) -> tuple[str, str]:
    """Study and series of the first of some files, or of the first of a folder; empty where it has none."""
    if not files:
        return "", ""
    first = files[0]
    with suppress(OSError, ValueError):  # no folder, or an empty one
        first = str(min(one for one in Path(first).iterdir() if not one.name.startswith(".")))
    _, study, series = _header(first)
    return study, series


def _of_dicomdir(path: Path) -> Iterator[Entry]:
    from pydicom.fileset import FileSet

    try:
        found = FileSet(path)
    except Exception as error:
        raise SourceError(f"{path} is not a DICOMDIR that can be read") from error
    try:
        yield from _of_instances(path, found)
    finally:
        found._stage["t"].cleanup()  # noqa: SLF001 - it has no way to be closed


def _of_instances(path: Path, found: Any) -> Iterator[Entry]:
    series: dict[str, list[str]] = {}
    studies: dict[str, str] = {}
    for instance in found:
        file = str(Path(instance.path).absolute())
        study, serie = str(instance.StudyInstanceUID), str(instance.SeriesInstanceUID)
        if str(instance.Modality) in CROSS_SECTIONAL:
            series.setdefault(serie, []).append(file)
            studies[serie] = study
        else:
            yield Entry(file, (file,), study, serie)
    for serie, files in series.items():
        yield Entry(f"{path.absolute()}#{serie}", tuple(files), studies[serie], serie)


def _of_list(path: Path) -> Iterator[Entry]:
    """A line is the path of a file or of a folder, or a case in JSON; paths are relative to the list."""
    folder = path.parent.absolute()
    with path.open(encoding="utf-8") as lines:
        try:
            for number, raw in enumerate(lines, 1):
                line = raw.strip()
                if line.startswith("{"):
                    yield _of_case(line, folder, f"{path}, line {number}")
                elif line:
                    file = str(folder / line)
                    yield Entry(file, (file,), *_study((file,)))
        except UnicodeDecodeError:
            raise SourceError(f"{path} is not UTF-8 text") from None


def _of_case(line: str, folder: Path, where: str) -> Entry:
    try:
        said: Any = json.loads(line)
    except ValueError:
        raise SourceError(f"{where}: is not JSON") from None
    if unknown := set(said) - {*_NAMES, *_CASE_FIELDS}:
        raise SourceError(f"{where}: has unknown fields ({', '.join(sorted(unknown))})")
    if not any(said.get(name) for name in _CASE_FIELDS):
        raise SourceError(f"{where}: needs one of {', '.join(_CASE_FIELDS)}")
    image = said.get("image") or []
    files = [image] if isinstance(image, str) else image
    paths = [*files, said.get("note") or "", said.get("patient") or ""]
    if not isinstance(files, list) or not all(isinstance(one, str) for one in paths):
        raise SourceError(f"{where}: paths must be text, and `image` one path or a list of a series' files")

    def absolute(one: str) -> str:
        return str(folder / one) if one else ""

    found = tuple(map(absolute, files))
    study, series = _study(found)
    return Entry(
        str(said.get("id") or hashlib.sha256(line.encode()).hexdigest()[:32]),
        found,
        str(said.get("study") or study),
        series,
        note=absolute(said.get("note") or ""),
        patient=absolute(said.get("patient") or ""),
    )
