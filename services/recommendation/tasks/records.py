"""What the tasks that read records share: the vocabulary in the model's folder, held to the card."""

from __future__ import annotations

from medmesh.common.v1.serving_pb2 import RecordPreprocessing
from services.chassis.models.served import ServedModel
from services.recommendation.features import FeatureEncoder, Vocabulary
from services.recommendation.tasks.model import require_shape


def encoder_of(model: ServedModel, preprocessing: RecordPreprocessing) -> FeatureEncoder:
    """Turns records into the model's input.

    ValueError, which begins with the field, where the vocabulary is of another version or does not fit the
    tensor; FileNotFoundError.
    """
    try:
        vocabulary = Vocabulary.load(model.folder / preprocessing.vocabulary_file)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"preprocessing.vocabulary_file: {error}") from error
    encoder = FeatureEncoder(
        vocabulary,
        has_indicators=preprocessing.missing_value != RecordPreprocessing.MISSING_VALUE_MEAN,
    )
    require_shape(model.card.inputs, preprocessing.tensor, "preprocessing.tensor", (encoder.size,))
    return encoder
