"""Which models read an image: by what the request, the file and the gates say of it and what the models'
cards say of themselves, and what the file says that the model was not made for.

The request takes precedence over the file, the file over the gates. Where they contradict each other, and
where the file says that a model was not made for this image, a notice says so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from services.chassis.errors import InvalidInput, Reason
from services.chassis.notices import Notice
from services.imaging import anatomy
from services.imaging.applicability import Applicability
from services.imaging.images import ImageFacts, View, unsupported
from services.imaging.tasks.gate import GateVerdict

MODELS_FIELD = "options.models"
_OVERRIDE = "options.body_part (--body-part on the command line)"


class Candidate(Protocol):
    """A model that may read an image."""

    name: str
    applies_to: Applicability


@dataclass(frozen=True)
class Statement:
    """What an image is said to show, before anybody looked at it."""

    parts: frozenset[str] = frozenset()
    """In DICOM's terms; empty: nobody says it in a term that is known."""
    by_request: bool = False
    """Whether the request says it, rather than the file."""
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True)
class Choice:
    """The models that read an image."""

    models: Sequence[Candidate]
    body_part: str
    """What the image is read as; empty: not known, and no model asks."""
    notices: tuple[Notice, ...] = ()
    """About the image, not one model's reading of it."""


def stated(image: ImageFacts, asked: str) -> Statement:
    """What the request (`asked`, empty: nothing) and the file say that the image shows."""
    of_file = anatomy.understand(image.body_part).parts
    if asked:
        # A term that the tables do not know may be a card's own.
        parts = anatomy.understand(asked).parts or frozenset({asked.strip().upper()})
        contradicted = of_file and not any(_related(a, b) for a in parts for b in of_file)
        return Statement(parts, True, (_OVERRIDDEN,) if contradicted else ())
    not_understood = bool(image.body_part) and not of_file
    return Statement(of_file, False, (_NOT_UNDERSTOOD,) if not_understood else ())


def choose(
    candidates: Sequence[Candidate],
    image: ImageFacts,
    statement: Statement,
    verdicts: Sequence[GateVerdict] | None = None,
    *,
    named: bool = False,
) -> Choice | None:
    """The models among `candidates` that read the image; None: that depends on the gates, and they were not
    asked yet (`verdicts` None) or none recognised a body part.

    `named`: the request names the candidates, so that each must apply. Raises InvalidInput (fields `sources`,
    `options.models`) when no model, or not every named one, reads what the image is said to show.
    """
    choice = _by_statement(candidates, statement, named=named) if statement.parts else None
    if choice is None and verdicts is not None:
        choice = _by_gates(candidates, verdicts, named=named)
    if choice is None:
        return None
    models = _of_modality(choice.models, image, named=named)
    return replace(choice, models=models, notices=(*statement.notices, *choice.notices))


def not_recognised(candidates: Sequence[Candidate]) -> InvalidInput:
    """Nothing says what the image shows, and no model reads whatever comes."""
    return InvalidInput(
        Reason.INPUT_MISSING,
        "options.body_part",
        "is not set (--body-part on the command line), the file does not state it in a known term, "
        f"and it was not recognised from the image; {_served(candidates)}",
    )


def contradicted(choice: Choice, verdicts: Iterable[GateVerdict]) -> list[Notice]:
    """What the gates say against the body part that the image is read as."""
    recognised = _recognised(verdicts)
    if not recognised or not choice.body_part or any(_related(p, choice.body_part) for p in recognised):
        return []
    return [_CONFLICT]


def outside(model: Candidate, image: ImageFacts, statement: Statement) -> list[Notice]:
    """What the file says that the model was not made for."""
    applies = model.applies_to
    notices = []
    if not statement.by_request and applies.body_parts:
        inside = [p for p in statement.parts if _listed(applies, p)]
        if inside and len(inside) < len(statement.parts):
            notices.append(_MORE_THAN_ONE)
    if image.view is not None and applies.views and image.view not in applies.views:
        notices.append(
            Notice(
                "VIEW_NOT_READ",
                f"The file states {_article(image.view)} view; the model reads {' and '.join(applies.views)} "
                "ones.",
                review_required=True,
                places=("ImageType", "ImageOrientationPatient")
                if image.modality == "CT"
                else ("ViewPosition", "PatientOrientation"),
            )
        )
    if any(not applies.is_for_age(age) for age in image.ages_years):
        notices.append(
            Notice(
                "OUTSIDE_MODEL_POPULATION",
                f"According to the file, the patient is outside the model's age range, {_ages(applies)}.",
                review_required=True,
                places=("PatientAge", "PatientBirthDate"),
            )
        )
    return [replace(notice, model_name=model.name) for notice in notices]


def _by_statement(candidates: Sequence[Candidate], statement: Statement, *, named: bool) -> Choice | None:
    """None: the statement does not decide between models of different body parts."""
    parts = statement.parts
    readers = [c for c in candidates if reads(c.applies_to, parts)]
    if named and len(readers) < len(candidates):
        other = next(c for c in candidates if c not in readers)
        raise _named_does_not_apply(other, f"the body part that is stated; {_OVERRIDE} overrides a file")
    if not readers:
        raise unsupported(
            "states a body part that no model here reads; "
            f"{_OVERRIDE} overrides what the file states; {_served(candidates)}"
            if not statement.by_request
            else f"is said to show a body part that no model here reads; {_served(candidates)}"
        )
    listed = {_listed(c.applies_to, p) for c in readers for p in parts} - {""}
    if len(listed) > 1 and not named and not _covers_all(readers, parts):
        return None
    return Choice(readers, min(listed, default="") or min(filter(anatomy.is_term, parts), default=""))


def _by_gates(
    candidates: Sequence[Candidate], verdicts: Iterable[GateVerdict], *, named: bool
) -> Choice | None:
    recognised = _recognised(verdicts)
    readers = [c for c in candidates if reads(c.applies_to, recognised)]
    listed = sorted({_listed(c.applies_to, p) for c in readers for p in recognised} - {""})
    if named:
        own = sorted({part for c in candidates for part in c.applies_to.body_parts})
        if listed:
            return Choice(candidates, listed[0], (_RECOGNISED,))
        return Choice(candidates, own[0] if own else "", (_ASSUMED,) if own else ())
    if not readers:
        return None
    return Choice(readers, listed[0] if listed else "", (_RECOGNISED,) if listed else ())


def _recognised(verdicts: Iterable[GateVerdict]) -> frozenset[str]:
    """The body parts that the most certain of the gates sees."""
    most = max(verdicts, key=lambda verdict: verdict.probability, default=None)
    return frozenset() if most is None else frozenset(most.body_parts)


def reads(applies: Applicability, parts: Collection[str]) -> bool:
    """Whether a model reads images of one of the parts."""
    return not applies.body_parts or any(_listed(applies, part) for part in parts)


def _listed(applies: Applicability, part: str) -> str:
    """The body part of the model's card that `part` is, or lies within; empty: none."""
    return next((whole for whole in applies.body_parts if anatomy.includes(whole, part)), "")


def _covers_all(readers: Iterable[Candidate], parts: Collection[str]) -> bool:
    """Whether each of the models reads all of the parts."""
    return all(
        not r.applies_to.body_parts or all(_listed(r.applies_to, part) for part in parts) for r in readers
    )


def _related(one: str, other: str) -> bool:
    return anatomy.includes(one, other) or anatomy.includes(other, one)


def _of_modality(models: Sequence[Candidate], image: ImageFacts, *, named: bool) -> Sequence[Candidate]:
    if not image.modality:
        return models
    read = [m for m in models if not m.applies_to.modalities or image.modality in m.applies_to.modalities]
    others = [m for m in models if m not in read]
    if not others or (read and not named):
        return read
    names = " and ".join(sorted(m.name for m in others))
    verb = "does" if len(others) == 1 else "do"
    modalities = ", ".join(sorted({one for m in others for one in m.applies_to.modalities}))
    if named:
        what = f"names {names}, which {verb} not read the file's DICOM modality; supported: {modalities}"
        raise InvalidInput(Reason.INPUT_UNSUPPORTED, MODELS_FIELD, what)
    raise unsupported(f"is of a DICOM modality that {names} {verb} not read; supported: {modalities}")


def _named_does_not_apply(model: Candidate, what: str) -> InvalidInput:
    read = ", ".join(model.applies_to.body_parts)
    return InvalidInput(
        Reason.INPUT_UNSUPPORTED,
        MODELS_FIELD,
        f"names {model.name}, which reads {read} and not {what}",
    )


def _served(candidates: Iterable[Candidate]) -> str:
    served = "; ".join(
        f"{c.name} ({', '.join(c.applies_to.body_parts) or 'any body part'}"
        f"{': ' + ', '.join(c.applies_to.modalities) if c.applies_to.modalities else ''})"
        for c in sorted(candidates, key=lambda c: c.name)
    )
    return f"served are {served}" if served else "no model that reads images is served"


def _ages(applies: Applicability) -> str:
    low, high = applies.min_age_years, applies.max_age_years
    if low is None:
        return f"up to {high}"
    return f"from {low}" if high is None else f"{low} to {high}"


def _article(view: View) -> str:
    return f"{'an' if view is View.OBLIQUE else 'a'} {view}"


_CONFLICT = Notice(
    "BODY_PART_CONFLICT",
    "The image looks like another body part than the one that it was read as.",
    review_required=True,
)
_OVERRIDDEN = Notice(
    "BODY_PART_OVERRIDDEN",
    "The file states another body part than the request; the request's was taken.",
    places=("BodyPartExamined",),
)
_RECOGNISED = Notice("BODY_PART_RECOGNISED", "The body part was recognised from the image.")
_ASSUMED = Notice(
    "BODY_PART_ASSUMED",
    "Nothing says what the image shows; it was read as what the named models read.",
    review_required=True,
)
_NOT_UNDERSTOOD = Notice(
    "BODY_PART_NOT_UNDERSTOOD",
    "The file states the body part in a term that is not known here; it was left out of account.",
    places=("BodyPartExamined",),
)
_MORE_THAN_ONE = Notice(
    "BODY_PART_NOT_ALONE",
    "The file says that the image shows more than the body part that the model reads.",
    review_required=True,
    places=("BodyPartExamined",),
)
