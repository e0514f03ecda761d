"""Images that are no chest radiograph and no head CT, by kind of source: some drawn, some found in installed
packages.

Kinds are split into those that the gate is trained on and those it is only measured on, so that the measured
rejection is of kinds of image it has never seen. There are no radiographs of other body parts among them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from pydicom.data import get_testdata_file
from sklearn.datasets import load_digits, load_sample_image

from services.chassis.errors import InvalidInput
from services.imaging.decoding import decode_image
from services.imaging.grey import Grey

Draw = Callable[[np.random.Generator], Grey]
SIDE_PX = 192


def font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), size)


def words(rng: np.random.Generator, count: int) -> str:
    letters = "abcdefghijklmnopqrstuvwxyz"
    return " ".join("".join(rng.choice(list(letters), rng.integers(2, 10))) for _ in range(count))


def text_page(rng: np.random.Generator) -> Grey:
    """Lines of letters, dark on light or light on dark."""
    ground, ink = (245, 20) if rng.random() < 0.7 else (15, 220)
    page = Image.new("L", (SIDE_PX, SIDE_PX), ground)
    draw = ImageDraw.Draw(page)
    size = int(rng.integers(6, 22))
    for top in range(int(rng.integers(2, 20)), SIDE_PX - 8, int(size * rng.uniform(1.1, 1.8))):
        if rng.random() < 0.85:
            draw.text((int(rng.integers(2, 16)), top), words(rng, 8), fill=ink, font=font(size))
    return np.asarray(page)


def fractal_noise(rng: np.random.Generator) -> Grey:
    """Noise whose spectrum falls as a power of the frequency: from grain to clouds."""
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(SIDE_PX), np.fft.rfftfreq(SIDE_PX), indexing="ij"))
    frequency[0, 0] = 1
    spectrum = np.fft.rfft2(rng.standard_normal((SIDE_PX, SIDE_PX))) / frequency ** rng.uniform(0, 2.2)
    return _stretch(np.fft.irfft2(spectrum, (SIDE_PX, SIDE_PX)), rng)


def shapes(rng: np.random.Generator) -> Grey:
    """Ellipses, boxes and lines over a gradient, some blurred."""
    ramp = np.linspace(rng.uniform(0, 255), rng.uniform(0, 255), SIDE_PX)
    image = Image.fromarray(np.tile(ramp, (SIDE_PX, 1)).astype(np.uint8)).rotate(int(rng.integers(4)) * 90)
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(1, 14))):
        x0, y0, w, h = rng.integers(0, SIDE_PX, 2).tolist() + rng.integers(8, 120, 2).tolist()
        fill = int(rng.integers(256))
        kind = rng.integers(3)
        if kind == 0:
            draw.ellipse((x0, y0, x0 + w, y0 + h), fill=fill)
        elif kind == 1:
            draw.rectangle((x0, y0, x0 + w, y0 + h), fill=fill)
        else:
            draw.line((x0, y0, x0 + w, y0 + h), fill=fill, width=int(rng.integers(1, 12)))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(float(rng.choice([0, 0, 1, 4, 8])))))


def flat(rng: np.random.Generator) -> Grey:
    """One grey level, with or without grain: an empty detector, a closed lens."""
    level = rng.uniform(0, 255)
    return np.clip(level + rng.normal(0, rng.uniform(0, 20), (SIDE_PX, SIDE_PX)), 0, 255).astype(np.uint8)


def chart(rng: np.random.Generator) -> Grey:
    """Bars or curves on axes with labels."""
    page = Image.new("L", (SIDE_PX, SIDE_PX), 255)
    draw = ImageDraw.Draw(page)
    draw.line((24, 10, 24, 170, 184, 170), fill=0, width=2)
    draw.text((60, 174), words(rng, 2), fill=0, font=font(10))
    if rng.random() < 0.5:
        count = int(rng.integers(3, 12))
        for i, height in enumerate(rng.integers(5, 150, count)):
            left = 28 + i * 154 // count
            draw.rectangle((left, 170 - height, left + 120 // count, 170), fill=int(rng.integers(40, 200)))
    else:
        for _ in range(int(rng.integers(1, 5))):
            walk = 90 + np.cumsum(rng.normal(0, 6, 50))
            draw.line(
                [(26 + 3 * i, float(v)) for i, v in enumerate(walk)], fill=int(rng.integers(0, 150)), width=2
            )
    return np.asarray(page)


def screenshot(rng: np.random.Generator) -> Grey:
    """Windows with title bars, buttons and lines of text."""
    desk = Image.new("L", (SIDE_PX, SIDE_PX), int(rng.integers(20, 240)))
    draw = ImageDraw.Draw(desk)
    for _ in range(int(rng.integers(1, 4))):
        x, y, w, h = (int(v) for v in (*rng.integers(0, 90, 2), *rng.integers(70, 150, 2)))
        draw.rectangle((x, y, x + w, y + h), fill=int(rng.choice([30, 230, 250])), outline=90)
        draw.rectangle((x, y, x + w, y + 10), fill=int(rng.integers(60, 200)))
        for line in range(y + 16, y + h - 8, 9):
            draw.text((x + 4, line), words(rng, 3), fill=128, font=font(7))
    return np.asarray(desk)


_DIGITS = load_digits().images


def digit(rng: np.random.Generator) -> Grey:
    """A handwritten digit, enlarged (scikit-learn's sample)."""
    small = _DIGITS[rng.integers(len(_DIGITS))] * (255 / 16)
    image = Image.fromarray(small.astype(np.uint8)).resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC)
    return np.asarray(image) if rng.random() < 0.5 else 255 - np.asarray(image)


def _crops(picture: Callable[[], Image.Image]) -> Draw:
    whole = picture().convert("L")

    def crop(rng: np.random.Generator) -> Grey:
        side = int(min(whole.size) * rng.uniform(0.25, 1.0))
        left, top = (int(rng.integers(0, extent - side + 1)) for extent in whole.size)
        return _stretch(np.asarray(whole.crop((left, top, left + side, top + side)), dtype=float), rng)

    return crop


def _sample_photo(name: str) -> Draw:
    return _crops(lambda: Image.fromarray(load_sample_image(name)))


def _portrait() -> Draw:
    return _crops(lambda: Image.open(Path(mpl.get_data_path()) / "sample_data" / "grace_hopper.jpg"))


OTHER_DICOM = (
    "CT_small.dcm", "MR_small.dcm", "JPEG2000.dcm", "examples_overlay.dcm", "examples_jpeg2k.dcm",
    "examples_rgb_color.dcm", "image_dfl.dcm", "SC_rgb_rle.dcm", "ExplVR_BigEnd.dcm",
)  # fmt: skip
"""pydicom's own test files that decode here: CT of the trunk, MR, nuclear medicine, ultrasound, test
pictures."""


def other_dicom() -> list[Grey]:
    """The images of `OTHER_DICOM`."""
    images = []
    for name in OTHER_DICOM:
        path = get_testdata_file(name, download=False)
        try:
            images.append(decode_image(Path(str(path)).read_bytes()).grey)
        except (InvalidInput, OSError):
            continue
    return images


def _other_dicom() -> Draw:
    images = other_dicom()

    def choose(rng: np.random.Generator) -> Grey:
        image = images[rng.integers(len(images))]
        height, width = image.shape
        y, x = int(rng.integers(0, height // 10)), int(rng.integers(0, width // 10))
        return image[
            y : height - int(rng.integers(0, height // 10)), x : width - int(rng.integers(0, width // 10))
        ]

    return choose


def training_kinds() -> dict[str, Draw]:
    """The kinds of foreign image that the gate learns from."""
    return {
        "text_page": text_page,
        "fractal_noise": fractal_noise,
        "shapes": shapes,
        "flat": flat,
        "photo_china": _sample_photo("china.jpg"),
    }


def measuring_kinds() -> dict[str, Draw]:
    """The kinds that it is only measured on."""
    return {
        "chart": chart,
        "screenshot": screenshot,
        "digit": digit,
        "photo_flower": _sample_photo("flower.jpg"),
        "photo_portrait": _portrait(),
        "other_dicom": _other_dicom(),
    }


def scrambled(grey: Grey, rng: np.random.Generator) -> Grey:
    """A medical image cut into tiles that are put back in another order: its texture without its anatomy."""
    square = np.asarray(Image.fromarray(grey).resize((SIDE_PX, SIDE_PX)))
    count = int(rng.choice([2, 3, 4, 6]))
    tile = SIDE_PX // count
    tiles = [
        square[i * tile : (i + 1) * tile, j * tile : (j + 1) * tile]
        for i in range(count)
        for j in range(count)
    ]
    order = rng.permutation(len(tiles))
    while (order == np.arange(len(order))).all():
        order = rng.permutation(len(tiles))
    return np.block([[tiles[order[i * count + j]] for j in range(count)] for i in range(count)])


def detail(grey: Grey, rng: np.random.Generator) -> Grey:
    """A small piece of a medical image, enlarged."""
    height, width = grey.shape
    share = rng.uniform(0.08, 0.2)
    h, w = max(int(height * share), 8), max(int(width * share), 8)
    top, left = int(rng.integers(0, height - h)), int(rng.integers(0, width - w))
    return grey[top : top + h, left : left + w]


def _stretch(values: npt.NDArray[np.float64], rng: np.random.Generator) -> Grey:
    low, high = np.percentile(values, (1, 99))
    scaled = (values - low) / max(high - low, 1e-6)
    return (np.clip(scaled, 0, 1) ** rng.uniform(0.6, 1.6) * 255).astype(np.uint8)
