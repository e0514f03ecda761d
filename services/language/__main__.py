"""The language service: `python -m services.language`. Only wires."""

from __future__ import annotations

import grpc

from medmesh.language.v1 import language_pb2, language_pb2_grpc
from services.chassis.models.catalog import Catalog
from services.chassis.rpc.server import Parts, Service, run
from services.language.agreement import Vocabulary
from services.language.annotation import NoteAnnotator
from services.language.confidence import AS_DECODED, Confidence
from services.language.embedding import TextEmbedder
from services.language.linking import Linker
from services.language.models import CLINICAL_NER, NOTE_EMBEDDING, SPECS
from services.language.ranking import PassageRanker
from services.language.recovery import Terms
from services.language.servicer import LanguageServicer
from services.language.settings import LanguageSettings
from services.language.tokenization import NoteTokenizer, UnservedTokenizer


async def register(parts: Parts[LanguageSettings], server: grpc.aio.Server) -> None:
    """Builds the service's one servicer from its parts; each model's tokenizer lies in its folder."""
    tokenizers = {spec.name: _tokenizer(parts.catalog, spec.name) for spec in SPECS}
    confidence = AS_DECODED
    if parts.catalog.serves(CLINICAL_NER.name):
        confidence = Confidence.from_parameters(parts.catalog.card(CLINICAL_NER.name).serving_parameters)
    terms = Terms()
    embedder = TextEmbedder(parts.inference, tokenizers[NOTE_EMBEDDING.name])
    servicer = LanguageServicer(
        NoteAnnotator(parts.inference, tokenizers[CLINICAL_NER.name], Linker(), terms, confidence),
        embedder,
        PassageRanker(embedder, Vocabulary(terms)),
        parts.provenance,
    )
    language_pb2_grpc.add_LanguageServiceServicer_to_server(servicer, server)


def _tokenizer(catalog: Catalog, name: str) -> NoteTokenizer:
    """The tokenizer of a model; of one that is not served, its refusal."""
    found = catalog.load(name, lambda folder: NoteTokenizer.from_file(folder / "tokenizer.json"))
    return found or UnservedTokenizer(name, catalog.refusal(name))


SERVICE = Service(
    name="language",
    settings=LanguageSettings,
    descriptors=(language_pb2.DESCRIPTOR.services_by_name["LanguageService"],),
    register=register,
    models=SPECS,
)

if __name__ == "__main__":
    run(SERVICE)
