# Long because: it has one method for each call of the mesh, and their docstrings are the reference.
"""The client for asyncio: one method for each call of the mesh."""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import partial
from types import TracebackType
from typing import Any, Self

from medmesh import images, requests, rpcs
from medmesh.aio.calls import AsyncCalls
from medmesh.aio.jobs import AsyncJobs
from medmesh.aio.literature import AsyncLiterature
from medmesh.aio.uploads import AsyncUploads
from medmesh.common.v1 import catalog_pb2, trace_pb2
from medmesh.common.v1.concept_pb2 import CodedConcept, Concept
from medmesh.common.v1.model_card_pb2 import ModelCard
from medmesh.connection import Connection, Tls, resolve
from medmesh.images import Image, ImageFile
from medmesh.imaging.v1 import imaging_pb2
from medmesh.imaging.v1.deidentification_pb2 import (
    BURNED_IN_TEXT_MASKED,
    BurnedInText,
    ImageDeidentification,
    ImageDeidentificationOptions,
    ProfileOption,
)
from medmesh.imaging.v1.imaging_pb2 import ImageAnalysis, ImageOptions, ImageSource
from medmesh.language.v1 import (
    bundle_deidentification_pb2,
    deidentification_pb2,
    language_pb2,
    report_pb2,
)
from medmesh.language.v1.bundle_deidentification_pb2 import BundleDeidentification
from medmesh.language.v1.deidentification_pb2 import (
    REPLACEMENT_STYLE_PLACEHOLDER,
    Deidentification,
    IdentifierKind,
    KnownIdentifier,
    ReplacementStyle,
)
from medmesh.language.v1.language_pb2 import (
    TEXT_USE_UNSPECIFIED,
    NoteAnalysis,
    PassageRanking,
    TextEmbeddings,
    TextUse,
)
from medmesh.language.v1.report_pb2 import (
    Draft,
    DraftSentence,
    ReportEvidence,
    ReportOptions,
    SummarizeRequest,
)
from medmesh.orchestrator.v1 import orchestrator_pb2
from medmesh.orchestrator.v1.orchestrator_pb2 import Branch, Diagnosis, DiagnosticCase
from medmesh.recommendation.v1 import medication_check_pb2, recommendation_pb2
from medmesh.recommendation.v1.medication_check_pb2 import MedicationCheck
from medmesh.recommendation.v1.recommendation_pb2 import (
    OutcomePrediction,
    RecordReading,
    SimilarPatients,
    TreatmentRanking,
)
from medmesh.requests import DraftedOrder, Note, Patient, Stay
from medmesh.waiting import in_thread


class AsyncClient:
    """A connection to the mesh. Make it where the event loop runs; it belongs to that loop.

    `url` is the orchestrator's `host:port`. What is left out comes from the environment (`MEDMESH_URL`,
    `MEDMESH_IMAGING_URL`, `MEDMESH_LANGUAGE_URL`, `MEDMESH_RECOMMENDATION_URL`, `MEDMESH_JOBS_URL`,
    `MEDMESH_TOKEN`, `MEDMESH_TIMEOUT_S`, `MEDMESH_PRIORITY`, `MEDMESH_CLIENT_CA`,
    `MEDMESH_CLIENT_CERTIFICATE`, `MEDMESH_CLIENT_KEY`), else from the defaults: this machine, ports 50060 to
    50064. `tls=True` trusts the system's authorities. `attempts` is how often a call is made where the
    connection fails it; what a service refuses is not asked again. `priority` says which calls go first where
    they wait: `urgent`, `routine` or `bulk`.

    Every call takes `timeout_s`, its deadline in seconds over all attempts, and `request_id` (a UUID), which
    is in every log line and span of it; left out, a new one is made. Every call raises the errors of
    `medmesh.errors`. Channels open with the first call.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        imaging: str | None = None,
        language: str | None = None,
        recommendation: str | None = None,
        jobs: str | None = None,
        token: str | None = None,
        tls: Tls | bool | None = None,
        timeout_s: float | None = None,
        attempts: int = 2,
        priority: str | None = None,
    ) -> None:
        self.connection: Connection = resolve(
            url,
            imaging=imaging,
            language=language,
            recommendation=recommendation,
            jobs=jobs,
            token=token,
            tls=tls,
            timeout_s=timeout_s,
            priority=priority,
            environment=os.environ,
        )
        self._calls = AsyncCalls(self.connection, attempts)
        self._uploads = AsyncUploads(self._calls)
        self.literature = AsyncLiterature(self._calls)
        self.jobs = AsyncJobs(self._calls)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the channels; calls under way end with CANCELLED."""
        await self._calls.close()

    async def diagnose(
        self,
        case: DiagnosticCase | None = None,
        *,
        image: Image | Sequence[Image] | None = None,
        note: Note | None = None,
        patient: Patient | None = None,
        body_part: str | None = None,
        models: Iterable[str] = (),
        heat_map: bool = False,
        overlay: bool = False,
        max_treatments: int | None = None,
        draft_report: ReportOptions | bool = False,
        required: Iterable[str] = (),
        receipt_salt: str | None = None,
        timeout_s: float | None = None,
        request_id: str | None = None,
    ) -> Diagnosis:
        """One combined request: images, a note, a record, or any of them.

        `image` is one image or a list of them; a series in the list is a list of its own, or a folder, or a
        zip. Above 64 MiB together they are uploaded first. `body_part` (DICOM's term), `models` (of imaging),
        `heat_map` and `overlay` go with each image. A ready `case` replaces all of them. `max_treatments`: 10
        unless given. `draft_report` asks for the draft of a report too: True, or its options. With the
        `receipt_salt` of a receipt, the new one's digests can be compared with it.

        A branch that fails makes the diagnosis PARTIAL (`completeness`, `branches`) and raises nothing;
        Unavailable means that every branch failed, or one of those `required` (`image`, `note`, `record`,
        `treatments`, `report`). `request_id` names the request: the same one sent again
        with the same id, as the client's own second attempt is, gets the same answer and receipt.
        """
        request = orchestrator_pb2.DiagnoseRequest(
            receipt_salt=receipt_salt, request_id=self._idempotency_key(request_id)
        )
        options = requests.image_options(body_part, models, heat_map=heat_map, overlay=overlay)
        further = {
            "note": note,
            "patient": patient,
            "max_treatments": max_treatments,
            "draft_report": draft_report,
            "required": required,
        }
        async with self._filled(request.case, case, image, options, timeout_s, **further):
            named = request.request_id or None
            answer: orchestrator_pb2.DiagnoseResponse = await self._calls.unary(
                rpcs.DIAGNOSE, request, timeout_s, named, repeatable=named is not None
            )
        return answer.diagnosis

    async def diagnose_stream(
        self,
        case: DiagnosticCase | None = None,
        *,
        image: Image | Sequence[Image] | None = None,
        note: Note | None = None,
        patient: Patient | None = None,
        body_part: str | None = None,
        models: Iterable[str] = (),
        heat_map: bool = False,
        overlay: bool = False,
        max_treatments: int | None = None,
        draft_report: ReportOptions | bool = False,
        required: Iterable[str] = (),
        receipt_salt: str | None = None,
        timeout_s: float | None = None,
        request_id: str | None = None,
    ) -> AsyncIterator[Branch | DraftSentence | Diagnosis]:
        """As `diagnose`, with each branch as it ends, each sentence of the draft report as it is written, and
        the whole diagnosis as the last. Asked once.
        """
        request = orchestrator_pb2.DiagnoseStreamRequest(receipt_salt=receipt_salt, request_id=request_id)
        options = requests.image_options(body_part, models, heat_map=heat_map, overlay=overlay)
        further = {
            "note": note,
            "patient": patient,
            "max_treatments": max_treatments,
            "draft_report": draft_report,
            "required": required,
        }
        async with self._filled(request.case, case, image, options, timeout_s, **further):
            events = self._calls.stream(rpcs.DIAGNOSE_STREAM, request, timeout_s, request_id)
            async with aclosing(events):
                async for event in events:
                    yield getattr(event, event.WhichOneof("event"))

    async def analyze_image(
        self,
        image: Image,
        *,
        body_part: str | None = None,
        models: Iterable[str] = (),
        heat_map: bool = False,
        overlay: bool = False,
        timeout_s: float | None = None,
        request_id: str | None = None,
    ) -> ImageAnalysis:
        """One image, or one series: a list of its files, their folder, or a zip of them.

        `models` are the names of those that are to answer; none: every served default that applies. Above
        16 MiB a file goes in chunks; above 64 MiB, and a series above 16 MiB, it is uploaded first.
        """
        files = images.files(image)
        options = requests.image_options(body_part, models, heat_map=heat_map, overlay=overlay)
        size = await in_thread(images.size_bytes, files)
        if len(files) == 1 and images.UNARY_LIMIT_BYTES < size <= images.MESSAGE_LIMIT_BYTES:
            with await in_thread(images.opened, files) as content:
                parts = partial(images.stream_parts, content, options)
                streamed: imaging_pb2.AnalyzeImageStreamResponse = await self._calls.from_stream(
                    rpcs.ANALYZE_IMAGE_STREAM, parts, timeout_s, request_id
                )
            return streamed.analysis
        async with self._uploads.within(images.UNARY_LIMIT_BYTES, [files], "imaging", timeout_s) as sent:
            request = imaging_pb2.AnalyzeImageRequest(options=options)
            await in_thread(images.fill, request.sources, sent[0])
            answer: imaging_pb2.AnalyzeImageResponse = await self._calls.unary(
                rpcs.ANALYZE_IMAGE, request, timeout_s, request_id
            )
        return answer.analysis

    async def deidentify_image(
        self,
        image: ImageFile,
        *,
        key: bytes,
        patient: str = "",
        profile_options: Iterable[ProfileOption] = (),
        burned_in_text: BurnedInText = BURNED_IN_TEXT_MASKED,
        timeout_s: float | None = None,
        request_id: str | None = None,
    ) -> tuple[bytes, ImageDeidentification]:
        """One DICOM, PNG or JPEG file without what identifies a patient, and what was done. `key` (16 to 256
        bytes) is the secret that pseudonyms hang on; `patient` left out is the file's own Patient ID.
        """
        options = ImageDeidentificationOptions(
            key=key, patient=patient, profile_options=profile_options, burned_in_text=burned_in_text
        )
        done, data = ImageDeidentification(), bytearray()
        with await in_thread(images.opened, images.files(image)) as content:
            parts = images.deidentification_parts(content, options)
            answers = self._calls.stream(rpcs.DEIDENTIFY_IMAGE, parts, timeout_s, request_id)
            async with aclosing(answers):
                async for answer in answers:
                    data += answer.chunk
                    done.MergeFrom(answer.deidentification)
        return bytes(data), done

    async def deidentify_bundle(
        self,
        bundle: Patient,
        *,
        key: bytes,
        patient: str = "",
        timeout_s: float | None = None,
        request_id: str | None = None,
    ) -> tuple[bytes, BundleDeidentification]:
        """A FHIR bundle (path, bytes or dict) without what identifies a patient, and what was done."""
        request = bundle_deidentification_pb2.DeidentifyBundleRequest(
            fhir_bundle=requests.patient_input(bundle).fhir_bundle, key=key, patient=patient
        )
        answer: bundle_deidentification_pb2.DeidentifyBundleResponse = await self._calls.unary(
            rpcs.DEIDENTIFY_BUNDLE, request, timeout_s, request_id
        )
        return answer.fhir_bundle, answer.deidentification

    async def upload(
        self, image: Image, *, service: str = "orchestrator", timeout_s: float | None = None
    ) -> ImageSource:
        """Sends an image ahead (to imaging for `analyze_image`); `timeout_s` is for each call of it."""
        return await self._uploads.upload(images.files(image), service, timeout_s)

    async def cancel_upload(
        self, upload: ImageSource, *, service: str = "orchestrator", timeout_s: float | None = None
    ) -> None:
        """Deletes what `upload` sent. It is no error if it is gone already."""
        await self._uploads.cancel(upload, service, timeout_s)

    async def analyze_note(
        self,
        note: Note,
        *,
        models: Iterable[str] = (),
        timeout_s: float | None = None,
        request_id: str | None = None,
    ) -> NoteAnalysis:
        """What models read in a note: entities with what the note asserts of each, and labels of the whole.
        `models` are names; none: every served one that is a default.
        """
        request = language_pb2.AnalyzeNoteRequest(note=requests.note_text(note), models=models)
        answer: language_pb2.AnalyzeNoteResponse = await self._calls.unary(
            rpcs.ANALYZE_NOTE, request, timeout_s, request_id
        )
        return answer.analysis

    async def embed(
        self,
        texts: str | Sequence[str],
        *,
        model: str = "",
        use: TextUse = TEXT_USE_UNSPECIFIED,
        timeout_s: float | None = None,
        request_id: str | None = None,
    ) -> TextEmbeddings:
        """Texts as points of unit length, at most 256. `use` matters to models that prefix queries."""
        request = language_pb2.EmbedTextsRequest(
            texts=[texts] if isinstance(texts, str) else texts, model=model, use=use
        )
        answer: language_pb2.EmbedTextsResponse = await self._calls.unary(
            rpcs.EMBED_TEXTS, request, timeout_s, request_id
        )
        return answer.embeddings

    async def generate_report(
        self,
        evidence: ReportEvidence,
        *,
        options: ReportOptions | None = None,
        timeout_s: float | None = None,
        request_id: str | None = None,
    ) -> AsyncIterator[DraftSentence | Draft]:
        """A report drafted from evidence: each sentence that holds as it is written, and the whole draft as
        the last. Asked once.
        """
        request = report_pb2.GenerateReportRequest(evidence=evidence, options=options)
        events = self._calls.stream(rpcs.GENERATE_REPORT, request, timeout_s, request_id)
        async with aclosing(events):
            async for event in events:
                yield getattr(event, event.WhichOneof("event"))

    async def summarize(
        self,
        text: Note,
        *,
        kind: SummarizeRequest.Kind = SummarizeRequest.KIND_UNSPECIFIED,
        model: str = "",
        timeout_s: float | None = None,
        request_id: str | None = None,
    ) -> AsyncIterator[DraftSentence | Draft]:
        """The impression of findings, or a note's summary (`kind`): sentences that hold, then the draft."""
        request = report_pb2.SummarizeRequest(text=requests.note_text(text), kind=kind, model=model)
        events = self._calls.stream(rpcs.SUMMARIZE, request, timeout_s, request_id)
        async with aclosing(events):
            async for event in events:
                yield getattr(event, event.WhichOneof("event"))

    async def rank_passages(
        self,
        query: str,
        passages: Sequence[str],
        *,
        max_results: int | None = None,
        model: str = "",
        timeout_s: float | None = None,
        request_id: str | None = None,
    ) -> PassageRanking:
        """The caller's passages by nearness in meaning to the query, at most 256; `max_results` None: all."""
        request = language_pb2.RankPassagesRequest(
            query=query, passages=passages, max_passage_count=max_results, model=model
        )
        answer: language_pb2.RankPassagesResponse = await self._calls.unary(
            rpcs.RANK_PASSAGES, request, timeout_s, request_id
        )
        return answer.ranking

    async def deidentify(
        self,
        texts: str | Sequence[str],
        *,
        style: ReplacementStyle = REPLACEMENT_STYLE_PLACEHOLDER,
        key: bytes = b"",
        patient: str = "",
        known: Iterable[KnownIdentifier] = (),
        kept_kinds: Iterable[IdentifierKind] = (),
        model: str = "",
        timeout_s: float | None = None,
        request_id: str | None = None,
    ) -> Deidentification:
        """Texts of one patient without what identifies a person, with the offsets before and after. `key`
        (16 to 256 bytes) is the secret of surrogates; with `patient` it decides by how many days dates
        are shifted. `known` is what the caller knows to identify the patient.
        """
        request = deidentification_pb2.DeidentifyRequest(
            texts=[texts] if isinstance(texts, str) else texts,
            style=style,
            key=key,
            patient=patient,
            kept_kinds=kept_kinds,
            known=known,
            model=model,
        )
        answer: deidentification_pb2.DeidentifyResponse = await self._calls.unary(
            rpcs.DEIDENTIFY, request, timeout_s, request_id
        )
        return answer.deidentification

    async def rank_treatments(
        self,
        patient: Patient,
        *,
        further_conditions: Iterable[Concept | CodedConcept] = (),
        further_allergies: Iterable[Concept | CodedConcept] = (),
        further_medications: Iterable[Concept | CodedConcept] = (),
        max_results: int | None = None,
        model: str = "",
        timeout_s: float | None = None,
        request_id: str | None = None,
    ) -> TreatmentRanking:
        """Treatments for a record, each with what drives it and what argues against it; `max_results` None:
        10. What is further known is not in the record; it may have a display alone.
        """
        request = requests.rank_treatments(
            patient, further_conditions, further_allergies, further_medications, max_results, model
        )
        answer: recommendation_pb2.RankTreatmentsResponse = await self._calls.unary(
            rpcs.RANK_TREATMENTS, request, timeout_s, request_id
        )
        return answer.ranking

    async def check_medications(
        self,
        patient: Patient,
        orders: Sequence[DraftedOrder],
        *,
        further_conditions: Iterable[Concept | CodedConcept] = (),
        further_allergies: Iterable[Concept | CodedConcept] = (),
        further_medications: Iterable[Concept | CodedConcept] = (),
        timeout_s: float | None = None,
        request_id: str | None = None,
    ) -> MedicationCheck:
        """Drafted orders held against a record: words such as `clarithromycin 500 mg BID`, FHIR
        MedicationRequests as dicts or bytes, or typed `MedicationOrder`s; at most 50.
        """
        request = requests.check_medications(
            patient, orders, further_conditions, further_allergies, further_medications
        )
        answer: medication_check_pb2.CheckMedicationsResponse = await self._calls.unary(
            rpcs.CHECK_MEDICATIONS, request, timeout_s, request_id
        )
        return answer.check

    async def read_record(
        self, patient: Patient, *, timeout_s: float | None = None, request_id: str | None = None
    ) -> RecordReading:
        """A FHIR bundle in the typed form that the mesh reads, and what was left out."""
        request = recommendation_pb2.ReadRecordRequest(patient=requests.patient_input(patient))
        answer: recommendation_pb2.ReadRecordResponse = await self._calls.unary(
            rpcs.READ_RECORD, request, timeout_s, request_id
        )
        return answer.reading

    async def similar_patients(
        self,
        patient: Patient,
        *,
        max_results: int | None = None,
        model: str = "",
        timeout_s: float | None = None,
        request_id: str | None = None,
    ) -> SimilarPatients:
        """The patients of the reference population whose records are most alike; `max_results` None: 10."""
        request = recommendation_pb2.FindSimilarPatientsRequest(
            patient=requests.patient_input(patient), max_patient_count=max_results, model=model
        )
        answer: recommendation_pb2.FindSimilarPatientsResponse = await self._calls.unary(
            rpcs.FIND_SIMILAR_PATIENTS, request, timeout_s, request_id
        )
        return answer.similar_patients

    async def predict_outcome(
        self,
        stay: Stay,
        *,
        model: str = "",
        timeout_s: float | None = None,
        request_id: str | None = None,
    ) -> OutcomePrediction:
        """An outcome from what was measured from the start of a stay, e.g. death in hospital."""
        request = recommendation_pb2.PredictOutcomeRequest(stay=requests.hospital_stay(stay), model=model)
        answer: recommendation_pb2.PredictOutcomeResponse = await self._calls.unary(
            rpcs.PREDICT_OUTCOME, request, timeout_s, request_id
        )
        return answer.prediction

    async def models(
        self,
        *,
        page_size: int | None = None,
        timeout_s: float | None = None,
        request_id: str | None = None,
    ) -> catalog_pb2.ListModelsResponse:
        """All models of the mesh, served or not, asked for in pages of `page_size` where it is given, and the
        services that could not be asked.
        """
        whole = catalog_pb2.ListModelsResponse()
        request = catalog_pb2.ListModelsRequest(page_size=page_size)
        while True:
            page: catalog_pb2.ListModelsResponse = await self._calls.unary(
                rpcs.LIST_MODELS, request, timeout_s, request_id
            )
            del whole.unreachable_services[:]  # every page names them all
            whole.MergeFrom(page)
            whole.next_page_token = request.page_token = page.next_page_token
            if not page.next_page_token:
                return whole

    async def model_card(
        self, name: str, *, timeout_s: float | None = None, request_id: str | None = None
    ) -> ModelCard:
        """One model's card. NotFound: no model has that name."""
        request = catalog_pb2.GetModelCardRequest(name=name)
        answer: catalog_pb2.GetModelCardResponse = await self._calls.unary(
            rpcs.GET_MODEL_CARD, request, timeout_s, request_id
        )
        return answer.card

    async def reload_models(
        self, *, timeout_s: float | None = None, request_id: str | None = None
    ) -> catalog_pb2.ReloadModelsResponse:
        """Has every service read its model repository again, and says what became of each model."""
        request = catalog_pb2.ReloadModelsRequest()
        answer: catalog_pb2.ReloadModelsResponse = await self._calls.unary(
            rpcs.RELOAD_MODELS, request, timeout_s, request_id
        )
        return answer

    async def trace(
        self, trace_id: str, *, timeout_s: float | None = None, request_id: str | None = None
    ) -> trace_pb2.GetTraceResponse:
        """The spans that the mesh keeps for a while of a trace of this caller's: 32 hexadecimal digits, as
        in the `traceparent` that the call was sent with. None: it was not sampled, or is no longer kept.
        """
        request = trace_pb2.GetTraceRequest(trace_id=trace_id)
        answer: trace_pb2.GetTraceResponse = await self._calls.unary(
            rpcs.GET_TRACE, request, timeout_s, request_id
        )
        return answer

    def _idempotency_key(self, request_id: str | None) -> str | None:
        """What names a diagnosis: the caller's id, or a new one where the client may ask twice."""
        if request_id is not None or self._calls.attempts == 1:
            return request_id
        return str(uuid.uuid4())

    @asynccontextmanager
    async def _filled(
        self,
        case: DiagnosticCase,
        ready: DiagnosticCase | None,
        image: Image | Sequence[Image] | None,
        options: ImageOptions,
        timeout_s: float | None,
        **further: Any,
    ) -> AsyncIterator[None]:
        """Fills the case of a request; what had to be uploaded for it is deleted at the end of the block."""
        if ready is not None:
            case.CopyFrom(ready)
            yield
            return
        files = [images.files(one) for one in requests.several(image)]
        limit = images.MESSAGE_LIMIT_BYTES
        async with self._uploads.within(limit, files, "orchestrator", timeout_s) as sent:
            await in_thread(requests.fill_case, case, sent, options=options, **further)
            yield
