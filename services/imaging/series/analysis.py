"""One series in, each model's answer with its key slices out: order, choose the models, scan, aggregate,
explain.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import cast

from services.chassis.errors import InvalidInput
from services.chassis.outcomes import outcomes
from services.imaging.choosing import answered, candidates, chosen, of_series, unrecognised
from services.imaging.digests import ImageDigests, content_digest, digests
from services.imaging.images import DecodedImage
from services.imaging.judging import is_asked, judged
from services.imaging.results import ImageAnalysis, ImageOptions, ModelResult
from services.imaging.routing import contradicted, outside, stated
from services.imaging.series.answering import answer, answer_of_volume
from services.imaging.series.assembly import read_volume
from services.imaging.series.limits import SeriesLimits
from services.imaging.series.reading import Series, read_series
from services.imaging.series.scanning import Scan, as_seen, scan
from services.imaging.series.volume import Volume
from services.imaging.served import ServedImageModels
from services.imaging.tasks import Reader
from services.imaging.tasks.classification import ImageClassifier
from services.imaging.tasks.reading import Blocking, KeySlice, Reading, Tensor, VolumeReader, Wanted

AT_A_TIME = 2
"""Series at work; each holds its files, and an archive of multi-frame objects one of them inflated."""


@dataclass(frozen=True)
class _Opened:
    """A series and its middle slice, by which the models are chosen."""

    series: Series
    middle: DecodedImage


class SeriesAnalyzer:
    """Analyses series; keeps nothing."""

    def __init__(self, served: ServedImageModels, blocking: Blocking, limits: SeriesLimits) -> None:
        """`blocking` runs what blocks off the event loop."""
        self._served = served
        self._blocking = blocking
        self._limits = limits
        self._places = asyncio.Semaphore(AT_A_TIME)

    async def analyze(self, files: Sequence[bytes], options: ImageOptions) -> ImageAnalysis:
        """Analyses the files of one series, or one archive of them. Raises as `ImageAnalyzer.analyze`."""
        async with self._places:
            return await self._analyze(files, options)

    async def _analyze(self, files: Sequence[bytes], options: ImageOptions) -> ImageAnalysis:
        readers = candidates(self._served, options)
        opened = await self._blocking(partial(self._open, files))
        series, middle = opened.series, opened.middle
        choice = chosen(self._served, readers, middle, options, None)
        gates = [gate for gate in self._served.gates() if is_asked(gate, choice, middle)]
        if choice is None:
            tensors = await self._blocking(lambda: [(gate, gate.prepare(middle)) for gate in gates])
            judgement = await judged(middle, tensors)
            choice = chosen(self._served, readers, middle, options, judgement.verdicts)
            if choice is None:
                raise unrecognised(self._served, readers, judgement.failures)
        models = of_series(cast("Sequence[Reader]", choice.models), named=bool(options.models))
        by_slices = [model for model in models if isinstance(model, ImageClassifier)]
        content = None if options.digest_key is None else content_digest(options.digest_key)
        seen = await scan(series, by_slices, gates, self._blocking, content)
        whole = [model for model in models if isinstance(model, VolumeReader)]
        volume = await self._blocking(partial(self._volume, series)) if whole else None
        asked: list[Reader] = [*by_slices, *whole]
        results = await outcomes(
            [
                *(self._by_slices(model, series, seen, options.wanted) for model in by_slices),
                *(self._whole(model, volume, seen) for model in whole),
            ]
        )
        answers, failed = answered(asked, results)
        verdicts = seen.verdicts[len(series) // 2]
        statement = stated(middle, options.body_part)
        return ImageAnalysis(
            [
                replace(one, notices=(*outside(model, middle, statement), *one.notices))
                for model, one in sorted(answers, key=lambda pair: pair[0].name)
            ],
            verdicts,
            choice.body_part,
            middle,
            await self._blocking(partial(_digests, options.digest_key, files, content)),
            (*series.notices, *seen.notices, *choice.notices, *contradicted(choice, verdicts), *failed),
            series,
        )

    def _open(self, files: Sequence[bytes]) -> _Opened:
        series = read_series(files, self._limits)
        return _Opened(series, series.decode(len(series) // 2))

    def _volume(self, series: Series) -> Volume | InvalidInput:
        """Or why there is none: models that read slices answer all the same."""
        try:
            return read_volume(series, self._limits)
        except InvalidInput as error:
            return error

    async def _whole(
        self, model: VolumeReader, volume: Volume | InvalidInput | None, seen: Scan
    ) -> ModelResult:
        if not isinstance(volume, Volume):
            raise volume or AssertionError("a volume was not read")
        return answer_of_volume(model, await model.read_volume(volume, self._blocking), seen)

    async def _by_slices(
        self, model: ImageClassifier, series: Series, seen: Scan, wanted: Wanted
    ) -> ModelResult:
        if model.name in seen.failed:
            raise seen.failed[model.name]
        result = answer(model, series, seen)
        if not wanted.heat_map and not wanted.overlay:
            return result
        explained = [
            await self._explained(
                model, series, seen, one, replace(wanted, overlay=wanted.overlay and not rank)
            )
            for rank, one in enumerate(result.reading.key_slices)
        ]
        strongest = explained[0]
        return replace(
            result,
            reading=replace(
                result.reading,
                key_slices=[
                    replace(one, findings=reading.findings)
                    for one, reading in zip(result.reading.key_slices, explained, strict=True)
                ],
                explanation=strongest.explanation,
                overlay_png=strongest.overlay_png,
            ),
        )

    async def _explained(
        self, model: ImageClassifier, series: Series, seen: Scan, one: KeySlice, wanted: Wanted
    ) -> Reading:
        """The reading of one slice, with its heat maps."""

        def prepared() -> tuple[DecodedImage, Tensor]:
            image = as_seen(series, seen, one.index)
            return image, model.preparation(image)

        image, tensor = await self._blocking(prepared)
        drawn_on = image if wanted.overlay else None
        return await model.read(image, tensor, self._blocking, heat_map=wanted.heat_map, drawn_on=drawn_on)


def _digests(key: bytes | None, files: Sequence[bytes], content: hmac.HMAC | None) -> ImageDigests | None:
    if key is None or content is None:
        return None
    return replace(digests(key, files, ()), content=content.hexdigest())
