"""What `curl -F` and a plain body send: files, notes and records as they lie on a disk.

The parts of a form have the names that the Python client's arguments have.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from clients.gateway.settings import GatewaySettings
from medmesh import requests
from medmesh.imaging.v1.imaging_pb2 import AnalyzeImageRequest, ImageOptions, ImageSource
from medmesh.language.v1.language_pb2 import AnalyzeNoteRequest
from medmesh.orchestrator.v1.orchestrator_pb2 import DiagnoseRequest, DiagnoseStreamRequest
from services.chassis.errors import InvalidInput, Reason

FORM = "multipart/form-data"
_IMAGE_TYPES = ("image/", "application/dicom", "application/zip", "application/octet-stream")
_RECORD_TYPES = ("application/fhir+json", "application/json")
_MOST_PARTS = 4096
"""The instances of a series, and a few options."""
_YES, _NO = ("true", "1", "on", "yes"), ("false", "0", "off", "no")


@dataclass
class Parts:
    """The parts of a form by name, each as often as it came; a plain body is the part that its type says."""

    values: dict[str, list[bytes]] = field(default_factory=dict)

    def only(self, *names: str) -> None:
        """Raises InvalidInput where there is a part of another name."""
        if set(self.values) - set(names):
            known = ", ".join(names)
            raise InvalidInput(
                Reason.INPUT_MALFORMED, "request", f"has a part of an unknown name; known are {known}"
            )

    def one(self, name: str) -> bytes | None:
        """The content of a part that comes once at most."""
        found = self.values.get(name, [])
        if len(found) > 1:
            raise InvalidInput(Reason.INPUT_MALFORMED, name, "comes more than once")
        return found[0] if found else None

    def text(self, name: str) -> str | None:
        """The same, as text."""
        content = self.one(name)
        return None if content is None else _text(name, content)

    def texts(self, name: str) -> list[str]:
        """All parts of the name, as text; also several with commas between."""
        found = [_text(name, content) for content in self.values.get(name, ())]
        return [word.strip() for text in found for word in text.split(",") if word.strip()]

    def flag(self, name: str) -> bool:
        """Whether a part says yes."""
        text = (self.text(name) or "false").strip().lower()
        if text not in {*_YES, *_NO}:
            raise InvalidInput(Reason.INPUT_MALFORMED, name, "must be true or false")
        return text in _YES

    def number(self, name: str) -> int | None:
        """The whole number of a part."""
        text = self.text(name)
        if text is None:
            return None
        try:
            return int(text[:12])
        except ValueError:
            raise InvalidInput(Reason.INPUT_MALFORMED, name, "must be a whole number") from None


class _InMemory(MultiPartParser):
    """Keeps files in memory, where `Door` bounds them; patient data is not spooled to a disk."""

    spool_max_size = 0  # SpooledTemporaryFile's word for: never
    ended = False
    """Whether the last boundary has come: what breaks off before it is a part of a file."""

    def on_end(self) -> None:
        self.ended = True


async def parts(request: Request, settings: GatewaySettings) -> Parts:
    """The parts of a request's body. Raises InvalidInput."""
    kind = media_type(request)
    if kind == FORM:
        return await _form(request, settings)
    body = await request.body()
    if kind.startswith(_IMAGE_TYPES):
        return Parts({"image": [body]})
    if kind in _RECORD_TYPES:
        return Parts({"patient": [body]})
    if kind == "text/plain":
        return Parts({"note": [body]})
    raise InvalidInput(
        Reason.INPUT_UNSUPPORTED,
        "content-type",
        "must be multipart/form-data, that of an image (image/…, application/dicom, application/zip), "
        "text/plain of a note or application/fhir+json of a record",
    )


def media_type(request: Request) -> str:
    """The type of the body, without parameters, in lower case."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def _form(request: Request, settings: GatewaySettings) -> Parts:
    parser = _InMemory(
        request.headers,
        request.stream(),
        max_files=_MOST_PARTS,
        max_fields=_MOST_PARTS,
        max_part_size=settings.maximum_request_bytes,
    )
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError, UnicodeError):
        raise InvalidInput(
            Reason.INPUT_MALFORMED, "request", "is no multipart form, or has too many parts"
        ) from None
    if not parser.ended:
        raise InvalidInput(Reason.INPUT_MALFORMED, "request", "is a form that breaks off")
    found = Parts()
    for name, value in form.multi_items():
        content = await value.read() if isinstance(value, UploadFile) else value.encode()
        found.values.setdefault(name, []).append(content)
        if isinstance(value, UploadFile):
            await value.close()
    return found


IMAGE_PARTS = ("image", "body_part", "models", "heat_map", "overlay")
DIAGNOSE_PARTS = (*IMAGE_PARTS, "note", "patient", "max_treatments", "draft_report", "required", "request_id")
NOTE_PARTS = ("note", "models")


def diagnose(
    of: Parts, kind: type[DiagnoseRequest | DiagnoseStreamRequest]
) -> DiagnoseRequest | DiagnoseStreamRequest:
    """The request of Diagnose or DiagnoseStream. Each `image` is an image, a zip of a series is one too."""
    of.only(*DIAGNOSE_PARTS)
    message = kind(request_id=of.text("request_id"))
    requests.fill_case(
        message.case,
        [[content] for content in of.values.get("image", ())],
        note=of.text("note"),
        patient=of.one("patient"),
        options=_image_options(of),
        max_treatments=of.number("max_treatments"),
        draft_report=of.flag("draft_report"),
        required=_required(of),
    )
    return message


def _required(of: Parts) -> list[str]:
    names = of.texts("required")
    if any(name not in requests.BRANCHES for name in names):
        known = ", ".join(requests.BRANCHES)
        raise InvalidInput(Reason.INPUT_UNSUPPORTED, "required", f"names no branch; known are {known}")
    return names


def image(of: Parts) -> AnalyzeImageRequest:
    """The request of AnalyzeImage; several images are the instances of one series."""
    of.only(*IMAGE_PARTS)
    return AnalyzeImageRequest(sources=_sources(of.values.get("image", ())), options=_image_options(of))


def note(of: Parts) -> AnalyzeNoteRequest:
    """The request of AnalyzeNote."""
    of.only(*NOTE_PARTS)
    return AnalyzeNoteRequest(note=of.text("note") or "", models=of.texts("models"))


def _sources(contents: Iterable[bytes]) -> list[ImageSource]:
    return [ImageSource(content=content) for content in contents]


def _image_options(of: Parts) -> ImageOptions:
    return requests.image_options(
        of.text("body_part"), of.texts("models"), heat_map=of.flag("heat_map"), overlay=of.flag("overlay")
    )


def _text(name: str, content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidInput(Reason.INPUT_MALFORMED, name, "is not UTF-8 text") from None
