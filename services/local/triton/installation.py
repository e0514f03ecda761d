"""Where the embedded Triton's program, libraries and backends are, and whether they can work together."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import re
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tools import bootstrap
from tools.bootstrap import Missing

_BACKENDS = Path(__file__).parent / "backends"
_MAKE_AGAIN = "delete that folder and run `python3 tools/bootstrap.py triton`"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


@dataclass(frozen=True)
class Installation:
    """The environment that nvidia-pytriton, numpy < 2 and onnxruntime are installed in."""

    environment: Path
    """The virtual environment; the services have another one, with another numpy."""
    site: Path
    libpython: Path
    """Folder of libpython3.x.so.1.0, which the Python backend's stub is linked against."""

    @classmethod
    def find(cls, say: bootstrap.Say = print) -> Installation:
        """The installation, made first where it is not there yet.

        Raises:
            Missing: the machine, or what is installed, cannot run the embedded Triton.
        """
        environment = bootstrap.ensure("triton", say).path
        return cls.at(environment)

    @classmethod
    def at(cls, environment: Path) -> Installation:
        """The installation in this virtual environment, checked."""
        found = cls(
            environment,
            environment / "lib" / f"python{PYTHON}" / "site-packages",
            bootstrap.libpython_folder(),
        )
        found.check()
        return found

    @property
    def server(self) -> Path:
        """The tritonserver program."""
        return self.site / "pytriton" / "tritonserver" / "bin" / "tritonserver"

    def check(self) -> None:
        """Raises Missing where the parts are not all there or do not fit together."""
        if not self.server.exists():
            raise Missing(f"tritonserver is not in {self.environment}: {_MAKE_AGAIN}.")
        versions = {
            distribution.metadata["Name"].lower(): distribution.version
            for distribution in importlib.metadata.distributions(path=[str(self.site)])
        }
        for package in ("numpy", "onnxruntime"):
            if versions.keys().isdisjoint({package, f"{package}-gpu"}):
                raise Missing(f"{package} is not in {self.environment}: {_MAKE_AGAIN}.")
        if int(versions["numpy"].split(".")[0]) >= 2:
            raise Missing(
                f"numpy {versions['numpy']} is in {self.environment}, and with numpy 2 this Triton answers "
                f"with empty tensors: install numpy<2 there, or {_MAKE_AGAIN}."
            )

    def variables(self) -> dict[str, str]:
        """The whole environment that tritonserver runs in: nothing of the caller's own Python gets
        through.
        """
        kept = {key: os.environ[key] for key in ("HOME", "LANG", "TMPDIR", "TZ") if key in os.environ}
        libraries = [str(self.site / "nvidia_pytriton.libs"), str(self.libpython)]
        return {
            **kept,
            # The stub takes its packages from the first python3 on PATH.
            "PATH": os.pathsep.join([str(self.environment / "bin"), "/usr/local/bin", "/usr/bin", "/bin"]),
            "LD_LIBRARY_PATH": os.pathsep.join(libraries),
            "PYTHONNOUSERSITE": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def backends(self, parent: Path | None = None) -> Path:
        """The folder for --backend-directory: copies, since Triton refuses symbolic links there.

        Named by the digest of what is copied, so that it is made once and a running server's folder is never
        changed. It lies in `parent`; by default in the environment.

        Raises:
            Missing: the disk is full, or the environment cannot be written to and was not prepared before.
        """
        shipped = self.site / "pytriton" / "tritonserver"
        sources = {
            "python/libtriton_python.so": shipped / "backends" / "python" / "libtriton_python.so",
            "python/triton_python_backend_utils.py": shipped
            / "backends"
            / "python"
            / "triton_python_backend_utils.py",
            "python/triton_python_backend_stub": shipped
            / "python_backend_stubs"
            / PYTHON
            / "triton_python_backend_stub",
        }
        for model in sorted(_BACKENDS.glob("*/model.py")):
            parts = {str(path.relative_to(model.parent)): path for path in model.parent.rglob("*.py")}
            parts |= {path.name: path for path in _BACKENDS.glob("*.py")}  # what the backends have in common
            sources |= {f"{model.parent.name}/{name}": path for name, path in sorted(parts.items())}
        digest = hashlib.sha256()
        for target, source in sources.items():
            digest.update(target.encode())
            digest.update(source.read_bytes())
        folder = (parent or self.environment) / "medmesh-backends" / digest.hexdigest()[:16]
        if folder.is_dir():
            return folder
        try:
            folder.parent.mkdir(exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
                prepared = Path(temporary) / "backends"
                for target, source in sources.items():
                    (prepared / target).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(source, prepared / target)
                prepared.rename(folder)
        except OSError as error:
            if folder.is_dir():  # another process was faster
                return folder
            raise Missing(f"the backend folder {folder} cannot be made: {error.strerror}.") from error
        return folder


def is_plain(path: Path) -> bool:
    """Whether Triton's Python backend can start its processes on `path`: it hands it to a shell unquoted."""
    return re.fullmatch(r"[\w./+@=-]+", str(path), re.ASCII) is not None


def scratch_folder() -> Path:
    """A new folder for what a server needs while it runs. Raises Missing where its name would not do."""
    parent = Path(tempfile.gettempdir())
    if not is_plain(parent):
        raise Missing(
            f"the temporary folder {parent} has a space or a special character in its name, which Triton "
            "cannot work with: set TMPDIR to another folder."
        )
    return Path(tempfile.mkdtemp(prefix="medmesh-triton-", dir=parent))
