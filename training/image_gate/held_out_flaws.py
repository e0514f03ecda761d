"""Flaws that the gate is measured on and never trained with: other blurs, covers, crops, surroundings and
drawings than those of `flaws`, `surroundings` and `phantoms`.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from samples.phantom import chest_xray as sample_phantom
from services.imaging.grey import Grey
from services.imaging.tasks.gate import Rejection
from training.image_gate.flaws import Spoil, as_grey, gaussian, longest
from training.image_gate.foreign import Draw, font, words
from training.image_gate.surroundings import perspective


def blurred_by_6_px(grey: Grey, _: np.random.Generator) -> Grey:
    """6 pixels of 256."""
    return gaussian(grey, 6 / 256 * longest(grey))


def box_blur(grey: Grey, rng: np.random.Generator) -> Grey:
    radius = rng.uniform(0.022, 0.05) * longest(grey)
    return np.asarray(Image.fromarray(grey).filter(ImageFilter.BoxBlur(radius)))


def defocus(grey: Grey, rng: np.random.Generator) -> Grey:
    """Spread over a disc, as by a lens."""
    radius = rng.uniform(0.025, 0.06) * longest(grey)
    padded = np.pad(grey, int(radius) + 1, mode="edge").astype(float)
    y, x = (np.minimum(np.arange(n), n - np.arange(n)) for n in padded.shape)
    disc = (y[:, None] ** 2 + x[None] ** 2 <= radius**2).astype(float)
    spread = np.fft.irfft2(np.fft.rfft2(padded) * np.fft.rfft2(disc / disc.sum()), padded.shape)
    edge = int(radius) + 1
    return as_grey(spread[edge:-edge, edge:-edge])


def shrunk(grey: Grey, rng: np.random.Generator) -> Grey:
    """A thumbnail, enlarged smoothly."""
    image = Image.fromarray(grey)
    small = image.copy()
    small.thumbnail((int(rng.integers(18, 44)),) * 2)
    return np.asarray(small.resize(image.size, Image.Resampling.LANCZOS))


def box_over_middle(grey: Grey, rng: np.random.Generator) -> Grey:
    result = grey.copy()
    height, width = grey.shape
    share = rng.uniform(0.3, 0.5)
    top, left = int(height * (1 - share) / 2), int(width * (1 - share) / 2)
    result[top : height - top, left : width - left] = 0
    return result


def upper_half_black(grey: Grey, _: np.random.Generator) -> Grey:
    result = grey.copy()
    result[: len(grey) // 2] = 0
    return result


def sticker(grey: Grey, rng: np.random.Generator) -> Grey:
    """A turned white label with writing, stuck over the anatomy."""
    side = longest(grey)
    label = Image.new("L", (int(side * rng.uniform(0.35, 0.6)), int(side * rng.uniform(0.2, 0.4))), 240)
    draw = ImageDraw.Draw(label)
    for top in range(4, label.height - 10, 14):
        draw.text((5, top), words(rng, 4), fill=30, font=font(10))
    angle = float(rng.uniform(-35, 35))
    turned = label.rotate(angle, expand=True)
    mask = Image.new("L", label.size, 255).rotate(angle, expand=True)
    image = Image.fromarray(grey)
    left, top = (
        int((whole - own) * rng.uniform(0.25, 0.75))
        for whole, own in zip(image.size, turned.size, strict=True)
    )
    image.paste(turned, (left, top), mask)
    return np.asarray(image)


def blob(grey: Grey, rng: np.random.Generator) -> Grey:
    """A hand, a glove, a spilled liquid: an irregular shape of one soft grey."""
    height, width = grey.shape
    angles = np.linspace(0, 2 * np.pi, 60)
    radius = rng.uniform(0.22, 0.34) * (1 + 0.35 * np.sin(3 * angles + rng.uniform(0, 6)) * np.sin(angles))
    x = (0.5 + rng.uniform(-0.15, 0.15) + radius * np.cos(angles)) * width
    y = (0.5 + rng.uniform(-0.15, 0.15) + radius * np.sin(angles)) * height
    mask = Image.new("L", (width, height))
    ImageDraw.Draw(mask).polygon(list(zip(x.tolist(), y.tolist(), strict=True)), fill=255)
    soft = np.asarray(mask.filter(ImageFilter.GaussianBlur(3)), float) / 255
    return as_grey(soft * rng.choice([0, 10, 230, 250]) + (1 - soft) * grey)


def fading(grey: Grey, rng: np.random.Generator) -> Grey:
    """Half of the image fades into black or white."""
    height, width = grey.shape
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    angle = rng.uniform(0, 2 * np.pi)
    share = np.clip((x * np.cos(angle) + y * np.sin(angle)) * rng.uniform(4, 10), -0.5, 0.5) + 0.5
    return as_grey(share * rng.choice([0, 255]) + (1 - share) * grey)


def mosaic(grey: Grey, _: np.random.Generator) -> Grey:
    """The middle made unrecognisable with coarse cells."""
    height, width = grey.shape
    rows, columns = slice(height // 4, height * 3 // 4), slice(width // 5, width * 4 // 5)
    middle = Image.fromarray(grey[rows, columns])
    result = grey.copy()
    result[rows, columns] = np.asarray(
        middle.resize((6, 5), Image.Resampling.BOX).resize(middle.size, Image.Resampling.NEAREST)
    )
    return result


def centre_quarter(grey: Grey, _: np.random.Generator) -> Grey:
    height, width = grey.shape
    return np.ascontiguousarray(grey[height // 4 : height * 3 // 4, width // 4 : width * 3 // 4])


def upper_half(grey: Grey, _: np.random.Generator) -> Grey:
    return np.ascontiguousarray(grey[: len(grey) // 2])


def one_side(grey: Grey, rng: np.random.Generator) -> Grey:
    """One lung, or one half of the head."""
    middle = grey.shape[1] // 2
    return np.ascontiguousarray(grey[:, :middle] if rng.random() < 0.5 else grey[:, middle:])


def corner_quarter(grey: Grey, rng: np.random.Generator) -> Grey:
    height, width = grey.shape
    rows = slice(None, height // 2) if rng.random() < 0.5 else slice(height // 2, None)
    columns = slice(None, width // 2) if rng.random() < 0.5 else slice(width // 2, None)
    return np.ascontiguousarray(grey[rows, columns])


def shot_noise(grey: Grey, rng: np.random.Generator) -> Grey:
    """Too few photons: the noise grows with the grey level."""
    photons = rng.uniform(3, 9)
    return as_grey(rng.poisson(grey / 255.0 * photons) * (255 / photons))


def banding(grey: Grey, rng: np.random.Generator) -> Grey:
    """Broken detector lines."""
    lines = rng.normal(0, rng.uniform(45, 80), len(grey))
    return as_grey(grey + (lines[:, None] if rng.random() < 0.5 else np.resize(lines, grey.shape[1])[None]))


def dithered(grey: Grey, _: np.random.Generator) -> Grey:
    """Black and white dots, as a fax prints it."""
    small = Image.fromarray(grey).resize((128, 128)).convert("1")
    return np.asarray(small.convert("L").resize(grey.shape[::-1], Image.Resampling.NEAREST))


def washed_out(grey: Grey, rng: np.random.Generator) -> Grey:
    """Brightened until half of what was in range is white."""
    return as_grey(grey.astype(float) + 255 - np.quantile(grey[grey < 255], rng.uniform(0.4, 0.6)))


def at_an_angle(grey: Grey, rng: np.random.Generator) -> Grey:
    """A print on a plain table, seen from the side: clear perspective, no other fault."""
    side = 320
    near, far = rng.uniform(0.02, 0.08), rng.uniform(0.14, 0.25)
    corners = np.array([[near, near], [1 - far, far], [1 - far, 1 - far], [near, 1 - near]])
    for _ in range(int(rng.integers(4))):
        corners = np.column_stack([1 - corners[:, 1], corners[:, 0]])[[3, 0, 1, 2]]
    page = Image.fromarray(grey).resize((side, side))
    return np.asarray(
        page.transform(
            (side, side),
            Image.Transform.PERSPECTIVE,
            perspective(corners * side, side),
            Image.Resampling.BICUBIC,
            fillcolor=int(rng.choice([0, 60, 128, 190, 235])),
        )
    )


def on_light_box(grey: Grey, rng: np.random.Generator) -> Grey:
    """A film that hangs a little crooked on a glowing box in a dark room."""
    film = (
        Image.fromarray(grey)
        .resize((200, 220))
        .rotate(float(rng.uniform(3, 9) * rng.choice([-1, 1])), expand=True, fillcolor=250)
    )
    box = Image.new("L", (300, 310), 250)
    box.paste(film, ((300 - film.width) // 2, (310 - film.height) // 2))
    room = Image.new("L", (400, 380), 25)
    room.paste(box, (int(rng.integers(20, 80)), int(rng.integers(10, 60))))
    y, x = np.mgrid[-1:1:380j, -1:1:400j]
    return as_grey(
        np.asarray(room.filter(ImageFilter.GaussianBlur(1.2)), float) * (1 - 0.25 * (x * x + y * y))
    )


def browser(grey: Grey, rng: np.random.Generator) -> Grey:
    """A page of the web with the image in the middle of its text."""
    page = Image.new("L", (640, 480), 250)
    draw = ImageDraw.Draw(page)
    draw.rectangle((0, 0, 640, 44), fill=210)
    draw.rounded_rectangle((90, 8, 600, 36), 14, fill=255, outline=180)
    draw.text((110, 14), "https://" + words(rng, 1) + ".org/" + words(rng, 1), fill=60, font=font(13))
    draw.text((40, 60), words(rng, 4).title(), fill=20, font=font(22))
    picture = ImageOps.contain(Image.fromarray(grey), (int(rng.integers(260, 460)), 330))
    page.paste(picture, (int(rng.integers(30, 600 - picture.width)), 100))
    for line in range(110 + picture.height, 470, 18):
        draw.text((40, line), words(rng, 11), fill=50, font=font(12))
    return np.asarray(page)


def phone(grey: Grey, rng: np.random.Generator) -> Grey:
    """A telephone's upright screen: clock above, buttons below, the image between."""
    screen = Image.new("L", (360, int(rng.integers(560, 720))), int(rng.choice([0, 15, 255])))
    draw = ImageDraw.Draw(screen)
    ink = 255 if screen.getpixel((0, 0)) != 255 else 0
    draw.text((14, 8), "10:42", fill=ink, font=font(14))
    draw.text((290, 8), "LTE 83%", fill=ink, font=font(12))
    picture = Image.fromarray(grey).resize((360, 360 * grey.shape[0] // grey.shape[1]))
    screen.paste(picture, (0, (screen.height - picture.height) // 2))
    for x in (50, 140, 230, 310):
        draw.ellipse((x - 12, screen.height - 40, x + 12, screen.height - 16), outline=ink, width=2)
    return np.asarray(screen)


def slide(grey: Grey, rng: np.random.Generator) -> Grey:
    """A lecture's slide: a title, the image on one side, points on the other."""
    page = Image.new("L", (640, 360), int(rng.choice([20, 255])))
    draw = ImageDraw.Draw(page)
    ink = 10 if page.getpixel((0, 0)) == 255 else 240
    draw.text((24, 14), words(rng, 3).title(), fill=ink, font=font(28))
    picture = ImageOps.contain(Image.fromarray(grey), (300, 280))
    left = bool(rng.random() < 0.5)
    page.paste(picture, (20 if left else 320, 64))
    for line in range(5):
        draw.text((340 if left else 24, 80 + 44 * line), "• " + words(rng, 3), fill=ink, font=font(18))
    return np.asarray(page)


HELD_OUT: dict[Rejection, tuple[Spoil, ...]] = {
    Rejection.BLURRED: (blurred_by_6_px, box_blur, defocus, shrunk),
    Rejection.COVERED: (box_over_middle, upper_half_black, sticker, blob, fading, mosaic),
    Rejection.CROPPED: (centre_quarter, upper_half, one_side, corner_quarter),
    Rejection.DEGRADED: (shot_noise, banding, dithered, washed_out),
    Rejection.PHOTOGRAPH: (at_an_angle, on_light_box),
    Rejection.SCREENSHOT: (browser, phone, slide),
}
"""By what the gate should say of them; the name of each function is that of its subgroup in the card."""


def demo_chest(rng: np.random.Generator) -> Grey:
    """The phantom of the demo: tissue and bone by thickness, with ribs and vessels."""
    return sample_phantom(int(rng.integers(1 << 31)), opacity=float(rng.choice([0, rng.uniform(0.1, 0.6)])))


def quality_phantom(rng: np.random.Generator) -> Grey:
    """A scanner's test object: a disc with a shell and rods of several densities."""
    side = 256
    image = Image.new("L", (side, side), 0)
    draw = ImageDraw.Draw(image)
    radius = rng.uniform(0.34, 0.46) * side
    draw.ellipse((128 - radius, 128 - radius, 128 + radius, 128 + radius), fill=int(rng.integers(180, 256)))
    inner = radius - rng.uniform(4, 14)
    draw.ellipse((128 - inner, 128 - inner, 128 + inner, 128 + inner), fill=int(rng.integers(70, 150)))
    count = int(rng.integers(4, 10))
    for i in range(count):
        x, y = (128 + inner * 0.65 * f(2 * np.pi * i / count) for f in (np.cos, np.sin))
        rod = rng.uniform(5, 14)
        draw.ellipse((x - rod, y - rod, x + rod, y + rod), fill=int(rng.integers(0, 256)))
    return as_grey(gaussian(np.asarray(image), 1) + rng.normal(0, rng.uniform(2, 12), (side, side)))


def wavy_head(rng: np.random.Generator) -> Grey:
    """A head of a wavy outline with folds at its rim and horns in its middle, on soft noise."""
    y, x = np.mgrid[-1:1:256j, -1:1:256j]
    angle, distance = np.arctan2(y * 0.85, x), np.hypot(x, y * 0.85)
    waves = sum(rng.normal(0, 0.012) * np.cos(k * angle + rng.uniform(0, 6)) for k in range(2, 7))
    outline = rng.uniform(0.6, 0.75) + waves
    image = np.where(distance < outline, 235.0, 0.0)
    brain = 110 + gaussian(as_grey(rng.normal(128, 60, x.shape)), 3).astype(float) * 0.5 - 64
    folds = (np.sin(angle * rng.integers(18, 40)) > 0.75) & (distance > outline * 0.68)
    brain = np.where(folds, brain - 40, brain)
    horns = (np.abs(np.abs(x) - 0.12 - 0.25 * y**2) < 0.05) & (np.abs(y) < rng.uniform(0.2, 0.35))
    brain = np.where(horns, 50, brain)
    if rng.random() < 0.5:
        cx, cy, size = rng.uniform(-0.3, 0.3), rng.uniform(-0.3, 0.3), rng.uniform(0.06, 0.2)
        brain = np.where(np.hypot(x - cx, y - cy) < size, 205, brain)
    image = np.where(distance < outline - rng.uniform(0.05, 0.1), brain, image)
    return as_grey(gaussian(as_grey(image), 0.8) + rng.normal(0, rng.uniform(2, 8), x.shape))


HELD_OUT_DRAWINGS: tuple[Draw, ...] = (demo_chest, quality_phantom, wavy_head)


def equalised(grey: Grey, _: np.random.Generator) -> Grey:
    """Half-way to a flat histogram, as some exports are."""
    flat = np.asarray(ImageOps.equalize(Image.fromarray(grey)), float)
    return as_grey(0.5 * flat + 0.5 * grey)


def sharpened(grey: Grey, _: np.random.Generator) -> Grey:
    return np.asarray(Image.fromarray(grey).filter(ImageFilter.UnsharpMask(2, 80, 2)))


def turned_by_8_degrees(grey: Grey, rng: np.random.Generator) -> Grey:
    return np.asarray(Image.fromarray(grey).rotate(float(rng.choice([-8, 8])), Image.Resampling.BILINEAR))


def recompressed(grey: Grey, _: np.random.Generator) -> Grey:
    out = io.BytesIO()
    Image.fromarray(grey).save(out, "JPEG", quality=40)
    with Image.open(out) as picture:
        return np.asarray(picture)


def annotated(grey: Grey, rng: np.random.Generator) -> Grey:
    """A marker in a circle and the hour of the exposure."""
    image = Image.fromarray(grey.copy())
    draw = ImageDraw.Draw(image)
    size, side = max(longest(grey) // 24, 8), longest(grey)
    x = (0.05 if rng.random() < 0.5 else 0.88) * image.width
    draw.ellipse((x - 2, 0.1 * side - 2, x + 1.4 * size, 0.1 * side + 1.4 * size), outline=240)
    draw.text((x + size * 0.3, 0.1 * side), "L", fill=240, font=font(size))
    draw.text((0.6 * image.width, 0.93 * image.height), "AP 07:15", fill=230, font=font(size))
    return np.asarray(image)


def electrodes(grey: Grey, rng: np.random.Generator) -> Grey:
    """Three electrodes with leads that leave the image."""
    image = Image.fromarray(grey.copy())
    draw = ImageDraw.Draw(image)
    width, height = image.size
    radius = longest(grey) * 0.018
    for share in (0.2, 0.5, 0.8):
        x, y = share * width, rng.uniform(0.2, 0.75) * height
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=240, width=2)
        draw.line((x, y, x + rng.uniform(-0.2, 0.2) * width, height), fill=215, width=1)
    return np.asarray(image)


HELD_OUT_MILD: tuple[Spoil, ...] = (
    equalised, sharpened, turned_by_8_degrees, recompressed, annotated, electrodes,
)  # fmt: skip
"""What the gate has to accept."""
