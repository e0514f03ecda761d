"""An archive of small files read with `kill -9` in the midst of it, and the count: `make archive-proof`.

Against the whole mesh on this machine, or with `--stand-in` against a service that answers at once, which
shows what the queue itself costs. Files are DICOM, two of a study far from each other; every 500th is cut
off. What is counted stands in the Parquet file of `medmesh archive export --by study`.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pydicom
from PIL import Image
from pydicom.dataset import FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

from clients.archive.run import Run
from medmesh.imaging.v1 import imaging_pb2
from services.local.mesh import Mesh
from services.local.mesh_settings import MeshSettings
from tests.clients.fake_mesh import FakeMesh, start

ROOT = Path(__file__).resolve().parents[2]
POISONED_EVERY = 500
KILLS = 3
PREFIX = "2.25.20261128"


def write_files(folder: Path, count: int) -> tuple[set[str], set[str]]:
    """Small radiographs that are no two the same; the names of those that are cut off, and the studies."""
    with Image.open(ROOT / "samples" / "chest_xray.png") as image:
        sample = np.asarray(image.convert("L").resize((96, 96)))
    folder.mkdir()
    noise = np.random.default_rng(7)
    poisoned = set()
    studies = [f"{PREFIX}.{number + 1}" for number in range(max(count // 2, 1))]
    for number in range(count):
        pixels = np.clip(sample + noise.integers(-8, 9, sample.shape), 0, 255).astype(np.uint8)
        content, name = _radiograph(pixels, studies[number % len(studies)], number), f"{number:06}.dcm"
        if number % POISONED_EVERY == POISONED_EVERY - 1:
            content = content[: len(content) // 3]
            poisoned.add(name)
        (folder / name).write_bytes(content)
    return poisoned, {*studies}


def _radiograph(pixels: np.ndarray, study: str, number: int) -> bytes:
    data = pydicom.Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = f"{PREFIX}.0.{number + 1}"
    data.StudyInstanceUID, data.SeriesInstanceUID = study, f"{study}.{number + 1}"
    data.Modality, data.BodyPartExamined, data.ViewPosition = "DX", "CHEST", "PA"
    data.PhotometricInterpretation, data.SamplesPerPixel, data.PixelRepresentation = "MONOCHROME2", 1, 0
    data.BitsAllocated, data.BitsStored, data.HighBit = 8, 8, 7
    data.Rows, data.Columns = pixels.shape
    data.PixelData = pixels.tobytes()
    buffer = io.BytesIO()
    data.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def run(source: Path, to: Path, *, resume: bool, kill_after: int | None) -> tuple[float, int]:
    """Runs the command, killed once so many entries have ended. Seconds that it ran, and its largest memory
    in MB.
    """
    command = [sys.executable, "-m", "clients.cli.main", "archive", "run", "--to", str(to), "--json"]
    process = subprocess.Popen([*command, "--resume" if resume else str(source)], cwd=ROOT)
    begun, memory_mb = time.monotonic(), 0
    while process.poll() is None:
        with contextlib.suppress(OSError, StopIteration):
            lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
            memory_mb = int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) // 1024
        if kill_after is not None and _ended(to) >= kill_after:
            process.kill()
        time.sleep(0.1)
    process.wait()
    return time.monotonic() - begun, memory_mb


def _ended(to: Path) -> int:
    try:
        with Run(to, looking=True) as looked:
            return sum(number for state, number in looked.counts().items() if state.ended)
    except Exception:  # noqa: BLE001 - it has only begun
        return 0


def reads_all(request: imaging_pb2.AnalyzeImageRequest) -> imaging_pb2.AnalyzeImageResponse:
    answer = imaging_pb2.AnalyzeImageResponse()
    answer.analysis.results.add().findings.add(label="normal", probability=0.5)
    return answer


@contextlib.contextmanager
def service(*, stand_in: bool) -> Iterator[str]:
    """The address of imaging."""
    if stand_in:
        fake = FakeMesh(answers={"AnalyzeImage": reads_all})
        server = start(fake)
        yield fake.target
        server.stop(grace=None).wait(5)
        return
    with tempfile.TemporaryDirectory() as folder:
        settings = MeshSettings.from_environment().on_free_ports(Path(folder))
        with Mesh.start(settings, lambda line: print(line, file=sys.stderr)) as mesh:
            yield mesh.addresses["imaging"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--stand-in", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        poisoned, studies = write_files(folder / "files", given.count)
        with service(stand_in=given.stand_in) as imaging:
            os.environ["MEDMESH_IMAGING_URL"] = imaging
            runs = []
            for place in range(given.kills + 1):
                after = None if place == given.kills else given.count * (place + 1) // (given.kills + 1)
                runs.append(run(folder / "files", folder / "run", resume=place > 0, kill_after=after))
        table = folder / "studies.parquet"
        export = [sys.executable, "-m", "clients.cli.main", "archive", "export", folder / "run", table]
        subprocess.run([*export, "--by", "study"], cwd=ROOT, check=True, stdout=sys.stderr)
        found = pq.read_table(table).to_pylist()
        queue_mb = (folder / "run" / "queue.sqlite").stat().st_size / 1e6
    rows = [row for study in found for row in study["entries"]]
    times = Counter(Path(row["id"]).name for row in rows)
    studied = Counter(study["study_uid"] for study in found)
    aside = {Path(row["id"]).name for row in rows if row["state"] == "set_aside"}
    seconds = sum(one for one, _ in runs)
    figures = {
        "files": given.count,
        "kills": given.kills,
        "studies": len(studies),
        "rows": len(found),
        "studies_without_a_row": len(studies - studied.keys()),
        "studies_with_more_than_one": sum(number > 1 for number in studied.values()),
        "entries": len(rows),
        "entries_as_counted": sum(study["answered_count"] + study["set_aside_count"] for study in found),
        "files_without_an_entry": given.count - len(times),
        "files_with_more_than_one": sum(number > 1 for number in times.values()),
        "set_aside": len(aside),
        "set_aside_as_expected": given.stand_in or aside == poisoned,
        "attempts": dict(Counter(row["attempts"] for row in rows)),
        "reasons": dict(Counter(row["reason"] for row in rows if row["reason"])),
        "seconds": round(seconds, 1),
        "per_second": round(given.count / seconds, 1),
        "largest_memory_mb": max(memory for _, memory in runs),
        "queue_mb": round(queue_mb, 1),
    }
    print(json.dumps(figures, indent=2))
    adds_up = (
        (len(found), studied.keys()) == (len(studies), studies)
        and len(rows) == len(times) == figures["entries_as_counted"] == given.count
        and figures["set_aside_as_expected"]
    )
    sys.exit(0 if adds_up else 1)


if __name__ == "__main__":
    main()
