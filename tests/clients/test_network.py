"""What networks and operating systems do to a client, as people met it; the ids name the cases."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time

import pytest

from medmesh import Client, MedmeshError
from tests.clients.fake_mesh import FakeMesh, start

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "grpc_proxy")


@pytest.mark.parametrize("variable", PROXIES)
def test_g01_a_proxy_of_the_environment_does_not_catch_the_mesh(mesh, variable):
    environment = {**os.environ, variable: "http://127.0.0.1:9", "MEDMESH_LANGUAGE_URL": mesh.target}
    environment.pop("no_proxy", None)
    command = [sys.executable, "-m", "clients.cli.main", "note", "-"]
    done = subprocess.run(
        command, env=environment, input=b"Fever and cough.", capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert mesh.last.request.note == "Fever and cough."


async def test_g01_nor_the_asyncio_client(mesh, async_client, monkeypatch):
    for variable in PROXIES:
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    await async_client.analyze_note("Fever.")
    assert mesh.last.method == "AnalyzeNote"


def test_g06_the_same_client_finds_a_mesh_that_comes_back():
    mesh = FakeMesh()
    server = start(mesh)
    port = int(mesh.target.rpartition(":")[2])
    with Client(mesh.target, language=mesh.target) as client:
        client.analyze_note("Fever.")
        server.stop(None).wait()
        with pytest.raises(MedmeshError):
            client.analyze_note("Fever.", timeout_s=2)
        again = start(FakeMesh(), port)
        deadline = time.monotonic() + 20
        while not answers(client):
            assert time.monotonic() < deadline
        again.stop(None).wait()


def answers(client: Client) -> bool:
    try:
        client.analyze_note("Fever.", timeout_s=2)
    except MedmeshError:
        time.sleep(0.2)
        return False
    return True


def _asks(target: str, told: multiprocessing.Queue) -> None:
    with Client(target, language=target) as client:
        client.analyze_note("Fever.", timeout_s=20)
    told.put("answered")


def test_g07_a_child_forked_after_the_first_call_has_a_client_of_its_own(mesh, client):
    client.analyze_note("Fever.")
    context = multiprocessing.get_context("fork")
    told = context.Queue()
    child = context.Process(target=_asks, args=(mesh.target, told))
    child.start()
    assert told.get(timeout=40) == "answered"
    child.join(20)
    client.analyze_note("Fever.")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_g11_names_of_this_machine_work(mesh, host):
    target = f"{host}:{mesh.target.rpartition(':')[2]}"
    with Client(target, language=target) as client:
        client.analyze_note("Fever.")


@pytest.mark.parametrize("address", ["http://localhost:50060", "unix:/tmp/mesh", "dns:///mesh", "localhost"])
def test_g11_other_forms_are_refused_in_one_sentence(address):
    with pytest.raises(ValueError, match="must be host:port"):
        Client(address)


def test_g13_long_metadata_ends_nothing(mesh, client):
    with pytest.raises(MedmeshError):
        client.analyze_note("Fever.", request_id="x" * 50_000)
    client.analyze_note("Fever.", request_id="x" * 5_000)
    client.analyze_note("Fever.")
