"""An archive on a cluster with Ray Data: a recipe to copy, not a command (docs/archive.md).

    python -m clients.archive.ray_recipe studies.txt results-1/ --workers 32
    python -m clients.archive.ray_recipe studies.txt results-2/ --workers 32 --done results-1/

Ray spreads a list over machines and writes Parquet from each of them. It does not resume: a run that broke
has written files of some rows, and `--done` leaves out of the next run what they hold an outcome of. Name all
earlier results there: then all of them together have at most one row a path that is not `failed`. Every
machine must see the files.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from medmesh import (
    Client,
    InvalidInput,
    MedmeshError,
    NotFound,
    Overloaded,
    PermissionDenied,
    Unauthenticated,
)

ATTEMPTS = 5
LONGEST_WAIT_S = 300.0
OUTCOMES = frozenset({"done", "set_aside"})
"""States that last. `failed` says nothing of the file: it may get an answer another time."""


class Read:
    """One of a pool of workers, each with a connection of its own."""

    def __init__(self) -> None:
        self._client = Client(attempts=1, priority="bulk")

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """The row of a file: what was found, or why nothing was. Raises where no file would fare better."""
        path, failures, deadline = Path(row["id"]), 0, time.monotonic() + LONGEST_WAIT_S
        while True:
            try:
                answer = self._client.analyze_image(path, timeout_s=120.0)
                return _row(path, "done", answer=answer.SerializeToString())
            except (Unauthenticated, PermissionDenied, NotFound):
                raise
            except Overloaded as error:
                if time.monotonic() > deadline:
                    return _row(path, "failed", error.reason)
                time.sleep(error.retry_after_s or 1.0)
            except InvalidInput as error:
                return _row(path, "set_aside", error.reason)
            except MedmeshError as error:
                failures += 1
                if failures == ATTEMPTS:
                    return _row(path, "failed", error.reason or error.status.name)
                time.sleep(2.0**failures)
            except OSError:
                return _row(path, "failed", "FILE_UNREADABLE")


def _row(path: Path, state: str, reason: str = "", answer: bytes = b"") -> dict[str, Any]:
    return {"id": str(path), "state": state, "reason": reason, "answer": answer}


def left(listed: str, results: Iterable[str]) -> list[str]:
    """The paths of a list, each once, that no earlier results (folders, or addresses of an object store) hold
    an outcome of.
    """
    from pyarrow.fs import FileSystem

    files, path = FileSystem.from_uri(_address(listed))
    with files.open_input_stream(path) as stream:
        paths = dict.fromkeys(filter(None, map(str.strip, stream.read().decode().splitlines())))
    for one in results:
        for ended in _outcomes(one):
            paths.pop(ended, None)
    return [*paths]


def _outcomes(results: str) -> Iterator[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyarrow.fs import FileSelector, FileSystem

    files, folder = FileSystem.from_uri(_address(results))
    for info in files.get_file_info(FileSelector(folder, recursive=True)):
        if not info.path.endswith(".parquet"):
            continue
        try:
            table = pq.read_table(info.path, filesystem=files, columns=["id", "state"])
        except pa.ArrowInvalid:
            # It was being written as the run was killed. An object store shows whole files alone.
            print(f"not whole, and left out; delete it: {info.path}", file=sys.stderr)
            continue
        yield from (row["id"] for row in table.to_pylist() if row["state"] in OUTCOMES)


def _address(name: str) -> str:
    return name if "://" in name else str(Path(name).absolute())


def main() -> None:
    """Reads the list, and writes a folder of Parquet files."""
    import pyarrow as pa
    import ray

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("listed", help="text file with a path a line")
    parser.add_argument("results", help="folder, or address of an object store, for Parquet files")
    parser.add_argument(
        "--done", nargs="+", default=[], help="results of all runs before; what ended there is left out"
    )
    parser.add_argument("--workers", type=int, default=4, help="no more than the mesh has places")
    parser.add_argument("--rows", type=int, default=500, help="of a file; those that are lost with a worker")
    given = parser.parse_args()
    paths = left(given.listed, given.done)
    print(f"{len(paths)} to read", file=sys.stderr)
    blocks = [pa.table({"id": paths[at : at + given.rows]}) for at in range(0, len(paths), given.rows)]
    if blocks:
        # A worker waits for the mesh. With a core for each, those that write might find none, for ever.
        workers = ray.data.ActorPoolStrategy(size=given.workers)
        read = ray.data.from_arrow(blocks).map(Read, compute=workers, num_cpus=0.1)
        read.write_parquet(_address(given.results))


if __name__ == "__main__":
    main()
