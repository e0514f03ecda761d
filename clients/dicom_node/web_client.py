"""DICOMweb as its user: STOW-RS to an archive, QIDO-RS and WADO-RS from it."""

from __future__ import annotations

import urllib.parse
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import requests

from clients.dicom_node import multipart
from clients.dicom_node.outcomes import Refused, Unreachable

_TIMEOUT_S = (10, 120)
"""To connect, and between two pieces of an answer."""
_DICOM_JSON = "application/dicom+json"
_SERIES, _INSTANCE, _MODALITY = "0020000E", "00080018", "00080060"
_FAILED = "00081198"
_PAGE = 1000
"""Instances of one answer to QIDO-RS; an archive may give fewer."""


class Archive:
    """A DICOMweb service."""

    def __init__(self, url: str, token_file: Path | None, ca: Path | None) -> None:
        self._url = url.rstrip("/")
        self._token_file = token_file
        self._session = requests.Session()
        self._session.headers["Accept-Encoding"] = "identity"  # what is read raw must not be compressed
        self._session.max_redirects = 0  # a redirect would take the token and the images elsewhere
        if ca is not None:
            self._session.verify = str(ca)

    def store(self, path: Path) -> None:
        """Stores one object. Raises Unreachable, Refused."""
        boundary = uuid.uuid4().hex
        head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        body = head + path.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
        kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
        answer = self._call("POST", "/studies", body, {"Content-Type": kind, "Accept": _DICOM_JSON})
        if answer.status_code not in (200, 202):
            raise Refused(f"REFUSED: HTTP status {answer.status_code}")
        try:
            failed = answer.content and answer.json().get(_FAILED, {}).get("Value")
        except ValueError:
            failed = False
        if failed:
            raise Refused("REFUSED: the archive lists it as failed")

    def instances(self, study_uid: str, modality: str = "") -> Iterator[tuple[str, str]]:
        """Series and SOP Instance UID of each object of a study. Raises Unreachable, Refused."""
        offset = 0
        while True:
            query = urllib.parse.urlencode(
                {"limit": _PAGE, "offset": offset} | ({"Modality": modality} if modality else {})
            )
            answer = self._call(
                "GET",
                f"/studies/{urllib.parse.quote(study_uid)}/instances?{query}",
                None,
                {"Accept": _DICOM_JSON},
            )
            if answer.status_code == 204:
                return
            if answer.status_code != 200:
                raise Refused(f"REFUSED: HTTP status {answer.status_code}")
            found = answer.json()
            for one in found:
                if not modality or _value(one, _MODALITY) in ("", modality):
                    yield _value(one, _SERIES), _value(one, _INSTANCE)
            if len(found) < _PAGE:
                return
            offset += len(found)

    def retrieve(
        self, study: str, series: str, instance: str, new_file: Callable[[], Path], limit_bytes: int
    ) -> Path:
        """One object, in the transfer syntax in which the archive has it, as a file that is the caller's.

        Raises Unreachable, Refused.
        """
        accepted = 'multipart/related; type="application/dicom"; transfer-syntax=*'
        path = "/".join(
            urllib.parse.quote(uid) for uid in ("", "studies", study, "series", series, "instances", instance)
        )
        with self._call("GET", path, None, {"Accept": accepted}, stream=True) as answer:
            if answer.status_code != 200:
                raise Refused(f"REFUSED: HTTP status {answer.status_code}")
            try:
                boundary = multipart.boundary_of(answer.headers.get("Content-Type", ""))
                found = list(multipart.files(answer.raw.read, boundary, new_file, limit_bytes))
            except ValueError as error:
                raise Refused("REFUSED: the archive's answer cannot be read") from error
            except OSError as error:
                raise Unreachable from error
        if len(found) != 1:
            for one in found:
                one.unlink()
            raise Refused("REFUSED: the archive did not answer with one object")
        return found[0]

    def _call(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str], *, stream: bool = False
    ) -> requests.Response:
        if self._token_file is not None:  # at each call, so that it can be renewed
            headers = headers | {
                "Authorization": f"Bearer {self._token_file.read_text(encoding='utf-8').strip()}"
            }
        try:
            answer = self._session.request(
                method,
                self._url + path,
                data=body,
                headers=headers,
                timeout=_TIMEOUT_S,
                stream=stream,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise Unreachable from error
        if answer.status_code in (429, 502, 503, 504):
            raise Unreachable
        return answer


def _value(attributes: Any, tag: str) -> str:
    values = attributes.get(tag, {}).get("Value") or [""]
    return str(values[0])
