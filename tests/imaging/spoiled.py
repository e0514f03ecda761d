"""What people did to radiographs before they sent them, drawn here by other code than training's."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont


def blurred(image: Image.Image) -> Image.Image:
    """By 6 pixels of 256."""
    return image.filter(ImageFilter.GaussianBlur(6 / 256 * max(image.size)))


def box_over_the_middle(image: Image.Image) -> Image.Image:
    width, height = image.size
    ImageDraw.Draw(image).rectangle((0.3 * width, 0.3 * height, 0.7 * width, 0.7 * height), fill=0)
    return image


def upper_half_black(image: Image.Image) -> Image.Image:
    image.paste(0, (0, 0, image.width, image.height // 2))
    return image


def centre_quarter(image: Image.Image) -> Image.Image:
    width, height = image.size
    return image.crop((width // 4, height // 4, width * 3 // 4, height * 3 // 4))


def upper_half_alone(image: Image.Image) -> Image.Image:
    return image.crop((0, 0, image.width, image.height // 2))


def at_an_angle(image: Image.Image) -> Image.Image:
    """A print on a grey table, its far edge shorter than its near one."""
    page = image.resize((300, 300))
    far_left, far_right, near = 70, 230, 292
    corners = [(far_left, 40), (far_right, 60), (near, 280), (10, 290)]
    rows, wanted = [], []
    for (u, v), (x, y) in zip([(0, 0), (300, 0), (300, 300), (0, 300)], corners, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        wanted += [u, v]
    coefficients = np.linalg.solve(np.array(rows, float), np.array(wanted, float)).tolist()
    return page.transform(
        page.size, Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.BILINEAR, fillcolor=110
    )


def in_a_screenshot(image: Image.Image) -> Image.Image:
    """A window with a title, a row of tools and a column of text."""
    desk = Image.new("L", (480, 360), 236)
    draw = ImageDraw.Draw(desk)
    draw.rectangle((0, 0, 480, 22), fill=70)
    draw.text((8, 5), "Viewer - study 3 of 5", fill=250, font=ImageFont.load_default(12))
    for x in range(10, 470, 34):
        draw.rectangle((x, 28, x + 20, 48), outline=90)
    for line, text in enumerate(("Series 1", "Window 1500", "Level 400", "Zoom 80 %", "Frame 1/1", "Export")):
        draw.text((8, 70 + 30 * line), text, fill=20, font=ImageFont.load_default(13))
    desk.paste(image.resize((340, 280)), (120, 60))
    return desk


FLAWS = {
    "BLURRED": blurred,
    "COVERED": box_over_the_middle,
    "COVERED, upper half": upper_half_black,
    "CROPPED": centre_quarter,
    "CROPPED, upper half": upper_half_alone,
    "PHOTOGRAPH": at_an_angle,
    "SCREENSHOT": in_a_screenshot,
}
"""By the rejection that should be named."""


def bordered(image: Image.Image) -> Image.Image:
    framed = Image.new("L", (int(image.width * 1.16), int(image.height * 1.1)), 0)
    framed.paste(image, (int(image.width * 0.08), int(image.height * 0.05)))
    return framed


def marked(image: Image.Image) -> Image.Image:
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(max(image.size) // 18)
    draw.text((0.05 * image.width, 0.08 * image.height), "R", fill=255, font=font)
    draw.text((0.7 * image.width, 0.92 * image.height), "PORTABLE", fill=255, font=font)
    return image


def turned_a_little(image: Image.Image) -> Image.Image:
    return image.rotate(9, Image.Resampling.BILINEAR)


def softened(image: Image.Image) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(1 / 256 * max(image.size)))


def compressed(image: Image.Image) -> Image.Image:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=50)
    return Image.open(out)


MILD = {function.__name__: function for function in (bordered, marked, turned_a_little, softened, compressed)}
"""What the gate has to accept."""


def head_phantom() -> Image.Image:
    """A ring, two ventricles and a bright disc, with noise: a bleed for whoever does not look twice."""
    image = Image.new("L", (256, 256), 0)
    draw = ImageDraw.Draw(image)
    draw.ellipse((50, 20, 206, 236), fill=255)
    draw.ellipse((60, 30, 196, 226), fill=110)
    draw.ellipse((100, 90, 118, 150), fill=50)
    draw.ellipse((138, 90, 156, 150), fill=50)
    draw.ellipse((150, 110, 185, 145), fill=200)
    noise = np.random.default_rng(0).normal(0, 5, (256, 256))
    return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))
