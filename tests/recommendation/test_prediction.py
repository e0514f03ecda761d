"""PredictOutcome as a client sees it."""

from __future__ import annotations

import grpc
import numpy as np
import pytest
from google.protobuf.duration_pb2 import Duration

from medmesh.common.v1 import concept_pb2, quantity_pb2
from medmesh.common.v1.serving_pb2 import ACTIVATION_SIGMOID, Label, ModelServing
from medmesh.recommendation.v1 import recommendation_pb2 as pb
from medmesh.recommendation.v1 import recommendation_pb2_grpc
from services.chassis.models.inference import Tensor
from services.chassis.rpc.server import running_server
from services.clinical.code_systems import LOINC, SNOMED
from services.recommendation.__main__ import SERVICE
from services.recommendation.settings import RecommendationSettings
from tests.clinical.test_fhir import CANARY
from tests.fakes import FakeInference, model_card, write_model_repository
from tests.recommendation.conftest import PROGNOSIS, icu_risk
from tests.recommendation.refusals import refused
from tests.recommendation.requests import TIMEOUT
from tests.recommendation.stays import risk_card

HEART_RATE, LACTATE, SODIUM = "8867-4", "2524-7", "2951-2"


def measurement(code=HEART_RATE, hour=1.0, value=90.0, unit="/min"):
    return pb.StayMeasurement(
        code=concept_pb2.Concept(system=LOINC, code=code),
        value=quantity_pb2.Quantity(value=value, unit=unit),
        since_start=Duration(seconds=round(hour * 3600)),
    )


def stay(**fields):
    fields.setdefault("measurements", [measurement(hour=hour) for hour in (0, 1, 30)])
    fields.setdefault("age", quantity_pb2.PatientAge(years=70))
    return pb.HospitalStay(**{"care_unit": "medical"} | fields)


async def predicted(stub, message, model=""):
    request = pb.PredictOutcomeRequest(stay=message, model=model)
    return (await stub.PredictOutcome(request, timeout=TIMEOUT)).prediction


async def test_an_outcome_names_what_drives_it(served):
    wild = measurement(SODIUM, 2.0, 1e6, "mmol/L")
    lactate = measurement(LACTATE, 2.0, 36.0, "mg/dL")
    answer = await predicted(served.stub, stay(measurements=[*stay().measurements, lactate, wild]))
    assert answer.outcome == "died"
    assert [(item.variable, item.display, item.concept.code) for item in answer.variables] == [
        # The stand-in's risk rises with what is measured, and the heart rate was measured more often.
        ("heart_rate", "heart rate", HEART_RATE),
        ("lactate", "lactate", LACTATE),
    ]
    assert answer.variables[0].probability_without < answer.probability
    assert [(item.start.seconds, item.end.seconds) for item in answer.periods] == [
        (0, 6 * 3600),
        (30 * 3600, 36 * 3600),
    ]
    assert answer.calibrated
    assert list(answer.prediction_set.labels) == ["survived"]
    assert answer.prediction_set.coverage == pytest.approx(0.9)
    assert not answer.abstained
    assert answer.decision_threshold == pytest.approx(0.3076)
    [notice] = answer.notices
    assert (notice.reason, list(notice.places)) == ("IMPLAUSIBLE_VALUES_SKIPPED", ["stay.measurements[4]"])
    assert answer.provenance.model_name == PROGNOSIS


@pytest.mark.parametrize(
    ("message", "reason", "field"),
    [
        (pb.HospitalStay(), "INPUT_MISSING", "stay.measurements"),
        (stay(measurements=[measurement()] * 20_001), "INPUT_TOO_LARGE", "stay.measurements"),
        (stay(measurements=[measurement("")]), "INPUT_MISSING", "stay.measurements[0].code.code"),
        (stay(measurements=[measurement(CANARY)]), "INPUT_UNSUPPORTED", "stay.measurements"),
        (stay(measurements=[measurement(hour=49)]), "INPUT_UNSUPPORTED", "stay.measurements"),
        (stay(measurements=[measurement(hour=-1)]), "INPUT_OUT_OF_RANGE", "stay.measurements[0].since_start"),
        (
            stay(measurements=[measurement(unit=CANARY)]),
            "INPUT_UNSUPPORTED",
            "stay.measurements[0].value.unit",
        ),
        (
            stay(measurements=[measurement(value=float("inf"))]),
            "INPUT_OUT_OF_RANGE",
            "stay.measurements[0].value.value",
        ),
        (stay(height_cm=float("nan")), "INPUT_OUT_OF_RANGE", "stay.height_cm"),
        (stay(care_unit=CANARY), "INPUT_UNSUPPORTED", "stay.care_unit"),
        (stay(age=quantity_pb2.PatientAge(years=14)), "INPUT_UNSUPPORTED", "stay.age"),
    ],
)
async def test_a_bad_stay_is_refused_by_its_field(served, message, reason, field):
    call = served.stub.PredictOutcome(pb.PredictOutcomeRequest(stay=message), timeout=TIMEOUT)
    code, found, named, everything = await refused(call)
    assert (code, found, named) == (grpc.StatusCode.INVALID_ARGUMENT, reason, field)
    assert CANARY not in everything


async def test_another_risk_with_other_variables_is_served_beside_the_first(tmp_path):
    """Kidney injury from creatinine in SI units, in six bins of eight hours, with no other input: no line
    of code knows it.
    """
    serving = ModelServing(default_answer=False, preprocessing_version="series/1")
    task = serving.time_series_risk
    task.preprocessing.bin_minutes, task.preprocessing.bin_count = 480, 6
    task.preprocessing.values_tensor = "series"
    variable = task.preprocessing.variables.add(name="creatinine", unit="umol/L", min=1, max=3000)
    variable.codes.add(system=LOINC, code="2160-0", display="Creatinine")
    task.scores_tensor, task.activation = "logit", ACTIVATION_SIGMOID
    injury = concept_pb2.Concept(system=SNOMED, code="14669001", display="Acute kidney injury")
    task.outcome.CopyFrom(Label(name="kidney_injury", concepts=[injury]))
    card = model_card(
        "kidney",
        serving,
        [Tensor("series", np.float32, (6, 1))],
        [Tensor("logit", np.float32, (1,))],
    )

    def rising(inputs):
        """The log-odds are the creatinine's last value above 100 umol/L, in tens."""
        last = inputs["series"][:, -1, 0]
        return {"logit": np.where(np.isnan(last), -5.0, (last - 100) / 10)[:, None].astype(np.float32)}

    repository = write_model_repository(tmp_path, [risk_card(), card])
    settings = RecommendationSettings(listen="127.0.0.1:0", model_repository=(repository,))
    inference = FakeInference({PROGNOSIS: icu_risk, "kidney": rising})
    measurements = [
        measurement("2160-0", 5, 0.8, "mg/dL"),
        measurement("2160-0", 20, 1.5, "mg/dL"),
        measurement(),
    ]
    async with (
        running_server(SERVICE, settings, inference=inference) as running,
        grpc.aio.insecure_channel(running.address) as channel,
    ):
        stub = recommendation_pb2_grpc.RecommendationServiceStub(channel)
        own = await predicted(stub, stay(measurements=measurements), "kidney")
        first = await predicted(stub, stay(measurements=measurements))
    assert (first.outcome, first.provenance.model_name) == ("died", PROGNOSIS)
    assert (own.outcome, own.provenance.model_name) == ("kidney_injury", "kidney")
    assert list(own.outcome_concepts) == [injury]
    # 1.5 mg/dL are 132.6 umol/L, carried forward to the last bin.
    assert own.probability == pytest.approx(1 / (1 + np.exp(-3.26)), abs=1e-3)
    assert [item.variable for item in own.variables] == ["creatinine"]
    assert not own.calibrated
    assert not own.HasField("prediction_set")
    assert not own.abstained
    assert [(item.reason, list(item.places)) for item in own.notices] == [
        ("MEASUREMENTS_NOT_USED", ["stay.measurements[2]"])
    ]
