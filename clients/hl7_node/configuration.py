"""How a node is set up: one TOML file, read once, refused at the start by the key that is wrong."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from clients.hl7_node.text import ENCODINGS
from services.chassis import configuration_file
from services.chassis.configuration_file import ConfigurationError
from services.chassis.peers import TlsFiles, check_networks, endpoint

PORT = "2575"
"""In examples: what IANA has registered for HL7."""


@dataclass(frozen=True, kw_only=True)
class Node:
    """The node itself."""

    application: str = "MEDMESH"
    """MSH-3 of what it sends."""
    facility: str = ""
    """MSH-4 of what it sends."""
    listen: str = "127.0.0.1:2575"
    """Address and port of MLLP; port 0: a free one."""
    addresses: tuple[str, ...] = ()
    """Addresses or networks that may connect; empty: whoever reaches the port."""
    folder: Path = Path(".medmesh/hl7")
    """Folder of what was taken and not dealt with yet, and of the results that wait."""
    character_set: str = "UNICODE UTF-8"
    """Of messages whose MSH-18 is empty."""
    max_connections: int = 100
    """The next is closed as soon as it is there."""
    max_message_kb: int = 1024
    """A longer message is refused, and its connection ends."""
    stall_s: float = 30.0
    """From a message's first byte to its last; then its connection ends."""
    idle_s: float = 3600.0
    """A connection that brings nothing for so long ends."""
    max_waiting: int = 10_000
    """Messages without an answer of the mesh; beyond it the node refuses further ones."""
    min_free_mb: int = 256
    """Free space of the folder's disk, below which the node refuses messages."""
    at_once: int = 2
    """Messages that the mesh is asked about at the same time."""
    timeout_s: float = 120.0
    """How long one answer may take."""
    keep_hours: float = 168.0
    """How long a message's control id is known after it was dealt with: a repetition within it is not read
    again."""
    insecure: bool = False
    """Whether to listen beyond loopback without TLS."""


@dataclass(frozen=True, kw_only=True)
class Destination:
    """Where results go."""

    name: str
    address: str
    application: str = ""
    """MSH-5 of what it is sent."""
    facility: str = ""
    """MSH-6 of what it is sent."""
    tls: bool = False
    """Whether to speak TLS, with the files of `[tls]`."""


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """All of it."""

    node: Node = field(default_factory=Node)
    tls: TlsFiles = field(default_factory=TlsFiles)
    destinations: tuple[Destination, ...] = ()


def load(path: Path) -> Configuration:
    """Reads the file; paths in it are relative to it. Whether its parts fit each other, `check` says.

    Raises ConfigurationError, OSError.
    """
    return configuration_file.read(Configuration, path)


def check(configuration: Configuration) -> Configuration:
    """The configuration, if its parts fit each other. Raises ConfigurationError."""
    node, tls = configuration.node, configuration.tls
    host, _ = endpoint(node.listen, "node.listen", PORT, listening=True)
    tls.check()
    check_networks(node.addresses, "node.addresses")
    open_to_others = not ipaddress.ip_address(host).is_loopback
    if open_to_others and not node.addresses:
        raise ConfigurationError(
            "node.listen: beyond loopback a node needs node.addresses: it takes messages of those alone"
        )
    if open_to_others:
        tls.check_beyond_loopback(insecure=node.insecure)
    if node.character_set not in ENCODINGS:
        raise ConfigurationError(f"node.character_set: give one of {', '.join(ENCODINGS)}")
    for name in (
        "max_connections",
        "max_message_kb",
        "stall_s",
        "idle_s",
        "max_waiting",
        "at_once",
        "timeout_s",
    ):
        if getattr(node, name) <= 0:
            raise ConfigurationError(f"node.{name}: must be more than 0")
    names: set[str] = set()
    for number, to in enumerate(configuration.destinations):
        key = f"destinations[{number}]"
        if not to.name or to.name in names:
            raise ConfigurationError(f"{key}.name: every destination has a name of its own")
        names.add(to.name)
        endpoint(to.address, f"{key}.address", PORT)
        if to.tls:
            tls.check_destination(key)
    return configuration
