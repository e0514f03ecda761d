"""`topology.toml` is where services, ports and callers stand; everything that repeats them agrees with it."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
import yaml

from medmesh.connection import DEFAULT_PORTS, DOOR_PORTS
from services.chassis.settings import ServiceSettings
from services.local import topology
from services.local.mesh_settings import read_env_file
from tools.bootstrap import ROOT
from tools.reference.configuration import door_settings_classes

TOPOLOGY = topology.load()
SERVICES = TOPOLOGY.services.values()
COMPOSE = (ROOT / "compose.yaml").read_text(encoding="utf-8")
DIRECT = (ROOT / "deploy" / "compose" / "direct.yaml").read_text(encoding="utf-8")
ENTRANCE = "orchestrator"
"""The one service that callers reach; the others can be scaled."""


def stanza(name: str, compose: str = COMPOSE) -> str:
    """What compose.yaml says of one service."""
    found = re.search(rf"^  {name}:\n((?:    .*\n|\n)+)", compose, re.MULTILINE)
    assert found, f"compose has no {name}"
    return found[1]


def service_settings() -> dict[str, type[ServiceSettings]]:
    """The settings of each service."""
    modules = {name: importlib.import_module(f"services.{name}.settings") for name in TOPOLOGY.services}
    return {
        name: next(
            kind
            for kind in vars(module).values()
            if isinstance(kind, type)
            and issubclass(kind, ServiceSettings)
            and kind.__module__ == module.__name__
        )
        for name, module in modules.items()
    }


def test_each_service_has_its_package_and_its_tests() -> None:
    for service in SERVICES:
        assert (ROOT / "services" / service.name / "__main__.py").is_file()
        assert (ROOT / "tests" / service.name).is_dir()


def test_the_ports_are_the_same_wherever_they_stand() -> None:
    ports = {service.name: service.port for service in SERVICES}
    env = read_env_file(ROOT / ".env")
    assert {name: int(env[f"MEDMESH_{name.upper()}_PORT"]) for name in ports} == ports
    assert dict(DEFAULT_PORTS) == ports
    assert dict(DOOR_PORTS) == {door.name: door.port for door in TOPOLOGY.doors.values() if door.grpc}


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_a_service_listens_on_its_port_and_knows_whom_it_calls(service: topology.Service) -> None:
    settings = service_settings()[service.name]()
    assert settings.listen == f"127.0.0.1:{service.port}"
    for name, other in TOPOLOGY.services.items():
        default = getattr(settings, f"{name}_url", None)
        assert default == (f"127.0.0.1:{other.port}" if name in service.calls else None)


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_compose_starts_the_service_with_its_port_its_callees_and_its_networks(
    service: topology.Service,
) -> None:
    text = stanza(service.name)
    port = f"${{MEDMESH_{service.name.upper()}_PORT}}"
    assert f"MEDMESH_LISTEN: 0.0.0.0:{port}" in text
    # A port of the machine is one container's: what publishes one cannot be scaled.
    published = f'ports: ["127.0.0.1:{port}:{port}"]'
    assert (published in text) == ("ports:" in text) == (service.name == ENTRANCE)
    assert (f'expose: ["{port}"]' in text) == (service.name != ENTRANCE)
    if service.name != ENTRANCE:
        assert published in stanza(service.name, DIRECT)
    for name in TOPOLOGY.services:
        url = f"MEDMESH_{name.upper()}_URL: {name}:${{MEDMESH_{name.upper()}_PORT}}"
        assert (url in text) == (name in service.calls)
    networks = re.search(r"networks: \[(.*)\]", text)
    assert networks
    assert set(networks[1].split(", ")) == ({"mesh", "triton"} if service.triton else {"mesh"})


@pytest.mark.parametrize("name", [*TOPOLOGY.services, *TOPOLOGY.doors])
def test_compose_gives_each_part_its_own_identity_and_no_other(name: str) -> None:
    text = stanza(name)
    assert re.findall(r"\.medmesh/identity/?(\w*):(\S+?):ro", text) == [(name, "/etc/medmesh/identity")]
    merged = text + COMPOSE.partition("x-variables:")[2].partition("x-probe:")[0]
    assert "MEDMESH_IDENTITY_FOLDER: /etc/medmesh/identity" in merged


@pytest.mark.parametrize("door", TOPOLOGY.doors.values(), ids=lambda door: door.name)
def test_a_door_has_its_package_its_tests_its_port_and_its_place_in_compose(door: topology.Door) -> None:
    assert (ROOT / "clients" / door.name / "__main__.py").is_file()
    assert (ROOT / "tests" / door.name).is_dir()
    variable = f"MEDMESH_{door.name.upper()}_PORT"
    assert int(read_env_file(ROOT / ".env")[variable]) == door.port
    settings = door_settings_classes()[door.name]()
    assert getattr(settings, "listen", None) == f"127.0.0.1:{door.port}"
    text = stanza(door.name)
    # Who may send to a node, its file has to say: it does not start beside the other doors without one.
    profile = {"dicom_node": "dicom", "hl7_node": "hl7"}.get(door.name, "doors")
    assert f"profiles: [{profile}]" in text
    assert f'ports: ["127.0.0.1:${{{variable}}}:${{{variable}}}"' in text
    assert "networks: [mesh]" in text


@pytest.mark.parametrize("name", [*TOPOLOGY.services, *TOPOLOGY.doors, "triton", "triton-cpu"])
def test_in_compose_a_part_has_limits_and_comes_back_when_it_is_killed(name: str) -> None:
    part = yaml.safe_load(COMPOSE)["services"][name]
    assert part["restart"] == "unless-stopped"
    assert {"mem_limit", "cpus", "pids_limit"} <= part.keys()


@pytest.mark.parametrize("name", [*TOPOLOGY.services, *TOPOLOGY.doors])
def test_in_compose_no_upload_is_held_in_memory(name: str) -> None:
    """`/tmp` is a tmpfs there, and counts against the limit of the container."""
    settings = {**service_settings(), **door_settings_classes()}[name]
    assert hasattr(settings, "upload_folder") == ("MEDMESH_UPLOAD_FOLDER: /var/lib/medmesh" in stanza(name))


def test_no_two_parts_share_a_port() -> None:
    ports = [part.port for parts in (TOPOLOGY.services, TOPOLOGY.doors) for part in parts.values()]
    assert len(set(ports)) == len(ports)


def test_callees_start_before_their_callers() -> None:
    started: set[str] = set()
    for wave in TOPOLOGY.start_order():
        assert all(set(TOPOLOGY.services[name].calls) <= started for name in wave)
        started |= set(wave)
    assert started == set(TOPOLOGY.services)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[a]\nport = 1\ntriton = false\ncalls = ["b"]\n', "a calls b, which is not in it"),
        (
            '[a]\nport = 1\ntriton = false\ncalls = ["b"]\n[b]\nport = 2\ntriton = false\ncalls = ["a"]\n',
            "in a cycle",
        ),
    ],
)
def test_a_topology_that_cannot_start_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "topology.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=problem):
        topology.load(path)


@pytest.mark.slow
def test_a_new_service_takes_its_proto_its_package_its_tests_and_its_entry(tmp_path: Path) -> None:
    """docs/adding-a-service.md, done in a copy: the mesh starts it, and a generated stub gets its answer."""
    write_echo_service(tmp_path)
    script = dedent("""
        from pathlib import Path
        import grpc
        from medmesh.echo.v1 import echo_pb2, echo_pb2_grpc
        from services.local.mesh import Mesh
        from services.local.mesh_settings import MeshSettings

        with Mesh.start(MeshSettings(triton_url="127.0.0.1:1", run_folder=Path("run"))) as mesh:
            with grpc.insecure_channel(mesh.addresses["echo"]) as channel:
                stub = echo_pb2_grpc.EchoServiceStub(channel)
                print("answered", stub.Echo(echo_pb2.EchoRequest(count=41), timeout=20).count)
    """)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MEDMESH_")}
    environment["PYTHONPATH"] = os.pathsep.join([str(tmp_path), str(tmp_path / "clients" / "python")])
    done = subprocess.run(
        [sys.executable, "-c", script],
        check=False,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "answered 42" in done.stdout, done.stdout + done.stderr


def write_echo_service(root: Path) -> None:
    """A project with no service, and in it the places of one new service."""
    for folder in ("services/chassis", "services/local", "tools", "clients/python", "protos"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (root / "services" / "__init__.py").touch()

    # 1. the contract
    echo = root / "protos" / "medmesh" / "echo" / "v1" / "echo.proto"
    echo.parent.mkdir(parents=True)
    echo.write_text(
        dedent("""
        syntax = "proto3";
        package medmesh.echo.v1;
        service EchoService { rpc Echo(EchoRequest) returns (EchoResponse); }
        message EchoRequest { int32 count = 1; }
        message EchoResponse { int32 count = 1; }
        """)
    )
    generator = [sys.executable, root / "protos" / "generate.py"]
    subprocess.run(generator, check=True, capture_output=True, timeout=120)

    # 2. the service
    service = root / "services" / "echo"
    service.mkdir()
    (service / "__init__.py").touch()
    (service / "__main__.py").write_text(
        dedent("""
        from dataclasses import dataclass
        from medmesh.echo.v1 import echo_pb2, echo_pb2_grpc
        from services.chassis.rpc.server import run
        from services.chassis.rpc.service import Service
        from services.chassis.settings import ServiceSettings

        @dataclass(frozen=True, kw_only=True)
        class EchoSettings(ServiceSettings):
            listen: str = "127.0.0.1:50099"

        class EchoServicer(echo_pb2_grpc.EchoServiceServicer):
            async def Echo(self, request, context):
                return echo_pb2.EchoResponse(count=request.count + 1)

        async def register(parts, server):
            echo_pb2_grpc.add_EchoServiceServicer_to_server(EchoServicer(), server)

        SERVICE = Service(
            name="echo",
            settings=EchoSettings,
            descriptors=(echo_pb2.DESCRIPTOR.services_by_name["EchoService"],),
            register=register,
        )

        if __name__ == "__main__":
            run(SERVICE)
        """)
    )

    # 3. its tests would stand in tests/echo/; 4. its entry
    (root / "topology.toml").write_text("[echo]\nport = 50099\ntriton = false\ncalls = []\n")
