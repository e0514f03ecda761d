"""`medmesh.language.v1.LanguageService`: call, convert."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from medmesh.common.v1.answer_pb2 import Provenance
from medmesh.language.v1 import language_pb2 as pb
from medmesh.language.v1 import language_pb2_grpc
from services.language.annotation import NoteAnnotator
from services.language.convert import embeddings_message, note_message, ranking_message
from services.language.embedding import TextEmbedder
from services.language.models import CLINICAL_NER, NOTE_EMBEDDING
from services.language.ranking import PassageRanker


class LanguageServicer(language_pb2_grpc.LanguageServiceServicer):
    """Answers the three rpcs; `provenance` says where the answers of a model come from."""

    def __init__(
        self,
        annotator: NoteAnnotator,
        embedder: TextEmbedder,
        ranker: PassageRanker,
        provenance: Callable[[str], Awaitable[Provenance]],
    ) -> None:
        self._annotator = annotator
        self._embedder = embedder
        self._ranker = ranker
        self._provenance = provenance

    async def AnalyzeNote(self, request: pb.AnalyzeNoteRequest, context: Any) -> pb.AnalyzeNoteResponse:
        entities = await self._annotator.annotate(request.note)
        provenance = await self._provenance(CLINICAL_NER.name)
        # What could not be read is looked for in the whole note, which may be long: off the event loop.
        return await asyncio.to_thread(note_message, request.note, entities, provenance)

    async def EmbedTexts(self, request: pb.EmbedTextsRequest, context: Any) -> pb.EmbedTextsResponse:
        embeddings = await self._embedder.embed(list(request.texts))
        return embeddings_message(embeddings, await self._provenance(NOTE_EMBEDDING.name))

    async def RankPassages(self, request: pb.RankPassagesRequest, context: Any) -> pb.RankPassagesResponse:
        ranking = await self._ranker.rank(request.query, request.passages, request.max_result_count)
        return ranking_message(ranking, await self._provenance(NOTE_EMBEDDING.name))
