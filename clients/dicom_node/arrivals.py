"""From a file that arrived to an entry of the ledger: the same for C-STORE, STOW-RS and what was fetched."""

from __future__ import annotations

import logging
import tempfile
import time
import uuid
import warnings
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

from clients.dicom_node.configuration import Configuration
from clients.dicom_node.ledger import Arrival, Ledger, Wanted
from clients.dicom_node.rules import EVERYTHING, Header, first_that_fits
from clients.dicom_node.spool import Spool, dataset_digest

log = logging.getLogger("medmesh.dicom_node")

MEGABYTE = 1024 * 1024
_UIDS = ["SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"]
_ATTRIBUTES = [
    *_UIDS,
    "SpecificCharacterSet",
    "Modality",
    "BodyPartExamined",
    "SeriesDescription",
    "StudyDescription",
    "Rows",
    "Columns",
    "PatientID",
    "NumberOfSeriesRelatedInstances",
]


class Refusal(StrEnum):
    """Why an object is not taken. Nothing is kept of it, and whoever sent it is told."""

    MALFORMED = "it cannot be read as a DICOM object: send it again, or check what exports it"
    INCOMPLETE = "it lacks a valid SOP Class, SOP Instance, Study Instance or Series Instance UID"
    INCONSISTENT = (
        "its SOP Class, SOP Instance or Study Instance UID is not the one that it was announced under"
    )
    COMPRESSED = "Deflated Explicit VR Little Endian is not taken: send Explicit VR Little Endian"
    FULL = "too many objects wait for their analysis, or the disk is nearly full: send it again later"


class Refused(Exception):  # noqa: N818 - named for what happened
    """The object was not taken."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.value)
        self.refusal = refusal


@dataclass(frozen=True)
class Announced:
    """What was said of an object before its bytes came."""

    sop_class_uid: str
    sop_instance_uid: str


class Arrivals:
    """Takes files into the spool and the ledger."""

    def __init__(self, configuration: Configuration, spool: Spool, ledger: Ledger) -> None:
        self._node = configuration.node
        self._rules = configuration.rules or (EVERYTHING,)
        self._spool = spool
        self._ledger = ledger

    def new_file(self) -> Path:
        """An empty file that only this user can read, for what is about to arrive."""
        with tempfile.NamedTemporaryFile(dir=self._spool.arriving, delete=False) as file:
            return Path(file.name)

    def refuse_when_full(self) -> None:
        """Raises Refused where no more can be kept now."""
        if self._ledger.backlog() >= self._node.max_waiting:
            raise Refused(Refusal.FULL)
        if self._spool.free_bytes() < self._node.min_free_mb * MEGABYTE:
            raise Refused(Refusal.FULL)

    def take(
        self, arrived: Path, sender: str, announced: Announced | None = None, *, study: str = ""
    ) -> Dataset:
        """Makes the file durable and enters it; when this returns, it will be analysed or stands parked
        with a reason. Returns the few attributes of it that were read. `announced` and `study` are what was
        said of it; None and empty: nothing.

        Raises Refused; the file is then gone.
        """
        try:
            self.refuse_when_full()
            return self._take(arrived, sender, announced, study)
        except OSError as error:  # the disk is full or failed: nobody is told that it was kept
            log.exception("an object could not be kept", extra={"facts": {"errno": error.errno}})
            raise Refused(Refusal.FULL) from error
        finally:
            arrived.unlink(missing_ok=True)

    def _take(self, arrived: Path, sender: str, announced: Announced | None, study: str) -> Dataset:
        attributes = _read(arrived)
        identifiers = Announced(str(attributes.SOPClassUID), str(attributes.SOPInstanceUID))
        if (announced is not None and announced != identifiers) or study not in (
            "",
            attributes.StudyInstanceUID,
        ):
            raise Refused(Refusal.INCONSISTENT)
        digest = dataset_digest(arrived)
        if self._ledger.has(identifiers.sop_instance_uid, digest):
            return attributes
        file = f"{uuid.uuid4()}.dcm"
        kept = self._spool.keep(arrived, file)
        entered = self._ledger.enter(self._arrival(attributes, sender, digest, file), time.time())
        if not entered:  # the same object came twice at the same time
            kept.unlink()
        return attributes

    def _arrival(self, attributes: Dataset, sender: str, digest: str, file: str) -> Arrival:
        header = Header(
            modality=_text(attributes, "Modality"),
            body_part=_text(attributes, "BodyPartExamined"),
            series_description=_text(attributes, "SeriesDescription"),
            study_description=_text(attributes, "StudyDescription"),
            sender=sender,
        )
        place = first_that_fits(self._rules, header)
        rule = EVERYTHING if place is None else self._rules[place]
        uid, is_series = str(attributes.SOPInstanceUID), rule.is_series(header)
        parked = ""
        if self._ledger.is_result(uid):
            parked = "OWN_RESULT"
        elif "Rows" not in attributes or "Columns" not in attributes:
            parked = "NOT_AN_IMAGE"
        elif place is None:
            parked = "NO_RULE"
        elif not rule.analyze:
            parked = "NOT_WANTED"
        return Arrival(
            sop_instance_uid=uid,
            sop_class_uid=str(attributes.SOPClassUID),
            digest=digest,
            study_uid=str(attributes.StudyInstanceUID),
            unit=str(attributes.SeriesInstanceUID) if is_series else uid,
            is_alone=not is_series,
            quiet_s=self._node.quiet_s if rule.quiet_s is None else rule.quiet_s,
            unit_count=rule.count or _count(attributes),
            wanted=Wanted(models=rule.models, body_part=rule.read_as),
            file=file,
            parked=parked,
        )


def _read(path: Path) -> Dataset:
    """The few attributes that decide what becomes of an object. Raises Refused, OSError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of values against the standard: the mesh judges them
            syntax = pydicom.filereader.read_file_meta_info(path).TransferSyntaxUID
            attributes = pydicom.Dataset()
            if syntax != DeflatedExplicitVRLittleEndian:
                attributes = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(_ATTRIBUTES))
                uids = [UID(str(attributes.get(keyword) or "")) for keyword in _UIDS]
    except OSError:
        raise
    except Exception as error:
        raise Refused(Refusal.MALFORMED) from error
    if syntax == DeflatedExplicitVRLittleEndian:
        raise Refused(Refusal.COMPRESSED)  # it inflates without a bound
    if not all(uid.is_valid for uid in uids):
        raise Refused(Refusal.INCOMPLETE)
    return attributes


def _text(attributes: Dataset, keyword: str) -> str:
    try:
        return str(attributes.get(keyword, "") or "").strip()
    except Exception:  # noqa: BLE001 - a value that cannot be decoded fits no rule; the mesh reads it anew
        return ""


def _count(attributes: Dataset) -> int:
    text = _text(attributes, "NumberOfSeriesRelatedInstances")
    return int(text) if text.isdecimal() else 0
