"""Which model reads an image: by what the request, the file and the gate say of it, and what speaks against
reading it.

The request goes before the file, the file before the gate. Where they contradict each other, and where the
file says that the model was not made for this image, a notice says so.
"""

from __future__ import annotations

from services.chassis.errors import InvalidInput, Reason
from services.chassis.notices import Notice
from services.imaging import anatomy
from services.imaging.gate import GateVerdict, Kind
from services.imaging.images import FIELD, DecodedImage, View, unsupported
from services.imaging.models import FINDINGS_MODELS, BodyPart, FindingsModel

KIND_OF_PART = {BodyPart.CHEST: Kind.CHEST_XRAY, BodyPart.HEAD: Kind.HEAD_CT}
_PART_OF_KIND = {kind: part for part, kind in KIND_OF_PART.items()}
_MODELS = {model.body_part: model for model in FINDINGS_MODELS}
_OVERRIDE = "options.body_part (--body-part on the command line)"


def route(
    image: DecodedImage, asked: BodyPart | None, gate: GateVerdict | None
) -> tuple[FindingsModel, list[Notice]]:
    """The model that reads the image, and what the reader should know of that choice.

    `asked`: the body part that the request states. Raises InvalidInput (fields `image`, `options.body_part`)
    when no model reads what the image is said to show, or nothing says it.
    """
    part, notices = _part(image, asked, gate)
    recognised = None if gate is None else _PART_OF_KIND.get(gate.kind)
    if recognised is not None and recognised is not part:
        notices.append(
            Notice(
                "BODY_PART_CONFLICT",
                "The image looks like another body part than the one that it was read as.",
                review_required=True,
            )
        )
    model = _MODELS[part]
    _check_modality(model, image)
    notices += _outside(model, image)
    return model, notices


def _part(
    image: DecodedImage, asked: BodyPart | None, gate: GateVerdict | None
) -> tuple[BodyPart, list[Notice]]:
    stated = anatomy.understand(image.body_part)
    if asked is not None:
        if (stated.parts or stated.elsewhere) and asked not in stated.parts:
            return asked, [_OVERRIDDEN]
        return asked, []
    if len(stated.parts) == 1:
        return next(iter(stated.parts)), [_MORE_THAN_ONE] if stated.elsewhere else []
    if stated.elsewhere:
        raise unsupported(
            f"states a body part that no model here reads; {_OVERRIDE} overrides what the file states"
        )
    notices = [] if not image.body_part else [_MORE_THAN_ONE] if stated.parts else [_NOT_UNDERSTOOD]
    return _recognised(gate), [*notices, _RECOGNISED]


def _recognised(gate: GateVerdict | None) -> BodyPart:
    part = None if gate is None else _PART_OF_KIND.get(gate.kind)
    if part is None:
        raise InvalidInput(
            Reason.INPUT_MISSING,
            "options.body_part",
            "is not set (--body-part on the command line), the file does not state it in a known term, "
            "and it was not recognised from the image",
        )
    return part


def _check_modality(model: FindingsModel, image: DecodedImage) -> None:
    read = sorted(model.modalities)
    if image.modality and image.modality not in read:
        raise InvalidInput(
            Reason.INPUT_UNSUPPORTED,
            FIELD,
            f"is of a DICOM modality that {model.spec.name} does not read; read are {', '.join(read)}",
        )


def _outside(model: FindingsModel, image: DecodedImage) -> list[Notice]:
    """What the file says that the model was not made for."""
    notices = []
    if image.view is not None and image.view is not model.view:
        notices.append(
            Notice(
                "VIEW_NOT_READ",
                f"The file states {_ARTICLES[image.view]} view; the model reads {model.view} ones.",
                review_required=True,
                places=("ViewPosition", "PatientOrientation")
                if image.modality != "CT"
                else ("ImageType", "ImageOrientationPatient"),
            )
        )
    if model.age_years is not None:
        youngest, oldest = model.age_years
        if any(not youngest <= age <= oldest for age in image.ages_years):
            notices.append(
                Notice(
                    "OUTSIDE_MODEL_POPULATION",
                    f"By the file the patient is not of an age that the model knows, {youngest} to {oldest}.",
                    review_required=True,
                    places=("PatientAge", "PatientBirthDate"),
                )
            )
    return notices


_ARTICLES = {
    View.FRONTAL: "a frontal",
    View.LATERAL: "a lateral",
    View.OBLIQUE: "an oblique",
    View.TRANSVERSE: "a transverse",
    View.LOCALIZER: "a localizer",
}


_OVERRIDDEN = Notice(
    "BODY_PART_OVERRIDDEN",
    "The file states another body part than the request; the request's was taken.",
    places=("BodyPartExamined",),
)
_RECOGNISED = Notice("BODY_PART_RECOGNISED", "The body part was recognised from the image.")
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
