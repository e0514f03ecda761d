"""`preprocessor_config.json` -> the steps of a card, and the size of the input."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.importing import Refused
from training.importing.paths import Facts

FILE = "preprocessor_config.json"
INTERPOLATIONS = {0: "NEAREST", 1: "LANCZOS", 2: "BILINEAR", 3: "BICUBIC", 4: "AREA"}
"""Pillow's codes, as `resample` has them; 4 is its box filter."""
KNOWN = frozenset({"ViT", "DeiT", "Bit", "CLIP", "Siglip", "MobileNetV1", "MobileNetV2", "ConvNext"})
"""Processors that resize, crop, rescale and normalise in this order, and do nothing else."""
UNDERSTOOD = frozenset({"do_resize", "do_center_crop", "do_rescale", "do_normalize", "do_convert_rgb"})
CONVNEXT_STRETCHED_FROM = 384
"""Sides from which ConvNext's processor stretches instead of cropping."""


@dataclass(frozen=True)
class Prepared:
    """How an image becomes the input."""

    steps: list[Facts]
    height_px: int
    width_px: int


def prepared(folder: Path, channels: int) -> Prepared:
    """What the folder's processor does, as transformers reads its file, with the defaults of its class.

    Raises Refused for what the vocabulary has no step for.
    """
    if not (folder / FILE).is_file():
        raise Refused(f"{folder} has no {FILE}, which says how an image is prepared")
    from transformers import AutoImageProcessor

    try:
        processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (ImportError, ValueError, OSError, TypeError) as error:
        raise Refused(f"transformers cannot read {FILE}: {str(error).splitlines()[0]}") from error
    kind = type(processor).__name__
    for suffix in ("Pil", "Fast"):
        kind = kind.removesuffix(suffix)
    if kind.removesuffix("ImageProcessor") not in KNOWN:
        raise Refused(f"images are prepared by {kind}, which has no counterpart in the steps of a card")
    return steps_of(processor.to_dict(), channels, is_convnext=kind.startswith("ConvNext"))


def steps_of(config: dict[str, Any], channels: int, *, is_convnext: bool = False) -> Prepared:
    """The steps of a processor's whole configuration."""
    unknown = [
        name for name, on in config.items() if name.startswith("do_") and on and name not in UNDERSTOOD
    ]
    if unknown:
        raise Refused(f"{FILE} asks for {', '.join(unknown)}, for which a card has no step")
    resized, size = _resized(config, is_convnext=is_convnext) if config.get("do_resize") else ([], None)
    if config.get("do_center_crop"):
        crop = _sides(config.get("crop_size"))
        if size is not None and len(size) == 1 and max(crop) > size[0]:
            raise Refused(f"crop_size of {FILE} is larger than the image that it is cut from")
        resized, size = [*resized, _crop(crop)], crop
    if size is None or len(size) != 2:
        raise Refused(f"{FILE} leaves images of different sizes; a card needs one (crop_size, or both sides)")
    steps: list[Facts] = [{"color": {}} if channels > 1 else {"grey": {}}, *resized]
    steps.append({"rescale": {"factor": config["rescale_factor"] if config.get("do_rescale") else 1.0}})
    if config.get("do_normalize"):
        mean, std = (list(config[name])[:channels] for name in ("image_mean", "image_std"))
        steps.append({"normalize": {"mean": mean, "std": std}})
    return Prepared(steps, size[0], size[1])


def _resized(config: dict[str, Any], *, is_convnext: bool) -> tuple[list[Facts], tuple[int, ...] | None]:
    """The steps, and the sides that they leave: both, or the shorter alone."""
    code = int(config.get("resample", 2))
    if code not in INTERPOLATIONS:
        raise Refused(f"resample of {FILE} is {code}, for which a card has no interpolation")
    size = _given(config.get("size"))
    if "shortest_edge" in size:
        short = size["shortest_edge"]
        if is_convnext and short >= CONVNEXT_STRETCHED_FROM:
            return [_resize(code, "STRETCH", short, short)], (short, short)
        if is_convnext:  # a share of a larger image is cut out
            larger = int(short / float(config["crop_pct"]))
            return [_resize(code, "SHORTEST_EDGE", larger), _crop((short, short))], (short, short)
        return [_resize(code, "SHORTEST_EDGE", short)], (short,)
    if set(size) == {"height", "width"}:
        sides = size["height"], size["width"]
        return [_resize(code, "STRETCH", *sides)], sides
    raise Refused(f"size of {FILE} is {size or 'missing'}, for which a card has no mode")


def _resize(code: int, mode: str, height: int, width: int | None = None) -> Facts:
    fact: Facts = {
        "height_px": height,
        "mode": f"MODE_{mode}",
        "interpolation": f"INTERPOLATION_{INTERPOLATIONS[code]}",
    }
    return {"resize": fact if width is None else {**fact, "width_px": width}}


def _crop(sides: tuple[int, int]) -> Facts:
    return {"center_crop": {"height_px": sides[0], "width_px": sides[1]}}


def _sides(size: Any) -> tuple[int, int]:
    given = _given(size)
    if set(given) != {"height", "width"}:
        raise Refused(f"crop_size of {FILE} is {given or 'missing'}")
    return given["height"], given["width"]


def _given(size: Any) -> dict[str, int]:
    """A size in any of the forms that transformers writes, without what is not set."""
    if isinstance(size, int):
        return {"height": size, "width": size}
    return {name: int(side) for name, side in dict(size or {}).items() if side is not None}
