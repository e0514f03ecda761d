"""A mesh's identities, what others show instead of them, and what the part under test writes to its log."""

from __future__ import annotations

import hashlib
import io
import logging
from pathlib import Path

import pytest

from services.chassis.observability import log
from services.local import credentials
from tests.clients.fake_mesh import FakeMesh, start

CLERK = f"""
[identities.clerk] # known, and allowed nothing
token_sha256 = "{hashlib.sha256(b"clerk").hexdigest()}"
allow = []
tenant = "another"
"""


@pytest.fixture(scope="session")
def mesh(tmp_path_factory) -> Path:
    folder: Path = tmp_path_factory.mktemp("mesh")
    credentials.make(folder)
    policy = folder / "policy.toml"
    policy.write_text(policy.read_text() + CLERK)
    credentials.make(folder)
    return folder


@pytest.fixture(scope="session")
def others(tmp_path_factory) -> Path:
    """Another authority's mesh, whose parts have the same names."""
    folder: Path = tmp_path_factory.mktemp("others")
    credentials.make(folder)
    return folder


@pytest.fixture(scope="session")
def expired(mesh, tmp_path_factory) -> Path:
    """A client's certificate of the same authority that ended a minute ago."""
    folder: Path = tmp_path_factory.mktemp("expired")
    for name in ("authority.crt", "authority.key"):
        (folder / name).write_bytes((mesh / name).read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(credentials, "CERTIFICATE_DAYS", -1 / 1440)
        credentials.make(folder)
    return folder


@pytest.fixture
def written(monkeypatch):
    """What is logged, by libraries too, as it comes to a file."""
    stream = io.StringIO()
    root, own = logging.getLogger(), logging.getLogger(log.ROOT)
    monkeypatch.setattr(own, "propagate", own.propagate)
    monkeypatch.setattr(own, "level", own.level)
    handler = log.configure("door", "debug", stream)
    root.addHandler(handler)
    yield stream
    root.removeHandler(handler)
    own.removeHandler(handler)


@pytest.fixture
def behind(monkeypatch):
    """The mesh behind a door, which asks nobody who he is."""
    for name in ("URL", "TOKEN", "LISTEN"):
        monkeypatch.delenv(f"MEDMESH_{name}", raising=False)
    fake = FakeMesh()
    server = start(fake)
    yield fake
    server.stop(grace=None).wait(5)
