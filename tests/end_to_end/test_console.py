"""The console in a real browser, before a real mesh; and the committed page is what its sources build.

`make test-consumers` runs them: they need npm, and Chromium of `clients/debian-packages.txt`.
"""

from __future__ import annotations

import dataclasses
import filecmp
import hashlib
import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from services.local import credentials
from services.local.mesh import Mesh
from services.local.ports import claim
from tests.end_to_end.test_other_languages import run, tool
from tools.bootstrap import ROOT

CONSOLE = ROOT / "clients" / "console"
SLICES = 5
TOKEN_S = 34
"""How long an access token is good: the console renews it once less than 30 s are left."""

pytestmark = [
    pytest.mark.live,
    pytest.mark.slow,
    pytest.mark.skipif("TEST_CONSUMERS" not in os.environ, reason="`make test-consumers` runs these"),
]


@pytest.fixture(scope="module")
def web() -> Path:
    """The sources of the page, with their packages and the code generated from the contracts."""
    folder = CONSOLE / "web"
    run(tool("npm"), "ci", "--no-audit", "--no-fund", cwd=folder)
    run(tool("npm"), "run", "generate", cwd=folder)
    return folder


def test_the_committed_page_is_what_its_sources_build(web: Path, tmp_path: Path) -> None:
    run(tool("npm"), "run", "check", cwd=web)
    run(tool("node"), "build.mjs", tmp_path / "page", cwd=web)
    compared = filecmp.dircmp(tmp_path / "page", CONSOLE / "page")
    differing = [*compared.left_only, *compared.right_only]
    differing += filecmp.cmpfiles(tmp_path / "page", CONSOLE / "page", compared.common, shallow=False)[1]
    assert not differing, "`make console` builds it; commit clients/console/page"


@pytest.fixture(scope="module")
def receipt_key(tmp_path_factory) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture(scope="module")
def address(mesh, settings, receipt_key, tmp_path_factory):
    """A console before an orchestrator that signs, on the Triton that all tests share."""
    folder = tmp_path_factory.mktemp("console")
    key = folder / "receipt-key.pem"
    key.write_bytes(receipt_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    key.chmod(0o600)
    own = dataclasses.replace(
        settings.with_doors(["console"]).with_triton(mesh.addresses["triton"], mesh.triton_key_file),
        run_folder=folder,
        variables={**settings.variables, "MEDMESH_RECEIPT_KEY": str(key)},
    )
    with Mesh.start(own, say=lambda _: None) as console:
        yield console.addresses["console"]


@pytest.fixture(scope="module")
def dropped(receipt_key, tmp_path_factory) -> Path:
    """What the flows give to the page."""
    folder = tmp_path_factory.mktemp("dropped")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
    (folder / "key.pem").write_bytes(
        receipt_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    (folder / "series").mkdir()
    for number in range(SLICES):
        ct_slice(number).save_as(folder / "series" / f"{number}.dcm", enforce_file_format=True)
    return folder


def ct_slice(number: int) -> Dataset:
    """A slice of a ball of water in air, 5 mm above the one before."""
    rows, columns = np.mgrid[-1:1:96j, -1:1:96j]
    inside = rows**2 + columns**2 < 0.5 + 0.05 * number
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SOPClassUID = CTImageStorage
    data.SOPInstanceUID = f"2.25.33{number}"
    data.StudyInstanceUID, data.SeriesInstanceUID, data.FrameOfReferenceUID = "2.25.1", "2.25.2", "2.25.3"
    data.Modality, data.BodyPartExamined = "CT", "HEAD"
    data.InstanceNumber = number + 1
    data.ImagePositionPatient = [-48, -48, 5 * number]
    data.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    data.PixelSpacing, data.SliceThickness = [1, 1], 5
    data.Rows, data.Columns = rows.shape
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 1
    data.RescaleIntercept, data.RescaleSlope, data.RescaleType = 0, 1, "HU"
    data.WindowCenter, data.WindowWidth = 40, 400
    data.PixelData = np.where(inside, 30 + 10 * number, -1000).astype("<i2").tobytes()
    return data


def test_every_flow_of_the_page_in_chromium(web: Path, address: str, dropped: Path) -> None:
    done = subprocess.run(
        [tool("node"), "browser/flows.mjs", address, str(dropped)],
        cwd=web,
        env=os.environ | {"CHROMIUM": tool("chromium")},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def provider(web: Path, origin: str) -> Iterator[str]:
    """The issuer that lets people into the console at this origin."""
    command = [tool("node"), "browser/provider.mjs", origin, str(TOKEN_S)]
    with subprocess.Popen(command, cwd=web, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout
        try:
            yield json.loads(process.stdout.readline())["issuer"]
        finally:
            process.kill()


def policy(issuer: str, folder: Path) -> Path:
    """People may diagnose with the provider's tokens; nobody else but the orchestrator may do anything."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(f"{issuer}/jwks", timeout=10) as answer:
        (folder / "jwks.json").write_bytes(answer.read())
    path = folder / "policy.toml"
    path.write_text(f"""
[identities.orchestrator]
token_sha256 = "{hashlib.sha256(b"of-the-orchestrator").hexdigest()}"
assertion_key = "identity/assertion.pub"
allow = ["/medmesh.common.v1.ModelCatalogService/[GL]*"]

[tokens]
issuer = "{issuer}"
audience = "medmesh"
keys = "jwks.json"

[tokens.roles]
"medmesh-physician" = "physician"

[roles.physician]
allow = ["/medmesh.*"]
""")
    credentials.make(folder / "identity")
    return path


def test_a_person_signs_in_diagnoses_and_signs_out(web: Path, mesh, settings, tmp_path: Path) -> None:
    own = settings.with_doors(["console"]).with_triton(mesh.addresses["triton"], mesh.triton_key_file)
    port = claim("127.0.0.1", {"console": 0}, "")["console"]
    origin = f"http://127.0.0.1:{port}"
    with provider(web, origin) as issuer:
        own = dataclasses.replace(
            own,
            run_folder=tmp_path,
            ports=own.ports | {"console": port},
            variables={
                **settings.variables,
                "MEDMESH_AUTH_POLICY": str(policy(issuer, tmp_path)),
                "MEDMESH_TOKEN": "of-the-orchestrator",
                "MEDMESH_ASSERTION_KEY": str(tmp_path / "identity" / "orchestrator" / "assertion.key"),
                "MEDMESH_OIDC_ISSUER": issuer,
                "MEDMESH_OIDC_RESOURCE": "urn:medmesh",
            },
        )
        with Mesh.start(own, say=lambda _: None):
            done = subprocess.run(
                [tool("node"), "browser/login.mjs", f"127.0.0.1:{port}"],
                cwd=web,
                env=os.environ | {"CHROMIUM": tool("chromium"), "TOKEN_SECONDS": "5"},
                capture_output=True,
                text=True,
                timeout=180,
                check=False,
            )
        assert done.returncode == 0, done.stdout + done.stderr
    written = (tmp_path / "console.log").read_text()
    assert "signed in" in written
    # The person, a token, a code.
    assert all(word not in written for word in ("quokka", "eyJ", "code="))
