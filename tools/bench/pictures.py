"""The images that are measured with: drawn films (samples/phantom.py) with grain, without which their files
would be smaller, and cheaper to decode, than real ones. Paediatric chest films have 11 kB a JPEG at 256
px, as the small ones here, and 0.22 MB at 1,576 by 1,328 px, where the large ones here have 0.36 MB.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import imagecodecs
import numpy as np
import numpy.typing as npt
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

from samples import phantom

SMALL_PX, LARGE_PX, FILM_PX = 256, 1536, 2048
Coder = Callable[[npt.NDArray[np.uint16]], bytes | bytearray]
COUNT = 6
"""Different images of each kind."""


def write(kind: str, folder: Path) -> Sequence[Path]:
    """The files of a kind, written to `folder` where they are not there yet."""
    paths = [folder / f"{kind}-{number}" for number in range(COUNT if kind in _JPEGS else 2)]
    for number, path in enumerate(paths):
        if not path.exists():
            path.write_bytes(_JPEGS[kind](number) if kind in _JPEGS else _dicom(number, *_SYNTAXES[kind]))
    return paths


def _film(seed: int, side_px: int, grain: float) -> npt.NDArray[np.float64]:
    """Grey levels 0..255 of a film with its grain."""
    drawn = Image.fromarray(phantom.chest_xray(seed, opacity=0.1 * (seed % 6)))
    large = np.asarray(drawn.resize((side_px, side_px), Image.Resampling.BICUBIC), dtype=np.float64)
    noise = np.random.default_rng(seed).normal(0, grain, large.shape)
    return np.clip(large + noise, 0, 255)


def _jpeg(seed: int, side_px: int, grain: float, quality: int) -> bytes:
    file = io.BytesIO()
    grey = np.rint(_film(seed, side_px, grain)).astype(np.uint8)
    Image.fromarray(grey).save(file, "JPEG", quality=quality)
    return file.getvalue()


_JPEGS: Mapping[str, Callable[[int], bytes]] = {
    "small": lambda seed: _jpeg(seed, SMALL_PX, 2.0, 90),
    "large": lambda seed: _jpeg(seed, LARGE_PX, 2.5, 92),
}


def _dicom(seed: int, syntax: UID, coded: Coder | None) -> bytes:
    """A film of 12 bits in 16, as a detector for presentation sends it."""
    pixels = np.rint(_film(seed, FILM_PX, 0.5) * (4095 / 255)).astype(np.uint16)
    data = Dataset()
    data.SOPClassUID, data.SOPInstanceUID = DigitalXRayImageStorageForPresentation, generate_uid()
    data.Modality, data.BodyPartExamined, data.ViewPosition = "DX", "CHEST", "PA"
    data.PatientID, data.PatientAge = "SYNTHETIC", "005Y"
    data.Rows, data.Columns = pixels.shape
    data.SamplesPerPixel, data.PhotometricInterpretation, data.PixelRepresentation = 1, "MONOCHROME2", 0
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 12, 11
    data.WindowCenter, data.WindowWidth, data.PixelIntensityRelationshipSign = 2048, 4096, 1
    data.PresentationLUTShape, data.RescaleIntercept, data.RescaleSlope = "IDENTITY", 0, 1
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    data.PixelData = pixels.tobytes()
    if syntax == RLELossless:
        data.compress(RLELossless)
    elif coded is not None:
        data.PixelData = encapsulate([bytes(coded(pixels))])
        data["PixelData"].is_undefined_length = True
        data.file_meta.TransferSyntaxUID = syntax
    file = io.BytesIO()
    data.save_as(file, enforce_file_format=True)
    return file.getvalue()


_SYNTAXES: Mapping[str, tuple[UID, Coder | None]] = {
    "plain": (ExplicitVRLittleEndian, None),
    "rle": (RLELossless, None),
    "jpeg-ls": (JPEGLSLossless, imagecodecs.jpegls_encode),
    "jpeg2000": (
        JPEG2000Lossless,
        lambda pixels: imagecodecs.jpeg2k_encode(
            pixels, codecformat="J2K", reversible=True, bitspersample=12
        ),
    ),
}
