"""Small image files that the tests make themselves: PNG, JPEG and DICOM, sound and damaged. All are
synthetic."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.filewriter import dcmwrite
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEGBaseline8Bit, generate_uid

DEFLATED = UID("1.2.840.10008.1.2.1.99")


def chest(height: int = 120, width: int = 100) -> np.ndarray:
    """A grey gradient with two dark ellipses: just enough of a chest that up, down and polarity can be
    told."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    grey = 90 + 120 * y / height
    for centre in (0.3, 0.7):
        grey[((x / width - centre) / 0.16) ** 2 + ((y / height - 0.45) / 0.3) ** 2 < 1] = 40
    return grey.astype(np.uint8)


def picture(grey: np.ndarray, file_format: str = "PNG", **options) -> bytes:
    out = io.BytesIO()
    Image.fromarray(grey).save(out, format=file_format, **options)
    return out.getvalue()


def dicom(pixels: np.ndarray | None, syntax: UID = ExplicitVRLittleEndian, **attributes) -> bytes:
    """A DICOM file of `pixels` (uint8, uint16 or int16), encapsulated as JPEG when the syntax says so."""
    dataset = Dataset()
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
    dataset.SOPInstanceUID = generate_uid(entropy_srcs=["medmesh"])
    dataset.PatientName = "Synthetic^Patient"
    dataset.Modality = "CR"
    dataset.BodyPartExamined = "CHEST"
    if pixels is not None:
        dataset.Rows, dataset.Columns = pixels.shape
        dataset.SamplesPerPixel = 1
        dataset.PhotometricInterpretation = "MONOCHROME2"
        dataset.BitsAllocated = dataset.BitsStored = pixels.dtype.itemsize * 8
        dataset.HighBit = dataset.BitsStored - 1
        dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
        if syntax == JPEGBaseline8Bit:
            dataset.PixelData = encapsulate([picture(pixels, "JPEG", quality=95)])
        else:
            dataset.PixelData = pixels.tobytes()
        dataset["PixelData"].VR = "OB" if pixels.dtype.itemsize == 1 else "OW"
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    out = io.BytesIO()
    dcmwrite(out, dataset, enforce_file_format=True)
    return out.getvalue()


def deflated_bomb(inflated_bytes: int) -> bytes:
    """A DICOM file of the deflated transfer syntax whose few bytes inflate to zeros without end."""
    sound = dicom(chest(), DEFLATED)
    start = sound.index(DEFLATED.encode()) + len(DEFLATED)
    marker = sound[: start + start % 2]  # file meta up to and with the transfer syntax
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = struct.pack("<HH2sHL", 0x0009, 0x0001, b"OB", 0, inflated_bytes) + bytes(inflated_bytes)
    return marker + packer.compress(body) + packer.flush()


def png_header(width: int, height: int) -> bytes:
    """A PNG that declares a size and carries almost nothing."""
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"\0" * 100)),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )
