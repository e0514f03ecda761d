"""Each transfer syntax gives back the stored values, for each depth, sign and number of samples that it can
carry.

Stored values are seen as Hounsfield units of slope 1: exact, whatever their range.
"""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.filewriter import dcmwrite
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
    generate_uid,
)

from services.chassis.errors import InvalidInput
from services.imaging.decoding import decode_image
from services.imaging.dicom.syntaxes import DECODERS
from tests.imaging.frames import COLUMNS, ROWS, frame, stored

NATIVE = [
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
]
GREY_DEPTHS = [(8, 0), (8, 1), (10, 0), (12, 0), (12, 1), (16, 0), (16, 1)]
LOSSLESS = {
    JPEGLosslessSV1: ("ljpeg_sv1", [(8, 0), (10, 0), (12, 0), (12, 1), (16, 0), (16, 1)]),
    JPEGLossless: ("ljpeg_p6", [(8, 0), (10, 0), (12, 0), (12, 1), (16, 0), (16, 1)]),
    JPEGLSLossless: ("jpegls", [(8, 0), (10, 0), (12, 0), (12, 1), (16, 0), (16, 1)]),
    JPEG2000Lossless: ("j2k", [(8, 0), (10, 0), (12, 0), (12, 1), (16, 0), (16, 1)]),
    HTJ2KLossless: ("htj2k", [(8, 0), (10, 0), (12, 0), (12, 1), (16, 0), (16, 1)]),
}
MATRIX = [(syntax, bits, signed) for syntax, (_, depths) in LOSSLESS.items() for bits, signed in depths]


def dataset_of(bits: int, signed: int, samples: int) -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = (
        "1.2.840.10008.5.1.4.1.1.2",
        generate_uid(entropy_srcs=["x"]),
    )
    dataset.Modality, dataset.BodyPartExamined = "CT", "HEAD"
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = ROWS, COLUMNS, samples
    dataset.PhotometricInterpretation = "MONOCHROME2" if samples == 1 else "RGB"
    if samples == 3:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = 8 if bits <= 8 else 16
    dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = bits, bits - 1, signed
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, 0
    return dataset


def written(dataset: Dataset, data: bytes, syntax: UID, **attributes) -> bytes:
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    dataset.PixelData = encapsulate([data]) if syntax.is_encapsulated else data + b"\0" * (len(data) % 2)
    dataset["PixelData"].VR = "OB" if dataset.BitsAllocated == 8 or syntax.is_encapsulated else "OW"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    out = io.BytesIO()
    dcmwrite(out, dataset, enforce_file_format=True)
    return out.getvalue()


def native_bytes(values: np.ndarray, bits: int, syntax: UID) -> bytes:
    """As they stand in a file; unused bits are 0, so that a sign is not extended."""
    patterns = values & ((1 << bits) - 1)
    return patterns.astype("u1" if bits <= 8 else ">u2" if syntax == ExplicitVRBigEndian else "<u2").tobytes()


def in_grey(values: np.ndarray, bits: int) -> np.ndarray:
    """What Pillow makes of the colours, brought to eight bits by the numbers."""
    eight = np.rint(values * (255 / ((1 << bits) - 1))).astype(np.uint8)
    return np.asarray(Image.fromarray(eight).convert("L"))


def units(file: bytes) -> np.ndarray:
    return decode_image(file).hounsfield


def test_every_syntax_that_is_read_is_tried_here():
    tried = {*NATIVE, RLELossless, *LOSSLESS, JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless}
    assert tried | {JPEG2000, HTJ2K, HTJ2KLosslessRPCL} == set(DECODERS)


@pytest.mark.parametrize("syntax", NATIVE, ids=lambda s: s.keyword)
@pytest.mark.parametrize(("bits", "signed"), GREY_DEPTHS)
def test_native_values_come_back(syntax, bits, signed):
    values = stored(bits, signed, 1)
    file = written(dataset_of(bits, signed, 1), native_bytes(values, bits, syntax), syntax)
    assert np.array_equal(units(file), values)


@pytest.mark.parametrize("syntax", NATIVE, ids=lambda s: s.keyword)
@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_native_colours_come_back(syntax, planar, bits):
    values = stored(bits, 0, 3)
    laid = np.moveaxis(values, -1, 0) if planar else values
    file = written(
        dataset_of(bits, 0, 3), native_bytes(laid, bits, syntax), syntax, PlanarConfiguration=planar
    )
    assert np.array_equal(decode_image(file).grey, in_grey(values, bits))


@pytest.mark.parametrize("syntax", NATIVE, ids=lambda s: s.keyword)
@pytest.mark.parametrize("first", [0, -1024])
def test_tables_are_read_in_each_byte_order(syntax, first):
    """A falling VOI LUT, which begins below 0 where the rescale does."""
    values = stored(12, 0, 1)
    table = Dataset()
    table.add_new("LUTDescriptor", "SS" if first else "US", [4096, first, 12])
    table.add_new("LUTData", "US", [4095 - entry for entry in range(4096)])
    dataset = dataset_of(12, 0, 1)
    dataset.Modality, dataset.BodyPartExamined, dataset.RescaleIntercept = "DX", "CHEST", first
    file = written(dataset, native_bytes(values, 12, syntax), syntax, VOILUTSequence=[table])
    assert np.array_equal(decode_image(file).grey, np.rint((4095 - values) * (255 / 4095)))


@pytest.mark.parametrize(("bits", "signed"), GREY_DEPTHS)
def test_run_lengths_come_back(bits, signed):
    """Packed here, unpacked by pylibjpeg-rle."""
    values = stored(bits, signed, 1)
    file = written(
        dataset_of(bits, signed, 1),
        run_lengths(native_bytes(values, bits, RLELossless), bits, 1),
        RLELossless,
    )
    assert np.array_equal(units(file), values)


@pytest.mark.parametrize("bits", [8, 16])
def test_run_lengths_of_colours_come_back(bits):
    values = stored(bits, 0, 3)
    packed = run_lengths(native_bytes(values, bits, RLELossless), bits, 3)
    file = written(dataset_of(bits, 0, 3), packed, RLELossless)
    assert np.array_equal(decode_image(file).grey, in_grey(values, bits))


@pytest.mark.parametrize(
    ("syntax", "bits", "signed"), MATRIX, ids=[f"{s.keyword}-{b}{'s' if g else 'u'}" for s, b, g in MATRIX]
)
def test_lossless_values_come_back(syntax, bits, signed):
    name = f"{LOSSLESS[syntax][0]}_{bits}{'s' if signed else 'u'}1"
    file = written(dataset_of(bits, signed, 1), frame(name), syntax)
    assert np.array_equal(units(file), stored(bits, signed, 1))


@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda s: s.keyword)
def test_lossless_colours_come_back(syntax):
    photometric = "YBR_RCT" if syntax in {JPEG2000Lossless, HTJ2KLossless} else "RGB"
    file = written(
        dataset_of(8, 0, 3),
        frame(f"{LOSSLESS[syntax][0]}_8u3"),
        syntax,
        PhotometricInterpretation=photometric,
    )
    assert np.array_equal(decode_image(file).grey, in_grey(stored(8, 0, 3), 8))


@pytest.mark.parametrize(
    ("syntax", "name"), [(JPEG2000, "j2k_12u1"), (HTJ2K, "htj2k_12u1"), (HTJ2KLosslessRPCL, "htj2k_12u1")]
)
def test_a_lossless_stream_in_a_syntax_that_allows_loss_comes_back(syntax, name):
    assert np.array_equal(units(written(dataset_of(12, 0, 1), frame(name), syntax)), stored(12, 0, 1))


@pytest.mark.parametrize(
    ("syntax", "name", "bits", "signed", "error"),
    [
        (JPEGLSNearLossless, "jpegls_near_8u1", 8, 0, 2),
        (JPEGLSNearLossless, "jpegls_near_16u1", 16, 0, 2),
        (JPEGExtended12Bit, "jpeg12_12u1", 12, 0, 3),
        (HTJ2K, "htj2k_lossy_12u1", 12, 0, 4),
    ],
    ids=["JPEG-LS near lossless 8", "JPEG-LS near lossless 16", "JPEG 12 bits", "HTJ2K lossy"],
)
def test_lossy_values_come_back_within_the_loss(syntax, name, bits, signed, error):
    """JPEG-LS states its bound; the others' was measured when they were encoded."""
    difference = units(written(dataset_of(bits, signed, 1), frame(name), syntax)) - stored(bits, signed, 1)
    assert np.abs(difference).max() <= error


def test_jpeg_of_12_bits_is_what_another_decoder_reads():
    other = np.frombuffer(frame("jpeg12_12u1.decoded"), "<u2").reshape(ROWS, COLUMNS)
    read = units(written(dataset_of(12, 0, 1), frame("jpeg12_12u1"), JPEGExtended12Bit))
    assert np.abs(read - other).max() <= 1


@pytest.mark.parametrize("syntax", [JPEGBaseline8Bit, JPEGExtended12Bit], ids=lambda s: s.keyword)
@pytest.mark.parametrize("photometric", ["MONOCHROME2", "YBR_FULL_422", "YBR_FULL", "RGB"])
def test_jpeg_of_8_bits_is_read(syntax, photometric):
    samples = 1 if photometric == "MONOCHROME2" else 3
    values = stored(8, 0, samples)
    out = io.BytesIO()
    picture = Image.fromarray(values.astype(np.uint8))
    picture.save(
        out, "JPEG", quality=98, keep_rgb=photometric == "RGB", subsampling=2 if "422" in photometric else 0
    )
    file = written(dataset_of(8, 0, samples), out.getvalue(), syntax, PhotometricInterpretation=photometric)
    grey = values if samples == 1 else in_grey(values, 8)
    assert np.abs(decode_image(file).grey.astype(int) - grey).mean() < 1.5


def test_a_signed_codestream_of_unsigned_values_and_the_other_way_round():
    """The sign is the data set's, whatever the codestream says: some writers leave it out
    (J2K_pixelrep_mismatch).
    """
    values = stored(12, 1, 1)
    assert np.array_equal(units(written(dataset_of(12, 1, 1), frame("j2k_12s1"), JPEG2000Lossless)), values)
    as_unsigned = units(written(dataset_of(12, 0, 1), frame("j2k_12s1"), JPEG2000Lossless))
    assert np.array_equal(as_unsigned, values & 0xFFF)


SHORT = [(JPEGLosslessSV1, "ljpeg_sv1_12u1"), (JPEGLSLossless, "jpegls_16u1"), (JPEG2000Lossless, "j2k_12u1"),
         (HTJ2KLossless, "htj2k_12u1"), (JPEGExtended12Bit, "jpeg12_12u1")]  # fmt: skip


@pytest.mark.parametrize(("syntax", "name"), SHORT, ids=[s.keyword for s, _ in SHORT])
@pytest.mark.parametrize("kept", [2, 4, 14])
def test_a_frame_cut_in_its_header_is_refused(syntax, name, kept):
    with pytest.raises(InvalidInput) as caught:
        decode_image(written(dataset_of(12, 0, 1), frame(name)[:kept], syntax))
    assert caught.value.reason == "INPUT_MALFORMED"


@pytest.mark.parametrize(("syntax", "name"), SHORT, ids=[s.keyword for s, _ in SHORT])
def test_a_frame_of_another_size_depth_or_colour_than_declared_is_refused_unread(syntax, name):
    for attributes in ({"Rows": ROWS * 2}, {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}):
        with pytest.raises(InvalidInput, match="declares"):
            decode_image(written(dataset_of(12, 0, 1), frame(name), syntax, **attributes))
    with pytest.raises(InvalidInput, match="declares"):
        decode_image(written(dataset_of(16, 0, 3), frame(name), syntax))


def test_run_lengths_are_unpacked_no_further_than_declared():
    header = np.zeros(16, "<u4")
    header[:2] = 1, 64
    bomb = header.tobytes() + b"\x81\x00" * 1_000_000  # 128 MB of zeros
    with pytest.raises(InvalidInput, match="damaged"):
        decode_image(written(dataset_of(8, 0, 1), bomb, RLELossless))


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.99])
@pytest.mark.parametrize(("syntax", "name"), SHORT, ids=[s.keyword for s, _ in SHORT])
def test_a_truncated_frame_is_refused(syntax, name, share):
    """Its missing part must not become grey pixels without a word."""
    bits = 16 if "16" in name else 12
    cut = frame(name)[: int(len(frame(name)) * share)]
    with pytest.raises(InvalidInput, match="damaged"):
        decode_image(written(dataset_of(bits, 0, 1), cut, syntax))


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_truncated_run_lengths_are_refused(share):
    packed = run_lengths(native_bytes(stored(12, 0, 1), 12, RLELossless), 12, 1)
    with pytest.raises(InvalidInput, match="damaged"):
        decode_image(written(dataset_of(12, 0, 1), packed[: int(len(packed) * share)], RLELossless))


@pytest.mark.parametrize(("syntax", "name"), SHORT, ids=[s.keyword for s, _ in SHORT])
def test_damaged_frames_are_refused_or_read_but_never_fatal(syntax, name):
    rng = np.random.default_rng(3)
    bits = 16 if "16" in name else 12
    for _ in range(60):
        damaged = bytearray(frame(name))
        for position in rng.integers(0, len(damaged), rng.integers(1, 6)):
            damaged[position] = rng.integers(0, 256)
        with contextlib.suppress(InvalidInput):
            decode_image(written(dataset_of(bits, 0, 1), bytes(damaged), syntax))


def run_lengths(data: bytes, bits: int, samples: int) -> bytes:
    """Segments of bytes, the most significant first, sample by sample (PS3.5 Annex G)."""
    size = 1 if bits <= 8 else 2
    pixels = np.frombuffer(data, np.uint8).reshape(-1, samples, size)
    segments = [pack_bits(pixels[:, s, b].tobytes()) for s in range(samples) for b in range(size - 1, -1, -1)]
    offsets = np.cumsum([64, *(len(segment) for segment in segments[:-1])])
    header = np.zeros(16, "<u4")
    header[0], header[1 : 1 + len(segments)] = len(segments), offsets
    return header.tobytes() + b"".join(segments)


def pack_bits(row: bytes) -> bytes:
    """PackBits: a run of up to 128 equal bytes, or one literal byte at a time."""
    out = bytearray()
    position = 0
    while position < len(row):
        end = position
        while end < min(len(row), position + 128) and row[end] == row[position]:
            end += 1
        out += bytes([257 - (end - position) if end - position > 1 else 0, row[position]])
        position = end
    return bytes(out) + b"\0" * (len(out) % 2)
