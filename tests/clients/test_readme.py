"""The examples that the READMEs give to callers run as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from tests.clients.fake_mesh import stored_diagnosis

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("page", ["README.md", "clients/python/README.md"])
def test_the_ten_lines_run(page, mesh, tmp_path, monkeypatch, capsys):
    mesh.answers["Diagnose"] = pb.DiagnoseResponse(diagnosis=stored_diagnosis())
    text = (ROOT / page).read_text(encoding="utf-8")
    example = next(
        block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "Client(" in block
    )
    assert "127.0.0.1:50060" in example
    (tmp_path / "chest.dcm").write_bytes(b"dicom")
    (tmp_path / "bundle.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    exec(example.replace("127.0.0.1:50060", mesh.target), {})
    assert " 87.2%  Pneumonia" in capsys.readouterr().out
    assert mesh.last.request.case.images[0].sources[0].content == b"dicom"
