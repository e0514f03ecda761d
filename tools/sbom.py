"""Writes a bill of materials (CycloneDX, JSON) of each environment: `python tools/sbom.py FOLDER`.

Of each `requirements/*.txt` by cyclonedx-bom, and of each `package-lock.json` by npm where there is npm.
Exits 1 where a pinned package is missing in one, or has no hash.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
REQUIREMENTS = ROOT / "requirements"
WITHOUT_HASHES = frozenset({"training"})
"""Written by hand: torch is another file for each kind of machine (the file says so)."""
_NO_ENVIRONMENTS = frozenset({"overrides"})
_PINNED = re.compile(r"^([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?==(\S+)", re.MULTILINE)


def environments() -> list[str]:
    """Names of the environments: each is a pinned file."""
    return sorted(path.stem for path in REQUIREMENTS.glob("*.txt") if path.stem not in _NO_ENVIRONMENTS)


def pinned(name: str) -> set[tuple[str, str]]:
    """The packages of an environment, named as an index does, with their versions."""
    found = _PINNED.findall((REQUIREMENTS / f"{name}.txt").read_text(encoding="utf-8"))
    return {(re.sub(r"[-_.]+", "-", package).lower(), version) for package, version in found}


def install(folder: Path) -> dict[str, str]:
    """The variables with which `python -m cyclonedx_py` runs from the folder."""
    held, done = REQUIREMENTS / "sbom.txt", folder / "installed"
    packages = folder / "packages"
    if not done.is_file() or done.read_bytes() != held.read_bytes():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade"]
        subprocess.run(
            [*pip, "--require-hashes", "--no-deps", "--requirement", held, "--target", packages], check=True
        )
        done.write_bytes(held.read_bytes())
    return {**os.environ, "PYTHONPATH": str(packages)}


def of_environment(name: str, folder: Path, variables: dict[str, str]) -> list[str]:
    """Writes the bill of one environment; what is wrong with it, a sentence each."""
    written = folder / f"{name}.cdx.json"
    command = [sys.executable, "-m", "cyclonedx_py", "requirements", str(REQUIREMENTS / f"{name}.txt")]
    subprocess.run([*command, "--output-reproducible", "-o", written], env=variables, check=True)
    components: list[dict[str, Any]] = json.loads(written.read_text(encoding="utf-8")).get("components", [])
    listed = {(re.sub(r"[-_.]+", "-", one["name"]).lower(), one.get("version", "")) for one in components}
    problems = [f"{name}: {package} {version} is missing" for package, version in pinned(name) - listed]
    for one in components:
        references = one.get("externalReferences", [])
        if name not in WITHOUT_HASHES and not any(reference.get("hashes") for reference in references):
            problems.append(f"{name}: {one['name']} has no hash")
    sys.stdout.write(f"{written}: {len(components)} packages\n")
    return problems


def of_npm(place: Path, folder: Path) -> list[str]:
    """The same of a folder with a `package-lock.json`."""
    written = folder / f"{'-'.join(place.relative_to(ROOT).parts)}.cdx.json"
    command = ["npm", "sbom", "--package-lock-only", "--sbom-format", "cyclonedx"]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=True)
    components = json.loads(done.stdout)["components"]
    written.write_text(done.stdout, encoding="utf-8")
    sys.stdout.write(f"{written}: {len(components)} packages\n")
    return [f"{place.name}: {one['name']} has no hash" for one in components if not one.get("hashes")]


def main(folder: Path) -> int:
    """Writes all of them into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    variables = install(folder)
    problems = [problem for name in environments() for problem in of_environment(name, folder, variables)]
    if shutil.which("npm"):
        for lock in sorted(ROOT.glob("clients/**/package-lock.json")):
            if "node_modules" not in lock.parts:
                problems += of_npm(lock.parent, folder)
    else:
        sys.stdout.write(
            "there is no npm: the packages of the console and of the TypeScript client are left out\n"
        )
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
