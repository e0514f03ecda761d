"""What a Triton's Python backend leaves behind: shared memory, and folders of packed environments."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - POSIX shared memory, not a temporary file


def region_prefix(scratch: Path) -> str:
    """Of the names of regions, by the server's scratch folder: it tells whose they are once it was killed."""
    return f"medmesh_{os.getpid()}_{scratch.name.rpartition('-')[2]}_"


def regions(scratch: Path) -> Iterator[Path]:
    """The shared memory of the server with that scratch folder."""
    return SHARED_MEMORY.glob(f"{region_prefix(scratch)}*")


def environment_folders() -> Iterator[Path]:
    """Folders that the Python backend makes for packed environments, which nothing here uses, and leaves."""
    for folder in Path("/tmp").glob("python_env_*"):  # noqa: S108 - where Triton puts them, whatever TMPDIR says
        with contextlib.suppress(OSError):
            if folder.stat().st_uid == os.getuid() and not any(folder.iterdir()):
                yield folder


def remove_of_the_dead() -> None:
    """Removes regions whose starter (its process id is in the name) is gone: a server that was killed cannot
    do it itself. Empty environment folders go when no server runs that they could belong to.
    """
    if not any(is_server(entry) for entry in Path("/proc").glob("[0-9]*")):
        for folder in environment_folders():
            folder.rmdir()
    for region in SHARED_MEMORY.glob("medmesh_*_*"):
        owner = region.name.split("_")[1]
        if owner.isdecimal() and not Path("/proc", owner).exists():
            region.unlink(missing_ok=True)


def is_server(entry: Path) -> bool:
    """Whether the process of an entry of /proc is a Triton."""
    try:
        return (entry / "comm").read_text().strip() == "tritonserver"
    except (FileNotFoundError, ProcessLookupError):
        return False
