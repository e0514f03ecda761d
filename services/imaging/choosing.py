"""Which of the served models answer a request, and what becomes of those that fail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from services.chassis.errors import InvalidInput, MedmeshError, ModelUnavailable
from services.chassis.notices import Notice
from services.imaging.images import DecodedImage
from services.imaging.results import ImageOptions, ModelResult
from services.imaging.routing import Choice, choose, reads, stated
from services.imaging.served import ServedImageModels
from services.imaging.tasks.gate import GateVerdict
from services.imaging.tasks.reading import ImageReader


def candidates(served: ServedImageModels, options: ImageOptions) -> Sequence[ImageReader]:
    """The models that the request names, else those that answer by default.

    Raises ModelUnknown, and ModelUnavailable where none is served.
    """
    if options.models:
        return [served.reader(name) for name in dict.fromkeys(options.models)]
    defaults = [reader for reader in served.readers() if reader.is_default]
    if defaults:
        return defaults
    refused = next(iter(served.refused()), None)
    if refused is not None:
        raise ModelUnavailable(refused.refusal, metadata={"model": refused.name})
    raise ModelUnavailable("no model that reads images is served; add one to the repository")


def chosen(
    served: ServedImageModels,
    candidates: Sequence[ImageReader],
    image: DecodedImage,
    options: ImageOptions,
    verdicts: Sequence[GateVerdict],
) -> Choice | None:
    """See `routing.choose`. Raises ModelUnavailable where a model would read it, and is refused."""
    statement = stated(image, options.body_part)
    try:
        return choose(candidates, image, statement, verdicts, named=bool(options.models))
    except InvalidInput:
        for model in served.refused():
            if reads(model.applies_to, statement.parts):
                raise ModelUnavailable(model.refusal, metadata={"model": model.name}) from None
        raise


def answered(
    models: Sequence[ImageReader], results: Sequence[ModelResult | BaseException]
) -> tuple[list[tuple[ImageReader, ModelResult]], list[Notice]]:
    """The models that answered with what they found, and a notice for each that did not.

    Raises the first one's error where none answered.
    """
    answers, failed = [], []
    for model, result in zip(models, results, strict=True):
        if isinstance(result, ModelResult):
            answers.append((model, result))
        elif isinstance(result, MedmeshError):
            failed.append(replace(_NOT_ANSWERED, model_name=model.name))
        else:
            raise result
    if not answers:
        raise next(result for result in results if isinstance(result, BaseException))
    return answers, failed


_NOT_ANSWERED = Notice(
    "MODEL_DID_NOT_ANSWER",
    "A model that reads such images did not answer; the others did.",
    review_required=True,
)
