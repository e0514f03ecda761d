"""One image in, each model's findings with their evidence out: decode, choose the models, ask the gates,
infer, explain, abstain.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar, cast

from services.chassis.errors import InvalidInput, MedmeshError, ModelUnavailable
from services.chassis.notices import Notice
from services.imaging.decoding import decode_image
from services.imaging.digests import ImageDigests, digests
from services.imaging.images import DecodedImage, DecodingLimits
from services.imaging.routing import Choice, choose, contradicted, not_recognised, outside, reads, stated
from services.imaging.served import ServedImageModels
from services.imaging.tasks.gate import GateVerdict, ImageGate, Rejection, sentence
from services.imaging.tasks.reading import ImageReader, Reading, Tensor, Wanted

T = TypeVar("T")


@dataclass(frozen=True)
class ImageOptions:
    """How to analyse an image."""

    body_part: str = ""
    """What the image shows, in DICOM's terms; goes before what the file says. Empty: taken from the file,
    else recognised.
    """
    models: tuple[str, ...] = ()
    """Models that are to answer. Empty: all that apply and answer by default."""
    wanted: Wanted = field(default_factory=Wanted)
    digest_key: bytes | None = None
    """Key for the digests of the image; None: no digests."""


@dataclass(frozen=True)
class ModelResult:
    """What one model found, and what is to be known of it."""

    reading: Reading
    judged: bool | None
    """Whether a gate judged the image for this model; None: the model asks for none."""
    rejections: Sequence[Rejection]
    notices: Sequence[Notice]

    @property
    def abstained(self) -> bool:
        """Whether the findings are for a reviewer, not for a decision."""
        return bool(self.rejections) or self.reading.is_ambiguous


@dataclass(frozen=True)
class ImageAnalysis:
    """What was found in one image."""

    results: Sequence[ModelResult]
    """At least one, by the models' names."""
    gates: Sequence[GateVerdict]
    body_part: str
    image: DecodedImage
    digests: ImageDigests | None
    notices: Sequence[Notice]


@dataclass(frozen=True)
class _Opened:
    """What the first hop off the event loop gives."""

    image: DecodedImage
    choice: Choice | None
    """None: it depends on what the gates see."""
    gates: Mapping[str, tuple[ImageGate, Tensor | None]]
    """The gates to ask, by name, with their inputs."""
    digests: ImageDigests | None


class ImageAnalyzer:
    """Analyses single images; keeps nothing."""

    def __init__(
        self, served: ServedImageModels, pool: Executor, limits: DecodingLimits | None = None
    ) -> None:
        """`pool` runs what blocks (decoding, preparing, drawing)."""
        self._served = served
        self._pool = pool
        self._limits = limits or DecodingLimits()

    async def analyze(self, files: Sequence[bytes], options: ImageOptions) -> ImageAnalysis:
        """Analyses the files of one image.

        Raises InvalidInput (fields `sources`, `options.body_part`, `options.models`), ModelUnknown, and
        what the inference seam raises where no model answers.
        """
        candidates, gates = self._candidates(options), self._served.gates()
        opened = await self.blocking(partial(self._open, files, options, candidates, gates))
        verdicts = await _judged(opened)
        image, notices = _upright_grey(opened.image, verdicts)
        statement = stated(image, options.body_part)
        choice = opened.choice or self._choose(candidates, image, options, verdicts)
        if choice is None:
            raise not_recognised(candidates)
        notices += [*choice.notices, *contradicted(choice, verdicts)]
        models = cast("Sequence[ImageReader]", choice.models)
        tensors = await self.blocking(partial(_prepared, models, image))
        results = await asyncio.gather(
            *(self._read(m, image, tensors[m.name], verdicts, options.wanted) for m in models),
            return_exceptions=True,
        )
        answered, failed = _answers(models, results)
        return ImageAnalysis(
            [
                replace(one, notices=(*outside(model, image, statement), *one.notices))
                for model, one in answered
            ],
            verdicts,
            choice.body_part,
            image,
            opened.digests,
            (*image.notices, *notices, *failed),
        )

    async def blocking(self, work: Callable[[], T]) -> T:
        """Runs `work` off the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def _candidates(self, options: ImageOptions) -> Sequence[ImageReader]:
        if options.models:
            return [self._served.reader(name) for name in dict.fromkeys(options.models)]
        candidates = [reader for reader in self._served.readers() if reader.is_default]
        if candidates:
            return candidates
        refused = next(iter(self._served.refused()), None)
        if refused is not None:
            raise ModelUnavailable(refused.refusal, metadata={"model": refused.name})
        raise ModelUnavailable("no model that reads images is served; add one to the repository")

    def _open(
        self,
        files: Sequence[bytes],
        options: ImageOptions,
        candidates: Sequence[ImageReader],
        gates: Sequence[ImageGate],
    ) -> _Opened:
        image = decode_image(files[0], self._limits)
        choice = self._choose(candidates, image, options, ())
        asked = [gate for gate in gates if _is_asked(gate, choice, image)]
        return _Opened(
            image,
            choice,
            {gate.name: (gate, gate.prepare(image)) for gate in asked},
            None if options.digest_key is None else digests(options.digest_key, files, [image]),
        )

    def _choose(
        self,
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
            for model in self._served.refused():
                if reads(model.applies_to, statement.parts):
                    raise ModelUnavailable(model.refusal, metadata={"model": model.name}) from None
            raise

    async def _read(
        self,
        model: ImageReader,
        image: DecodedImage,
        tensor: Tensor | InvalidInput,
        verdicts: Sequence[GateVerdict],
        wanted: Wanted,
    ) -> ModelResult:
        if isinstance(tensor, InvalidInput):
            raise tensor
        kinds = model.applies_to.gate_kinds
        judging = [verdict for verdict in verdicts if verdict.known & kinds]
        rejections = tuple(dict.fromkeys(r for verdict in judging for r in verdict.rejections(kinds)))
        reading = await model.read(image, tensor, wanted, self.blocking)
        notices = []
        if kinds and not judging:
            notices.append(replace(_NOT_JUDGED, model_name=model.name))
        if rejections:
            told = sentence(rejections)
            notices.append(Notice("IMAGE_NOT_ACCEPTED", told, review_required=True, model_name=model.name))
        return ModelResult(reading, bool(judging) if kinds else None, rejections, notices)


def _is_asked(gate: ImageGate, choice: Choice | None, image: DecodedImage) -> bool:
    """Every gate where it is not known what the image shows, else those that know what the models read."""
    modalities = gate.applies_to.modalities
    if not gate.is_default or (image.modality and modalities and image.modality not in modalities):
        return False
    return choice is None or any(gate.kinds & model.applies_to.gate_kinds for model in choice.models)


async def _judged(opened: _Opened) -> Sequence[GateVerdict]:
    """The verdicts of the gates that answer: a gate adds to an answer; without it there still is one, which
    says so.
    """
    verdicts = await asyncio.gather(
        *(gate.judge(opened.image, tensor) for gate, tensor in opened.gates.values()),
        return_exceptions=True,
    )
    for verdict in verdicts:
        if isinstance(verdict, BaseException) and not isinstance(verdict, MedmeshError):
            raise verdict
    return [verdict for verdict in verdicts if isinstance(verdict, GateVerdict)]


def _upright_grey(image: DecodedImage, verdicts: Sequence[GateVerdict]) -> tuple[DecodedImage, list[Notice]]:
    """A wrong Photometric Interpretation, or an inverted export: read the way it was taken."""
    inverted = any(verdict.inverted and verdict.kind in verdict.known for verdict in verdicts)
    if not inverted or image.hounsfield is not None:
        return image, []
    rgb = None if image.rgb is None else 255 - image.rgb
    return replace(image, grey=255 - image.grey, rgb=rgb), [_INVERTED]


def _prepared(models: Sequence[ImageReader], image: DecodedImage) -> dict[str, Tensor | InvalidInput]:
    """Each model's input, or why this image gives none."""
    tensors: dict[str, Tensor | InvalidInput] = {}
    for model in models:
        try:
            tensors[model.name] = model.preparation(image)
        except InvalidInput as error:
            tensors[model.name] = error
    return tensors


def _answers(
    models: Sequence[ImageReader], results: Sequence[ModelResult | BaseException]
) -> tuple[list[tuple[ImageReader, ModelResult]], list[Notice]]:
    """The models that answered with what they found, and a notice for each that did not.

    Raises the first one's error where none answered.
    """
    answered, failed = [], []
    for model, result in zip(models, results, strict=True):
        if isinstance(result, ModelResult):
            answered.append((model, result))
        elif isinstance(result, MedmeshError):
            failed.append(replace(_DID_NOT_ANSWER, model_name=model.name))
        else:
            raise result
    if not answered:
        raise next(result for result in results if isinstance(result, BaseException))
    return answered, failed


_NOT_JUDGED = Notice(
    "IMAGE_NOT_JUDGED",
    "The image gate did not answer: whether the image is what the model reads was not judged.",
    review_required=True,
)
_INVERTED = Notice("GREY_SCALE_INVERTED", "The grey scale looked inverted and was inverted back.")
_DID_NOT_ANSWER = Notice(
    "MODEL_DID_NOT_ANSWER",
    "A model that reads such images did not answer; the others did.",
    review_required=True,
)
