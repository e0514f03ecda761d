"""A JPEG frame of 8 bits in colour at half its rows and columns.

Pillow's decoder computes no more than those. pydicom tells by the markers of a frame which colours its
samples are, as for one of full size, and is given a plugin that unpacks them so.
"""

from __future__ import annotations

import io
from typing import Any

import numpy.typing as npt
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.pixels.decoders.base import Decoder, DecodeRunner
from pydicom.uid import UID, JPEGBaseline8Bit, JPEGExtended12Bit

from services.imaging.pictures import halve

_PLUGIN = "pillow, at half"


def as_array(dataset: Dataset, **options: Any) -> tuple[npt.NDArray[Any], dict[str, Any]]:
    """The frame as `Decoder.as_array` of pydicom gives it, `[half the rows, half the columns, 3]`; halves of
    odd numbers are rounded up.
    """
    options["rows"], options["columns"] = (-(-side // 2) for side in (dataset.Rows, dataset.Columns))
    return _DECODERS[dataset.file_meta.TransferSyntaxUID].as_array(
        dataset, decoding_plugin=_PLUGIN, **options
    )


def is_available(_syntax: UID) -> bool:
    """Asked by pydicom of each plugin."""
    return True


def unpacked(encoded: bytes, _runner: DecodeRunner) -> bytes:
    """The plugin. As in pydicom's own for Pillow, colours are converted here only where Adobe's marker says
    which they are.
    """
    image = Image.open(io.BytesIO(encoded), formats=("JPEG",))
    halve(image, image.mode if "adobe_transform" in image.info else "YCbCr")
    return image.tobytes()


_DECODERS = {syntax: Decoder(syntax) for syntax in (JPEGBaseline8Bit, JPEGExtended12Bit)}
"""Of our own: what is added to pydicom's would be tried by whoever asks for any plugin."""
for _decoder in _DECODERS.values():
    _decoder.add_plugin(_PLUGIN, (__name__, unpacked.__name__))
