"""What an address in gRPC's spelling says of the server that is called, in every form that gRPC takes."""

from __future__ import annotations

import pytest

from medmesh import targets
from services.chassis.observability import attributes as registered
from services.chassis.observability.attributes import Name

SERVERS = {
    "127.0.0.1:50061": ("127.0.0.1", 50061),
    "imaging.mesh.svc:50061": ("imaging.mesh.svc", 50061),
    "imaging": ("imaging", None),
    "[::1]:50061": ("::1", 50061),
    "[::1]": ("::1", None),
    "::1": ("::1", None),
    "dns:imaging:50061": ("imaging", 50061),
    "dns:///imaging:50061": ("imaging", 50061),
    "dns:///[::1]:50061": ("::1", 50061),
    "dns://10.0.0.53:53/imaging:50061": ("imaging", 50061),
    "unix:/run/medmesh.sock": ("/run/medmesh.sock", None),
    "unix:///run/medmesh.sock": ("/run/medmesh.sock", None),
    "unix-abstract:medmesh": ("medmesh", None),
    "ipv4:10.0.0.1:50061": ("10.0.0.1", 50061),
    "ipv4:10.0.0.1:50061,10.0.0.2:50062": ("ipv4:10.0.0.1:50061,10.0.0.2:50062", None),
    "ipv6:[::1]:50061": ("::1", 50061),
    "ipv6:[::1]:50061,[::2]:50062": ("ipv6:[::1]:50061,[::2]:50062", None),
}


@pytest.mark.parametrize("target", SERVERS)
def test_the_server_of_a_target(target):
    host, port = targets.server(target)
    assert (host, port) == SERVERS[target]
    assert not registered.problem(Name.SERVER_ADDRESS, host)


def test_the_parts_of_a_list_are_its_addresses():
    assert targets.parts("ipv4:10.0.0.1:5,10.0.0.2:6") == [("10.0.0.1", "5"), ("10.0.0.2", "6")]
    assert targets.parts("ipv6:[::1]:5,[::2]:6") == [("::1", "5"), ("::2", "6")]
