"""Which of the served models answer a request, and what becomes of those that fail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from services.chassis.errors import InvalidInput, MedmeshError, ModelUnavailable, ModelUnknown, Reason
from services.chassis.notices import Notice
from services.imaging.images import ImageFacts, unsupported
from services.imaging.results import ImageOptions, ModelResult
from services.imaging.routing import Choice, choose, not_recognised, reads, stated
from services.imaging.served import ServedImageModels
from services.imaging.tasks import Reader
from services.imaging.tasks.gate import GateVerdict
from services.imaging.tasks.reading import ImageReader, VolumeReader

R = TypeVar("R", bound=Reader)
ONLY_SINGLE_IMAGES = (
    "is a series (several files or frames), and the models that read what it shows read single images; send "
    "the one that matters as a file of its own, e.g. by `emf2sf --frame 1 --out-dir DIR IN` (dcm4che)"
)


def candidates(served: ServedImageModels, options: ImageOptions) -> Sequence[Reader]:
    """The models that the request names, else those that answer by default.

    Raises ModelUnknown, and ModelUnavailable where none is served.
    """
    if options.models:
        return [_named(served, name, options.models) for name in dict.fromkeys(options.models)]
    defaults = [reader for reader in served.readers() if reader.is_default]
    if defaults:
        return defaults
    refused = next(iter(served.refused()), None)
    if refused is not None:
        raise ModelUnavailable(refused.refusal, metadata={"model": refused.name})
    raise ModelUnavailable("no model that reads images is served; add one to the repository")


def _named(served: ServedImageModels, name: str, names: Sequence[str]) -> Reader:
    try:
        return served.reader(name)
    except ModelUnknown as error:
        raise ModelUnknown(metadata={"field": f"options.models[{names.index(name)}]"}) from error


def of_images(readers: Sequence[Reader], *, named: bool) -> Sequence[ImageReader]:
    """Those that read single images. Raises InvalidInput when a named one does not, or none does."""
    able = [reader for reader in readers if not isinstance(reader, VolumeReader)]
    if named and len(able) < len(readers):
        raise InvalidInput(
            Reason.INPUT_UNSUPPORTED, "options.models", "names a model that reads volumes; send it a series"
        )
    if not able:
        raise unsupported(
            "is a single image, and the models that read what it shows read volumes; send a series"
        )
    return able


def of_series(readers: Sequence[Reader], *, named: bool) -> Sequence[Reader]:
    """Those that read series, by slices or whole. Raises InvalidInput as `of_images`."""
    able = [one for one in readers if isinstance(one, VolumeReader) or one.slices is not None]
    if named and len(able) < len(readers):
        raise InvalidInput(
            Reason.INPUT_UNSUPPORTED,
            "options.models",
            "names a model that reads no series (slice_aggregation of its card); send it single slices",
        )
    if not able:
        raise unsupported(ONLY_SINGLE_IMAGES)
    return able


def chosen(
    served: ServedImageModels,
    candidates: Sequence[Reader],
    image: ImageFacts,
    options: ImageOptions,
    verdicts: Sequence[GateVerdict] | None,
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


def unrecognised(
    served: ServedImageModels, candidates: Sequence[Reader], failures: Sequence[MedmeshError]
) -> MedmeshError:
    """Why nothing says what an image shows. Where a gate did not answer (`failures`) or is not served, it is
    no fault of the image's: the caller may ask again, or say what it shows.
    """
    if failures:
        return failures[0]
    refused = next(iter(served.refused_gates()), None)
    if refused is not None:
        return ModelUnavailable(refused.refusal, metadata={"model": refused.name})
    return not_recognised(candidates)


def answered(
    models: Sequence[R], results: Sequence[ModelResult | BaseException]
) -> tuple[list[tuple[R, ModelResult]], list[Notice]]:
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
