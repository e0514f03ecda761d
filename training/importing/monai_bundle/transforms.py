"""The transforms of a bundle's inference -> the steps of a card.

MONAI's arrays have the axes of its readers: x, y (and z). Of a volume `Orientation` says what they are, and
the card's step of that name does the same. A plane's are x, y where a card's are rows, columns:
`Steps.swapped` says whether the network reads the plane so, and then its graph is given those axes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from training.importing import Refused
from training.importing.monai_bundle.bundle import is_code, target
from training.importing.paths import Facts

Arguments = Mapping[str, Any]

HOUSEKEEPING = frozenset(
    {
        "keys",
        "allow_missing_keys",
        "lazy",
        "meta_keys",
        "meta_key_postfix",
        "image_only",
        "dtype",
        "data_type",
    }
)
"""Arguments of transforms that change no value that the network sees."""
WITHOUT_EFFECT = frozenset(
    {
        "LoadImage",
        "EnsureChannelFirst",
        "AddChannel",
        "AsChannelFirst",
        "EnsureType",
        "ToTensor",
        "CastToType",
    }
)
"""Transforms that are done by whoever reads the image, or by its first step."""
READERS = frozenset({None, "ITKReader", "PILReader", "NibabelReader", "PydicomReader"})
"""Those that give a plane with the axes x, y."""
CUBE = 3
"""Axes of a volume."""
INTERPOLATIONS = MappingProxyType(
    {
        "area": "AREA",
        "nearest": "NEAREST",
        "nearest-exact": "NEAREST",
        "bilinear": "BILINEAR",
        "trilinear": "BILINEAR",
        "bicubic": "BICUBIC",
    }
)


@dataclass
class Steps:
    """What the transforms come to, as far as they have been read."""

    dimensions: int
    """2 or 3."""
    steps: list[Facts]
    swapped: bool
    """Of a plane: whether its axes are x, y just now."""
    size: tuple[int, ...] | None = None
    """Rows and columns, or the axes of a volume, where the transforms fix them."""
    oriented: bool = False
    remarks: list[str] = field(default_factory=list)
    """Where the card's step is not quite the transform."""

    def sides(self, given: Any) -> tuple[int, ...]:
        """Sides as MONAI names them, in the order of the card. Raises Refused where they are none."""
        sides = list(given) if isinstance(given, list | tuple) else [given] * self.dimensions
        if len(sides) != self.dimensions or not all(isinstance(side, int) and side > 0 for side in sides):
            raise Refused(f"{given} are no sides of {self.dimensions} axes")
        return tuple(reversed(sides)) if self.swapped else tuple(sides)


def steps_of(transforms: Any, key: str, dimensions: int, first: Facts) -> Steps:
    """Maps a composed list of transforms of the input `key`; `first` is the card's first step.

    Raises Refused, with the transform's name, for what has no step.
    """
    listed = transforms.get("transforms", []) if isinstance(transforms, dict) else transforms or []
    found = Steps(dimensions, [first], swapped=dimensions < CUBE)
    if "hounsfield" not in first and "window" not in first:
        found.steps.append({"rescale": {"factor": 1.0}})  # MONAI computes in floating point from here on
    for transform in listed if isinstance(listed, list) else [listed]:
        name = target(transform)
        if not name:
            raise Refused(f"the preprocessing holds {transform!r}, which is code and never run")
        keys = transform.get("keys", key)
        if transform.get("_disabled_") is True or (
            key not in keys if isinstance(keys, list) else keys != key
        ):
            continue
        _take(found, name, {at: value for at, value in transform.items() if not at.startswith("_")})
    if dimensions == CUBE and not found.oriented:
        raise Refused("the preprocessing does not say which way the volume lies (Orientation)")
    return found


def _take(found: Steps, name: str, arguments: Arguments) -> None:
    plain = name.removesuffix("Dict") if name.endswith("Dict") else name.removesuffix("d").removesuffix("D")
    if plain in WITHOUT_EFFECT:
        if plain == "LoadImage" and (
            arguments.get("reader") not in READERS or "reverse_indexing" in arguments
        ):
            raise Refused(f"{name} reads with {arguments.get('reader')}, whose axes are not known here")
        return
    mapping, known = _MAPPINGS.get(plain, (None, frozenset()))
    if mapping is None:
        raise Refused(f"the preprocessing uses {name}, for which a card has no step")
    given = {at: value for at, value in arguments.items() if at not in HOUSEKEEPING and value is not None}
    if is_code(given):
        raise Refused(f"{name} of the preprocessing takes an expression, and code is never run")
    unknown = sorted(set(given) - known)
    if unknown:
        raise Refused(f"{name} is given {', '.join(unknown)}, for which a card has no field")
    try:
        mapping(found, given)
    except (KeyError, TypeError, ValueError) as error:
        raise Refused(f"{name} of the preprocessing is not understood: {error!r}") from error


def _orientation(found: Steps, given: Arguments) -> None:
    if found.dimensions != CUBE:
        raise Refused("Orientation is of volumes, and this bundle reads planes")
    if len(found.steps) > 1 and "spacing" not in found.steps[-1]:
        raise Refused("Orientation comes after transforms of values or sizes")
    found.steps.append({"orientation": {"axis_codes": str(given["axcodes"])}})
    found.oriented = True


def _spacing(found: Steps, given: Arguments) -> None:
    mode = given.get("mode", "bilinear")
    if (mode[0] if isinstance(mode, list) else mode) not in {"bilinear", 1}:
        raise Refused(f"Spacing interpolates by {mode}, and a card's step is linear")
    pixels = [float(side) for side in given["pixdim"]]
    if found.dimensions != CUBE or len(pixels) != CUBE or min(pixels) <= 0:
        raise Refused(f"Spacing is to {pixels} mm, and a card's step needs three distances of a volume")
    if not found.oriented:
        raise Refused("Spacing comes before Orientation, so that its axes are not known")
    found.steps.append({"spacing": dict(zip(("depth_mm", "height_mm", "width_mm"), pixels, strict=True))})


def _scale_range(found: Steps, given: Arguments) -> None:
    low, high = float(given["a_min"]), float(given["a_max"])
    start, end = float(given.get("b_min", 0.0)), float(given.get("b_max", 1.0))
    if ("b_min" in given) != ("b_max" in given):
        raise Refused("ScaleIntensityRange names one end of the range that it scales to")
    if given.get("clip"):
        found.steps.append({"clip": {"min": low, "max": high}})
    factor = (end - start) / (high - low)
    found.steps.append({"rescale": {"factor": factor, "offset": start - low * factor}})


def _scale(found: Steps, given: Arguments) -> None:
    low, high = float(given.get("minv", 0.0)), float(given.get("maxv", 1.0))
    found.steps.append({"scale_intensity": {"min": low, "max": high}})


def _normalize(found: Steps, given: Arguments) -> None:
    for flag in ("nonzero", "channel_wise"):
        one_channel = flag == "channel_wise" and "color" not in found.steps[0]
        if given.get(flag) and not one_channel:
            raise Refused(f"NormalizeIntensity is {flag}, and a card's step is over the whole image")
    if ("subtrahend" in given) != ("divisor" in given):
        raise Refused("NormalizeIntensity is given one of subtrahend and divisor")
    if "subtrahend" not in given:
        found.steps.append({"standardize": {}})
        return
    mean, std = (
        [float(number) for number in (value if isinstance(value, list) else [value])]
        for value in (given["subtrahend"], given["divisor"])
    )
    found.steps.append({"normalize": {"mean": mean, "std": std}})


def _resize(found: Steps, given: Arguments) -> None:
    mode = given.get("mode", "area")
    mode = mode[0] if isinstance(mode, list) else mode
    if mode not in INTERPOLATIONS or given.get("size_mode", "all") != "all" or given.get("align_corners"):
        raise Refused(f"Resize works by {given}, for which a card has no mode")
    sides = found.sides(given["spatial_size"])
    step: Facts = dict(zip(("depth", "height_px", "width_px")[-len(sides) :], sides, strict=True))
    step |= {"mode": "MODE_STRETCH", "interpolation": f"INTERPOLATION_{INTERPOLATIONS[mode]}"}
    found.steps.append({"resize": step})
    found.size = sides
    if mode != "nearest" and not given.get("anti_aliasing"):
        found.remarks.append(
            f"The source resizes by torch's {mode} without smoothing, the served steps by Pillow's filter, "
            "which averages where it shrinks: values differ a little."
        )


def _crop(found: Steps, given: Arguments) -> None:
    sides = found.sides(given["roi_size"])
    if found.dimensions == CUBE:
        raise Refused("CenterSpatialCrop is of a volume, and a card's step crops planes")
    found.steps.append({"center_crop": {"height_px": sides[0], "width_px": sides[1]}})
    found.size = sides


def _repeat(found: Steps, given: Arguments) -> None:
    found.steps.append({"channels": {"count": int(given["repeats"])}})


def _transpose(found: Steps, given: Arguments) -> None:
    if found.dimensions == CUBE or list(given["indices"]) != [0, 2, 1]:
        raise Refused(f"Transpose to {given['indices']} has no counterpart in a card")
    found.swapped = not found.swapped


_MAPPINGS: Mapping[str, tuple[Callable[[Steps, Arguments], None] | None, frozenset[str]]] = MappingProxyType(
    {
        "Orientation": (_orientation, frozenset({"axcodes"})),
        "Spacing": (_spacing, frozenset({"pixdim", "mode"})),
        "ScaleIntensityRange": (_scale_range, frozenset({"a_min", "a_max", "b_min", "b_max", "clip"})),
        "ScaleIntensity": (_scale, frozenset({"minv", "maxv"})),
        "NormalizeIntensity": (
            _normalize,
            frozenset({"subtrahend", "divisor", "nonzero", "channel_wise"}),
        ),
        "Resize": (
            _resize,
            frozenset({"spatial_size", "mode", "size_mode", "align_corners", "anti_aliasing"}),
        ),
        "CenterSpatialCrop": (_crop, frozenset({"roi_size"})),
        "RepeatChannel": (_repeat, frozenset({"repeats"})),
        "Transpose": (_transpose, frozenset({"indices"})),
    }
)
"""Each transform that has steps, by its name without the `d` of those of dictionaries, and the arguments that
are understood."""
