"""A session on a GPU is opened, or refused with the way out: ONNX Runtime itself falls back to the CPU."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from services.local.triton import backends
from services.local.triton.installation import Installation
from tests.local.triton import tiny_models

pytestmark = pytest.mark.live

OPEN = """
import sys, types
from pathlib import Path

class Refused(Exception): ...
sys.modules["triton_python_backend_utils"] = types.SimpleNamespace(TritonModelException=Refused)
import onnx_session, onnxruntime

if sys.argv[3:]:  # a package with CUDA on a machine without, which falls back
    onnxruntime.get_available_providers = lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]
args = {"model_instance_kind": sys.argv[2], "model_instance_device_id": "0"}
try:
    print(*onnx_session.open_session(Path(sys.argv[1]), {}, args).get_providers())
except Refused as refused:
    print("refused:", refused)
"""


@pytest.fixture
def opened(tmp_path: Path):
    tiny_models.write(tmp_path, "arithmetic", *tiny_models.arithmetic())
    python = Installation.find().environment / "bin" / "python3"

    def run(*arguments: str) -> str:
        model = str(tmp_path / "arithmetic" / "1" / "model.onnx")
        return subprocess.run(
            [str(python), "-W", "ignore", "-c", OPEN, model, *arguments],
            env={"PYTHONPATH": str(Path(backends.__path__[0]))},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    return run


def test_an_instance_on_a_cpu_has_no_other_provider(opened):
    assert opened("CPU").split() == ["CPUExecutionProvider"]


@pytest.mark.skipif(Path("/dev/nvidia0").exists(), reason="needs a machine without a GPU")
@pytest.mark.parametrize("pretending", [(), ("pretending",)])
def test_one_on_a_gpu_is_refused_where_cuda_does_not_load(opened, pretending):
    said = opened("GPU", *pretending)
    assert "refused: instance_group says KIND_GPU" in said
    assert "docs/gpu.md" in said


@pytest.mark.skipif(not Path("/dev/nvidia0").exists(), reason="needs a GPU")
def test_one_on_a_gpu_computes_there(opened):
    assert opened("GPU").split()[:1] == ["CUDAExecutionProvider"]
