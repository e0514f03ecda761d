"""The language service: `python -m services.language`. Only wires."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import grpc

from medmesh.language.v1 import language_pb2, language_pb2_grpc
from services.chassis.models.catalog import Catalog
from services.chassis.rpc.server import run
from services.chassis.rpc.service import Parts, Service
from services.chassis.settings import SettingsError
from services.clinical import own_terminology
from services.clinical.date_shift import MIN_KEY_BYTES
from services.language.agreement import Vocabulary
from services.language.chinese.reader import ChineseReader
from services.language.deidentification.reading import Deidentifier, is_deidentifier
from services.language.deidentification.replacing import Options
from services.language.draft_writing import DraftWriting
from services.language.linking import default_linker
from services.language.literature.desk import LiteratureDesk
from services.language.literature.library import Library
from services.language.literature.search import LiteratureSearcher
from services.language.note_entities import EntityReader
from services.language.note_reading import NoteReader
from services.language.ranking import PassageRanker
from services.language.recovery import default_terms
from services.language.servicer import LanguageServicer
from services.language.settings import LanguageSettings
from services.language.tasks import TASKS, TOKEN_CLASSIFICATION
from services.language.writing.templates import Template, read_templates


async def register(parts: Parts[LanguageSettings], server: grpc.aio.Server) -> None:
    """Builds the service's one servicer from its parts."""
    terms = default_terms()
    linker = default_linker()
    chinese = ChineseReader(linker, parts.settings.intended_use)
    reader = NoteReader(EntityReader(linker, terms), chinese)
    vocabulary = Vocabulary(terms)
    deidentifier = Deidentifier()
    library = Library(parts.settings.literature_folder)
    servicer = LanguageServicer(
        parts.catalog,
        reader,
        PassageRanker(vocabulary),
        DraftWriting(_templates(parts.settings), _for_outside(parts.catalog, deidentifier)),
        deidentifier,
        LiteratureDesk(parts.catalog, library, LiteratureSearcher(library, vocabulary)),
        deidentification_key(parts.settings),
    )
    language_pb2_grpc.add_LanguageServiceServicer_to_server(servicer, server)


def _templates(settings: LanguageSettings) -> dict[str, Template]:
    try:
        return read_templates(settings.report_templates)
    except (OSError, ValueError) as error:
        raise SettingsError(settings.key("report_templates"), str(error)) from error


def _for_outside(catalog: Catalog, deidentifier: Deidentifier) -> Callable[[str], Awaitable[str]]:
    """What makes of a text what a model outside the mesh may be shown."""

    async def deidentified(text: str) -> str:
        model = next(filter(is_deidentifier, catalog.models(TOKEN_CLASSIFICATION)), None)
        [shown] = (await deidentifier.deidentify([text], Options(), model)).texts
        return shown.text

    return deidentified


def deidentification_key(settings: LanguageSettings) -> bytes:
    """The service's own secret of surrogates; empty where it has none. Raises SettingsError."""
    if settings.deidentification_key_file is None:
        return b""
    name = LanguageSettings.key("deidentification_key_file")
    try:
        key = settings.deidentification_key_file.read_bytes()
    except OSError as error:
        raise SettingsError(name, f"cannot be read ({type(error).__name__})") from None
    if not MIN_KEY_BYTES <= len(key) <= 256:
        raise SettingsError(name, f"holds {len(key)} bytes, and a key has {MIN_KEY_BYTES} to 256")
    return key


SERVICE = Service(
    name="language",
    settings=LanguageSettings,
    descriptors=(language_pb2.DESCRIPTOR.services_by_name["LanguageService"],),
    register=register,
    take_terminology=lambda settings: own_terminology.take(settings.terminology),
    tasks=TASKS,
)

if __name__ == "__main__":
    run(SERVICE)
