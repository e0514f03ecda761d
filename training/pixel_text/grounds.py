"""What text is drawn into: real radiographs and CT slices, and drawn ultrasound."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from services.imaging.grey import Grey
from training.data_folder import data_folder


def files() -> list[tuple[str, Path]]:
    """Real images and what they are: small radiographs of children, radiographs of full size, CT slices."""
    data = data_folder()
    chest = sorted((data / "chest_xray" / "val").rglob("*.jpg"))[::12]
    full = sorted((data / "chest_xray_full").iterdir()) + sorted((data / "dicom").glob("*.png"))
    slices = sorted((data / "head_ct").rglob("*.png"))[::4]
    return [
        *(("radiograph, small", path) for path in chest),
        *(("radiograph, full size", path) for path in full * 5),
        *(("head CT", path) for path in slices),
    ]


def ultrasound(side: int, rng: np.random.Generator) -> Grey:
    """A sector of speckle on black, as ultrasound shows."""
    speckle = rng.rayleigh(1.0, (side // 2, side // 2)).astype(np.float32)
    coarse = rng.uniform(0.1, 1.0, (8, 8)).astype(np.float32)
    shape = np.asarray(Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC))
    fine = np.asarray(Image.fromarray(speckle).resize((side, side), Image.Resampling.BILINEAR))
    mask = Image.new("L", (side, side), 0)
    apex = (side * rng.uniform(0.3, 0.7), -side * rng.uniform(0.0, 0.3))
    reach = side * rng.uniform(0.9, 1.3)
    box = (apex[0] - reach, apex[1] - reach, apex[0] + reach, apex[1] + reach)
    spread = rng.uniform(25, 60)
    ImageDraw.Draw(mask).pieslice(box, 90 - spread, 90 + spread, fill=255)
    return np.clip(fine * shape * rng.uniform(40, 110) * (np.asarray(mask) > 0), 0, 255).astype(np.uint8)


def distracted(image: Grey, rng: np.random.Generator) -> Grey:
    """The image with what is no text: rulers, wires, arrows, boxes, markers of position, shutters."""
    canvas = Image.fromarray(image)
    draw = ImageDraw.Draw(canvas)
    side = image.shape[0]

    def point() -> tuple[int, int]:
        return int(rng.integers(0, side)), int(rng.integers(0, side))

    for _ in range(int(rng.integers(0, 5))):
        level = int(rng.choice([255, 0, int(rng.integers(60, 255))]))
        width = int(rng.integers(1, 5))
        kind = rng.integers(0, 6)
        (x, y), (u, v) = point(), point()
        if kind == 0:
            draw.line((x, y, u, v), fill=level, width=width)
        elif kind == 1:
            step = int(rng.integers(5, 30))
            for number in range(int(rng.integers(4, 20))):
                length = 12 if number % 5 == 0 else 6
                draw.line((x, y + number * step, x + length, y + number * step), fill=level, width=width)
        elif kind == 2:
            draw.rectangle((min(x, u), min(y, v), max(x, u), max(y, v)), outline=level, width=width)
        elif kind == 3:
            radius = int(rng.integers(3, 60))
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=level, width=width)
        elif kind == 4:
            draw.line([point() for _ in range(5)], fill=level, width=width, joint="curve")
        else:
            edge = int(rng.integers(0, side // 3))
            draw.rectangle((0, 0, edge, side), fill=int(rng.choice([0, 255])))
    if rng.random() < 0.2:
        canvas = canvas.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 1.5))))
    return np.asarray(canvas)
