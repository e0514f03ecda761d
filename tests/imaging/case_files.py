"""The files of the cases in `data/cases/dicom.json`: those that were given, and those that a case describes.

A described file is a ramp or one of the given phantoms with the attributes that the case sets. In the ramps
every value stands once: the pixel of stored value `v` is at `[v // 64, v % 64]`, so that the right answer can
be computed by hand.
"""

from __future__ import annotations

import io
import json
import struct
import tarfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

FOLDER = Path(__file__).parent / "data" / "cases"
RAMP_SIDE = 64


@cache
def given() -> dict[str, bytes]:
    """The given files by name."""
    with tarfile.open(FOLDER / "given.tar.xz") as archive:
        members = [member for member in archive.getmembers() if member.isfile()]
        return {Path(member.name).stem: archive.extractfile(member).read() for member in members}


def cases() -> list[dict[str, Any]]:
    return json.loads((FOLDER / "dicom.json").read_text(encoding="utf-8"))


def file_of(case: dict[str, Any]) -> bytes:
    if "file" in case:
        return given()[case["file"]]
    dataset = _base(case.get("base", "ramp"))
    _pixels(dataset, case.get("pixels", {}))
    for keyword, value in case.get("attributes", {}).items():
        _set(dataset, keyword, value)
    for keyword, value in case.get("malformed", {}).items():
        dataset.add_new(keyword, "LO", value)
    for keyword in case.get("doubles", []):
        dataset.add_new(keyword, "FD", float(dataset[keyword].value))
    written = _written(dataset, UID(case.get("syntax", ExplicitVRLittleEndian)))
    if "declared_syntax" in case:
        written = _declaring(written, case["declared_syntax"])
    return written[case.get("skip", 0) : case.get("cut")]


def _base(name: str) -> Dataset:
    if name == "ramp":
        dataset = Dataset()
        dataset.Modality, dataset.BodyPartExamined = "DX", "CHEST"
        dataset.PhotometricInterpretation, dataset.SamplesPerPixel = "MONOCHROME2", 1
        dataset.Rows = dataset.Columns = RAMP_SIDE
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = (
            16,
            12,
            11,
            0,
        )
        dataset.PixelData = np.arange(RAMP_SIDE**2, dtype=np.uint16).tobytes()
    else:
        dataset = dcmread(io.BytesIO(given()[name]))
    dataset.SOPClassUID = dataset.get("SOPClassUID", "1.2.840.10008.5.1.4.1.1.1.1")
    dataset.SOPInstanceUID = generate_uid(entropy_srcs=["medmesh"])
    return dataset


def _pixels(dataset: Dataset, steps: dict[str, Any]) -> None:
    """Changes the stored values, step by step (see `STEPS`)."""
    if not steps:
        return
    pixels = (
        np.frombuffer(dataset.PixelData, np.uint16).reshape(dataset.Rows, dataset.Columns).astype(np.int64)
    )
    for step, value in steps.items():
        pixels = STEPS[step](pixels, value, dataset)
    if pixels.dtype == np.int64:
        pixels = pixels.astype(np.uint16)
    data = pixels.tobytes()
    dataset.PixelData = data + b"\0" * (len(data) % 2)
    dataset["PixelData"].VR = "OB" if pixels.dtype.itemsize == 1 else "OW"


def _displayed(pixels, _value, dataset):
    """Eight bits by the file's linear window (PS3.3 C.11.2.1.2.1), which goes."""
    centre, width = float(dataset.WindowCenter), float(dataset.WindowWidth)
    slope, intercept = float(dataset.get("RescaleSlope") or 1), float(dataset.get("RescaleIntercept") or 0)
    for keyword in ("WindowCenter", "WindowWidth", "RescaleSlope", "RescaleIntercept"):
        dataset.pop(keyword, None)
    share = (pixels * slope + intercept - (centre - 0.5)) / (width - 1) + 0.5
    return np.rint(np.clip(share * 255, 0, 255)).astype(np.int64)


def _colour(pixels, _value, dataset):
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PlanarConfiguration = 3, "RGB", 0
    return np.stack([pixels] * 3, axis=-1)


def _ybr(pixels, _value, dataset):
    dataset.SamplesPerPixel, dataset.PlanarConfiguration = 3, 0
    return np.stack([pixels, np.full_like(pixels, 128), np.full_like(pixels, 128)], axis=-1)


def _planar(pixels, _value, dataset):
    dataset.PlanarConfiguration = 1
    return np.moveaxis(pixels, -1, 0)


def _put(pixels, value, _dataset):
    """`[row, column, new value]` for each."""
    for row, column, new in value:
        pixels[row, column] = new
    return pixels


def _top(pixels, value, _dataset):
    """The first so many rows take this value."""
    rows, new = value
    pixels[:rows] = new
    return pixels


def _dtype(pixels, value, dataset):
    """Sets the attributes that go with it too."""
    dtype = np.dtype(value)
    dataset.BitsAllocated = dtype.itemsize * 8
    dataset.BitsStored = min(int(dataset.BitsStored), dtype.itemsize * 8)
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(dtype.kind == "i")
    return pixels.astype(dtype)


TURNS = {
    "180": lambda pixels: pixels[::-1, ::-1],
    "mirror": lambda pixels: pixels[:, ::-1],
    "90": np.rot90,
    "transpose": np.transpose,
}
STEPS = {
    "displayed": _displayed,
    "colour": _colour,
    "ybr": _ybr,
    "planar": _planar,
    "put": _put,
    "top": _top,
    "dtype": _dtype,
    "tint": lambda pixels, value, _dataset: pixels * np.array(value),
    "plus": lambda pixels, value, _dataset: pixels + value,
    "times": lambda pixels, value, _dataset: pixels * value,
    "invert": lambda pixels, value, _dataset: value - pixels,
    "shift": lambda pixels, value, _dataset: pixels << value,
    "or": lambda pixels, value, _dataset: pixels | value,
    "turn": lambda pixels, value, _dataset: TURNS[value](pixels),
    "frames": lambda pixels, value, _dataset: np.stack([pixels] * value),
}
"""What a case may do to the stored values."""


def _set(dataset: Dataset, keyword: str, value: Any) -> None:
    if value is None:
        dataset.pop(keyword, None)
        return
    if isinstance(value, list) and value and isinstance(value[0], dict):
        items = []
        for described in value:
            item = Dataset()
            for name, inner in described.items():
                _set(item, name, inner)
            items.append(item)
        value = items
    if keyword.startswith("Segmented"):
        dataset.add_new(keyword, "OW", np.array(value, np.uint16).tobytes())
        return
    if keyword == "LUTData" or keyword.endswith("LookupTableData"):
        first, last, count, *packed = value  # a straight line, perhaps of two entries in each word
        table = np.rint(np.linspace(first, last, count)).astype(np.uint8 if packed else np.uint16)
        dataset.add_new(keyword, "OW", table.tobytes())
        return
    if keyword.endswith("Descriptor") or keyword.startswith("PixelPadding"):
        negative = isinstance(value, int) and value < 0
        dataset.add_new(keyword, "SS" if negative else "US", value)
        return
    if isinstance(value, str) and keyword in {
        "WindowCenter",
        "WindowWidth",
        "RescaleSlope",
        "RescaleIntercept",
    }:
        dataset.add_new(keyword, "LO", value)  # pydicom would not write a malformed number; see `_written`
        return
    setattr(dataset, keyword, value)


def _written(dataset: Dataset, syntax: UID) -> bytes:
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    out = io.BytesIO()
    dcmwrite(out, dataset, enforce_file_format=True)
    written = out.getvalue()
    for number in (b"\x28\x00\x50\x10", b"\x28\x00\x51\x10", b"\x28\x00\x52\x10", b"\x28\x00\x53\x10"):
        written = written.replace(number + b"LO", number + b"DS")
    return written


def _declaring(written: bytes, syntax: str) -> bytes:
    """The same file that claims another transfer syntax."""
    uid = syntax.encode() + b"\0" * (len(syntax) % 2)
    start = written.index(b"\x02\x00\x10\x00UI") + 6
    (length,) = struct.unpack_from("<H", written, start)
    changed = written[:start] + struct.pack("<H", len(uid)) + uid + written[start + 2 + length :]
    at = changed.index(b"\x02\x00\x00\x00UL") + 8
    (group,) = struct.unpack_from("<I", changed, at)
    return changed[:at] + struct.pack("<I", group + len(uid) - length) + changed[at + 4 :]
