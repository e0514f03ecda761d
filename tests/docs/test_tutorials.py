"""Every command and program of the tutorials runs, and says what the page says that it does."""

from __future__ import annotations

import dataclasses
import shutil
import textwrap
from pathlib import Path

import pytest

from services.local import ports
from services.local.mesh import Mesh
from services.local.mesh_settings import SERVICES, MeshSettings
from tests.docs import page

TUTORIALS = page.ROOT / "docs" / "tutorials"
LARGER_MODEL = "write-with-a-larger-model.md"
OWN_MESH = "serve-my-model.md"
WITH_A_MESH = [
    path.name for path in sorted(TUTORIALS.glob("*.md")) if path.name not in {OWN_MESH, LARGER_MODEL}
]


@pytest.fixture(scope="module")
def mesh(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mesh")
    variables = {"MEDMESH_RECEIPT_FOLDER": str(folder / "receipts")}
    settings = dataclasses.replace(MeshSettings.from_environment().on_free_ports(folder), variables=variables)
    with Mesh.start(settings, [].append) as running:
        yield running


def addresses(of: dict[str, str]) -> dict[str, str]:
    """The variables by which clients find the services."""
    return {"MEDMESH_URL": of["orchestrator"]} | {
        f"MEDMESH_{name.upper()}_URL": of[name] for name in SERVICES if name != "orchestrator"
    }


@pytest.mark.live
@pytest.mark.slow
def test_serve_my_model(tmp_path):
    wanted = dict.fromkeys([*SERVICES, "triton_grpc", "triton_http", "triton_metrics"], 0)
    claimed = ports.claim("127.0.0.1", wanted, "MEDMESH_{}_PORT")
    run = tmp_path / "run"
    variables = {f"MEDMESH_{name.upper()}_PORT": str(port) for name, port in claimed.items()}
    variables |= {"MEDMESH_RUN_FOLDER": str(run), "MEDMESH_RECEIPT_FOLDER": str(run / "receipts")}
    variables |= addresses({name: f"127.0.0.1:{claimed[name]}" for name in SERVICES})
    work = tmp_path / "work"
    work.mkdir()
    page.run(TUTORIALS / OWN_MESH, work, variables)


@pytest.mark.slow
def test_write_with_a_larger_model(tmp_path):
    """As far as it goes without a GPU."""
    shutil.copytree(page.ROOT / "docs" / "examples", tmp_path / "docs" / "examples")
    page.run(TUTORIALS / LARGER_MODEL, tmp_path, {})


@pytest.mark.live
@pytest.mark.parametrize("name", WITH_A_MESH)
def test_those_that_need_a_mesh_that_runs(name, mesh, tmp_path):
    shutil.copytree(page.ROOT / "samples", tmp_path / "samples")
    page.run(TUTORIALS / name, tmp_path, addresses(mesh.addresses))


@pytest.mark.parametrize(
    ("expected", "said", "agrees"),
    [
        ("a …\n  c", "a b\nb c\n", True),
        ("a   b", "a b", True),
        ("", "", True),
        ("", "something", False),
        ("version 2", "version 1", False),
        ("1.0 %", "1x0 %", False),
        ("a", "a b", False),
    ],
)
def test_what_a_page_expects(expected, said, agrees):
    assert page.says(expected, said) is agrees


def test_a_page_that_says_something_else_is_found(tmp_path):
    text = """
    `note.txt`:

    ```text
    No fever.
    ```

    ```console
    $ cat note.txt
    No fever.
    $ cat note.txt
    Fever.
    ```
    """
    (tmp_path / "page.md").write_text(textwrap.dedent(text), encoding="utf-8")
    with pytest.raises(AssertionError, match="No fever"):
        page.run(tmp_path / "page.md", tmp_path, {})
    assert (tmp_path / "note.txt").read_text() == "No fever.\n"


def test_there_is_a_tutorial_for_each_reader():
    names = {Path(path).stem for path in TUTORIALS.glob("*.md")}
    assert names == {
        "serve-my-model",
        "call-it-from-my-service",
        "read-my-hospitals-fhir",
        "write-with-a-larger-model",
    }
