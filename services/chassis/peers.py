"""Whom a door of a hospital's own protocol listens to and calls: addresses, networks, TLS from files."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from services.chassis.configuration_file import ConfigurationError

_HIGHEST_PORT = 65535


@dataclass(frozen=True, kw_only=True)
class TlsFiles:
    """Certificates in PEM, relative to the configuration file."""

    certificate: Path | None = None
    key: Path | None = None
    ca: Path | None = None
    """Authority that the other side's certificate must come from."""

    def check(self) -> None:
        """Raises ConfigurationError where one of the two that belong together is missing."""
        if (self.certificate is None) != (self.key is None):
            raise ConfigurationError("tls: certificate and key belong together")

    def check_beyond_loopback(self, *, insecure: bool) -> None:
        """Raises ConfigurationError where others would be listened to in clear, and nobody said they may."""
        if not (insecure or self.certificate):
            raise ConfigurationError(
                "node.listen: beyond loopback a node needs [tls]; node.insecure = true says that the network "
                "is private"
            )

    def check_destination(self, key: str) -> None:
        """Raises ConfigurationError where a destination that is called by TLS could not be verified."""
        if self.ca is None:
            raise ConfigurationError(
                f"{key}.tls: needs tls.ca, the authority of the other side's certificate"
            )

    def server_context(self) -> ssl.SSLContext | None:
        """For those who call; with `ca` they must show a certificate of it. None: there is no TLS.

        Raises ConfigurationError.
        """
        if self.certificate is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._present(context)
        if self.ca is not None:
            self._trust(context)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def client_context(self) -> ssl.SSLContext:
        """For a destination, whose certificate must be of `ca` and name its host.

        Raises ConfigurationError.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._trust(context)
        if self.certificate is not None:
            self._present(context)
        return context

    def _present(self, context: ssl.SSLContext) -> None:
        assert self.certificate is not None  # noqa: S101 - both callers looked
        try:
            context.load_cert_chain(self.certificate, self.key)
        except OSError as error:  # which SSLError is too
            raise ConfigurationError(
                f"tls.certificate, tls.key: give PEM files of a certificate and of its key ({_said(error)})"
            ) from error

    def _trust(self, context: ssl.SSLContext) -> None:
        try:
            context.load_verify_locations(self.ca)
        except OSError as error:
            raise ConfigurationError(f"tls.ca: give a PEM file of certificates ({_said(error)})") from error


def because(error: Exception) -> str:
    """Why TLS with the other side failed, in the library's words, such as `certificate has expired`: they
    hold nothing of what was sent.
    """
    if not isinstance(error, ssl.SSLError):
        return type(error).__name__
    return str(getattr(error, "verify_message", "") or error.reason or type(error).__name__)


def _said(error: OSError) -> str:
    return str(getattr(error, "reason", None) or error.strerror or type(error).__name__)


def endpoint(text: str, key: str, example: str, *, listening: bool = False) -> tuple[str, int]:
    """The address and port of `127.0.0.1:104` or `[::1]:104`; where it is `listening`, of an IP address.

    Raises ConfigurationError, which names the key and shows the example.
    """
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    host = "127.0.0.1" if host == "localhost" else host
    if not host or not port.isdecimal() or int(port) > _HIGHEST_PORT:
        raise ConfigurationError(f"{key}: give an address and a port, such as 127.0.0.1:{example}")
    if listening:
        try:
            ipaddress.ip_address(host)
        except ValueError:
            raise ConfigurationError(f"{key}: give an IP address, such as 0.0.0.0:{example}") from None
    return host, int(port)


def check_networks(networks: Sequence[str], key: str) -> None:
    """Raises ConfigurationError where one is neither an address nor a network."""
    for network in networks:
        try:
            ipaddress.ip_network(network)
        except ValueError:
            raise ConfigurationError(f"{key}: give addresses or networks, such as 10.1.2.0/24") from None


def is_within(address: str, networks: Sequence[str]) -> bool:
    """Whether a caller's address is one of these, or in one of them; an IPv4 address goes by itself however
    it came.
    """
    caller = ipaddress.ip_address(address.split("%", maxsplit=1)[0])
    if isinstance(caller, ipaddress.IPv6Address) and caller.ipv4_mapped:
        caller = caller.ipv4_mapped
    return any(caller in ipaddress.ip_network(network) for network in networks)
