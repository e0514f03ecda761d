"""Imported folders, served by the services on a real Triton, with no line of code touched."""

from __future__ import annotations

import shutil
from contextlib import asynccontextmanager

import grpc
import numpy as np
import pytest

from medmesh.imaging.v1 import imaging_pb2, imaging_pb2_grpc
from medmesh.language.v1 import language_pb2, language_pb2_grpc
from services.chassis.rpc.server import running_server
from services.imaging.__main__ import SERVICE as IMAGING
from services.imaging.settings import ImagingSettings
from services.language.__main__ import SERVICE as LANGUAGE
from services.language.settings import LanguageSettings
from services.local.triton import EmbeddedTriton, TritonSettings
from tests.imaging import samples
from tests.importing import onnx_models
from tests.importing.conftest import GIVEN
from training.importing.importer import Order, run
from training.importing.onnx_file import OnnxFile
from training.model_card import MODEL_REPOSITORY

pytestmark = [pytest.mark.live, pytest.mark.slow]
NEEDED = "is not here: make test-training"
NOTE = "Known asthma, on salbutamol. Severe chest pain and fever."


def silent(_):
    """Nobody listens."""


def imported(name, source, folder, **more):
    """Imports a model into the repository in `folder`, with what a user would say of it."""
    order = Order(name, folder, {**GIVEN, **more}, folder / "source", "import it")
    return run(order, source, silent)


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    shutil.copytree(MODEL_REPOSITORY / "image_gate", folder / "image_gate")
    file = onnx_models.pictures(tmp_path_factory.mktemp("source") / "source.onnx")
    imported("pictures", OnnxFile(file, {}), folder, **onnx_models.DESCRIBED)
    return folder


@pytest.fixture(scope="module")
def with_torch(repository, tmp_path_factory):
    """One of each kind that needs torch, in the same repository."""
    torch = pytest.importorskip("torch", reason=f"torch {NEEDED}")
    pytest.importorskip("transformers", reason=f"transformers {NEEDED}")
    from tests.importing import bundles, checkpoints, pictures_made
    from training.importing.huggingface.image_classifier import ImageClassifier
    from training.importing.huggingface.sentence_encoder import SentenceEncoder
    from training.importing.huggingface.text_classifier import TextClassifier
    from training.importing.huggingface.token_classifier import TokenClassifier
    from training.importing.monai_bundle.source import MonaiBundle
    from training.importing.radiographs import Radiographs

    made = tmp_path_factory.mktemp("made")
    torch.save(checkpoints.chest_state(), made / "chest.pt")
    imported("findings", Radiographs(made / "chest.pt", None, thresholdless=False), repository)
    chest = {"applies_to": {"modalities": [], "body_parts": ["CHEST"]}}
    for family in pictures_made.FAMILIES:
        source = ImageClassifier(pictures_made.classifier(made / family, family))
        imported(family, source, repository, serving={"image_classification": chest})
    for name, make, task in (
        ("plane_labels", bundles.plane_classifier, "image_classification"),
        ("plane_masks", bundles.plane_segmenter, "image_segmentation"),
        ("volume_masks", bundles.volume_segmenter, "image_segmentation"),
    ):
        any_part = {task: {"applies_to": {"body_parts": [], "modalities": []}}}
        source = MonaiBundle(make(made / name))
        imported(name, source, repository, serving=any_part, **bundles.COMPLETED)
    for name, kind, folder in (
        ("entities", TokenClassifier, checkpoints.tagger(made / "tagger", "distilbert")),
        ("labels", TextClassifier, checkpoints.text_classifier(made / "texts", "roberta")),
        ("sentences", SentenceEncoder, checkpoints.encoder(made / "encoder", "bert")),
    ):
        imported(name, kind(folder), repository)
    return repository


@asynccontextmanager
async def serving(service, settings, stub, folder, log):
    """The service on one Triton with the repository in `folder`."""
    with EmbeddedTriton.start(TritonSettings(repository=(folder,), log=log)) as triton:
        one = settings(
            listen="127.0.0.1:0", triton_url=triton.grpc_address, model_repository=(folder,), drain_s=0
        )
        async with (
            running_server(service, one) as running,
            grpc.aio.insecure_channel(running.address) as channel,
        ):
            yield stub(channel)


def imaging(folder, log):
    return serving(IMAGING, ImagingSettings, imaging_pb2_grpc.ImagingServiceStub, folder, log)


async def analyzed(stub, content, *models):
    request = imaging_pb2.AnalyzeImageRequest(
        sources=[imaging_pb2.ImageSource(content=content)],
        options=imaging_pb2.ImageOptions(models=models),
    )
    return {
        result.provenance.model_name: result
        for result in (await stub.AnalyzeImage(request, timeout=120)).analysis.results
    }


async def test_an_onnx_file_answers(repository, tmp_path):
    async with imaging(repository, tmp_path / "triton.log") as stub:
        results = await analyzed(stub, samples.picture(samples.chest(300, 240)), "pictures")
    assert [finding.label for finding in results["pictures"].findings] != []
    assert sum(finding.probability for finding in results["pictures"].findings) == pytest.approx(1)


async def test_every_kind_of_image_model_answers_side_by_side(with_torch, tmp_path):
    models = ("findings", "vit", "convnext", "resnet", "plane_labels", "plane_masks")
    async with imaging(with_torch, tmp_path / "triton.log") as stub:
        file = samples.dicom(samples.chest(300, 240))
        results = await analyzed(stub, file, *models)
        from tests.imaging.series.stacks import files, head, zipped

        volume = await analyzed(stub, zipped(files(head())), "volume_masks")
    assert set(results) == set(models)
    assert len(results["findings"].findings) == 18
    assert all(0 <= finding.probability <= 1 for finding in results["findings"].findings)
    for name in ("vit", "convnext", "resnet", "plane_labels"):
        assert sum(finding.probability for finding in results[name].findings) == pytest.approx(1, abs=1e-4)
    [mask] = results["plane_masks"].masks
    assert mask.label == "lung"
    assert [mask.label for mask in volume["volume_masks"].masks] == ["lung"]


async def test_every_kind_of_text_model_answers(with_torch, tmp_path):
    async with serving(
        LANGUAGE,
        LanguageSettings,
        language_pb2_grpc.LanguageServiceStub,
        with_torch,
        tmp_path / "triton.log",
    ) as stub:
        request = language_pb2.AnalyzeNoteRequest(note=NOTE, models=["entities", "labels"])
        results = (await stub.AnalyzeNote(request, timeout=120)).analysis.results
        texts = language_pb2.EmbedTextsRequest(texts=[NOTE, "fever"], model="sentences")
        embedded = (await stub.EmbedTexts(texts, timeout=120)).embeddings
    by_name = {result.provenance.model_name: result for result in results}
    assert set(by_name) == {"entities", "labels"}
    assert sum(label.probability for label in by_name["labels"].labels) == pytest.approx(1, abs=1e-4)
    assert embedded.provenance.model_name == "sentences"
    for point in embedded.embeddings:
        assert np.linalg.norm(point.values) == pytest.approx(1, abs=1e-3)
