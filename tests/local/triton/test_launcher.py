# Long because: each thing that the launcher promises is tried on a server that it starts.
"""Starting and ending the embedded Triton, and what it says where something is missing."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from tritonclient.grpc import InferenceServerClient
from tritonclient.utils import InferenceServerException

from services.chassis.settings import SettingsError
from services.local.triton import EmbeddedTriton, TritonError, TritonSettings
from services.local.triton.installation import PYTHON, Installation
from tests.local.triton import tiny_models
from tools import bootstrap
from tools.bootstrap import Missing

SILENT = [].append


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository; what runs on it does so below `tmp_path`, and is found by it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = tmp_path / "repository"
    tiny_models.write(folder, "arithmetic", *tiny_models.arithmetic(), more=tiny_models.batching())
    return folder


def wait_until(condition, seconds: float = 15.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def processes_naming(text: str) -> list[int]:
    """Process ids of the programs (not zombies) whose command line holds `text`."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdecimal() and text.encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def children(pid: int) -> set[int]:
    """Process ids of a process's children."""
    return {
        int(child)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for child in (task / "children").read_text().split()
    }


@pytest.mark.live
def test_it_ends_without_a_trace(repository: Path, tmp_path: Path):
    before = set(Path("/dev/shm").iterdir())
    said: list[str] = []
    with EmbeddedTriton.start(
        TritonSettings(repository=(repository,), log=tmp_path / "log"), said.append
    ) as triton:
        assert triton.is_ready()
        pid = triton.pid
        own = set(Path("/dev/shm").glob(f"medmesh_{os.getpid()}_*")) - before
        assert own
        assert not any(region.stat().st_mode & 0o077 for region in own)
    assert not triton.is_ready()
    assert not Path(f"/proc/{pid}").exists()
    assert processes_naming(str(repository)) == []
    assert {
        path for path in Path("/dev/shm").iterdir() if path.name.startswith(f"medmesh_{os.getpid()}")
    } <= before
    assert any("1/1 models loaded (arithmetic)" in line for line in said)


@pytest.mark.live
def test_only_the_named_models_are_loaded(repository: Path, tmp_path: Path):
    tiny_models.write(repository, "broken", *tiny_models.lookup())
    (repository / "broken" / "1" / "model.onnx").write_bytes(b"not an ONNX file")
    settings = TritonSettings(repository=(repository,), models=("arithmetic",), log=tmp_path / "log")
    with EmbeddedTriton.start(settings, SILENT) as triton:
        assert triton.is_ready()


@pytest.mark.live
@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_triton_ends_with_its_parent(repository: Path, ending: signal.Signals):
    command = [
        sys.executable,
        "-m",
        "services.local.triton",
        "up",
        "--repository",
        str(repository),
        "--log",
        "-",
    ]
    environment = {**os.environ, "TMPDIR": str(repository.parent)}
    with subprocess.Popen(
        command,
        cwd=bootstrap.ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        assert any("Triton is ready" in line for line in parent.stdout)
        assert processes_naming("repository/arithmetic/1/")
        parent.send_signal(ending)
        parent.communicate(timeout=20)
    assert wait_until(lambda: not processes_naming(str(repository.parent)))
    assert parent.returncode == (-signal.SIGKILL if ending == signal.SIGKILL else 0)


@pytest.mark.live
def test_a_killed_server_is_reported_and_not_started_again(repository: Path, tmp_path: Path):
    with EmbeddedTriton.start(
        TritonSettings(repository=(repository,), log=tmp_path / "log"), SILENT
    ) as triton:
        os.kill(triton.pid, signal.SIGKILL)
        triton.child.process.wait(10)
        with pytest.raises(TritonError, match="triton was ended by SIGKILL"):
            triton.check()
        assert not triton.is_ready()
    assert wait_until(lambda: not processes_naming(str(tmp_path)))


@pytest.mark.live
def test_a_server_that_aborts_while_it_starts_is_started_once_more(repository: Path, tmp_path: Path):
    said: list[str] = []
    aborted = EmbeddedTriton.launch(
        TritonSettings(repository=(repository,), log=tmp_path / "log"), said.append
    )
    os.kill(aborted.pid, signal.SIGABRT)
    with aborted.wait(said.append) as triton:
        triton.check()
        assert triton.is_ready()
        assert triton.grpc_address == aborted.grpc_address
    assert "triton was ended by SIGABRT while it started; starting it once more" in said
    assert wait_until(lambda: not processes_naming(str(tmp_path)))


@pytest.mark.live
def test_a_model_process_that_dies_is_reported(repository: Path, tmp_path: Path):
    """Triton itself would go on saying that the model is ready."""
    with EmbeddedTriton.start(
        TritonSettings(repository=(repository,), log=tmp_path / "log"), SILENT
    ) as triton:
        triton.check()
        (stub,) = (pid for pid in processes_naming("repository/arithmetic/1/") if pid in children(triton.pid))
        os.kill(stub, signal.SIGKILL)

        def reported() -> bool:
            try:
                triton.check()
            except TritonError as error:
                return "the process that served the model arithmetic has ended" in str(error)
            return False

        assert wait_until(reported)
        assert triton.is_ready()


@pytest.mark.live
def test_folders_with_spaces_and_letters_outside_ascii_work(repository: Path, tmp_path: Path, monkeypatch):
    odd = tmp_path / "a folder für Röntgen (1)"
    repository.rename(odd)
    environment = tmp_path / "an environment"
    environment.symlink_to(bootstrap.ENVIRONMENTS["triton"].path)
    monkeypatch.setenv("MEDMESH_TRITON_VENV", str(environment))
    with EmbeddedTriton.start(
        TritonSettings(repository=(odd,), log=odd.with_suffix(".log")), SILENT
    ) as triton:
        assert triton.is_ready()
        triton.check()


@pytest.mark.live
def test_a_temporary_folder_that_triton_cannot_work_with_is_named(repository: Path, tmp_path, monkeypatch):
    odd = tmp_path / "a folder"
    odd.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(odd))
    with pytest.raises(Missing, match="set TMPDIR to another folder"):
        EmbeddedTriton.start(TritonSettings(repository=(repository,)), SILENT)


@pytest.mark.live
def test_a_taken_port_is_named(repository: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(
            Missing,
            match=rf"port {port} on 127\.0\.0\.1, meant for http, is taken .* MEDMESH_TRITON_HTTP_PORT",
        ):
            EmbeddedTriton.start(TritonSettings(repository=(repository,), http_port=port), SILENT)


@pytest.mark.live
def test_a_graph_that_contradicts_its_config_is_not_served_and_the_others_are(
    repository: Path, tmp_path: Path
):
    config = repository / "arithmetic" / "config.pbtxt"
    config.write_text(
        config.read_text().replace(
            '"total" data_type: TYPE_FP32 dims: [1]', '"total" data_type: TYPE_FP32 dims: [2]'
        )
    )
    tiny_models.write(repository, "lookup", *tiny_models.lookup())
    said: list[str] = []
    with EmbeddedTriton.start(TritonSettings(repository=(repository,), log=tmp_path / "log"), said.append):
        text = "\n".join(said)
    assert "1/2 models loaded (lookup)" in text
    assert re.search(r"arithmetic: output 'total' has shape \[-1, 1\] in the graph and \[-1, 2\]", text)


@pytest.mark.live
def test_each_of_several_models_that_do_not_load_has_its_own_reason(repository: Path, tmp_path: Path):
    config = repository / "arithmetic" / "config.pbtxt"
    config.write_text(config.read_text().replace('backend: "onnxruntime"', 'backend: "nobody"'))
    tiny_models.write(repository, "lookup", *tiny_models.lookup())
    digest = f'parameters {{ key: "medmesh.weights_sha256.1" value: {{ string_value: "{"0" * 64}" }} }}\n'
    other = repository / "lookup" / "config.pbtxt"
    other.write_text(other.read_text() + digest)
    tiny_models.write(repository, "third", *tiny_models.lookup())
    said: list[str] = []
    with EmbeddedTriton.start(TritonSettings(repository=(repository,), log=tmp_path / "log"), said.append):
        pass
    (unknown,) = (line for line in said if line.startswith("not loaded: arithmetic"))
    (changed,) = (line for line in said if line.startswith("not loaded: lookup"))
    assert "nobody" in unknown
    assert "digest" not in unknown
    assert "digest" in changed


@pytest.mark.live
@pytest.mark.skipif(Path("/dev/nvidia0").exists(), reason="needs a machine without a GPU")
def test_a_configuration_for_a_gpu_is_refused_where_there_is_none(repository: Path, tmp_path: Path):
    """`model_config` names it; a model without one of that name keeps its `config.pbtxt`."""
    config = repository / "arithmetic" / "config.pbtxt"
    named = config.parent / "configs" / "gpu.pbtxt"
    named.parent.mkdir()
    named.write_text(config.read_text().replace("KIND_CPU", "KIND_GPU"))
    tiny_models.write(repository, "lookup", *tiny_models.lookup())
    settings = TritonSettings(repository=(repository,), model_config="gpu", log=tmp_path / "log")
    said: list[str] = []
    with EmbeddedTriton.start(settings, said.append):
        text = "\n".join(said)
    assert "1/2 models loaded (lookup)" in text
    assert re.search(r"not loaded: arithmetic: .*KIND_GPU but no GPUs are available", text)


@pytest.mark.live
def test_missing_weights_are_named_and_the_others_are_served(repository: Path, tmp_path: Path):
    (repository / "arithmetic" / "1" / "model.onnx").unlink()
    settings = TritonSettings(repository=(repository,), log=tmp_path / "log")
    with pytest.raises(Missing, match=r"arithmetic cannot be loaded: its weights are missing .*model\.onnx"):
        EmbeddedTriton.start(settings, SILENT)
    tiny_models.write(repository, "lookup", *tiny_models.lookup())
    said: list[str] = []
    with EmbeddedTriton.start(settings, said.append) as triton:
        assert triton.is_ready()
    assert any(line.startswith("not loaded: arithmetic: its weights are missing") for line in said)


@pytest.mark.live
def test_weights_that_are_not_those_of_the_stated_digest_are_not_loaded(repository: Path, tmp_path: Path):
    config = repository / "arithmetic" / "config.pbtxt"
    digest = hashlib.sha256((repository / "arithmetic" / "1" / "model.onnx").read_bytes()).hexdigest()
    stated = f'parameters {{ key: "medmesh.weights_sha256.1" value: {{ string_value: "{digest}" }} }}\n'
    config.write_text(config.read_text() + stated)
    settings = TritonSettings(repository=(repository,), log=tmp_path / "log")
    said: list[str] = []
    with EmbeddedTriton.start(settings, said.append):
        pass
    assert any("1/1 models loaded" in line for line in said)
    config.write_text(config.read_text().replace(digest, "0" * 64))
    said.clear()
    with EmbeddedTriton.start(settings, said.append):
        pass
    assert any("the weights of version 1 are not those whose digest" in line for line in said)


@pytest.mark.live
def test_a_folder_dropped_in_can_be_loaded_and_one_taken_out_cannot(repository: Path, tmp_path: Path):
    further = tmp_path / "further"
    settings = TritonSettings(repository=(further, repository), log=tmp_path / "log")
    with (
        EmbeddedTriton.start(settings, SILENT) as triton,
        InferenceServerClient(triton.grpc_address) as client,
    ):
        with pytest.raises(InferenceServerException, match="failed to poll"):
            client.load_model("lookup")
        tiny_models.write(further, "lookup", *tiny_models.lookup())
        triton.check()
        client.load_model("lookup")
        assert client.is_model_ready("lookup")
        client.unload_model("lookup")
        assert wait_until(lambda: (triton.check(), not client.is_model_ready("lookup"))[1])
        time.sleep(2.5)  # longer than a process may stay unreaped
        triton.check()  # a model that was unloaded is no model that has died
        shutil.rmtree(further / "lookup")
        triton.check()
        with pytest.raises(InferenceServerException, match="failed to poll"):
            client.load_model("lookup")


@pytest.mark.live
def test_an_empty_repository_is_refused(tmp_path: Path):
    with pytest.raises(Missing, match="holds no model"):
        EmbeddedTriton.start(TritonSettings(repository=(tmp_path,)), SILENT)


@pytest.mark.live
def test_the_wheel_alone_would_answer_with_empty_tensors_under_numpy_2(tmp_path: Path):
    """The check looks at what is installed beside tritonserver, so another numpy than the pinned one is
    seen."""
    site = tmp_path / "lib" / f"python{PYTHON}" / "site-packages"
    real = Installation.find(SILENT)
    site.mkdir(parents=True)
    (site / "pytriton").symlink_to(real.site / "pytriton")
    for package, version in (("numpy", "2.4.6"), ("onnxruntime", "1.31.1")):
        metadata = site / f"{package}-{version}.dist-info" / "METADATA"
        metadata.parent.mkdir()
        metadata.write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    with pytest.raises(Missing, match=r"numpy 2\.4\.6 is in .*: install numpy<2"):
        Installation.at(tmp_path)


def test_an_environment_without_tritonserver_is_named(tmp_path: Path):
    with pytest.raises(Missing, match="tritonserver is not in"):
        Installation.at(tmp_path)


def test_a_wrong_architecture_is_named(monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    with pytest.raises(Missing, match="medmesh runs on Linux x86-64, and this is Linux aarch64"):
        bootstrap.check_machine()


def test_a_wrong_python_is_named(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    with pytest.raises(Missing, match=r"medmesh needs Python 3\.11"):
        bootstrap.check_machine()


def test_an_old_c_library_is_named(monkeypatch):
    monkeypatch.setattr(platform, "libc_ver", lambda: ("glibc", "2.31"))
    with pytest.raises(Missing, match=r"needs glibc 2\.35"):
        bootstrap.check_triton_machine()


def test_a_missing_libpython_is_named_with_the_way_to_install_it(monkeypatch, tmp_path: Path):
    monkeypatch.setattr(sysconfig, "get_config_var", lambda name: str(tmp_path))
    monkeypatch.setattr(sys, "base_prefix", str(tmp_path))
    monkeypatch.setattr(Path, "exists", lambda self: False)
    with pytest.raises(
        Missing, match=rf"libpython{PYTHON}\.so\.1\.0 is missing.*apt-get install libpython{PYTHON}"
    ):
        bootstrap.libpython_folder()


def test_a_full_disk_is_named(monkeypatch, tmp_path: Path):
    usage = shutil.disk_usage(tmp_path)._replace(free=5 * 2**20)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(Missing, match=r"no disk space: .* has 5 MB free and 200 MB are needed"):
        bootstrap.check_disk(tmp_path / "not" / "there" / "yet", 200)


def test_a_port_that_is_no_number_is_named():
    with pytest.raises(SettingsError, match="MEDMESH_TRITON_GRPC_PORT: is no whole number"):
        TritonSettings.from_environment({"MEDMESH_TRITON_GRPC_PORT": "eight"})


def test_numpy_here_is_another_than_tritons():
    """The services follow numpy 2; only the embedded Triton is held back."""
    assert int(np.__version__.split(".")[0]) >= 2


@pytest.mark.live
def test_beyond_loopback_it_model_control_is_off_and_it_serves_what_it_finds(
    repository: Path, tmp_path: Path
):
    settings = TritonSettings(repository=(repository,), host="0.0.0.0", log=tmp_path / "log")
    with (
        EmbeddedTriton.start(settings, SILENT) as triton,
        InferenceServerClient(triton.grpc_address) as client,
    ):
        assert client.is_model_ready("arithmetic")
        with pytest.raises(InferenceServerException, match="not allowed"):
            client.load_model("arithmetic")
