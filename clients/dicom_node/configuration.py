"""How a node is set up: one TOML file, read once, refused at the start by the key that is wrong."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from clients.dicom_node.rules import Rule
from services.chassis import configuration_file
from services.chassis.configuration_file import ConfigurationError
from services.chassis.peers import TlsFiles, check_networks, endpoint, is_within

PORT = "11112"
"""In examples."""
AE_TITLE_LENGTH = 16
RESULTS = ("report", "overlay", "masks", "key_objects")
"""What a destination may be sent, and is unless its `results` say otherwise."""


@dataclass(frozen=True, kw_only=True)
class Node:
    """The node itself."""

    ae_title: str = "MEDMESH"
    listen: str = "127.0.0.1:11112"
    """Address and port of the DIMSE services; port 0: a free one."""
    web_listen: str = ""
    """Address and port of STOW-RS; empty: not offered."""
    web_token_file: Path | None = None
    """File with the token that senders by STOW-RS must show."""
    spool: Path = Path(".medmesh/dicom")
    """Folder of what was taken and not yet dealt with, and of the ledger."""
    max_associations: int = 20
    max_object_mb: int = 2048
    """A larger object ends its association."""
    max_waiting: int = 20_000
    """Objects without a result; beyond it the node answers `out of resources`."""
    min_free_mb: int = 1024
    """Free space of the spool's disk, below which the node answers `out of resources`."""
    workers: int = 2
    """Analyses at the same time."""
    timeout_s: float = 120.0
    """How long one analysis may take."""
    quiet_s: float = 5.0
    """A series is complete when its study was quiet for so long; a rule may say otherwise."""
    keep_hours: float = 168.0
    """How long files stay after their results were delivered. The ledger keeps their identifiers."""
    insecure: bool = False
    """Whether to listen beyond loopback without TLS."""


@dataclass(frozen=True, kw_only=True)
class Peer:
    """Who may open an association."""

    ae_title: str
    addresses: tuple[str, ...] = ()
    """Addresses or networks; empty: from anywhere."""

    def allows(self, ae_title: str, address: str) -> bool:
        """Whether a caller of this title may call from this address."""
        return self.ae_title == ae_title and (not self.addresses or is_within(address, self.addresses))


@dataclass(frozen=True, kw_only=True)
class Destination:
    """Where results go: by C-STORE (`ae_title`, `address`), or by STOW-RS (`url`)."""

    name: str
    ae_title: str = ""
    address: str = ""
    url: str = ""
    """Address of a DICOMweb service, such as `https://pacs.hospital.example/dicom-web`."""
    token_file: Path | None = None
    """File with a bearer token for `url`."""
    tls: bool = False
    """Whether to speak TLS to `address`, with the files of `[tls]`."""
    results: tuple[str, ...] = RESULTS
    commitment: bool = False
    """Whether to ask for storage commitment, and to count a result as delivered only then. By C-STORE
    alone.
    """


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """All of it."""

    node: Node = field(default_factory=Node)
    tls: TlsFiles = field(default_factory=TlsFiles)
    peers: tuple[Peer, ...] = ()
    rules: tuple[Rule, ...] = ()
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
    hosts = [host]
    if node.web_listen:
        hosts.append(endpoint(node.web_listen, "node.web_listen", PORT, listening=True)[0])
    open_to_others = not all(ipaddress.ip_address(h).is_loopback for h in hosts)
    if open_to_others and not configuration.peers:
        raise ConfigurationError(
            "node.listen: beyond loopback a node needs [[peers]]: it takes images of those alone"
        )
    if open_to_others:
        tls.check_beyond_loopback(insecure=node.insecure)
    if node.web_listen and not ipaddress.ip_address(hosts[1]).is_loopback and node.web_token_file is None:
        raise ConfigurationError("node.web_token_file: beyond loopback STOW-RS needs a token")
    if node.web_token_file is not None and not web_token(node):
        raise ConfigurationError(
            "node.web_token_file: give a file with a token; it is empty or cannot be read"
        )
    tls.check()
    _ae_title(node.ae_title, "node.ae_title")
    for number, peer in enumerate(configuration.peers):
        _ae_title(peer.ae_title, f"peers[{number}].ae_title")
        check_networks(peer.addresses, f"peers[{number}].addresses")
    _check_destinations(configuration)
    for name in ("max_associations", "max_object_mb", "max_waiting", "workers", "timeout_s"):
        if getattr(node, name) <= 0:
            raise ConfigurationError(f"node.{name}: must be more than 0")
    return configuration


def web_token(node: Node) -> str:
    """What senders by STOW-RS must show, as the file says now; empty: nothing that anybody could show."""
    try:
        return node.web_token_file.read_text(encoding="utf-8").strip() if node.web_token_file else ""
    except (OSError, UnicodeDecodeError):
        return ""


def _check_destinations(configuration: Configuration) -> None:
    names: set[str] = set()
    for number, to in enumerate(configuration.destinations):
        key = f"destinations[{number}]"
        if not to.name or to.name in names:
            raise ConfigurationError(f"{key}.name: every destination has a name of its own")
        names.add(to.name)
        if bool(to.url) == bool(to.address):
            raise ConfigurationError(f"{key}: give either address and ae_title (C-STORE) or url (STOW-RS)")
        if to.url and not to.url.startswith(
            ("https://", "http://127.0.0.1", "http://[::1]", "http://localhost")
        ):
            raise ConfigurationError(f"{key}.url: beyond loopback results go by https:// only")
        if to.url and to.commitment:
            raise ConfigurationError(f"{key}.commitment: is a service of DIMSE; give address and ae_title")
        if to.address:
            _ae_title(to.ae_title, f"{key}.ae_title")
            endpoint(to.address, f"{key}.address", PORT)
        if to.tls:
            configuration.tls.check_destination(key)
        if unknown := sorted(set(to.results) - set(RESULTS)):
            raise ConfigurationError(f"{key}.results: {unknown[0]} is none of {', '.join(RESULTS)}")


def _ae_title(text: str, key: str) -> None:
    fits = 0 < len(text) <= AE_TITLE_LENGTH and text.isascii() and text.isprintable() and "\\" not in text
    if not fits or text != text.strip():
        raise ConfigurationError(
            f"{key}: an AE title has 1 to {AE_TITLE_LENGTH} characters of ASCII, no backslash"
        )
