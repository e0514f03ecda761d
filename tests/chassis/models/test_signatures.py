"""Models that are signed, and one byte of any file that is not as it was signed or taken up."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import subprocess
from pathlib import Path

import grpc
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from medmesh.common.v1 import catalog_pb2, catalog_pb2_grpc
from services.chassis.models import signatures
from services.chassis.models.catalog import Catalog
from services.chassis.models.inspection import inspect
from services.chassis.models.reload import Reloader, Result
from services.chassis.models.repository import ModelFolder
from services.chassis.models.served import Task
from services.chassis.models.signatures import TrustedKeys, sign
from services.chassis.observability.telemetry import Telemetry
from services.chassis.rpc.server import running_server
from services.chassis.settings import MODEL_REPOSITORY, ServiceSettings, SettingsError
from tests.chassis.conftest import Handlers
from tests.chassis.models.folders import add_version, flip, write_json, write_multiplier
from tests.fakes import FakeInference

TASK = Task("record_embedding", lambda served: served)
SHIPPED = sorted(
    path.relative_to(MODEL_REPOSITORY).as_posix() for path in MODEL_REPOSITORY.rglob("*") if path.is_file()
)
"""Each file of each model that comes with medmesh."""


def key_files(folder: Path, name: str) -> tuple[Ed25519PrivateKey, Path]:
    """A new key, and the file of its public half."""
    key = Ed25519PrivateKey.generate()
    public = folder / f"{name}.pub"
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return key, public


@pytest.fixture(scope="module")
def keys(tmp_path_factory) -> tuple[Ed25519PrivateKey, Path]:
    return key_files(tmp_path_factory.mktemp("keys"), "models")


@pytest.fixture(scope="module")
def signed_models(tmp_path_factory, keys) -> Path:
    """Signed copies of the models that come with medmesh."""
    copy = tmp_path_factory.mktemp("signed") / "models"
    shutil.copytree(MODEL_REPOSITORY, copy, ignore=shutil.ignore_patterns(".*"))
    for folder in copy.iterdir():
        sign(folder, keys[0])
    return copy


def test_each_model_that_comes_with_medmesh_is_served_once_it_is_signed(signed_models, keys):
    trusted = TrustedKeys.read([keys[1]])
    for folder in signed_models.iterdir():
        found = inspect(ModelFolder(folder.name, folder), complete=True, trusted=trusted)
        assert (found.problems, found.stable is not None) == ((), True), folder.name


@pytest.mark.parametrize("name", [name for name in SHIPPED if not Path(name).name.startswith(".")])
def test_one_bit_of_any_file_is_found_at_load_and_named(signed_models, keys, name):
    path = signed_models / name
    folder = signed_models / Path(name).parts[0]
    before = path.read_bytes()
    flip(path)
    try:
        found = inspect(ModelFolder(folder.name, folder), trusted=TrustedKeys.read([keys[1]]))
    finally:
        path.write_bytes(before)
    assert found.stable is None
    said = [str(problem) for problem in found.problems]
    inside = path.relative_to(folder).as_posix()
    assert any(line.startswith(f"{inside} is not as it was signed") for line in said), said


@pytest.fixture
def model(tmp_path, keys) -> Path:
    """A signed model with two versions, aliases and a further file that decides its answers."""
    folder = write_multiplier(tmp_path / "models", "doubler", 2.0)
    add_version(folder, 2, 20.0, candidate=2)
    (folder / "configs").mkdir()
    (folder / "configs" / "tensorrt.pbtxt").write_text("max_batch_size: 8\n")
    sign(folder, keys[0])
    return folder


def refusal(folder: Path, *trusted: Path) -> str:
    found = inspect(ModelFolder(folder.name, folder), trusted=TrustedKeys.read(trusted))
    assert (found.stable is None) is bool(found.problems)
    return " ".join(map(str, found.problems))


def test_what_is_not_signed_or_not_by_a_trusted_key_or_not_this_model_is_refused(tmp_path, model, keys):
    public = keys[1]
    _, other = key_files(tmp_path, "other")
    assert refusal(model, public) == ""
    assert refusal(model, other, public) == ""
    assert refusal(model) == ""
    assert "is of none of the keys" in refusal(model, other)
    renamed = model.with_name("tripler")
    shutil.copytree(model, renamed)
    assert "signature.json is of another model" in refusal(renamed, public)
    signature = model / signatures.FILE
    envelope = json.loads(signature.read_text())
    payload = json.loads(base64.b64decode(envelope["payload"]))
    payload["files"].pop("aliases.json")
    changed = {**envelope, "payload": base64.b64encode(json.dumps(payload).encode()).decode()}
    for content, told in (
        (changed, "is of none of the keys"),
        ({**envelope, "payloadType": "text/plain"}, "is of none of the keys"),
        ({**envelope, "signatures": []}, "is of none of the keys"),
        ({**envelope, "payload": "%"}, "cannot be read as a signature"),
        ({}, "cannot be read as a signature"),
        ([], "cannot be read as a signature"),
    ):
        write_json(signature, content)
        assert told in refusal(model, public)
    signature.write_text("no JSON")
    assert "cannot be read as a signature" in refusal(model, public)
    signature.unlink()
    assert "signature.json is missing: the model is not signed" in refusal(model, public)
    assert refusal(model) == ""


def test_a_file_that_was_added_or_taken_out_is_refused(model, keys):
    public = keys[1]
    (model / "aliases.json").rename(model / ".aliases.json")
    assert "aliases.json is missing, and was signed" in refusal(model, public)
    (model / ".aliases.json").rename(model / "aliases.json")
    further = model / "3"
    elsewhere = model.parent / ".elsewhere"
    elsewhere.mkdir()
    (elsewhere / "metadata.json").write_text("{}")
    further.symlink_to(elsewhere)
    assert "3/metadata.json is not signed" in refusal(model, public)
    further.unlink()
    shutil.rmtree(model / "configs")  # that of a GPU may lie beside Triton alone
    assert refusal(model, public) == ""


def test_a_key_that_cannot_be_used_is_named(tmp_path):
    (tmp_path / "key.pub").write_text("no key")
    for file, told in (("key.pub", "not a PEM public key"), ("absent", "the file cannot be read")):
        with pytest.raises(SettingsError, match=f"MEDMESH_MODEL_KEYS: .*{told}"):
            TrustedKeys.read([tmp_path / file])


def test_openssl_and_jq_verify_a_signature(tmp_path, model, keys):
    envelope = json.loads((model / signatures.FILE).read_text())
    payload = base64.b64decode(envelope["payload"])
    kind = envelope["payloadType"].encode()
    (tmp_path / "pae").write_bytes(b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload))
    (tmp_path / "sig").write_bytes(base64.b64decode(envelope["signatures"][0]["sig"]))
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", keys[1], "-rawin"]
    done = subprocess.run([*command, "-in", tmp_path / "pae", "-sigfile", tmp_path / "sig"], check=False)
    assert done.returncode == 0


async def test_a_service_serves_what_is_signed_and_says_why_not_what_is_not(tmp_path, model, keys):
    write_multiplier(model.parent, "tripler", 3.0)
    settings = ServiceSettings(
        listen="127.0.0.1:0", model_repository=(model.parent,), model_keys=(keys[1],), drain_s=0
    )
    doubles = FakeInference({"doubler": lambda inputs: {"y": inputs["x"] * 2}})
    service = Handlers(tasks=(TASK,)).service()
    async with (
        running_server(service, settings, inference=doubles) as running,
        grpc.aio.insecure_channel(running.address) as channel,
    ):
        stub = catalog_pb2_grpc.ModelCatalogServiceStub(channel)
        listed = await stub.ListModels(catalog_pb2.ListModelsRequest())
    found = {one.name: (one.ready, one.reason) for one in listed.models}
    assert found["doubler"] == (True, "")
    ready, reason = found["tripler"]
    assert not ready
    assert "tripler is not served: signature.json is missing: the model is not signed" in reason


async def watched(model: Path, trusted: TrustedKeys | None) -> tuple[Catalog, Reloader]:
    doubles = FakeInference({"doubler": lambda inputs: {"y": inputs["x"] * np.float32(2)}})
    catalog = Catalog("sample", [model.parent], [TASK], doubles, Telemetry("sample"), trusted=trusted)
    return catalog, Reloader(catalog, retire_after_s=0.05)


async def found_by(following, catalog):
    """The one problem that looking again finds."""
    async with asyncio.timeout(5):
        while not catalog.entry("doubler").problems:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.01)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    [problem] = catalog.entry("doubler").problems
    return problem


@pytest.mark.parametrize("with_keys", [False, True])
async def test_each_look_at_a_running_model_finds_one_bit_of_any_file(model, keys, with_keys):
    trusted = TrustedKeys.read([keys[1]]) if with_keys else None
    files = [path for path in model.rglob("*") if path.is_file()]
    assert len(files) == 8
    for path in files:
        catalog, reloader = await watched(model, trusted)
        before = path.read_bytes()
        following = asyncio.create_task(reloader.follow(0.01))
        await asyncio.sleep(0.05)
        assert catalog.entry("doubler").problems == ()
        flip(path)
        problem = await found_by(following, catalog)
        assert problem.field == path.relative_to(model).as_posix()
        # The second where it changes in the middle of a look, behind the first comparison.
        told = ["has changed since it was taken up", "is not as it was signed"]
        assert any(one in problem.what for one in told[: 1 + with_keys])
        assert catalog.entry("doubler").served is None
        path.write_bytes(before)
        await reloader.close()


async def test_each_look_finds_what_has_appeared(model, keys):
    for trusted, added, told in (
        (None, "7/metadata.json", "has appeared since it was taken up"),
        (TrustedKeys.read([keys[1]]), "words.json", "is not signed"),
    ):
        catalog, reloader = await watched(model, trusted)
        (model / added).parent.mkdir(exist_ok=True)
        (model / added).write_text("{}")
        following = asyncio.create_task(reloader.follow(0.01))
        problem = await found_by(following, catalog)
        assert (problem.field, problem.what) == (added, told)
        assert catalog.entry("doubler").served is not None
        (model / added).unlink()
        await reloader.close()


async def test_a_reload_refuses_an_unsigned_change_and_what_was_served_goes_on(model, keys):
    catalog, reloader = await watched(model, TrustedKeys.read([keys[1]]))
    card = model / "metadata.json"
    card.write_text(card.read_text().replace("Multiplies.", "Divides."))
    assert [one.result for one in await reloader.reload()] == [Result.REFUSED]
    entry = catalog.entry("doubler")
    assert entry.card.summary == "Multiplies."
    assert "metadata.json is not as it was signed" in str(entry.problems[0])
    sign(model, keys[0])
    assert [one.result for one in await reloader.reload()] == [Result.TAKEN_UP]
    await reloader.close()
