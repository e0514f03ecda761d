"""Imported folders in a real Triton: they load and answer like their source."""

from __future__ import annotations

import numpy as np
import pytest

from services.local.triton import EmbeddedTriton, TritonSettings
from tests.importing import onnx_models, triton_http
from training.importing.importer import run
from training.importing.onnx_file import OnnxFile

pytestmark = pytest.mark.live


def silent(_):
    """Nobody listens."""


def served_like_their_sources(sources, repository, tmp_path):
    """Starts one Triton on the repository and compares each model with its source."""
    settings = TritonSettings(repository=(repository,), log=tmp_path / "triton.log")
    with EmbeddedTriton.start(settings, silent) as triton:
        for name, source in sources.items():
            for inputs in source.examples():
                answer = triton_http.infer(triton.http_address, name, inputs)
                expected = source.reference(inputs)
                assert set(answer) == set(expected)
                for output, values in expected.items():
                    np.testing.assert_allclose(answer[output], values, rtol=1e-3, atol=1e-3)


def test_an_onnx_file(order, given, repository, tmp_path):
    source = OnnxFile(onnx_models.pictures(tmp_path / "source.onnx"), {})
    run(order("pictures", given=given | onnx_models.DESCRIBED), source, silent)
    served_like_their_sources({"pictures": source}, repository, tmp_path)


def test_the_networks_of_torch(order, repository, tmp_path):
    torch = pytest.importorskip("torch", reason="torch is not here: make test-training")
    from tests.importing import checkpoints
    from training.importing.huggingface.sentence_encoder import SentenceEncoder
    from training.importing.huggingface.token_classifier import TokenClassifier
    from training.importing.radiographs import Radiographs

    torch.save(checkpoints.chest_state(), tmp_path / "chest.pt")
    sources = {
        "findings": Radiographs(tmp_path / "chest.pt", None, thresholdless=False),
        "entities": TokenClassifier(checkpoints.tagger(tmp_path / "tagger", "distilbert")),
        "sentences": SentenceEncoder(checkpoints.encoder(tmp_path / "encoder", "roberta")),
    }
    for name, source in sources.items():
        run(order(name), source, silent)
    served_like_their_sources(sources, repository, tmp_path)
