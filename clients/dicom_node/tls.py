"""TLS by the files of `[tls]`, for what the node serves and for the destinations that it calls."""

from __future__ import annotations

import ssl

from clients.dicom_node.configuration import ConfigurationError, TlsFiles


def server_context(tls: TlsFiles) -> ssl.SSLContext | None:
    """For those who call; with `ca` they must show a certificate of it. None: there is no TLS.

    Raises ConfigurationError.
    """
    if tls.certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _present(context, tls)
    if tls.ca is not None:
        _trust(context, tls)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_context(tls: TlsFiles) -> ssl.SSLContext:
    """For a destination, whose certificate must be of `ca` and name its host. Raises ConfigurationError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _trust(context, tls)
    if tls.certificate is not None:
        _present(context, tls)
    return context


def _present(context: ssl.SSLContext, tls: TlsFiles) -> None:
    assert tls.certificate is not None  # noqa: S101 - both callers looked
    try:
        context.load_cert_chain(tls.certificate, tls.key)
    except OSError as error:  # which SSLError is too
        raise ConfigurationError(
            f"tls.certificate, tls.key: give PEM files of a certificate and of its key ({_said(error)})"
        ) from error


def _trust(context: ssl.SSLContext, tls: TlsFiles) -> None:
    try:
        context.load_verify_locations(tls.ca)
    except OSError as error:
        raise ConfigurationError(f"tls.ca: give a PEM file of certificates ({_said(error)})") from error


def _said(error: OSError) -> str:
    return str(getattr(error, "reason", None) or error.strerror or type(error).__name__)
