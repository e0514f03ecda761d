"""What this service expects of the models in `triton_repo/` that it uses."""

from __future__ import annotations

import numpy as np

from services.chassis.models.inference import ModelSpec, Tensor
from services.recommendation import features, outcome, ranking, series, similarity

FEATURE_COUNT = 921
"""Length of a record's vector by the vocabularies of both record models."""
TREATMENT_COUNT = 178

TREATMENT_RANKER = ModelSpec(
    name=ranking.MODEL,
    inputs=(Tensor("features", np.float32, (FEATURE_COUNT,)),),
    outputs=(Tensor("scores", np.float32, (TREATMENT_COUNT,)),),
    preprocessing_version=features.PREPROCESSING_VERSION,
)

PATIENT_ENCODER = ModelSpec(
    name=similarity.MODEL,
    inputs=(Tensor("features", np.float32, (FEATURE_COUNT,)),),
    outputs=(
        Tensor("representation", np.float32, (similarity.REPRESENTATION_SIZE,)),
        Tensor("reconstruction", np.float32, (FEATURE_COUNT,)),
    ),
    preprocessing_version=features.PREPROCESSING_VERSION,
    required=False,
)

_SERIES = (series.HOUR_COUNT, len(series.VARIABLES))
ICU_OUTCOME = ModelSpec(
    name=outcome.MODEL,
    inputs=(
        Tensor("values", np.float32, _SERIES),
        Tensor("observed", np.float32, _SERIES),
        Tensor("gap_hours", np.float32, _SERIES),
        Tensor("static", np.float32, (len(series.STATIC_NAMES),)),
    ),
    outputs=(Tensor("probability", np.float32, (1,)),),
    preprocessing_version=series.PREPROCESSING_VERSION,
    required=False,
)

SPECS = (TREATMENT_RANKER, PATIENT_ENCODER, ICU_OUTCOME)
