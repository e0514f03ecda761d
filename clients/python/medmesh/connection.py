"""Where the mesh is and how to reach it: addresses, TLS, token, channel options."""

from __future__ import annotations

import ipaddress
import os
import ssl
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc

from medmesh.renewing import AsyncRenewingChannel, RenewingChannel

Options = Sequence[tuple[str, int | str]]
"""Of gRPC, of a channel."""
DEFAULT_TIMEOUT_S = 30.0
"""Deadline of a call that states none. A call without a deadline could wait for ever."""

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORTS: Mapping[str, int] = {
    "orchestrator": 50060,
    "imaging": 50061,
    "language": 50062,
    "recommendation": 50063,
}
"""Port of each service, where nothing else is said."""
DOOR_PORTS: Mapping[str, int] = {"jobs": 50064}
"""The same of the doors that speak gRPC, which a mesh may be without."""

REQUEST_ID_HEADER = "x-request-id"
"""Metadata key of the request's id, in both directions."""
PRIORITY_HEADER = "x-medmesh-priority"
"""Metadata key of a call's place among those that wait."""
PRIORITIES = ("urgent", "routine", "bulk")
"""What it may say, the first of them first; without it a call is routine."""

# Images (64 MiB together), a bundle (8 MiB) and a note fit one request; an answer may carry four overlays.
MAX_MESSAGE_BYTES = 80 * 1024 * 1024

CHANNEL_OPTIONS: tuple[tuple[str, int | str], ...] = (
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    # Finds a dead peer behind a silent network within a minute and a half, while a call is under way.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    # A service that comes back is found again within seconds, not minutes.
    ("grpc.max_reconnect_backoff_ms", 5_000),
    # gRPC would follow http_proxy and its kin even to loopback; patient data goes to the mesh directly.
    ("grpc.enable_http_proxy", 0),
)
BALANCED = ("grpc.service_config", '{"loadBalancingConfig": [{"round_robin": {}}]}')
"""Channel option: calls take turns over all addresses that the target's name has and that can be reached."""
STAYING = (
    "grpc.service_config",
    '{"loadBalancingConfig": [{"pick_first": {"shuffleAddressList": true}}]}',
)
"""Channel option: all calls go to one of the addresses, whichever, for as long as it can be reached. An
upload is known to the replica alone that holds it.
"""


@dataclass(frozen=True)
class Call:
    """What one call sends beside its request."""

    target: str
    """`host:port` that it goes to."""
    request_id: str
    """Its id, in every log line and span of it."""
    timeout_s: float
    """Its deadline, in seconds from now."""
    metadata: tuple[tuple[str, str], ...]
    """Its metadata: the id, the token and the priority."""


@dataclass(frozen=True)
class Tls:
    """TLS of the connection. Without a certificate of its own the client is identified by its token, if at
    all.
    """

    ca: Path | str | None = None
    """PEM file of the authority that signed the services' certificates. None: the system's authorities."""
    certificate: Path | str | None = None
    """PEM file of the client's own certificate chain (mutual TLS). Needs `key`."""
    key: Path | str | None = None
    """PEM file of the client's private key."""

    def credentials(self) -> grpc.ChannelCredentials:
        """Reads the files. OSError: one cannot be read, or is no certificate with its key."""
        if (self.certificate is None) != (self.key is None):
            raise ValueError("a client certificate needs its key, and a key its certificate")
        if self.certificate is not None:  # gRPC would say nothing, and never connect
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(self.certificate, self.key)
        return grpc.ssl_channel_credentials(_read(self.ca), _read(self.key), _read(self.certificate))

    @property
    def files(self) -> tuple[Path | str, ...]:
        """Those that are named."""
        return tuple(file for file in (self.ca, self.certificate, self.key) if file is not None)

    def channel(self, target: str, options: Options) -> grpc.Channel:
        """A channel that follows the files: what is renewed counts within a second. OSError: one cannot
        be read.
        """
        return RenewingChannel(
            lambda: grpc.secure_channel(target, self.credentials(), options=options), self.files
        )

    def async_channel(
        self, target: str, options: Options, told: Callable[[Exception | None], object] = lambda _: None
    ) -> grpc.aio.Channel:
        """The same for the running event loop. `told` gets the error where new files cannot be used, and None
        where they were taken.
        """
        return AsyncRenewingChannel(
            lambda: grpc.aio.secure_channel(target, self.credentials(), options=options), self.files, told
        )


@dataclass(frozen=True)
class Connection:
    """Everything that opening a channel to a service of the mesh needs."""

    targets: Mapping[str, str]
    """`host:port` of each service, by its name."""
    tls: Tls | None = None
    """None: in clear."""
    token: str | None = None
    """Bearer token, sent with every call."""
    timeout_s: float = DEFAULT_TIMEOUT_S
    """Deadline of a call that states none, in seconds."""
    priority: str | None = None
    """One of PRIORITIES, sent with every call. None: the services' own, routine."""

    def __post_init__(self) -> None:
        if self.priority not in {None, *PRIORITIES}:
            raise ValueError(f"priority must be one of {', '.join(PRIORITIES)}")
        if self.timeout_s <= 0:
            raise ValueError("timeout_s must be above 0")
        if self.token and self.tls is None:
            for service, target in self.targets.items():
                if not is_loopback(target):
                    raise ValueError(f"a token would go to {service} at {target} in clear: use TLS")

    def __repr__(self) -> str:
        secured = "TLS" if self.tls else "in clear"
        return f"Connection({dict(self.targets)}, {secured}, token {'set' if self.token else 'not set'})"

    def channel(self, service: str, *, balanced: bool = True) -> grpc.Channel:
        """A new channel to one service; it connects with its first call. BALANCED, or STAYING."""
        options = (*CHANNEL_OPTIONS, BALANCED if balanced else STAYING)
        if self.tls is None:
            return grpc.insecure_channel(self.targets[service], options=options)
        return self.tls.channel(self.targets[service], options)

    def async_channel(self, service: str, *, balanced: bool = True) -> grpc.aio.Channel:
        """The same for the running event loop."""
        options = (*CHANNEL_OPTIONS, BALANCED if balanced else STAYING)
        if self.tls is None:
            return grpc.aio.insecure_channel(self.targets[service], options=options)
        return self.tls.async_channel(self.targets[service], options)

    def call(self, service: str, timeout_s: float | None, request_id: str | None) -> Call:
        """What one call sends beside its request."""
        identifier = request_id or str(uuid.uuid4())
        metadata = [(REQUEST_ID_HEADER, identifier)]
        if self.token:
            metadata.append(("authorization", f"Bearer {self.token}"))
        if self.priority:
            metadata.append((PRIORITY_HEADER, self.priority))
        timeout = self.timeout_s if timeout_s is None else timeout_s
        return Call(self.targets[service], identifier, timeout, tuple(metadata))


def resolve(
    url: str | None,
    *,
    imaging: str | None,
    language: str | None,
    recommendation: str | None,
    jobs: str | None = None,
    token: str | None,
    tls: Tls | bool | None,
    timeout_s: float | None,
    priority: str | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Connection:
    """Fills what the caller left out: from the environment, else from the defaults.

    A service without an address of its own is expected on the orchestrator's host, at its usual port.
    ValueError: an address is not `host:port`, or a setting of the environment cannot be read.
    """
    orchestrator = _target(url or environment.get("MEDMESH_URL"), DEFAULT_HOST, "orchestrator")
    host = orchestrator.rsplit(":", 1)[0]
    given = {"imaging": imaging, "language": language, "recommendation": recommendation, "jobs": jobs}
    targets = {"orchestrator": orchestrator}
    for service, target in given.items():
        targets[service] = _target(target or environment.get(f"MEDMESH_{service.upper()}_URL"), host, service)
    return Connection(
        targets=targets,
        tls=_tls(tls, environment),
        token=token or environment.get("MEDMESH_TOKEN") or None,
        timeout_s=_timeout(environment) if timeout_s is None else timeout_s,
        priority=priority or environment.get("MEDMESH_PRIORITY") or None,
    )


def is_loopback(target: str) -> bool:
    """Whether `host:port` is on this machine."""
    host = target.rsplit(":", 1)[0].strip("[]")
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _target(given: str | None, default_host: str, service: str) -> str:
    port_usually = DEFAULT_PORTS.get(service) or DOOR_PORTS[service]
    target = given or f"{default_host}:{port_usually}"
    host, colon, port = target.rpartition(":")
    if not colon or not host or not port.isdigit() or not 0 < int(port) < 65536 or "/" in host:
        raise ValueError(f"the address of {service} must be host:port, e.g. 127.0.0.1:{port_usually}")
    return target


def _tls(given: Tls | bool | None, environment: Mapping[str, str]) -> Tls | None:
    if isinstance(given, Tls):
        return given
    if given is False:
        return None
    ca, certificate, key = (
        environment.get(f"MEDMESH_CLIENT_{name}") for name in ("CA", "CERTIFICATE", "KEY")
    )
    if environment.get("MEDMESH_IDENTITY_FOLDER"):  # as `medmesh certificates` makes it, or one part's of it
        folder = Path(environment["MEDMESH_IDENTITY_FOLDER"])
        own = folder / "client" if (folder / "client").is_dir() else folder
        files = [str(own / name) for name in ("ca.crt", "tls.crt", "tls.key")]
        ca, certificate, key = (a or b for a, b in zip((ca, certificate, key), files, strict=True))
    if given or ca or certificate:
        return Tls(ca or None, certificate or None, key or None)
    return None


def _timeout(environment: Mapping[str, str]) -> float:
    text = environment.get("MEDMESH_TIMEOUT_S")
    if not text:
        return DEFAULT_TIMEOUT_S
    try:
        return float(text)
    except ValueError:
        raise ValueError("MEDMESH_TIMEOUT_S must be a number of seconds") from None


def _read(path: Path | str | None) -> bytes | None:
    return None if path is None else Path(path).read_bytes()
