"""Bugs that matter, planted one at a time into a copy of the project: do the tests find them?

`make planted` plants all of them (`--only NAME` some), runs for each the quick tests of the part that it is
in, and writes the table of `docs/planted-bugs.md`. It fails where more than two in forty are not found.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

from tools.bootstrap import ROOT

PAGE = ROOT / "docs" / "planted-bugs.md"
MARK = "<!-- the table: `make planted` writes what follows -->\n"
NOT_FOUND_SHARE = 0.05
_LONGEST_S = 600.0


@dataclass(frozen=True)
class Bug:
    """One change of the source, whose text stands there once, and the tests that should find it."""

    name: str
    path: str
    text: str
    planted: str
    tests: tuple[str, ...]


def _bugs() -> tuple[Bug, ...]:
    listed = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))["bug"]
    return tuple(Bug(**one | {"tests": tuple(one["tests"])}) for one in listed)


BUGS = _bugs()


def copy_into(folder: Path) -> Path:
    """The project's tracked and new files in a folder of their own; the environment stays where it is."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    for name in filter(None, listed):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_file():
            shutil.copy2(ROOT / name, folder / name)
    return folder


def passes(project: Path, tests: tuple[str, ...]) -> bool | None:
    """Whether these tests pass there; None: they did not even begin."""
    paths = [str(project), str(project / "clients" / "python")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-m", "not live", *tests]
    try:
        done = subprocess.run(
            command, cwd=project, env=environment, capture_output=True, timeout=_LONGEST_S, check=False
        )
    except subprocess.TimeoutExpired:
        return False  # it hangs: somebody would look
    return {0: True, 1: False}.get(done.returncode)


def find(project: Path, bug: Bug) -> bool:
    """Whether its tests find the bug. Raises ValueError where it cannot be planted as it stands here."""
    path = project / bug.path
    before = path.read_text(encoding="utf-8")
    if before.count(bug.text) != 1:
        raise ValueError(f"{bug.name}: {bug.path} has its text {before.count(bug.text)} times")
    path.write_text(before.replace(bug.text, bug.planted), encoding="utf-8")
    try:
        found = passes(project, bug.tests)
    finally:
        path.write_text(before, encoding="utf-8")
    if found is None:
        raise ValueError(f"{bug.name}: its tests do not run with it")
    return not found


def table(found: dict[str, bool]) -> str:
    """The page's table."""
    rows = [
        f"| {bug.name} | `{bug.path}` | {', '.join(f'`{test}`' for test in bug.tests)} | "
        f"{'yes' if found[bug.name] else '**no**'} |"
        for bug in BUGS
    ]
    head = ["| planted | in | tests that were run | found |", "|---|---|---|---|"]
    return "\n".join([f"{sum(found.values())} of {len(found)} were found.\n", *head, *rows]) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="the bugs whose names contain this")
    given = parser.parse_args()
    bugs = [bug for bug in BUGS if given.only in bug.name]
    found: dict[str, bool] = {}
    with tempfile.TemporaryDirectory(prefix="medmesh-planted-") as folder:
        project = copy_into(Path(folder))
        for number, bug in enumerate(bugs, start=1):
            began = time.monotonic()
            found[bug.name] = find(project, bug)
            said = "found" if found[bug.name] else "NOT FOUND"
            print(
                f"{number}/{len(bugs)} {said} after {time.monotonic() - began:.0f} s: {bug.name}", flush=True
            )
        tests = tuple(dict.fromkeys(test for bug in bugs for test in bug.tests))
        if not passes(project, tests):
            print("void: the tests fail without any bug too")
            return 2
    if not given.only:
        before, _, _ = PAGE.read_text(encoding="utf-8").partition(MARK)
        PAGE.write_text(before + MARK + "\n" + table(found), encoding="utf-8")
    missed = len(found) - sum(found.values())
    print(f"{sum(found.values())} of {len(found)} found")
    return 1 if missed > NOT_FOUND_SHARE * len(found) else 0


if __name__ == "__main__":
    raise SystemExit(main())
