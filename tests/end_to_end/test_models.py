"""Models that come, change and go while eight callers go on: the whole mesh, on a repository of its own.

The versions of the chest model here differ in a note inside the file alone: the same answers, other digests.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import onnx
import pytest
from typer.testing import CliRunner

from clients.cli.main import app
from medmesh import Client
from services.local.mesh import Mesh
from services.local.mesh_settings import MeshSettings
from tests.end_to_end.conftest import ROOT, SAMPLES, until

pytestmark = [pytest.mark.live, pytest.mark.slow]

CALLERS = 8
IMAGE = (SAMPLES / "chest_xray.dcm").read_bytes()


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Path:
    """The gate and the chest model: what reads one kind of image."""
    folder = tmp_path_factory.mktemp("models")
    for name in ("chest_xray", "image_gate"):
        shutil.copytree(ROOT / "triton_repo" / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def mesh(repository, tmp_path_factory):
    run_folder = tmp_path_factory.mktemp("run")
    settings = MeshSettings.from_environment({"MEDMESH_MODEL_REPOSITORY": str(repository)})
    with Mesh.start(settings.on_free_ports(run_folder), [].append) as running, tended(running):
        yield running


@contextlib.contextmanager
def tended(mesh):
    """Watches the mesh as `medmesh up` does: what ends would be started again, and reported."""
    ended, said = threading.Event(), []

    def tend():
        while not ended.wait(0.3):
            said.extend(mesh.tend())

    thread = threading.Thread(target=tend)
    thread.start()
    yield
    ended.set()
    thread.join()
    assert said == []


@pytest.fixture
def client(mesh):
    names = ("imaging", "language", "recommendation")
    addresses = {name: mesh.addresses[name] for name in names}
    with Client(url=mesh.addresses["orchestrator"], timeout_s=60, **addresses) as open_client:
        yield open_client


def reload(mesh):
    """`medmesh models reload`: its exit code, and what became of each model."""
    result = CliRunner().invoke(app, ["models", "reload", "--json", "--url", mesh.addresses["orchestrator"]])
    answer = json.loads(result.stdout)
    assert answer["unreachable_services"] == []
    return result.exit_code, {model["name"]: model for model in answer["models"]}


def write_version(folder, number, *, name="chest_xray", change=lambda card: None):
    """A further version in `folder`, which its card then describes; returns the digest of the weights."""
    model = onnx.load(ROOT / "triton_repo" / "chest_xray" / "1" / "model.onnx")
    model.doc_string = f"version {number}"
    weights = folder / str(number) / "model.onnx"
    weights.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, weights)
    card = json.loads((ROOT / "triton_repo" / "chest_xray" / "metadata.json").read_text())
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    card |= {"name": name, "model_version": number, "version": f"{number}.0.0", "weights_sha256": digest}
    card["changelog"].insert(0, {"version": f"{number}.0.0", "description": "For a test."})
    change(card)
    (folder / "metadata.json").write_text(json.dumps(card))
    return digest


def restore(folder):
    shutil.rmtree(folder)
    shutil.copytree(ROOT / "triton_repo" / "chest_xray", folder)


def test_versions_change_under_eight_callers_and_none_of_them_fails(mesh, client, repository):
    first = client.analyze_image(IMAGE).results[0]
    digests = {"1": first.provenance.weights_sha256}
    answers, ended = Counter(), threading.Event()

    def call():
        while not ended.is_set():
            (result,) = client.analyze_image(IMAGE).results
            assert result.provenance.weights_sha256 == digests[result.provenance.model_version]
            assert [f.probability for f in result.findings] == [f.probability for f in first.findings]
            answers[result.provenance.model_version] += 1

    with ThreadPoolExecutor(CALLERS) as pool:
        callers = [pool.submit(call) for _ in range(CALLERS)]
        try:
            for number in (2, 3):
                until(lambda seen=str(number - 1): answers[seen] > 20 or any(c.done() for c in callers))
                digests[str(number)] = write_version(repository / "chest_xray", number)
                code, models = reload(mesh)
                assert (code, models["chest_xray"]["result"]) == (0, "RESULT_TAKEN_UP")
                assert models["image_gate"]["result"] == "RESULT_UNCHANGED"
            until(lambda: answers["3"] > 20 or any(c.done() for c in callers))
        finally:
            ended.set()
        for caller in callers:
            caller.result()  # a failed request ends its caller
    assert set(answers) == {"1", "2", "3"}


def test_what_does_not_hold_is_refused_with_its_field_and_the_rest_goes_on(mesh, client, repository):
    folder = repository / "chest_xray"
    before = client.analyze_image(IMAGE).results[0].provenance.model_version

    def wrong_count(card):
        card["serving"]["image_classification"]["labels"].pop()

    def wrong_tensor(card):
        card["serving"]["image_classification"]["scores_tensor"] = "scores"

    for number, change, field in (
        (11, wrong_count, "serving.image_classification.labels"),
        (12, wrong_tensor, "serving.image_classification.scores_tensor"),
        (13, lambda card: None, "weights_sha256"),
    ):
        write_version(folder, number, change=change)
        if number == 13:
            with (folder / "13" / "model.onnx").open("r+b") as weights:
                weights.seek(100_000)
                weights.write(b"\x7f")
        code, models = reload(mesh)
        assert (code, models["chest_xray"]["result"]) == (1, "RESULT_REFUSED")
        assert field in [problem["field"] for problem in models["chest_xray"]["problems"]]
        assert client.analyze_image(IMAGE).results[0].provenance.model_version == before
    restore(folder)
    assert reload(mesh)[0] == 0


def test_a_second_chest_model_dropped_in_answers_beside_the_first_and_goes_when_it_is_taken_out(
    mesh, client, repository
):
    folder = repository / "chest_second"
    folder.mkdir()
    config = (ROOT / "triton_repo" / "chest_xray" / "config.pbtxt").read_text()
    lines = [line for line in config.splitlines() if "medmesh.weights" not in line]
    (folder / "config.pbtxt").write_text("\n".join(lines).replace('"chest_xray"', '"chest_second"'))
    shutil.copy(ROOT / "triton_repo" / "chest_xray" / "labels.txt", folder)
    write_version(folder, 1, name="chest_second")
    assert reload(mesh)[1]["chest_second"]["result"] == "RESULT_TAKEN_UP"
    results = client.analyze_image(IMAGE).results
    assert [result.provenance.model_name for result in results] == ["chest_second", "chest_xray"]
    named = client.analyze_image(IMAGE, models=["chest_second"]).results
    assert [result.provenance.model_name for result in named] == ["chest_second"]
    assert {model.name for model in client.models().models} == {"chest_second", "chest_xray", "image_gate"}
    shutil.rmtree(folder)
    assert reload(mesh)[1]["chest_second"]["result"] == "RESULT_REMOVED"
    assert [r.provenance.model_name for r in client.analyze_image(IMAGE).results] == ["chest_xray"]
