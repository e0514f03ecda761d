"""Asks the mesh about each image that is complete, and keeps what is made of the answer."""

from __future__ import annotations

import logging
import random
import threading
import time
import warnings
from datetime import UTC, datetime
from pathlib import Path

import pydicom
from pydicom.config import RAISE
from pydicom.dataset import Dataset
from pydicom.valuerep import validate_value

from clients.dicom_node.configuration import Configuration
from clients.dicom_node.ledger import Ledger, Result, Work
from clients.dicom_node.results.context import Context
from clients.dicom_node.results.making import Made, results
from clients.dicom_node.spool import Spool
from medmesh import Client, InvalidInput, MedmeshError, NotFound, receipt
from medmesh.images import MESSAGE_LIMIT_BYTES
from medmesh.orchestrator.v1.orchestrator_pb2 import Diagnosis

log = logging.getLogger("medmesh.dicom_node")

LONGEST_PAUSE_S = 300.0
ATTEMPTS = 5
"""Of what failed in a way that is not known to pass."""
_LOOK_S = 0.25
"""How often the ledger is looked at."""


class Analyzer:
    """The threads that analyse."""

    def __init__(self, configuration: Configuration, spool: Spool, ledger: Ledger, client: Client) -> None:
        self._configuration = configuration
        self._spool = spool
        self._ledger = ledger
        self._client = client
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._under_way: set[str] = set()
        self._threads = [
            threading.Thread(target=self._run, name=f"analysis-{number}", daemon=True)
            for number in range(configuration.node.workers)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self, grace_s: float) -> None:
        """Begins nothing new, and waits for what is under way; what is cut off is done again at the next
        start.
        """
        self._ended.set()
        until = time.monotonic() + grace_s
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                if not self.step():
                    self._ended.wait(_LOOK_S)
            except Exception:
                log.exception("the ledger or the spool failed; trying again")
                self._ended.wait(_LOOK_S * 20)

    def step(self) -> bool:
        """Makes one analysis that is due. False: none is."""
        with self._lock:  # so that no two threads take the same one
            self._ledger.assign(time.time())
            work = self._ledger.work(time.time(), self._under_way)
            if work is None:
                return False
            self._under_way.add(work.id)
        try:
            self._analyze(work)
        finally:
            with self._lock:
                self._under_way.discard(work.id)
        return True

    def _analyze(self, work: Work) -> None:
        files = [self._spool.objects / file for file in work.files]
        if not files or not all(file.exists() for file in files):
            # Slices that came when those before them had been cleared away: half of a series is no image.
            self._ledger.park(work.id, "FILES_GONE", time.time())
            return
        started = time.monotonic()
        try:
            diagnosis = self._ask(work, files)
        except MedmeshError as error:
            self._failed(work, error)
            return
        try:
            receipt_id = receipt.identifier(diagnosis)
            made = results(self._context(work, files, diagnosis, receipt_id))
        except Exception:
            log.exception("results could not be made", extra={"facts": {"analysis": work.id}})
            self._again_or_park(work, "RESULT_NOT_MADE")
            return
        self._keep(work, receipt_id, made)
        elapsed = {"analysis": work.id, "objects": len(files), "results": len(made)}
        elapsed["elapsed_ms"] = round(1000 * (time.monotonic() - started))
        log.info("analysed", extra={"facts": elapsed})

    def _ask(self, work: Work, files: list[Path]) -> Diagnosis:
        # Larger ones are uploaded first, under a name of their own each time: to the mesh that is another
        # request.
        repeatable = sum(file.stat().st_size for file in files) <= MESSAGE_LIMIT_BYTES
        return self._client.diagnose(
            image=[list(files)],
            models=work.wanted.models,
            body_part=work.wanted.body_part or None,
            overlay=True,
            timeout_s=self._configuration.node.timeout_s,
            request_id=work.id if repeatable else None,
        )

    def _context(self, work: Work, files: list[Path], diagnosis: Diagnosis, receipt_id: str) -> Context:
        previous = self._spool.results / work.previous if work.previous else None
        return Context(
            analysis=work.id,
            station=self._configuration.node.ae_title,
            made_at=datetime.now(UTC),
            sources=tuple(source_header(file) for file in files),
            diagnosis=diagnosis,
            receipt_id=receipt_id,
            previous_report=pydicom.dcmread(previous) if previous else None,
        )

    def _keep(self, work: Work, receipt_id: str, made: list[Made]) -> None:
        entered: list[tuple[Result, list[str]]] = []
        for one in made:
            file = f"{work.id}-{one.kind}-{len(entered)}.dcm"
            self._spool.write_result(file, one.content)
            names = [to.name for to in self._configuration.destinations if one.kind in to.results]
            entered.append((Result(one.sop_instance_uid, one.kind, file), names))
        if not self._ledger.finish(work.id, receipt_id, entered, time.time()):
            for (
                result,
                _,
            ) in entered:  # further slices came meanwhile: the next revision speaks for all of them
                (self._spool.results / result.file).unlink(missing_ok=True)

    def _failed(self, work: Work, error: MedmeshError) -> None:
        facts = {"analysis": work.id, "reason": error.reason, "request_id": error.request_id}
        log.warning("an analysis failed", extra={"facts": facts})
        said = f"{error.reason}: {error.message}" if error.reason else error.message
        if isinstance(error, InvalidInput | NotFound):
            self._ledger.park(work.id, said, time.time())
        elif error.status.name in ("INTERNAL", "UNKNOWN"):
            self._again_or_park(work, said)
        else:  # the mesh, the network or a policy: nothing that this image could be blamed for
            wait_s = max(pause_s(work.attempts), error.retry_after_s or 0.0)
            self._ledger.put_off(work.id, said, time.time() + wait_s)

    def _again_or_park(self, work: Work, reason: str) -> None:
        if work.attempts + 1 >= ATTEMPTS:
            self._ledger.park(work.id, reason, time.time())
        else:
            self._ledger.put_off(work.id, reason, time.time() + pause_s(work.attempts))


def pause_s(attempts: int) -> float:
    """How long to wait after so many failures: twice as long each time, five minutes at most, never all at
    once.
    """
    return min(LONGEST_PAUSE_S, 2.0 ** min(attempts, 20)) * random.uniform(0.5, 1.0)  # noqa: S311


def source_header(path: Path) -> Dataset:
    """The attributes of an object before its pixels, in Unicode, without optional ones that the standard
    does not allow (results would have to repeat the fault).
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        header = pydicom.dcmread(path, stop_before_pixels=True)
        header.decode()
        for keyword in ("PatientAge", "PatientSize", "PatientWeight"):
            try:
                if keyword in header:
                    validate_value(header[keyword].VR, header[keyword].value, RAISE)
            except ValueError:
                del header[keyword]
    return header
