"""Image gate: what an image is, judged apart from any finding, and whether a model may read it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from medmesh.common.v1.answer_pb2 import Provenance
from medmesh.common.v1.serving_pb2 import ImageGate as ImageGateMessage
from services.chassis.errors import ModelFailed
from services.chassis.models.served import ServedModel
from services.imaging.applicability import Applicability, check_code_strings
from services.imaging.images import DecodedImage, ImageFacts
from services.imaging.tasks.model import are_numbers, preparation_of
from services.imaging.tasks.reading import Tensor

Column = ImageGateMessage.Column
HALF = 0.5
"""Probability from which a column counts where the card says nothing."""


class Rejection(StrEnum):
    """Why an image is not accepted; a gate's flaw columns have these names."""

    NOT_EXPECTED_KIND = "not_expected_kind"
    UPSIDE_DOWN = "upside_down"
    COLOR = "color"
    PHOTOGRAPH = "photograph"
    SCREENSHOT = "screenshot"
    BLURRED = "blurred"
    COVERED = "covered"
    CROPPED = "cropped"
    DEGRADED = "degraded"
    DRAWN = "drawn"


_SENTENCES: Mapping[Rejection, str] = {
    Rejection.NOT_EXPECTED_KIND: "it does not look like what the model reads",
    Rejection.UPSIDE_DOWN: "it looks upside down or turned on its side",
    Rejection.COLOR: "it is in colour",
    Rejection.PHOTOGRAPH: "it looks like a photograph of an image",
    Rejection.SCREENSHOT: "it looks like a screenshot, a page or a sheet of several images",
    Rejection.BLURRED: "it is blurred",
    Rejection.COVERED: "a part of it is covered, blacked out or written over",
    Rejection.CROPPED: "a part of the anatomy is cut off",
    Rejection.DEGRADED: "its noise, exposure or compression hides the anatomy",
    Rejection.DRAWN: "it looks drawn or computed rather than acquired",
}


@dataclass(frozen=True)
class GateVerdict:
    """What one image looks like to one gate."""

    kind: str
    """The gate's own label; of an image without contrast, none of the kinds."""
    probability: float
    """Of `kind`, in [0, 1]."""
    body_parts: tuple[str, ...]
    """What the kind shows, in DICOM's terms; empty when it is none of the kinds that the gate knows."""
    inverted: bool
    """Whether its grey scale looks inverted (bone dark)."""
    flaws: tuple[Rejection, ...]
    """What keeps it from being read, whatever it shows."""
    likely: frozenset[str]
    """The kinds that it looks enough like."""
    known: frozenset[str]
    """The kinds that the gate tells apart."""
    provenance: Provenance | None
    """None of an image without contrast: no network was asked."""

    def rejections(self, kinds: Iterable[str]) -> tuple[Rejection, ...]:
        """Why the image may not be read as one of `kinds`; empty: it may."""
        unexpected = () if self.likely & set(kinds) else (Rejection.NOT_EXPECTED_KIND,)
        return (*unexpected, *self.flaws)


def sentence(rejections: Iterable[Rejection]) -> str:
    """Why an image was not accepted, for people."""
    return "The image was not accepted: " + "; ".join(_SENTENCES[r] for r in rejections) + "."


class GateRules:
    """What a gate's numbers mean, by its card: training measures with the same rules."""

    def __init__(self, declared: ImageGateMessage) -> None:
        """Raises ValueError where the columns mean nothing."""
        self._declared = declared
        self._columns = tuple(declared.columns)
        self._kinds = self._of(Column.ROLE_KIND)
        if not self._kinds:
            raise ValueError("columns: at least one of ROLE_KIND is needed")
        for role in (Column.ROLE_OTHER, Column.ROLE_UPSIDE_DOWN, Column.ROLE_INVERTED, Column.ROLE_SOUND):
            if len(self._of(role)) > 1:
                raise ValueError(f"columns: more than one of {Column.Role.Name(role)}")
        unknown = {self._columns[i].name for i in self._of(Column.ROLE_FLAW)} - {*Rejection}
        if unknown:
            raise ValueError(f"columns: {', '.join(sorted(unknown))} is not one of the contract's rejections")
        for column in self._columns:
            check_code_strings(column.body_parts, f"columns: {column.name}: body_parts")
            for field in ("min_probability", "min_sound_probability"):
                if not 0 <= getattr(column, field) <= 1:
                    raise ValueError(f"columns: {column.name}: {field} is not a probability")
        self.kinds = frozenset(self._columns[i].name for i in self._kinds)
        self.column_count = len(self._columns)

    def verdict(
        self,
        probabilities: npt.NDArray[np.float64],
        colourfulness: float,
        provenance: Provenance | None = None,
    ) -> GateVerdict:
        """The verdict on probabilities `[columns]`; an inverted image may be accepted, since it is inverted
        back before it is read.
        """
        shown = max([*self._kinds, *self._of(Column.ROLE_OTHER)], key=lambda i: probabilities[i])
        kind = self._columns[shown]
        return GateVerdict(
            kind.name,
            float(probabilities[shown]),
            tuple(kind.body_parts),
            any(self._counts(i, probabilities) for i in self._of(Column.ROLE_INVERTED)),
            self._flaws(kind, probabilities, colourfulness),
            frozenset(self._columns[i].name for i in self._kinds if self._counts(i, probabilities)),
            self.kinds,
            provenance,
        )

    def of_a_blank(self) -> GateVerdict:
        """The verdict on an image without contrast: it shows nothing, and no network was taught to say so."""
        other = self._of(Column.ROLE_OTHER)
        kind = self._columns[other[0]].name if other else ""
        return GateVerdict(kind, 1.0, (), False, (), frozenset(), self.kinds, None)

    def _flaws(
        self, kind: Column, probabilities: npt.NDArray[np.float64], colourfulness: float
    ) -> tuple[Rejection, ...]:
        found = []
        if any(self._counts(i, probabilities) for i in self._of(Column.ROLE_UPSIDE_DOWN)):
            found.append(Rejection.UPSIDE_DOWN)
        if self._declared.HasField("max_colorfulness") and colourfulness > self._declared.max_colorfulness:
            found.append(Rejection.COLOR)
        least = kind.min_sound_probability if kind.HasField("min_sound_probability") else HALF
        flaws = self._of(Column.ROLE_FLAW)
        if flaws and any(probabilities[i] < least for i in self._of(Column.ROLE_SOUND)):
            most = max(flaws, key=lambda i: probabilities[i])
            named = self._declared.named_flaw_min_probability or 1.0
            found += [
                Rejection(self._columns[i].name) for i in flaws if i == most or probabilities[i] >= named
            ]
        return tuple(found)

    def _counts(self, index: int, probabilities: npt.NDArray[np.float64]) -> bool:
        column = self._columns[index]
        least = column.min_probability if column.HasField("min_probability") else HALF
        return bool(probabilities[index] >= least)

    def _of(self, role: Column.Role) -> list[int]:
        return [i for i, column in enumerate(self._columns) if column.role == role]


class ImageGate:
    """A model of the task `image_gate`."""

    def __init__(self, model: ServedModel) -> None:
        """Raises ValueError, naming the field, where the card does not hold."""
        self._model = model
        self._task = task = model.card.serving.image_gate
        self.name = model.name
        self.is_default = model.is_default
        self.applies_to = Applicability.declared(task.applies_to)
        self.preparation = preparation_of(model.card, task.preprocessing)
        self._rules = GateRules(task)
        self.kinds = self._rules.kinds

    def prepare(self, image: DecodedImage) -> Tensor | None:
        """The gate's input; None of an image without contrast."""
        if image.grey.min() == image.grey.max():
            return None
        return self.preparation(image)

    async def judge(self, image: ImageFacts, tensor: Tensor | None) -> GateVerdict:
        """What the image looks like; `tensor` is what `prepare` gave. Raises as the inference seam does."""
        if tensor is None:
            return self._rules.of_a_blank()
        inferred = await self._model.infer({self.preparation.tensor: tensor[np.newaxis]})
        scores = inferred.outputs[self._task.scores_tensor].astype(float)
        if not are_numbers(scores, 1, self._rules.column_count):
            raise ModelFailed(metadata={"model": self.name})
        return self._rules.verdict(scores[0], image.colourfulness, inferred.provenance)
