"""What is fuzzed: each parser of bytes that callers or disks hand in, with what it may raise.

A parser gets any bytes. It returns, or raises an error that names what is wrong with them; everything else is
a finding. Limits are lower than in service, so that an input costs a millisecond and not a second: the checks
are the same.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from medmesh import receipt as receipts
from medmesh.orchestrator.v1.receipt_pb2 import EvidenceReceipt
from services.chassis.errors import InvalidInput
from services.chassis.models.card import read_card
from services.chassis.models.checks import check_card
from services.clinical.fhir.reader import read_bundle
from services.imaging.decoding import decode_image
from services.imaging.images import DecodingLimits
from services.imaging.series.limits import SeriesLimits
from services.imaging.series.reading import read_series
from services.language.agreement import StatementReader, Vocabulary
from services.language.chinese.reader import ChineseReader
from services.language.deidentification.chinese import find_chinese
from services.language.deidentification.dates import find_dates
from services.language.deidentification.numbers import find_numbers
from services.language.legibility import damage_notices, language_notices
from services.language.linking import default_linker
from services.language.recovery import default_terms

_IMAGE = DecodingLimits(max_pixels=1 << 16, max_inflated_bytes=1 << 20)
_SERIES = SeriesLimits(
    max_member_count=64, max_file_bytes=1 << 20, max_inflated_bytes=1 << 22, one_file=_IMAGE
)


@dataclass(frozen=True)
class Parser:
    """One parser, and the errors by which it refuses an input."""

    read: Callable[[bytes], object]
    refusals: type[Exception] | tuple[type[Exception], ...] = InvalidInput
    preamble: bytes = b""
    """What every input begins with: without it the parser would only see that it is not its own."""
    longest_bytes: int = 8192
    """Longer inputs are not tried."""

    def try_on(self, data: bytes) -> bool:
        """Whether the input was read; False: it was refused. Raises whatever else the parser raises."""
        try:
            self.read(self.preamble + data)
        except self.refusals:
            return False
        return True


def _series(data: bytes) -> None:
    series = read_series([data], _SERIES)
    for index in range(min(len(series), 4)):
        series.decode(index)


def _note(data: bytes) -> None:
    note = data.decode("utf-8", "ignore")
    StatementReader(_vocabulary()).of(note)
    damage_notices(note)
    language_notices(note)
    _chinese().read(note)
    for find in (find_dates, find_numbers, find_chinese):
        list(find(note))


def _receipts(data: bytes) -> None:
    lines = data.decode("utf-8", "replace").splitlines()
    receipts.verify_chain(lines)
    for line in lines:
        receipts.statement(receipts.from_line(line))


def _statement(data: bytes) -> None:
    receipts.statement(EvidenceReceipt(payload=data))


def _card(data: bytes) -> None:
    path = _scratch() / "card.json"
    path.write_bytes(data)
    card, _ = read_card(path)
    if card is not None:
        check_card(card, card.name)


@functools.cache
def _vocabulary() -> Vocabulary:
    return Vocabulary(default_terms())


@functools.cache
def _chinese() -> ChineseReader:
    return ChineseReader(default_linker())


@functools.cache
def _scratch() -> Path:
    return Path(tempfile.mkdtemp(prefix="medmesh-fuzz-"))


PARSERS = {
    "picture": Parser(lambda data: decode_image(data, _IMAGE)),
    "dicom": Parser(lambda data: decode_image(data, _IMAGE), preamble=bytes(128) + b"DICM"),
    "series": Parser(_series),
    "fhir": Parser(read_bundle),
    "note": Parser(_note, longest_bytes=512),  # read as a whole by seven readers
    "receipts": Parser(_receipts, ValueError),
    "statement": Parser(_statement, ValueError),
    "card": Parser(_card),
}
"""By the name of their folder of inputs."""
