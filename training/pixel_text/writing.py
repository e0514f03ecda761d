"""Writes text into images, as devices and people do, and says where it stands."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from services.imaging.grey import Grey

LATIN = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
MARKS = "-/:.,()#&'+_"
SYLLABLES = [
    "an",
    "ba",
    "ker",
    "son",
    "la",
    "mi",
    "ro",
    "del",
    "ta",
    "ne",
    "vo",
    "ri",
    "st",
    "ham",
    "ey",
    "Mc",
    "O'",
    "ska",
    "qui",
    "lin",
    "wo",
    "do",
    "fer",
    "ez",
    "ng",
    "tran",
    "xu",
    "ye",
    "zh",
]
LABELS = [
    "Name",
    "ID",
    "DOB",
    "MRN",
    "Acc#",
    "Study",
    "Sex",
    "M",
    "F",
    "Age",
    "Dr.",
    "Ref.",
    "Hospital",
    "Clinic",
    "Patient",
    "Date",
    "Time",
    "kV",
    "mAs",
    "FOV",
    "W",
    "L",
    "Se",
    "Im",
    "AP",
    "PA",
    "LAT",
    "R",
    "SUPINE",
    "PORTABLE",
    "ERECT",
    "HR",
    "MI",
    "TIS",
    "Gain",
    "Depth",
    "cm",
    "bpm",
    "Nr",
    "Ward",
    "Bed",
    "Tech",
    "Oper",
]
HAN = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗医院病人姓名性别年龄"
    "男女检查日期号科室床住院门诊放射胸部头颅中心人民第一附属大学市省"
)
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


@dataclass(frozen=True)
class Written:
    """A line of text in an image."""

    box: tuple[int, int, int, int]
    """Left, top, right, bottom in pixels."""
    height_px: int
    """Of the letters."""
    contrast: int
    """Difference of the letters' grey level from the ground's mean."""
    font: str
    text: str


@cache
def faces() -> tuple[str, ...]:
    """The font files of this machine, and those of the folder FONTS."""
    folders = (Path("/usr/share/fonts"), Path(os.environ.get("FONTS", "/usr/share/fonts")))
    found = {str(path) for folder in folders for path in folder.rglob("*.tt[fc]")}
    return tuple(sorted(found))


def phrase(rng: np.random.Generator) -> str:
    """A name, a date, a number, a label, or letters without sense."""
    kind = rng.integers(0, 8)
    if kind == 0:
        names = ["".join(rng.choice(SYLLABLES, int(rng.integers(1, 4)))).capitalize() for _ in range(2)]
        said = rng.choice(["{0}, {1}", "{1} {0}", "{0}^{1}", "{0} {1} A."]).format(*names)
        return str(said).upper() if rng.random() < 0.5 else str(said)
    if kind == 1:
        day, month, year = int(rng.integers(1, 29)), int(rng.integers(1, 13)), int(rng.integers(1920, 2027))
        forms = (
            f"{day:02d}.{month:02d}.{year}",
            f"{year}-{month:02d}-{day:02d}",
            f"{month}/{day}/{year % 100:02d}",
            f"{day} {MONTHS[month - 1]} {year}",
            f"{year}{month:02d}{day:02d}",
        )
        return str(rng.choice(forms))
    if kind == 2:
        return "".join(rng.choice(list("0123456789"), int(rng.integers(4, 12))))
    if kind == 3:
        return f"{rng.choice(LABELS)}: {phrase(rng)}"[:40]
    if kind == 4:
        return str(rng.choice(LABELS))
    if kind == 5:
        return "".join(rng.choice(list(HAN), int(rng.integers(2, 9))))
    if kind == 6:
        return f"{int(rng.integers(0, 24)):02d}:{int(rng.integers(0, 60)):02d}:{int(rng.integers(0, 60)):02d}"
    return "".join(rng.choice(list(LATIN + MARKS), int(rng.integers(2, 16))))


def write(
    image: Grey, rng: np.random.Generator, *, lines: int, sizes: tuple[float, float]
) -> tuple[Grey, list[Written]]:
    """The image with up to so many lines of text, and where they are."""
    canvas = Image.fromarray(image)
    written: list[Written] = []
    for _ in range(lines):
        one = _line(canvas, rng, sizes, written)
        if one is not None:
            written.append(one)
    if written and rng.random() < 0.25:  # a lossy file
        packed = io.BytesIO()
        canvas.save(packed, "JPEG", quality=int(rng.integers(35, 95)))
        canvas = Image.open(packed)
    return np.asarray(canvas.convert("L")), written


def _line(
    canvas: Image.Image,
    rng: np.random.Generator,
    sizes: tuple[float, float],
    others: list[Written],
) -> Written | None:
    text = phrase(rng)
    size = float(np.exp(rng.uniform(*np.log(sizes))))
    names = [one for one in faces() if ("wqy" in one) or not any(c in HAN for c in text)]
    if any(c in HAN for c in text):
        names = [one for one in names if "wqy" in one]
        size = max(size, 11.0)
    name = str(rng.choice(names))
    face = ImageFont.truetype(name, round(size))
    mask = _drawn(text, face, antialiased=bool(rng.random() < 0.75))
    turned = rng.random()
    if turned < 0.08:
        mask = mask.rotate(90 if turned < 0.05 else 270, expand=True)
    width, height = mask.size
    if width >= canvas.width or height >= canvas.height:
        return None
    left = int(rng.integers(0, canvas.width - width + 1))
    top = int(rng.integers(0, canvas.height - height + 1))
    if rng.random() < 0.4:  # devices write along the edges
        top = int(rng.choice([min(4, canvas.height - height), canvas.height - height - 0]))
    box = (left, top, left + width, top + height)
    if any(_touch(box, other.box) for other in others):
        return None
    ground = np.asarray(canvas.crop(box), np.float32)
    level = _level(float(ground.mean()), rng)
    if rng.random() < 0.12:  # on a plate of its own
        plate = int(rng.choice([0, 255, int(rng.integers(0, 255))]))
        level = _level(plate, rng)
        canvas.paste(plate, (max(left - 3, 0), max(top - 3, 0), left + width + 3, top + height + 3))
        ground = np.full_like(ground, plate)
    elif rng.random() < 0.12:  # with a shadow
        canvas.paste(0 if level > 128 else 255, (left + 1, top + 1), mask)
    canvas.paste(level, (left, top), mask)
    return Written(box, round(size), round(abs(level - float(ground.mean()))), name.rpartition("/")[2], text)


def _level(ground: float, rng: np.random.Generator) -> int:
    """A grey level that stands out: most often black or white, sometimes faint."""
    if rng.random() < 0.65:
        return 255 if ground < 150 else 0
    while True:
        level = int(rng.integers(0, 256))
        if abs(level - ground) >= 30:
            return level


def _drawn(text: str, face: ImageFont.FreeTypeFont, *, antialiased: bool) -> Image.Image:
    left, top, right, bottom = face.getbbox(text)
    mask = Image.new("L", (int(right - left) + 2, int(bottom - top) + 2), 0)
    draw = ImageDraw.Draw(mask)
    draw.fontmode = "L" if antialiased else "1"
    draw.text((1 - left, 1 - top), text, fill=255, font=face)
    return mask


def _touch(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
