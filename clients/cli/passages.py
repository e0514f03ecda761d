"""The passages of one's own text files, and what was left out of them."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

TEXT_SUFFIXES = frozenset({".txt", ".text", ".md", ".markdown", ".rst", ".note", ".asc"})
"""Endings of text files in any mix of capitals; in a folder only such files are read."""
MOST_CODE_POINTS = 20_000
"""Of a passage: the contract of EmbedTexts."""

_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_BLANK_LINES = re.compile(r"\n\s*\n")


@dataclass
class Reading:
    """The paragraphs of files, in their order, and how many files and passages were left out, by kind."""

    passages: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    def sentence(self) -> str:
        """What was left out, for people; empty where nothing was."""
        if not self.left_out:
            return ""
        return f"Left out: {', '.join(f'{n} {kind}' for kind, n in sorted(self.left_out.items()))}."


def read_passages(paths: Sequence[Path]) -> Reading:
    """The paragraphs of all files; of a folder and those in it the text files, by name.

    ValueError: a file that is named itself is not UTF-8 text, or no passage is left. OSError: it cannot be
    read.
    """
    reading = Reading()
    for path in paths:
        if path.is_dir():
            for file in _files(path, reading.left_out):
                _read_from_folder(file, reading)
        else:
            _add(_text(path), reading)
    if not reading.passages:
        raise ValueError(f"there is no passage to search. {reading.sentence()}".strip())
    return reading


def _files(folder: Path, left_out: Counter[str]) -> Iterator[Path]:
    """The files below a folder, by name; folders that cannot be read are counted."""

    def count(_: OSError) -> None:
        left_out["folder(s) that cannot be read"] += 1

    for where, folders, names in os.walk(folder, onerror=count):
        folders.sort()
        yield from (Path(where) / name for name in sorted(names))


def _read_from_folder(file: Path, reading: Reading) -> None:
    suffix = file.suffix.lower()
    if file.name.startswith("."):
        reading.left_out["hidden file(s)"] += 1
    elif suffix not in TEXT_SUFFIXES:
        reading.left_out[f"{suffix} file(s)" if suffix else "file(s) without an extension"] += 1
    else:
        try:
            text = _text(file)
        except ValueError:
            reading.left_out["file(s) that are not UTF-8 text"] += 1
        except OSError:
            reading.left_out["file(s) that cannot be read"] += 1
        else:
            _add(text, reading)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{file} is not UTF-8 text") from None


def _add(text: str, reading: Reading) -> None:
    """Adds the paragraphs; counts those that the services would refuse."""
    paragraphs = [" ".join(part.split()) for part in _BLANK_LINES.split(text) if part.strip()]
    if not paragraphs:
        reading.left_out["file(s) without text"] += 1
    for paragraph in paragraphs:
        if len(paragraph) > MOST_CODE_POINTS:
            reading.left_out[f"passage(s) longer than {MOST_CODE_POINTS:,} characters"] += 1
        elif _CONTROL.search(paragraph):
            reading.left_out["passage(s) with control characters"] += 1
        else:
            reading.passages.append(paragraph)
