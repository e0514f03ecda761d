"""Settings: frozen classes, read once from `MEDMESH_*`, failing at start by key."""

from __future__ import annotations

import dataclasses
import ipaddress
import os
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, Self, Union, get_args, get_origin, get_type_hints

MODEL_REPOSITORY = Path(__file__).resolve().parents[2] / "triton_repo"
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})
PORTS = (0, 65535)


class SettingsError(ValueError):
    """A setting is missing or cannot be read. The message names its key and never shows its value."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(f"{key}: {problem}")
        self.key = key


class Secret:
    """A string whose repr is masked, so that it never lands in a log by accident."""

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The string itself."""
        return self._value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__


class LogLevel(StrEnum):
    """How much is logged. The line of each request is `INFO`."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def bounded(default: float, low: float, high: float) -> Any:
    """A number field with an inclusive range."""
    return dataclasses.field(default=default, metadata={"low": low, "high": high})


def port(default: int = 0) -> Any:
    """A field with the number of a port; 0: a free one."""
    return bounded(default, *PORTS)


def named(variable: str, default: Any) -> Any:
    """A field whose variable is not named after it."""
    return dataclasses.field(default=default, metadata={"variable": variable})


def told_in_code(**default: Any) -> Any:
    """A field that no variable sets; `default` is that of `dataclasses.field`."""
    return dataclasses.field(**default, metadata={"variable": ""})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a process is told by its environment. The variable of a field is its name in capitals after the
    prefix; one that is empty counts as not set, as compose's `${NAME:-}` leaves it.
    """

    PREFIX: ClassVar[str] = "MEDMESH_"

    @classmethod
    def key(cls, field: str) -> str:
        """The environment variable of a field; empty where none sets it."""
        own: str | None = cls.__dataclass_fields__[field].metadata.get("variable")
        return cls.PREFIX + field.upper() if own is None else own

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Reads every field from `environment` (default: the process's own). Raises SettingsError."""
        variables = os.environ if environment is None else environment
        hints = get_type_hints(cls)
        values: dict[str, Any] = {}
        for field in dataclasses.fields(cls):
            key = cls.key(field.name)
            if text := variables.get(key, ""):
                values[field.name] = read(key, text, hints[field.name], field.metadata)
            elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
                raise SettingsError(key, "is required and not set")
        return cls(**values)


@dataclass(frozen=True, kw_only=True)
class ListeningSettings(Settings):
    """What every process is told that takes requests: the services and the doors.

    Subclasses give `listen` their own port and add fields, each with a docstring.
    """

    listen: str = "127.0.0.1:0"
    """Address and port to listen on. Port 0 takes a free one."""

    default_deadline_s: float = bounded(30.0, 0.001, 3600.0)
    """Time given to a request whose caller set no deadline, in seconds."""
    maximum_deadline_s: float = bounded(120.0, 0.001, 3600.0)
    """Longest time that a request may take, whatever its caller asked for, in seconds."""
    maximum_in_flight_count: int = bounded(32, 1, 10_000)
    """Requests that are worked on at the same time; those of one caller take at most three quarters."""
    bytes_per_place: int = bounded(1024 * 1024, 1024, 1 << 30)
    """A request takes one of these places, and a further one for each so many bytes that it has."""
    maximum_queue_count: int = bounded(64, 0, 100_000)
    """Requests that wait for their turn beyond that; the next one is refused as OVERLOADED."""
    maximum_request_bytes: int = bounded(48 * 1024 * 1024, 1024, 1 << 30)
    """Largest message that is taken from a caller or an upstream."""
    maximum_held_bytes: int = bounded(512 * 1024 * 1024, 1024, 1 << 40)
    """Bytes of requests, arriving or at work, held at the same time; more is refused as OVERLOADED."""
    maximum_stall_s: float = bounded(10.0, 0.001, 3600.0)
    """Longest time between two messages of a caller's stream, and before its first one, in seconds."""
    minimum_bytes_per_second: int = bounded(16 * 1024, 0, 1 << 30)
    """Least rate of a caller's stream, in bytes a second: once it is `maximum_stall_s` behind that, the call
    ends. 0: any rate will do."""
    bytes_per_second_beside_others: int = bounded(48 * 1024 * 1024, 0, 1 << 40)
    """Rate at which a caller's messages are read while others call too, in bytes a second. 0: any rate."""
    maximum_response_bytes: int = bounded(48 * 1024 * 1024, 1024, 1 << 30)
    """Largest message that is sent, as an answer or to an upstream."""
    drain_s: float = bounded(20.0, 0.0, 3600.0)
    """Time that running requests get to finish after SIGTERM, in seconds."""

    tls_certificate: Path | None = None
    """PEM file with the server's certificate chain. Turns TLS on; needs `tls_key`."""
    tls_key: Path | None = None
    """PEM file with its private key."""
    tls_client_ca: Path | None = None
    """PEM file with the authorities of client certificates. Makes a client certificate compulsory (mTLS)."""
    auth_policy: Path | None = None
    """TOML file of who may call what (docs/security.md), read again when it changes. Beyond loopback there
    has to be one; on loopback without one everybody may call everything."""
    identity_folder: Path | None = None
    """Folder with `tls.crt`, `tls.key`, `ca.crt` and `policy.toml`, as `medmesh certificates` makes it: TLS
    in both directions and the policy, by one setting. What is set by itself goes before it."""
    audit_folder: Path | None = None
    """Folder of the audit log: one line a call, `calls-<service>.jsonl`; of an HTTP door one for each that it
    refuses itself. Unset: none is kept."""
    insecure: bool = False
    """Whether to listen beyond loopback in clear, because a proxy beside this process ends TLS. Callers have
    to be known all the same."""
    log_level: LogLevel = LogLevel.INFO
    """How much is logged."""

    IDENTITY_FILES: ClassVar[Mapping[str, str]] = {
        "tls_certificate": "tls.crt",
        "tls_key": "tls.key",
        "auth_policy": "policy.toml",
    }
    """Setting -> its file in `identity_folder`. Subclasses have more."""

    def __post_init__(self) -> None:
        """Takes the files of `identity_folder`, checks what concerns more than one field; subclasses extend
        it.
        """
        if self.identity_folder is not None:
            for field, name in self.IDENTITY_FILES.items():
                if getattr(self, field) is None:
                    object.__setattr__(self, field, self.identity_folder / name)
        if (self.tls_certificate is None) != (self.tls_key is None):
            missing = "tls_certificate" if self.tls_certificate is None else "tls_key"
            raise SettingsError(
                self.key(missing), "the certificate and its key are set together or not at all"
            )
        if self.tls_client_ca is not None and self.tls_certificate is None:
            raise SettingsError(self.key("tls_certificate"), "client certificates need TLS on the server too")
        if self.default_deadline_s > self.maximum_deadline_s:
            raise SettingsError(self.key("default_deadline_s"), "must not exceed the maximum deadline")
        if self.is_open_to_others and self.tls_certificate is None and not self.insecure:
            raise SettingsError(
                self.key("listen"),
                "an address beyond loopback needs TLS (MEDMESH_TLS_CERTIFICATE, MEDMESH_TLS_KEY), "
                "or MEDMESH_INSECURE=1 where a proxy beside it ends TLS",
            )
        if self.is_open_to_others and self.auth_policy is None:
            raise SettingsError(
                self.key("auth_policy"),
                "an address beyond loopback needs a policy of who may call: nobody unknown is let in there "
                "(`medmesh certificates` makes one for development)",
            )

    @property
    def is_open_to_others(self) -> bool:
        """Whether it can be reached from other machines."""
        return not is_loopback(self._host_of("listen"))

    def _host_of(self, field: str) -> str:
        host, _, port = str(getattr(self, field)).rpartition(":")
        if not host or not port.isdigit() or int(port) > 65535:
            raise SettingsError(self.key(field), "must be HOST:PORT with a port from 0 to 65535")
        return host


@dataclass(frozen=True, kw_only=True)
class ServiceSettings(ListeningSettings):
    """What every service is told."""

    triton_url: str = "127.0.0.1:8001"
    """Address and port of Triton's gRPC endpoint, without a scheme."""
    writer_triton_url: str = ""
    """The same of the Triton that runs the models which generate text, e.g. one with vLLM. Empty: that of
    all."""
    triton_key_file: Path | None = None
    """File with the key that Triton asks its callers for (docs/triton.md), read again when it changes. Unset:
    `triton.key` of `identity_folder` where it is there, else none."""
    model_repository: tuple[Path, ...] = (MODEL_REPOSITORY,)
    """Folders with one folder a model, separated as those of PATH; of two models of one name the one of the
    first folder counts."""
    model_keys: tuple[Path, ...] = ()
    """PEM files with the Ed25519 public keys of those from whom models are taken, separated as those of
    PATH: a model that none of them has signed is refused (docs/model-folder.md). None: signatures are not
    looked at."""
    weights_check_s: float = bounded(3600.0, 0.0, 1e6)
    """Time between two checks that all files of the models on disk are still those that were taken up, in
    seconds; a model with a changed one is refused. 0: never."""

    large_apart: bool = True
    """Whether large requests are computed in a second process of lower rank while others send small ones, in
    services that can (imaging, recommendation)."""
    maximum_stream_count: int = bounded(256, 1, 100_000)
    """Concurrent streams (requests) on one connection; HTTP/2 makes the caller wait for more."""
    maximum_connection_age_s: float = bounded(0.0, 0.0, 86_400.0)
    """Time after which a connection is ended once its calls are, in seconds: callers look the addresses of
    the name up again, and find replicas that were added. 0: never."""
    health_interval_s: float = bounded(5.0, 0.01, 3600.0)
    """Time between two checks of what the service depends on, in seconds."""

    tls_upstream_ca: Path | None = None
    """PEM file with the authorities of the upstreams' certificates. Turns TLS to the upstreams on; with mTLS
    this service's own certificate is presented."""
    token: Secret | None = None
    """Bearer token that this service presents to its upstreams."""
    token_file: Path | None = None
    """File with that token, read at each call so that it can be renewed; overrides `token`."""

    otlp_endpoint: str = named("OTEL_EXPORTER_OTLP_ENDPOINT", "")
    """Base address of an OpenTelemetry collector (OTLP over HTTP), e.g. `http://127.0.0.1:4318`: traces,
    metrics and logs go there. Empty: nowhere. OpenTelemetry's other variables hold too
    (docs/observability.md)."""
    metrics_listen: str = ""
    """Address and port of `/metrics` for Prometheus, e.g. `127.0.0.1:9464`; port 0 takes a free one. Empty:
    there is none."""
    metrics_open: bool = False
    """Whether `/metrics`, which knows neither TLS nor tokens, is wanted on an address beyond loopback."""
    kept_trace_count: int = bounded(32, 0, 10_000)
    """Traces whose spans are kept in memory for the caller who asked for them (`medmesh diagnose --trace`);
    0: none."""
    intended_use: str = ""
    """Replaces the intended use of the model cards: whoever deploys a model answers for it."""

    IDENTITY_FILES: ClassVar[Mapping[str, str]] = {
        **ListeningSettings.IDENTITY_FILES,
        "tls_client_ca": "ca.crt",
        "tls_upstream_ca": "ca.crt",
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.identity_folder is not None and self.triton_key_file is None:
            key = self.identity_folder / "triton.key"  # of those alone that ask Triton
            object.__setattr__(self, "triton_key_file", key if key.is_file() else None)
        if self.metrics_listen and not (is_loopback(self._host_of("metrics_listen")) or self.metrics_open):
            raise SettingsError(
                self.key("metrics_listen"),
                "is read by everybody who reaches it: beyond loopback it needs MEDMESH_METRICS_OPEN=1",
            )


@dataclass(frozen=True, kw_only=True)
class AssertingSettings(ServiceSettings):
    """What a service is told that calls others for its callers (`services.chassis.rpc.assertions`)."""

    assertion_key: Path | None = None
    """PEM file with an unencrypted Ed25519 private key that signs for whom the services are called
    (docs/security.md). With a policy there has to be one."""

    IDENTITY_FILES: ClassVar[Mapping[str, str]] = {
        **ServiceSettings.IDENTITY_FILES,
        "assertion_key": "assertion.key",
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.auth_policy is not None and self.assertion_key is None:
            raise SettingsError(
                self.key("assertion_key"),
                "is needed with a policy: whoever is called judges by the rights of whom he is called for",
            )


@dataclass(frozen=True, kw_only=True)
class TerminologySettings(ServiceSettings):
    """What a service is told that reads codes and words."""

    terminology: Path | None = None
    """Folder of tables with the codes and names that this place uses; their rows take the place of the mesh's
    own (docs/terminology.md). `medmesh terminology check` says whether it can be used."""


def split_words(text: str) -> tuple[str, ...]:
    """Words with commas or spaces between."""
    return tuple(text.replace(",", " ").split())


def split_folders(text: str) -> tuple[Path, ...]:
    """Folders separated as those of PATH are; empty ones are left out."""
    return tuple(Path(part).expanduser() for part in text.split(os.pathsep) if part.strip())


def join_folders(folders: Iterable[Path]) -> str:
    """What `split_folders` reads."""
    return os.pathsep.join(str(folder) for folder in folders)


def is_loopback(host: str) -> bool:
    """Whether `host` (without a port) can be reached from this machine only."""
    bare = host.strip("[]")
    try:
        return bare == "localhost" or ipaddress.ip_address(bare).is_loopback
    except ValueError:
        return False  # a name, such as 127.0.0.example.org


def read(key: str, text: str, hint: Any, bounds: Mapping[str, Any]) -> Any:
    """The value of a variable as the type `hint`, from `bounds["low"]` to `bounds["high"]` where it has them.
    Raises SettingsError.
    """
    optional = get_origin(hint) in {Union, types.UnionType}
    kind = next(a for a in get_args(hint) if a is not type(None)) if optional else hint
    try:
        value = _reader(kind)(text)
    except ValueError as error:
        # `from None`: the cause's text would show the value, which may be a secret.
        raise SettingsError(key, str(error) if kind is bool else f"is no {_kind_name(kind)}") from None
    if "low" in bounds and not bounds["low"] <= value <= bounds["high"]:
        raise SettingsError(key, f"must lie between {bounds['low']:g} and {bounds['high']:g}")
    return value


def _reader(kind: Any) -> Callable[[str], Any]:
    if kind is bool:
        return _read_bool
    if kind is Path:
        return lambda text: Path(text).expanduser()
    if get_origin(kind) is tuple:
        return split_folders if get_args(kind)[0] is Path else split_words
    reader: Callable[[str], Any] = kind  # str, int, float, Secret and enumerations read themselves
    return reader


def _read_bool(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise ValueError("must be 1 or 0")


def _kind_name(kind: Any) -> str:
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return "value out of " + ", ".join(kind)
    return "whole number" if kind is int else "number" if kind is float else "readable value"
