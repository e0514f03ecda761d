"""Series of a head that is known everywhere: stacks of slices through it as scanners write them.

The head is a function of the patient's coordinates, so that what a slice or a volume should hold at any place
can be computed without the code that is tested.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Mapping

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.sequence import Sequence
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage, ExplicitVRLittleEndian, generate_uid

SIDE = 64
PIXEL_MM = 4.0
SLICE_MM = 5.0
TRANSVERSE = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
MEDIA_DIRECTORY = "1.2.840.10008.1.3.10"


def hounsfield(x, y, z):
    """Of a place in mm, left, back and up from the middle of the base of the skull: brain in bone in air."""
    radius = np.sqrt((x / 90) ** 2 + (y / 100) ** 2 + ((z - 60) / 100) ** 2)
    brain = 35 + 20 * np.sin(x / 25) + 15 * np.cos(y / 30) + 20 * np.sin(z / 20)
    return np.where(radius > 1, -1000.0, np.where(radius > 0.92, 900.0, brain))


def on_plane(position, row, column, side=SIDE, pixel_mm=PIXEL_MM):
    """Hounsfield units `[side, side]` of the slice whose first pixel lies at `position`."""
    rows, columns = np.mgrid[0:side, 0:side] * pixel_mm
    place = [position[i] + columns * row[i] + rows * column[i] for i in range(3)]
    return hounsfield(*place)


def uid(*parts) -> str:
    return generate_uid(entropy_srcs=["medmesh tests", *map(str, parts)])


def slice_of_head(number: int, position, row=TRANSVERSE[0], column=TRANSVERSE[1], **attributes) -> Dataset:
    """Slice `number` as a CT image object. `attributes` replace or, when None, take away."""
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, uid("image", number)
    dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID = uid("series"), uid("frame of reference")
    dataset.StudyInstanceUID, dataset.PatientName = uid("study"), "Nobody^Known"
    dataset.Modality, dataset.BodyPartExamined = "CT", "HEAD"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.InstanceNumber = number
    dataset.ImageOrientationPatient = [round(value, 6) for value in (*row, *column)]
    dataset.ImagePositionPatient = [round(float(value), 6) for value in position]
    dataset.PixelSpacing, dataset.SliceThickness = [PIXEL_MM, PIXEL_MM], SLICE_MM
    dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = 1, -1024, "HU"
    dataset.WindowCenter, dataset.WindowWidth = 40, 80
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows = dataset.Columns = SIDE
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    stored = np.rint(on_plane(position, row, column) + 1024).astype("<u2")
    dataset.PixelData = stored.tobytes()
    for keyword, value in attributes.items():
        if value is None:
            del dataset[keyword]
        else:
            setattr(dataset, keyword, value)
    return dataset


def above(place, height_mm: float):
    """The place so much nearer to the head."""
    return place + np.array([0, 0, height_mm])


def first_position(row=TRANSVERSE[0], column=TRANSVERSE[1]):
    """Where the first pixel of a slice through the middle of the base lies."""
    middle = SIDE / 2 * PIXEL_MM
    return -middle * np.array(row) - middle * np.array(column)


def head(count: int = 30, step_mm: float = SLICE_MM, **attributes) -> list[Dataset]:
    """Transverse slices from the base up."""
    start = first_position()
    return [
        slice_of_head(number, above(start, (number - 1) * step_mm), **attributes)
        for number in range(1, count + 1)
    ]


def tilted_head(degrees: float, count: int = 20, step_mm: float = SLICE_MM) -> list[Dataset]:
    """Slices of a tilted gantry: the table moves along the patient, not along the slices' normal."""
    angle = np.deg2rad(degrees)
    row, column = (1.0, 0.0, 0.0), (0.0, np.cos(angle), np.sin(angle))
    start = first_position(row, column)
    return [
        slice_of_head(number, above(start, (number - 1) * step_mm), row, column)
        for number in range(1, count + 1)
    ]


def written(dataset: Dataset, syntax: str = ExplicitVRLittleEndian) -> bytes:
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    out = io.BytesIO()
    dcmwrite(out, dataset, enforce_file_format=True)
    return out.getvalue()


def files(slices: Iterable[Dataset]) -> list[bytes]:
    return [written(one) for one in slices]


def zipped(members: Mapping[str, bytes] | list[bytes], compression=zipfile.ZIP_DEFLATED) -> bytes:
    if isinstance(members, list):
        members = {f"slice {index}.dcm": data for index, data in enumerate(members)}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def enhanced(slices: list[Dataset], intercepts: list[float] | None = None) -> Dataset:
    """The same slices as one Enhanced CT object: shared and per-frame functional groups (PS3.3 C.7.6.16).

    `intercepts`: of each frame; its stored values are changed so that the Hounsfield units stay.
    """
    first = slices[0]
    dataset = Dataset()
    for keyword in (
        "SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID", "Modality", "BodyPartExamined",
        "Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "BitsStored",
        "HighBit", "PixelRepresentation",
    ):  # fmt: skip
        setattr(dataset, keyword, first[keyword].value)
    dataset.SOPClassUID, dataset.SOPInstanceUID = EnhancedCTImageStorage, uid("enhanced")
    dataset.ImageType, dataset.InstanceNumber = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"], 1
    dataset.NumberOfFrames = len(slices)
    shared, frames, pixels = Dataset(), [], []
    shared.PixelMeasuresSequence = _group(first, "PixelSpacing", "SliceThickness")
    shared.PlaneOrientationSequence = _group(first, "ImageOrientationPatient")
    for index, one in enumerate(slices):
        intercept = -1024 if intercepts is None else intercepts[index]
        frame, content, frame_type = Dataset(), Dataset(), Dataset()
        frame.PlanePositionSequence = _group(one, "ImagePositionPatient")
        one.RescaleIntercept = intercept
        frame.PixelValueTransformationSequence = _group(
            one, "RescaleIntercept", "RescaleSlope", "RescaleType"
        )
        content.StackID, content.InStackPositionNumber, content.DimensionIndexValues = (
            "1",
            index + 1,
            [1, index + 1],
        )
        frame.FrameContentSequence = Sequence([content])
        frame_type.FrameType = dataset.ImageType
        frame.CTImageFrameTypeSequence = Sequence([frame_type])
        frames.append(frame)
        stored = np.frombuffer(one.PixelData, "<u2").astype(np.int64) - 1024 - intercept
        pixels.append(np.clip(stored, 0, 4095).astype("<u2").tobytes())
    dataset.SharedFunctionalGroupsSequence = Sequence([shared])
    dataset.PerFrameFunctionalGroupsSequence = Sequence(frames)
    dataset.PixelData = b"".join(pixels)
    return dataset


def _group(source: Dataset, *keywords: str) -> Sequence:
    item = Dataset()
    for keyword in keywords:
        setattr(item, keyword, source[keyword].value)
    return Sequence([item])


def media_directory() -> bytes:
    """A DICOMDIR that lists nothing."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = MEDIA_DIRECTORY
    dataset.file_meta.MediaStorageSOPInstanceUID = uid("directory")
    dataset.FileSetID = "MEDIA"
    out = io.BytesIO()
    dcmwrite(out, dataset, enforce_file_format=True)
    return out.getvalue()
