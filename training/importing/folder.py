"""Puts a finished model folder into the repository, whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from training.importing import Refused


def check_free(repository: Path, name: str, *, force: bool) -> None:
    """Raises Refused where the repository cannot be there, or has the model and `force` is not given.

    A repository that is not there yet is made with its first model.
    """
    if repository.exists() and not repository.is_dir():
        raise Refused(f"{repository} is not a folder, so it cannot be a model repository")
    if not repository.resolve().parent.is_dir():
        raise Refused(f"there is no folder {repository.resolve().parent} to make {repository.name} in")
    if (repository / name).exists() and not force:
        raise Refused(f"{repository / name} is there already; --force replaces it")


@contextmanager
def new_folder(repository: Path, name: str, *, force: bool) -> Iterator[Path]:
    """A folder to write the model into; it takes its place in `repository` when the block ends well.

    Until then it lies in a hidden folder beside the repository, on the same file system: Triton refuses to
    start on a repository with a folder that is no model. Nothing of it is left when the block fails, and a
    replaced folder is gone only when the new one has its place.
    """
    check_free(repository, name, force=force)
    workspace = Path(tempfile.mkdtemp(prefix=".importing-", dir=repository.resolve().parent))
    try:
        made, target, old = workspace / name, repository / name, workspace / "replaced"
        made.mkdir()
        yield made
        check_free(repository, name, force=force)
        repository.mkdir(exist_ok=True)
        if target.exists():
            target.rename(old)
        try:
            made.rename(target)
        except OSError:
            if old.exists():
                old.rename(target)
            raise
    finally:
        shutil.rmtree(workspace, ignore_errors=True)
