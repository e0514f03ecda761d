"""An archive on a cluster with Ray Data: a recipe to copy, not a command (docs/archive.md).

    python -m clients.archive.ray_recipe studies.txt results/ --workers 32

Ray spreads a list over machines and writes Parquet from each of them. It does not resume: what a run that
broke has written is whole files of whole rows, and `--done` leaves those out of the next run. Every machine
must see the files.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from medmesh import Client, InvalidInput, MedmeshError, Overloaded

ATTEMPTS = 5
LONGEST_WAIT_S = 300.0


class Read:
    """One of a pool of workers, each with a connection of its own."""

    def __init__(self) -> None:
        self._client = Client(attempts=1, priority="bulk")

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """The row of a file: what was found, or why nothing was."""
        path, failures, deadline = Path(row["id"]), 0, time.monotonic() + LONGEST_WAIT_S
        while True:
            try:
                answer = self._client.analyze_image(path, timeout_s=120.0)
                return _row(path, "done", answer=answer.SerializeToString())
            except Overloaded as error:
                if time.monotonic() > deadline:
                    return _row(path, "set_aside", error.reason)
                time.sleep(error.retry_after_s or 1.0)
            except InvalidInput as error:
                return _row(path, "set_aside", error.reason)
            except MedmeshError as error:
                failures += 1
                if failures == ATTEMPTS:
                    return _row(path, "set_aside", error.reason or error.status.name)
                time.sleep(2.0**failures)
            except OSError:
                return _row(path, "set_aside", "FILE_UNREADABLE")


def _row(path: Path, state: str, reason: str = "", answer: bytes = b"") -> dict[str, Any]:
    return {"id": str(path), "state": state, "reason": reason, "answer": answer}


def main() -> None:
    """Reads the list, and writes a folder of Parquet files."""
    import ray

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("listed", help="text file with a path a line")
    parser.add_argument("results", help="folder, or address of an object store, for Parquet files")
    parser.add_argument("--done", help="results of a run before, whose files are left out")
    parser.add_argument("--workers", type=int, default=4, help="no more than the mesh has places")
    given = parser.parse_args()
    known: set[str] = set()
    if given.done:
        known = {row["id"] for row in ray.data.read_parquet(given.done, columns=["id"]).iter_rows()}
    files = ray.data.read_text(given.listed).rename_columns({"text": "id"})
    (
        files.filter(lambda row: row["id"] not in known)
        .repartition(target_num_rows_per_block=2_000)
        .map(Read, concurrency=given.workers)
        .write_parquet(given.results)
    )


if __name__ == "__main__":
    main()
