"""How a node is set up: one TOML file, read once, refused at the start by the key that is wrong."""

from __future__ import annotations

import dataclasses
import difflib
import ipaddress
import tomllib
import types
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from clients.dicom_node.rules import Rule

T = TypeVar("T")

AE_TITLE_LENGTH = 16
RESULTS = ("report", "overlay", "masks", "key_objects")
"""What a destination may be sent, and is unless its `results` say otherwise."""


class ConfigurationError(ValueError):
    """The file cannot be used; the message names the key and what would be right."""


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
class TlsFiles:
    """Certificates in PEM, relative to the configuration file."""

    certificate: Path | None = None
    key: Path | None = None
    ca: Path | None = None
    """Authority that the other side's certificate must come from."""


@dataclass(frozen=True, kw_only=True)
class Peer:
    """Who may open an association."""

    ae_title: str
    addresses: tuple[str, ...] = ()
    """Addresses or networks; empty: from anywhere."""

    def allows(self, ae_title: str, address: str) -> bool:
        """Whether a caller of this title may call from this address."""
        if self.ae_title != ae_title:
            return False
        caller = ipaddress.ip_address(address.split("%", maxsplit=1)[0])
        if isinstance(caller, ipaddress.IPv6Address) and caller.ipv4_mapped:
            caller = caller.ipv4_mapped
        return not self.addresses or any(caller in ipaddress.ip_network(n) for n in self.addresses)


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
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path.name} is not TOML: {error}") from None
    return _table(Configuration, content, "", path.parent)


def check(configuration: Configuration) -> Configuration:
    """The configuration, if its parts fit each other. Raises ConfigurationError."""
    node, tls = configuration.node, configuration.tls
    host, _ = endpoint(node.listen, "node.listen")
    hosts = [host] + ([endpoint(node.web_listen, "node.web_listen")[0]] if node.web_listen else [])
    open_to_others = not all(ipaddress.ip_address(h).is_loopback for h in hosts)
    if open_to_others and not configuration.peers:
        raise ConfigurationError(
            "node.listen: beyond loopback a node needs [[peers]]: it takes images of those alone"
        )
    if open_to_others and not (node.insecure or tls.certificate):
        raise ConfigurationError(
            "node.listen: beyond loopback a node needs [tls]; node.insecure = true says that the network is "
            "private"
        )
    if node.web_listen and not ipaddress.ip_address(hosts[1]).is_loopback and node.web_token_file is None:
        raise ConfigurationError("node.web_token_file: beyond loopback STOW-RS needs a token")
    if (tls.certificate is None) != (tls.key is None):
        raise ConfigurationError("tls: certificate and key belong together")
    _ae_title(node.ae_title, "node.ae_title")
    for number, peer in enumerate(configuration.peers):
        _ae_title(peer.ae_title, f"peers[{number}].ae_title")
        for network in peer.addresses:
            try:
                ipaddress.ip_network(network)
            except ValueError:
                raise ConfigurationError(
                    f"peers[{number}].addresses: give addresses or networks, such as 10.1.2.0/24"
                ) from None
    _check_destinations(configuration)
    for name in ("max_associations", "max_object_mb", "max_waiting", "workers", "timeout_s"):
        if getattr(node, name) <= 0:
            raise ConfigurationError(f"node.{name}: must be more than 0")
    return configuration


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
            endpoint(to.address, f"{key}.address")
        if to.tls and configuration.tls.ca is None:
            raise ConfigurationError(
                f"{key}.tls: needs tls.ca, the authority of the other side's certificate"
            )
        if unknown := sorted(set(to.results) - set(RESULTS)):
            raise ConfigurationError(f"{key}.results: {unknown[0]} is none of {', '.join(RESULTS)}")


def endpoint(text: str, key: str) -> tuple[str, int]:
    """The address and port of `127.0.0.1:104` or `[::1]:104`. Raises ConfigurationError."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    host = "127.0.0.1" if host == "localhost" else host
    if not host or not port.isdecimal() or int(port) > 65535:
        raise ConfigurationError(f"{key}: give an address and a port, such as 127.0.0.1:11112")
    if key.startswith("node."):
        try:
            ipaddress.ip_address(host)
        except ValueError:
            raise ConfigurationError(f"{key}: give an IP address, such as 0.0.0.0:11112") from None
    return host, int(port)


def _ae_title(text: str, key: str) -> None:
    fits = 0 < len(text) <= AE_TITLE_LENGTH and text.isascii() and text.isprintable() and "\\" not in text
    if not fits or text != text.strip():
        raise ConfigurationError(
            f"{key}: an AE title has 1 to {AE_TITLE_LENGTH} characters of ASCII, no backslash"
        )


def _table(kind: type[T], content: Mapping[str, Any], key: str, folder: Path) -> T:
    """A dataclass from a table: every key known, every value of its type."""
    types_of = get_type_hints(kind)
    fields = {f.name: f for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    values = {}
    for name, value in content.items():
        where = f"{key}.{name}" if key else name
        if name not in fields:
            near = difflib.get_close_matches(name, fields, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(fields)}"
            raise ConfigurationError(f"{where}: there is no such setting{hint}")
        values[name] = _value(types_of[name], value, where, folder)
    for name, one in fields.items():
        required = one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING
        if required and name not in values:
            raise ConfigurationError(f"{key}.{name}: is missing")
    return kind(**values)


def _value(kind: Any, value: Any, key: str, folder: Path) -> Any:
    if get_origin(kind) in (Union, types.UnionType):
        kind = next(one for one in get_args(kind) if one is not type(None))
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            raise ConfigurationError(f"{key}: give {' or '.join(one for one in get_args(kind) if one)}")
        return value
    if get_origin(kind) is tuple:
        if not isinstance(value, list):
            raise ConfigurationError(f"{key}: give a list, such as [...]")
        return tuple(_value(get_args(kind)[0], one, f"{key}[{i}]", folder) for i, one in enumerate(value))
    if dataclasses.is_dataclass(kind):
        if not isinstance(value, dict):
            raise ConfigurationError(f"{key}: give a table")
        return _table(kind, value, key, folder)  # type: ignore[arg-type]
    if kind is Path and isinstance(value, str):
        return folder / value
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        words = {
            str: "a text",
            int: "a whole number",
            float: "a number",
            bool: "true or false",
            Path: "a path",
        }
        raise ConfigurationError(f"{key}: give {words.get(kind, 'another value')}")
    return value
