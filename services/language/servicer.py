"""`medmesh.language.v1.LanguageService`: choose the models, call, convert."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, suppress
from typing import Any

from medmesh.language.v1 import (
    bundle_deidentification_pb2,
    deidentification_pb2,
    language_pb2_grpc,
    report_pb2,
)
from medmesh.language.v1 import language_pb2 as pb
from medmesh.language.v1 import literature_pb2 as literature_pb
from services.chassis.errors import ModelUnknown
from services.chassis.models.catalog import Catalog
from services.language.convert import embeddings_message, note_message, ranking_message
from services.language.deidentification.bundles import deidentify_bundle
from services.language.deidentification.convert import bundle_message, deidentification_message, options
from services.language.deidentification.reading import Deidentifier, is_deidentifier
from services.language.draft_writing import DraftWriting
from services.language.literature.desk import LiteratureDesk
from services.language.note_reading import NoteReader
from services.language.ranking import PassageRanker
from services.language.tasks import (
    TEXT_CLASSIFICATION,
    TEXT_EMBEDDING,
    TEXT_GENERATION,
    TOKEN_CLASSIFICATION,
)
from services.language.tasks.text_classification import TextClassifier
from services.language.tasks.token_classification import TokenClassifier
from services.language.texts import check_texts

_READS_NOTES = frozenset({TOKEN_CLASSIFICATION.name, TEXT_CLASSIFICATION.name})


class LanguageServicer(language_pb2_grpc.LanguageServiceServicer):
    """Answers the rpcs with the models that the catalog serves at the time of each request."""

    def __init__(
        self,
        catalog: Catalog,
        reader: NoteReader,
        ranker: PassageRanker,
        drafts: DraftWriting,
        deidentifier: Deidentifier,
        literature: LiteratureDesk,
        deidentification_key: bytes = b"",
    ) -> None:
        self._catalog = catalog
        self._reader = reader
        self._ranker = ranker
        self._drafts = drafts
        self._deidentifier = deidentifier
        self._deidentification_key = deidentification_key
        self._literature = literature

    async def AnalyzeNote(self, request: pb.AnalyzeNoteRequest, context: Any) -> pb.AnalyzeNoteResponse:
        models, refused = self._chosen(request.models)
        reading = await self._reader.read(request.note, models, refused, with_rules=not request.models)
        return pb.AnalyzeNoteResponse(analysis=note_message(request.note, reading))

    async def EmbedTexts(self, request: pb.EmbedTextsRequest, context: Any) -> pb.EmbedTextsResponse:
        embedder = self._catalog.only(TEXT_EMBEDDING, request.model)
        check_texts(request.texts, "texts")
        are_queries = [request.use == pb.TEXT_USE_QUERY] * len(request.texts)
        embeddings = await embedder.embed(request.texts, are_queries)
        return pb.EmbedTextsResponse(embeddings=embeddings_message(embeddings))

    async def RankPassages(self, request: pb.RankPassagesRequest, context: Any) -> pb.RankPassagesResponse:
        embedder = self._catalog.only(TEXT_EMBEDDING, request.model)
        most = request.max_passage_count if request.HasField("max_passage_count") else None
        ranking = await self._ranker.rank(embedder, request.query, request.passages, most)
        return pb.RankPassagesResponse(ranking=ranking_message(ranking))

    async def GenerateReport(
        self, request: report_pb2.GenerateReportRequest, context: Any
    ) -> AsyncIterator[report_pb2.GenerateReportResponse]:
        model = self._catalog.only(TEXT_GENERATION, request.options.model)
        async with aclosing(self._drafts.report(request, model)) as events:
            async for sentence, draft in events:
                yield report_pb2.GenerateReportResponse(sentence=sentence, draft=draft)

    async def Summarize(
        self, request: report_pb2.SummarizeRequest, context: Any
    ) -> AsyncIterator[report_pb2.SummarizeResponse]:
        model = self._catalog.only(TEXT_GENERATION, request.model)
        async with aclosing(self._drafts.summary(request, model)) as events:
            async for sentence, draft in events:
                yield report_pb2.SummarizeResponse(sentence=sentence, draft=draft)

    async def Deidentify(
        self, request: deidentification_pb2.DeidentifyRequest, context: Any
    ) -> deidentification_pb2.DeidentifyResponse:
        model = self._identifying(request.model)
        done = await self._deidentifier.deidentify(
            request.texts, options(request, self._deidentification_key), model
        )
        return deidentification_pb2.DeidentifyResponse(deidentification=deidentification_message(done))

    async def DeidentifyBundle(
        self, request: bundle_deidentification_pb2.DeidentifyBundleRequest, context: Any
    ) -> bundle_deidentification_pb2.DeidentifyBundleResponse:
        model = self._identifying("")
        done = await deidentify_bundle(
            request.fhir_bundle, request.key, request.patient, self._deidentifier, model
        )
        return bundle_message(done)

    def _identifying(self, name: str) -> TokenClassifier | None:
        """The token classifier that finds identifiers: the one named, else the first; else None."""
        if name:
            named = self._catalog.named(TOKEN_CLASSIFICATION, name)
            if not is_deidentifier(named):
                raise ModelUnknown(metadata={"field": "model"})
            return named
        return next(filter(is_deidentifier, self._catalog.models(TOKEN_CLASSIFICATION)), None)

    async def SearchLiterature(
        self, request: literature_pb.SearchLiteratureRequest, context: Any
    ) -> literature_pb.SearchLiteratureResponse:
        return await self._literature.search(request)

    async def AddLiterature(
        self, request: literature_pb.AddLiteratureRequest, context: Any
    ) -> literature_pb.AddLiteratureResponse:
        return await self._literature.add(request)

    async def ListLiterature(
        self, request: literature_pb.ListLiteratureRequest, context: Any
    ) -> literature_pb.ListLiteratureResponse:
        return await self._literature.list()

    async def RemoveLiterature(
        self, request: literature_pb.RemoveLiteratureRequest, context: Any
    ) -> literature_pb.RemoveLiteratureResponse:
        return await self._literature.remove(request)

    def _chosen(self, names: Sequence[str]) -> tuple[list[TokenClassifier | TextClassifier], list[str]]:
        """The models that read a note: those named, else the defaults, sorted by name; and the names of
        those that would be among them and are refused.
        """
        if names:
            return [self._named(name, names) for name in dict.fromkeys(names)], []
        models: list[TokenClassifier | TextClassifier] = [
            *self._catalog.defaults(TOKEN_CLASSIFICATION),
            *self._catalog.defaults(TEXT_CLASSIFICATION),
        ]
        if not models:
            self._catalog.only(TOKEN_CLASSIFICATION)  # raises, and says why
        refused = [
            entry.name
            for entry in self._catalog.entries()
            if entry.served is None and entry.checked.task in _READS_NOTES
        ]
        return sorted(models, key=lambda model: model.name), refused

    def _named(self, name: str, names: Sequence[str]) -> TokenClassifier | TextClassifier:
        with suppress(ModelUnknown):
            return self._catalog.named(TOKEN_CLASSIFICATION, name)
        try:
            return self._catalog.named(TEXT_CLASSIFICATION, name)
        except ModelUnknown as error:
            raise ModelUnknown(metadata={"field": f"models[{list(names).index(name)}]"}) from error
