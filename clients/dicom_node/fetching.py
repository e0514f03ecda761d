"""Fetches a study from an archive by DICOMweb, and stores it at the node as any other sender does."""

from __future__ import annotations

import tempfile
from pathlib import Path

from pydicom import dcmread
from pynetdicom import AE

from clients.dicom_node.arrivals import MEGABYTE
from clients.dicom_node.configuration import PORT, Configuration, Destination
from clients.dicom_node.outcomes import Refused, Unreachable
from clients.dicom_node.web_client import Archive
from services.chassis.peers import endpoint


class FetchError(RuntimeError):
    """Nothing, or not all, was fetched; the message says why."""


def fetch(configuration: Configuration, study: str, source: str = "", modality: str = "") -> int:
    """Hands each object of a study to the node that runs with this configuration; returns how many.

    Raises FetchError. What was handed over before is with the node: fetching again does no harm.
    """
    archive = _archive(configuration, source)
    count = 0
    with tempfile.TemporaryDirectory() as folder:
        try:
            for series, instance in archive.instances(study, modality):
                limit = configuration.node.max_object_mb * MEGABYTE
                path = archive.retrieve(study, series, instance, lambda: Path(folder) / "object", limit)
                _store(configuration, path)
                count += 1
        except Unreachable:
            raise FetchError("the archive does not answer: check its url") from None
        except Refused as refused:
            raise FetchError(
                f"the archive does not give the study ({refused}); {count} objects came"
            ) from None
    if not count:
        raise FetchError("the archive has no such images")
    return count


def _archive(configuration: Configuration, name: str) -> Archive:
    found = [to for to in configuration.destinations if to.url and name in ("", to.name)]
    if len(found) != 1:
        raise FetchError("name with --from one of [[destinations]] that has a url")
    to: Destination = found[0]
    return Archive(to.url, to.token_file, configuration.tls.ca)


def _store(configuration: Configuration, path: Path) -> None:
    """As any device does, in the transfer syntax in which the archive has it."""
    node = configuration.node
    dataset = dcmread(path)
    ae = AE(ae_title=configuration.peers[0].ae_title if configuration.peers else node.ae_title)
    ae.add_requested_context(dataset.SOPClassUID, dataset.file_meta.TransferSyntaxUID)
    host, port = endpoint(node.listen, "node.listen", PORT)
    association = ae.associate(host, port, ae_title=node.ae_title)
    if not association.is_established:
        raise FetchError("no node listens at node.listen: start it with `medmesh dicom-node serve`")
    try:
        status = association.send_c_store(dataset)
    except ValueError:
        raise FetchError("the node does not take objects of this class or transfer syntax") from None
    finally:
        association.release()
    if "Status" not in status or status.Status != 0:
        raise FetchError("the node did not take an object: its log says why")
