"""The language service: `python -m services.language`. Only wires."""

from __future__ import annotations

import grpc

from medmesh.language.v1 import language_pb2, language_pb2_grpc
from services.chassis.rpc.server import Parts, Service, run
from services.language.agreement import Vocabulary
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
from services.language.tasks import TASKS


async def register(parts: Parts[LanguageSettings], server: grpc.aio.Server) -> None:
    """Builds the service's one servicer from its parts."""
    terms = default_terms()
    reader = NoteReader(EntityReader(default_linker(), terms))
    vocabulary = Vocabulary(terms)
    library = Library(parts.settings.literature_folder)
    literature = LiteratureDesk(parts.catalog, library, LiteratureSearcher(library, vocabulary))
    servicer = LanguageServicer(parts.catalog, reader, PassageRanker(vocabulary), literature)
    language_pb2_grpc.add_LanguageServiceServicer_to_server(servicer, server)


SERVICE = Service(
    name="language",
    settings=LanguageSettings,
    descriptors=(language_pb2.DESCRIPTOR.services_by_name["LanguageService"],),
    register=register,
    tasks=TASKS,
)

if __name__ == "__main__":
    run(SERVICE)
