"""The models of the service: the committed ones, and others that are dropped in."""

from __future__ import annotations

import shutil

import grpc
import numpy as np
import pytest

from medmesh.common.v1 import catalog_pb2, catalog_pb2_grpc
from medmesh.common.v1 import patient_pb2 as patient
from medmesh.common.v1.serving_pb2 import ACTIVATION_SIGMOID
from medmesh.recommendation.v1 import recommendation_pb2 as pb
from medmesh.recommendation.v1 import recommendation_pb2_grpc
from services.chassis.models.checks import sha256
from services.chassis.rpc.server import running_server
from services.recommendation.__main__ import SERVICE
from services.recommendation.features import Treatment, Vocabulary
from services.recommendation.reference_population import ReferencePopulation
from services.recommendation.settings import RecommendationSettings
from tests.fakes import FakeInference, real_card, write_model_repository
from tests.recommendation.conftest import ENCODER, MODELS, PROGNOSIS, RANKER, Served
from tests.recommendation.refusals import refused
from tests.recommendation.requests import (
    ACTIVE,
    GOLDEN_INPUT,
    TIMEOUT,
    coded,
    concept,
    ranking,
    typed,
)


async def test_the_committed_models_are_served_with_their_cards(served):
    stub = catalog_pb2_grpc.ModelCatalogServiceStub(served.channel)
    models = (await stub.ListModels(catalog_pb2.ListModelsRequest(), timeout=TIMEOUT)).models
    assert {(item.name, item.ready) for item in models} == {
        (name, True) for name in (PROGNOSIS, ENCODER, RANKER)
    }
    for name in (RANKER, ENCODER):
        card = real_card(name)
        assert any("modules that people wrote by hand" in item for item in card.limitations)
        assert all(item.ci_low <= item.value <= item.ci_high for item in card.metrics)


def test_the_card_states_what_was_aimed_at():
    """At least half as good again as popularity, and not below EASE, on the same patients; whole
    intervals.
    """
    figures = {item.name: item for item in real_card(RANKER).metrics if not item.subgroup}
    for figure in ("recall_at_5", "ndcg_at_10"):
        for view in ("whole", "decision"):
            assert figures[f"{figure}_{view}_over_popularity"].ci_low > 0.5
            assert figures[f"{figure}_{view}_minus_ease"].ci_low > 0
            assert figures[f"{figure}_{view}_minus_ease_with_side"].value > 0


async def test_similar_patients_share_conditions(served):
    request = pb.FindSimilarPatientsRequest(patient=GOLDEN_INPUT, max_patient_count=5)
    answer = (await served.stub.FindSimilarPatients(request, timeout=TIMEOUT)).similar_patients
    similarities = [item.similarity for item in answer.patients]
    assert len(answer.patients) == 5
    assert similarities == sorted(similarities, reverse=True)
    assert 0.3 < similarities[0] <= 1
    assert all(item.reference_id.startswith("synthetic-") for item in answer.patients)
    shared = [entry for item in answer.patients for entry in item.shared_conditions]
    assert (
        patient.RecordReference(place="Bundle.entry[1].resource", concept=concept("38341003", "Hypertension"))
        in shared
    )
    assert answer.provenance.model_name == ENCODER


async def test_without_the_optional_models_the_others_go_on(tmp_path, inference):
    shutil.copytree(MODELS / RANKER, tmp_path / RANKER)
    settings = RecommendationSettings(listen="127.0.0.1:0", model_repository=(tmp_path,))
    async with (
        running_server(SERVICE, settings, inference=inference) as running,
        grpc.aio.insecure_channel(running.address) as channel,
    ):
        stub = recommendation_pb2_grpc.RecommendationServiceStub(channel)
        ranked = await stub.RankTreatments(pb.RankTreatmentsRequest(patient=GOLDEN_INPUT), timeout=TIMEOUT)
        assert ranked.ranking.treatments
        call = stub.FindSimilarPatients(pb.FindSimilarPatientsRequest(patient=GOLDEN_INPUT), timeout=TIMEOUT)
        assert (await refused(call))[:2] == (grpc.StatusCode.UNAVAILABLE, "MODEL_UNAVAILABLE")


async def test_another_ranker_dropped_in_is_served_by_its_name_under_the_same_safety_rules(tmp_path, graphs):
    """A folder with a vocabulary and tensors of its own: two treatments, one of them a penicillin."""
    shutil.copytree(MODELS / RANKER, tmp_path / RANKER)
    card = real_card(RANKER)
    card.name = "antibiotics"
    card.serving.required = False
    card.serving.default_answer = False
    task = card.serving.record_ranking
    task.preprocessing.tensor, task.scores_tensor = "record", "preference"
    task.activation = ACTIVATION_SIGMOID
    del card.serving.files[:]
    vocabulary = Vocabulary(
        conditions=("snomed|43878008",),
        treatments=(
            Treatment("rxnorm|834060", "Penicillin V Potassium 250 MG Oral Tablet", "medication"),
            Treatment("rxnorm|309097", "Cefuroxime 250 MG Oral Tablet", "medication"),
        ),
        procedures=(),
        allergies=(),
        observations=(),
    )
    card.inputs[0].name, card.inputs[0].shape[:] = "record", [len(vocabulary.names())]
    card.outputs[0].name, card.outputs[0].shape[:] = "preference", [2]
    folder = tmp_path / "antibiotics"
    folder.mkdir()
    vocabulary.save(folder / "vocabulary.json")
    card.serving.files.add(path="vocabulary.json", sha256=sha256(folder / "vocabulary.json"))
    write_model_repository(tmp_path, [card])

    def scores(inputs):
        sore = inputs["record"][:, vocabulary.names().index("condition:snomed|43878008:active")]
        return {"preference": np.stack([3 * sore - 1, sore], axis=1).astype(np.float32)}

    inference = FakeInference({RANKER: graphs[RANKER], "antibiotics": scores})
    settings = RecommendationSettings(listen="127.0.0.1:0", model_repository=(tmp_path,))
    async with (
        running_server(SERVICE, settings, inference=inference) as running,
        grpc.aio.insecure_channel(running.address) as channel,
    ):
        served = Served(
            recommendation_pb2_grpc.RecommendationServiceStub(channel), inference, running, channel
        )
        throat = [patient.Condition(code=coded(concept("43878008", "Sore throat")), clinical_status=ACTIVE)]
        form = typed(conditions=throat, allergies=[patient.Allergy(code=coded(text="Penicillin"))])
        default, own = [await ranking(served, form, model=name) for name in ("", "antibiotics")]
    assert default.provenance.model_name == RANKER
    assert own.provenance.model_name == "antibiotics"
    assert [item.treatment.code for item in own.treatments] == ["834060", "309097"]
    assert own.treatments[0].score == pytest.approx(1 / (1 + np.exp(-2)))
    assert own.treatments[0].drivers[0].contribution == pytest.approx(
        1 / (1 + np.exp(-2)) - 1 / (1 + np.exp(1))
    )
    assert [item.contraindicated for item in own.treatments] == [True, False]
    assert [item.alerts[0].rule_id for item in own.treatments] == [
        "penicillins_after_penicillins_allergy",
        "cephalosporins_after_penicillins_allergy",
    ]


async def test_a_representation_that_is_none_is_no_answer(served):
    def broken(inputs):
        return {
            "representation": np.zeros((1, 64), np.float32),
            "reconstruction": np.zeros_like(inputs["features"]),
        }

    served.inference.functions[ENCODER] = broken
    call = served.stub.FindSimilarPatients(pb.FindSimilarPatientsRequest(patient=typed()), timeout=TIMEOUT)
    assert (await refused(call))[:2] == (grpc.StatusCode.INTERNAL, "MODEL_FAILED")


def test_the_reference_population_survives_its_file(tmp_path):
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(7, 64)).astype(np.float16).astype(np.float32)
    population = ReferencePopulation(tuple(f"p{i}" for i in range(7)), rows, rng.random((7, 13)) < 0.5)
    population.save(tmp_path / "reference.npz")
    read = ReferencePopulation.load(tmp_path / "reference.npz")
    assert read.ids == population.ids
    np.testing.assert_array_equal(read.representations, population.representations)
    np.testing.assert_array_equal(read.conditions, population.conditions)


async def test_real_bundles_are_answered(served, shared_data):
    files = sorted((shared_data / "fhir").glob("*.json"))
    assert files
    for file in files:
        form = patient.PatientInput(fhir_bundle=file.read_bytes())
        request = pb.FindSimilarPatientsRequest(patient=form)
        similar = (await served.stub.FindSimilarPatients(request, timeout=TIMEOUT)).similar_patients
        assert len((await ranking(served, form)).treatments) == len(similar.patients) == 10
