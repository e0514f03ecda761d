"""Feeds parsers inputs that reach new code, from those kept: `python -m tests.fuzz dicom --seconds 60`.

Without a name all parsers, as many at a time as there are processors, each in a process of its own. A finding
ends its parser's run and lies in the folder of findings; it is kept, once mended, in `inputs/<parser>`, which
the fast tests replay. Needs atheris.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import atheris

from tests.fuzz.inputs import FOLDER

_COVERED = [
    *("services.clinical.fhir", "services.imaging", "services.language", "services.chassis.models"),
    *("medmesh.receipt", "zipfile", "json.decoder", "PIL.PngImagePlugin", "PIL.JpegImagePlugin"),
    *("pydicom.filereader", "pydicom.dataset", "pydicom.dataelem", "pydicom.values", "pydicom.encaps"),
]
"""Modules whose branches guide the search: the parsers' own, and those of libraries that read most bytes."""
_MOST_SECONDS_AN_INPUT = 60
_MOST_MEMORY_MB = 1024


def main() -> int:
    """Reads the command line; 1: there was a finding."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", nargs="?")
    parser.add_argument("--seconds", type=int, default=60, help="for each parser")
    parser.add_argument("--runs", type=int, default=-1, help="most inputs of each parser; -1: no bound")
    parser.add_argument("--found", type=Path, default=Path(".medmesh/fuzz"), help="folder of what is found")
    given = parser.parse_args()
    if given.name:
        _fuzz(given.name, given.found / given.name, given.seconds, given.runs)
    own = [sys.executable, "-m", "tests.fuzz"]
    rest = ["--seconds", str(given.seconds), "--runs", str(given.runs), "--found", str(given.found)]
    names = sorted(path.name for path in FOLDER.iterdir())

    def code(name: str) -> int:
        return subprocess.run([*own, name, *rest], check=False).returncode

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        faulty = [name for name, failed in zip(names, pool.map(code, names), strict=True) if failed]
    print(f"{len(names)} parsers, findings in {', '.join(faulty) or 'none'}")
    return 1 if faulty else 0


def _fuzz(name: str, found: Path, seconds: int, runs: int) -> None:
    """Does not return: libFuzzer ends the process."""
    with atheris.instrument_imports(include=_COVERED):
        from tests.fuzz.parsers import PARSERS
    new = found / "new"
    new.mkdir(parents=True, exist_ok=True)
    options = [
        f"-max_total_time={seconds}",
        f"-runs={runs}",
        f"-max_len={PARSERS[name].longest_bytes}",
        f"-timeout={_MOST_SECONDS_AN_INPUT}",
        f"-rss_limit_mb={_MOST_MEMORY_MB}",
        f"-artifact_prefix={found}/",
        "-print_final_stats=1",
        "-verbosity=1",
    ]
    # New inputs are written to the first folder; the second one is only read.
    atheris.Setup([sys.argv[0], *options, str(new), str(FOLDER / name)], PARSERS[name].try_on)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
