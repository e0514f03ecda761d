"""Storage commitment, as its user: a destination is asked whether it keeps a result, and answers when it
knows.

The node itself commits to nothing: it deletes what it took, and a device that was told otherwise would
delete its own copy.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom.association import Association
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
)

from clients.dicom_node.outbox import Delivery, Outbox
from clients.dicom_node.spool import Spool

PATIENCE_S = 3600.0
"""After which what was not answered for is sent again."""
_REQUEST_STORAGE_COMMITMENT = 1
_SUCCESS = 0x0000
_NO_SUCH_TRANSACTION = 0x0112
_MALFORMED = 0x0115


def ask(association: Association, sent: Sequence[Delivery], spool: Spool, outbox: Outbox) -> bool:
    """Asks for what was just sent. False: the destination does not take the request."""
    request = Dataset()
    request.TransactionUID = generate_uid(prefix=None)
    request.ReferencedSOPSequence = [_reference(spool, one) for one in sent]
    # Before it is asked: the answer may be faster than we are.
    outbox.await_commitment(sent, request.TransactionUID, time.time() + PATIENCE_S)
    status, _ = association.send_n_action(
        request,
        _REQUEST_STORAGE_COMMITMENT,
        StorageCommitmentPushModel,
        StorageCommitmentPushModelInstance,
    )
    return bool("Status" in status and status.Status == _SUCCESS)


def _reference(spool: Spool, one: Delivery) -> Dataset:
    meta = dcmread(spool.results / one.file, stop_before_pixels=True, specific_tags=["SOPClassUID"])
    item = Dataset()
    item.ReferencedSOPClassUID = meta.SOPClassUID
    item.ReferencedSOPInstanceUID = one.result
    return item


def answered(event: Any, outbox: Outbox) -> tuple[int, None]:
    """Takes an N-EVENT-REPORT, on our association or on one that the destination opened."""
    try:
        said = event.event_information
        transaction = str(said.TransactionUID)
        kept = [str(item.ReferencedSOPInstanceUID) for item in said.get("ReferencedSOPSequence") or []]
        lost = [str(item.ReferencedSOPInstanceUID) for item in said.get("FailedSOPSequence") or []]
    except Exception:  # noqa: BLE001 - whatever a reader may meet in bytes from outside
        return _MALFORMED, None
    known = outbox.committed(transaction, kept, lost, time.time())
    return (_SUCCESS if known else _NO_SUCH_TRANSACTION), None
