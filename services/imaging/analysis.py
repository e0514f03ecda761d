"""One image in, each model's findings with their evidence out: decode, choose the models, ask the gates,
infer, explain, abstain. A series goes to `series.analysis`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar, cast

from services.chassis.errors import InvalidInput
from services.chassis.notices import Notice
from services.chassis.observability import telemetry
from services.chassis.off_loop import off_loop
from services.chassis.outcomes import outcomes
from services.imaging.choosing import answered, candidates, chosen, of_images, unrecognised
from services.imaging.decoding import decode_image
from services.imaging.digests import ImageDigests, digests
from services.imaging.early import EarlyReadings
from services.imaging.images import DecodedImage, DecodingLimits, ImageFacts
from services.imaging.judging import Asked, is_asked, judged, upright_grey
from services.imaging.pictures import is_quick
from services.imaging.results import ImageAnalysis, ImageOptions, ModelResult
from services.imaging.routing import Choice, contradicted, outside, stated
from services.imaging.series.analysis import SeriesAnalyzer
from services.imaging.series.limits import SeriesLimits
from services.imaging.series.reading import is_series
from services.imaging.served import ServedImageModels
from services.imaging.tasks import Reader
from services.imaging.tasks.gate import GateVerdict, ImageGate, sentence
from services.imaging.tasks.reading import ImageReader, Reading, Tensor, VolumeReader, Wanted

T = TypeVar("T")


@dataclass(frozen=True)
class _Opened:
    """What is made of the files at once, off the event loop but for small pictures."""

    image: DecodedImage
    choice: Choice | None
    """None: it depends on what the gates see."""
    asked: Asked
    digests: ImageDigests | None
    likely: Sequence[ImageReader]
    """The models that read it, as far as the file or the request says; else those that read the image before
    of which neither said it."""
    tensors: Mapping[str, Tensor | InvalidInput]
    """Their inputs, or why this image gives none."""


class ImageAnalyzer:
    """Analyses images and series; keeps nothing of them."""

    def __init__(
        self, served: ServedImageModels, pool: Executor, limits: DecodingLimits | None = None
    ) -> None:
        """`pool` runs what blocks (decoding, preparing, drawing)."""
        self._served = served
        self._pool = pool
        self._limits = limits or DecodingLimits()
        self._under_way = 0
        self._expected: frozenset[str] = frozenset()
        """Names of the models that read the last image of which only the gates said what it shows."""
        self._series = SeriesAnalyzer(served, self.blocking, SeriesLimits(one_file=self._limits))

    async def analyze(self, files: Sequence[bytes], options: ImageOptions) -> ImageAnalysis:
        """Analyses the files of one image.

        Raises InvalidInput (fields `sources`, `options.body_part`, `options.models`), ModelUnknown, and
        what the inference seam raises where no model answers.
        """
        self._under_way += 1
        try:
            return await self._analyzed(files, options)
        finally:
            self._under_way -= 1

    async def _analyzed(self, files: Sequence[bytes], options: ImageOptions) -> ImageAnalysis:
        readers, gates = candidates(self._served, options), self._served.gates()
        work = partial(self._open, files, options, readers, gates)
        with telemetry.span("open image"):
            # To hand a small picture to a thread costs more than to decode it.
            opened = work() if len(files) == 1 and is_quick(files[0]) else await self.blocking(work)
        if opened is None:
            return await self._series.analyze(files, options)
        with self._early(opened, options.wanted) as early:
            await early.begin()
            verdicts, failures = await judged(opened.image, opened.asked)
            upright, notices = upright_grey(opened.image, verdicts)
            tensors, known = opened.tensors, opened.choice
            if upright is not opened.image:
                early.discard()
                tensors = {}
            image, content = upright.facts, opened.digests
            del opened  # with the pixels
            statement = stated(image, options.body_part)
            choice = known or chosen(self._served, readers, image, options, verdicts)
            if choice is None:
                raise unrecognised(self._served, readers, failures)
            notices += [*choice.notices, *contradicted(choice, verdicts)]
            models = of_images(cast("Sequence[Reader]", choice.models), named=bool(options.models))
            if known is None:
                self._expected = frozenset(model.name for model in models)
            if missing := [model for model in models if model.name not in tensors]:
                with telemetry.span("prepare tensors"):
                    tensors = {**tensors, **await self.blocking(partial(_prepared, missing, upright))}
            drawn_on = upright if options.wanted.overlay else None
            del upright  # a request waits longest for its models: what they do not need is let go
            readings = [
                early.take(m) or self._read(m, image, tensors[m.name], options.wanted, drawn_on)
                for m in models
            ]
            results = await outcomes(
                [_result(m, reading, verdicts) for m, reading in zip(models, readings, strict=True)]
            )
        answers, failed = answered(models, results)
        return ImageAnalysis(
            [
                replace(one, notices=(*outside(model, image, statement), *one.notices))
                for model, one in answers
            ],
            verdicts,
            choice.body_part,
            image,
            content,
            (*image.notices, *notices, *failed),
        )

    async def blocking(self, work: Callable[[], T]) -> T:
        """Runs `work` off the event loop."""
        return await off_loop(False, self._pool, work)

    def _open(
        self,
        files: Sequence[bytes],
        options: ImageOptions,
        readers: Sequence[Reader],
        gates: Sequence[ImageGate],
    ) -> _Opened | None:
        """None of a series."""
        if is_series(files, self._limits):
            return None
        image = decode_image(files[0], self._limits)
        choice = chosen(self._served, readers, image, options, None)
        asked = [gate for gate in gates if is_asked(gate, choice, image)]
        if choice is None:
            likely = [one for one in readers if one.name in self._expected]
        else:
            likely = [*of_images(cast("Sequence[Reader]", choice.models), named=bool(options.models))]
        models = [one for one in likely if not isinstance(one, VolumeReader)]
        return _Opened(
            image,
            choice,
            [(gate, gate.prepare(image)) for gate in asked],
            None if options.digest_key is None else digests(options.digest_key, files, [image]),
            models,
            _prepared(models, image),
        )

    def _early(self, opened: _Opened, wanted: Wanted) -> EarlyReadings:
        """Models that the file or the request names begin at once; those that are only likely where nobody
        else waits for the machine.
        """
        begin = opened.choice is not None or self._under_way == 1
        models = {model.name: model for model in opened.likely} if begin else {}
        image, tensors = opened.image.facts, opened.tensors
        drawn_on = opened.image if wanted.overlay else None

        async def read(model: ImageReader) -> Reading:
            return await self._read(model, image, tensors[model.name], wanted, drawn_on)

        return EarlyReadings(models, read)

    async def _read(
        self,
        model: ImageReader,
        image: ImageFacts,
        tensor: Tensor | InvalidInput,
        wanted: Wanted,
        drawn_on: DecodedImage | None,
    ) -> Reading:
        if isinstance(tensor, InvalidInput):
            raise tensor
        return await model.read(image, tensor, self.blocking, heat_map=wanted.heat_map, drawn_on=drawn_on)


async def _result(
    model: ImageReader, reading: Awaitable[Reading], verdicts: Sequence[GateVerdict]
) -> ModelResult:
    kinds = model.applies_to.gate_kinds
    judging = [verdict for verdict in verdicts if verdict.known & kinds]
    rejections = tuple(dict.fromkeys(r for verdict in judging for r in verdict.rejections(kinds)))
    found = await reading
    notices = []
    if kinds and not judging:
        notices.append(replace(_NOT_JUDGED, model_name=model.name))
    if rejections:
        told = sentence(rejections)
        notices.append(Notice("IMAGE_NOT_ACCEPTED", told, review_required=True, model_name=model.name))
    return ModelResult(found, bool(judging) if kinds else None, rejections, notices)


def _prepared(models: Sequence[ImageReader], image: DecodedImage) -> dict[str, Tensor | InvalidInput]:
    """Each model's input, or why this image gives none."""
    tensors: dict[str, Tensor | InvalidInput] = {}
    for model in models:
        try:
            tensors[model.name] = model.preparation(image)
        except InvalidInput as error:
            tensors[model.name] = error
    return tensors


_NOT_JUDGED = Notice(
    "IMAGE_NOT_JUDGED",
    "The image gate did not answer: whether the image is what the model reads was not judged.",
    review_required=True,
)
