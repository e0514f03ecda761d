"""Makes the project's environments: `python3 tools/bootstrap.py local dev triton training`.

Runs on a bare Python (no packages, any 3.8 or later) and hands over to a Python the project supports. Each
environment is made from one pinned file in `requirements/` and remembers its digest, so that asking again
costs milliseconds. What the machine lacks is said in one sentence, before anything is downloaded.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
SUPPORTED = ((3, 11), (3, 12))
MINIMUM_GLIBC = (2, 35)  # what nvidia-pytriton's tritonserver is linked against

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Say = Callable[[str], object]
    """Receives progress, a line at a time."""


class Missing(Exception):  # noqa: N818 - it names what is missing, nothing went wrong in the code
    """Something this machine lacks; the message is one sentence that says what to do."""


@dataclass(frozen=True)
class Environment:
    """One virtual environment and the pinned file it is made from."""

    name: str
    folder: str
    requirements: str
    purpose: str
    disk_mb: int
    """Free space that making it takes, in MB."""
    arguments: tuple[str, ...] = ("--require-hashes",)
    projects: tuple[str, ...] = ()
    """Folders of this repository that are installed into it, editable."""

    @property
    def path(self) -> Path:
        override = os.environ.get(f"MEDMESH_{self.name.upper()}_VENV")
        return Path(override) if override else ROOT / self.folder

    @property
    def python(self) -> Path:
        return self.path / "bin" / "python3"

    @property
    def stamp(self) -> Path:
        return self.path / f".medmesh-{self.name}"

    def digest(self) -> str:
        """What it would be made from now: the pinned files, the interpreter, the projects' metadata."""
        pinned = ROOT / "requirements" / self.requirements
        projects = [ROOT / project / "pyproject.toml" for project in self.projects]
        content = hashlib.sha256(f"{sys.version_info[:2]}".encode())
        for path in [*_with_included(pinned), *projects]:
            content.update(path.read_bytes())
        return content.hexdigest()

    def is_made(self) -> bool:
        return self.python.exists() and self.stamp.exists() and self.stamp.read_text() == self.digest()


def _with_included(requirements: Path) -> list[Path]:
    """The file and those that it includes with `-r`."""
    lines = (line.partition("#")[0].split() for line in requirements.read_text().splitlines())
    included = [requirements.with_name(words[1]) for words in lines if words[:1] == ["-r"]]
    return [requirements, *(path for name in included for path in _with_included(name))]


_PROJECTS = ("clients/python", ".")
_EXACTLY = ("--require-hashes", "--no-deps")
"""What is pinned and nothing else: packages declare what the mesh never uses (requirements/overrides.txt)."""

ENVIRONMENTS = {
    e.name: e
    for e in (
        Environment("services", ".venv", "services.txt", "services", 600, _EXACTLY, _PROJECTS),
        Environment("gateway", ".venv", "gateway.txt", "the HTTP door", 650, _EXACTLY, _PROJECTS),
        Environment("dicom-node", ".venv", "dicom-node.txt", "the DICOM node", 700, _EXACTLY, _PROJECTS),
        Environment("local", ".venv", "local.txt", "services and command line", 700, _EXACTLY, _PROJECTS),
        Environment("dev", ".venv", "dev.txt", "tests, lint and code generation", 1000, _EXACTLY, _PROJECTS),
        Environment("triton", ".venv-triton", "triton.txt", "embedded Triton", 700, _EXACTLY),
        Environment(
            "peers", ".venv-peers", "peers.txt", "what `make bench` compares with", 900, _EXACTLY, _PROJECTS
        ),
        Environment("training", ".venv-training", "training.txt", "training", 3000, (), _PROJECTS),
    )
}


def libpython_folder() -> Path:
    """The folder that holds this interpreter's shared library, which Triton's Python backend links against.

    Raises:
        Missing: there is none on this machine.
    """
    name = f"libpython{sys.version_info[0]}.{sys.version_info[1]}.so.1.0"
    multiarch = sysconfig.get_config_var("MULTIARCH") or "x86_64-linux-gnu"
    folders = [sysconfig.get_config_var("LIBDIR") or "", f"{sys.base_prefix}/lib"]
    folders += [f"/usr/lib/{multiarch}", "/usr/lib64", "/usr/lib", "/usr/local/lib"]
    for folder in folders:
        if folder and (Path(folder) / name).exists():
            return Path(folder)
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    raise Missing(
        f"{name} is missing, and the embedded Triton needs it: install it (Debian, Ubuntu: sudo apt-get "
        f"install libpython{version}; Fedora: sudo dnf install python{version}-libs; pyenv: "
        f"PYTHON_CONFIGURE_OPTS=--enable-shared pyenv install {version}) and run this again."
    )


def check_machine() -> None:
    """Raises Missing where the system, architecture or interpreter is not one the project runs on."""
    if platform.system() != "Linux" or platform.machine() not in {"x86_64", "AMD64"}:
        raise Missing(
            f"medmesh runs on Linux x86-64, and this is {platform.system()} {platform.machine()}: use such a "
            "machine, or the containers of compose.yaml on one."
        )
    if sys.version_info[:2] not in SUPPORTED:
        raise Missing(
            f"medmesh needs Python 3.11 (or 3.12), and this is {platform.python_version()}: install one, "
            "or name it: make PYTHON=/path/to/python3.11 ..."
        )


def check_triton_machine() -> None:
    """Raises Missing where the embedded Triton cannot run, whatever is installed."""
    check_machine()
    libc, version = platform.libc_ver()
    if libc != "glibc" or tuple(int(part) for part in version.split(".")[:2]) < MINIMUM_GLIBC:
        raise Missing(
            "the embedded Triton needs glibc 2.35 or later (Debian 12, Ubuntu 22.04), and this one has "
            f"{libc or 'another C library'} {version}: point MEDMESH_TRITON_URL at a Triton elsewhere, or "
            "use compose.yaml."
        )
    libpython_folder()


def check_disk(path: Path, needed_mb: int) -> None:
    """Raises Missing where the disk that holds `path` has less than `needed_mb` MB free."""
    while not path.exists():
        path = path.parent
    free_mb = shutil.disk_usage(path).free // 2**20
    if free_mb < needed_mb:
        raise Missing(
            f"no disk space: {path} has {free_mb} MB free and {needed_mb} MB are needed; free some and run "
            "this again."
        )


def ensure(name: str, say: Say = print) -> Environment:
    """The environment, made or brought up to date first where it is not.

    Raises:
        Missing: the machine lacks something, or a package could not be installed.
    """
    environment = ENVIRONMENTS[name]
    if name == "triton":
        check_triton_machine()
    else:
        check_machine()
    if environment.is_made():
        return environment
    with _only_one(environment):
        if not environment.is_made():
            check_disk(environment.path, environment.disk_mb)
            _make(environment, say)
    return environment


def _make(environment: Environment, say: Say) -> None:
    began = time.monotonic()
    say(
        f"making {environment.path.name} ({environment.purpose}); this happens once and takes a minute or two"
    )
    if not _works(environment.python):
        result = subprocess.run(
            [sys.executable, "-m", "venv", "--clear", str(environment.path)],
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode != 0:
            raise Missing(
                "Python's venv module does not work here (Debian, Ubuntu: sudo apt-get install "
                f"python{sys.version_info[0]}.{sys.version_info[1]}-venv): install it and run this again."
            )
    requirements = ROOT / "requirements" / environment.requirements
    _pip(environment, ["-r", str(requirements), *environment.arguments], _count_pins(requirements), say)
    for project in environment.projects:
        # The packages are all there by now; this only links the sources, with the setuptools that was pinned.
        _pip(environment, ["--no-deps", "--no-build-isolation", "-e", str(ROOT / project)], 1, say)
    environment.stamp.write_text(environment.digest())
    say(f"made {environment.path.name} in {time.monotonic() - began:.0f} s")


def _works(python: Path) -> bool:
    return (
        python.exists()
        and subprocess.run([str(python), "-c", "import pip"], capture_output=True, check=False).returncode
        == 0
    )


def _count_pins(requirements: Path) -> int:
    lines = requirements.read_text().splitlines()
    return sum("==" in line and not line.startswith(("#", " ")) for line in lines)


def _pip(environment: Environment, arguments: list[str], total: int, say: Say) -> None:
    """Runs pip install; one line of progress for each package, its own output only where it fails."""
    command = [str(environment.python), "-m", "pip", "install"]
    command += ["--disable-pip-version-check", "--no-input", "--progress-bar=off"]
    kept: list[str] = []
    collected = 0
    with subprocess.Popen(
        [*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None  # noqa: S101 - PIPE was asked for
        for line in process.stdout:
            kept.append(line.rstrip())
            words = line.split()
            if words[:1] in (["Collecting"], ["Processing"]) and len(words) > 1:
                collected += 1
                # Where only the direct requirements are pinned, the whole number is not known.
                say(f"  {collected:3d}{f'/{total}' if collected <= total else ''}  {_package(words[1])}")
            elif words[:2] == ["Installing", "collected"]:
                say("  installing")
    if process.returncode != 0:
        log = Path(tempfile.gettempdir()) / f"medmesh-pip-{environment.name}.log"
        log.write_text("\n".join(kept) + "\n")
        reasons = [line for line in kept if line.startswith("ERROR:")] or kept[-1:] or ["pip said nothing"]
        raise Missing(
            f"a package for {environment.path.name} could not be installed ({reasons[0]}); pip's whole "
            f"output is in {log}."
        )


def _package(requirement: str) -> str:
    """Name and version, from `name==version` or from a wheel's path."""
    if requirement.endswith(".whl"):
        return "==".join(Path(requirement).name.split("-")[:2])
    return requirement


@contextlib.contextmanager
def _only_one(environment: Environment) -> Iterator[None]:
    """Two calls of make must not build the same environment at the same time."""
    environment.path.parent.mkdir(parents=True, exist_ok=True)
    with Path(f"{environment.path}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _hand_over() -> None:
    """Replaces this process by a supported Python of the same machine, where there is one."""
    if sys.version_info[:2] in SUPPORTED:
        return
    for major, minor in SUPPORTED:
        found = shutil.which(f"python{major}.{minor}")
        # A version manager's shim exists whether its version is installed or not, so it is asked.
        if found and subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode == 0:
            os.execv(found, [found, *sys.argv])  # noqa: S606 - replaces this very process


def main(names: list[str]) -> int:
    """Makes the named environments; 0, or 1 after one sentence on stderr."""
    unknown = [name for name in names if name not in ENVIRONMENTS]
    if unknown or not names:
        print(f"usage: bootstrap.py {' | '.join(ENVIRONMENTS)}", file=sys.stderr)
        return 2
    _hand_over()
    try:
        for name in names:
            ensure(name, say=lambda text: print(f"medmesh: {text}", flush=True))
    except Missing as missing:
        print(f"medmesh: {missing}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
