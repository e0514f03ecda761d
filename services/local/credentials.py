"""Makes who is who in one mesh: an authority, a certificate for each part and a policy, for development.

    FOLDER/authority.crt, authority.key     signs the others; the key belongs nowhere else
    FOLDER/authority.previous.crt           the one before it, trusted for as long as it lasts
    FOLDER/policy.toml                      yours to edit: it is never overwritten, and each run hands it out
    FOLDER/<part>/                          what MEDMESH_IDENTITY_FOLDER of that part names:
        tls.crt, tls.key, ca.crt, policy.toml, assertion.pub, assertion-jobs.pub
    FOLDER/orchestrator/assertion.key       signs for whom the services are called
    FOLDER/jobs/assertion.key               signs whose the jobs are
    FOLDER/triton/triton.key                what Triton asks its callers for; those that ask it have it too
    FOLDER/client/                          the same for whoever calls, and `token` for those who have no
                                            certificate to show, as a browser

A run makes what is missing or will soon expire, and leaves the rest; a hospital's own authority makes such
files too. In containers: `python -m services.local.credentials FOLDER`.
"""

from __future__ import annotations

import argparse
import hashlib
import secrets
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from services.local import topology
from services.local.topology import CLIENT

AUTHORITY_DAYS = 5 * 365
CERTIFICATE_DAYS = 365
RENEWED_BEFORE_DAYS = 60
TAKEN_WITHIN_S = 3.0
"""Within which whoever runs has read a renewed file, and connected with it."""
_CLOCKS_DIFFER = timedelta(minutes=5)
_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")

_POLICY = """\
# Who may call what (docs/security.md). Made once: what you change, the next `medmesh certificates` hands out.

[roles.caller]
allow = [
    "/medmesh.orchestrator.v1.*",
    "/medmesh.imaging.v1.*",
    "/medmesh.language.v1.*",
    "/medmesh.recommendation.v1.*",
    "/medmesh.jobs.v1.*",
    "/medmesh.common.v1.UploadService/*",
    "/medmesh.common.v1.TraceService/*",
    "/medmesh.common.v1.ModelCatalogService/[GL]*", # not ReloadModels
    "/grpc.reflection.*",
]

[roles.operator]
allow = ["/medmesh.common.v1.ModelCatalogService/ReloadModels"]

[identities.orchestrator]
certificate = "orchestrator"
assertion_key = "assertion.pub" # it calls for others, with their rights
allow = ["/medmesh.common.v1.ModelCatalogService/[GL]*"] # for itself

[identities.jobs]
certificate = "jobs"
assertion_key = "assertion-jobs.pub" # what it asks later it asks with the rights of whose job it is
allow = []

{doors}[identities.client]
certificate = "client"
token_sha256 = "{token_sha256}"
roles = ["caller", "operator"]
"""


_DOOR = """\
[identities.{name}]
certificate = "{name}"
roles = ["caller"]

"""
_CALL_FOR_OTHERS = ("gateway", "console")
"""Doors that call with their callers' tokens and have no rights of their own."""
_ASSERTING = {"orchestrator": "assertion.pub", "jobs": "assertion-jobs.pub"}
"""Parts that sign whom they call for, each with a key of its own, and the files of the public ones."""


@dataclass(frozen=True)
class Owners:
    """User ids that the folders are given to; None: whoever runs this keeps them."""

    parts: int | None = None
    client: int | None = None
    triton_group: int | None = None
    """Of a Triton that runs as another user than the parts."""


def make(folder: Path, names: Sequence[str] = (), owners: Owners | None = None) -> list[str]:
    """Makes what is missing or ends within RENEWED_BEFORE_DAYS; says what it made, a sentence each.

    `names`: further host names and addresses of every part, e.g. those that callers outside know. Raises
    OSError.
    """
    owners = owners or Owners()
    topo = topology.load()
    parts = (*topo.services, *topo.doors)
    said: list[str] = []
    folder.mkdir(parents=True, exist_ok=True, mode=0o711)
    authority = _Authority(folder / "authority.crt", folder / "authority.key")
    trusted_before = (folder / CLIENT / "ca.crt").exists()
    if authority.renew():
        said.append(f"an authority: {authority.certificate_path}")
    for part in (*parts, CLIENT):
        (folder / part).mkdir(exist_ok=True, mode=0o700)
        _put(folder / part / "ca.crt", authority.trusted(), 0o644)
    if said and trusted_before:
        time.sleep(TAKEN_WITHIN_S)  # who runs trusts the new one before anybody shows a certificate of it
    for part in (*parts, CLIENT):
        own = folder / part
        if authority.certify(own, part, () if part == CLIENT else names):
            said.append(f"a certificate of {part}: {own / 'tls.crt'}")
    _make_policy(folder, [door for door in topo.doors if door not in {*_CALL_FOR_OTHERS, *_ASSERTING}])
    for part, public in _ASSERTING.items():
        _make_assertion_key(folder / part / "assertion.key", folder / public)
    _make_triton_key(folder, [name for name, service in topo.services.items() if service.triton], owners)
    for part in (*parts, CLIENT):
        for public in _ASSERTING.values():
            _put(folder / part / public, (folder / public).read_bytes(), 0o644)
        _put(folder / part / "policy.toml", (folder / "policy.toml").read_bytes(), 0o640)
        _give(folder / part, owners.client if part == CLIENT else owners.parts)
    return said


class _Authority:
    """Signs certificates; its own is renewed with all that it has signed."""

    def __init__(self, certificate_path: Path, key_path: Path) -> None:
        self.certificate_path = certificate_path
        self._key_path = key_path
        self._previous_path = certificate_path.with_name("authority.previous.crt")

    def trusted(self) -> bytes:
        """The authority, and the one before while it lasts: what it has signed is replaced part by part."""
        trusted = self.certificate_path.read_bytes()
        if self._previous_path.exists() and _lasts(self._previous_path, days=0):
            trusted += self._previous_path.read_bytes()
        return trusted

    def renew(self) -> bool:
        """Whether there was none that lasts."""
        if self._key_path.exists() and _lasts(self.certificate_path):
            return False
        if self.certificate_path.exists():
            _put(self._previous_path, self.certificate_path.read_bytes(), 0o644)
        key = _make_key(self._key_path)
        # A name of its own: of two authorities with one name TLS libraries try the first alone.
        name = _name(f"medmesh development authority {secrets.token_hex(4)}")
        made = (
            _builder(name, name, key, AUTHORITY_DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(key, SHA256())
        )
        _put(self.certificate_path, made.public_bytes(Encoding.PEM), 0o644)
        return True

    def certify(self, folder: Path, part: str, names: Sequence[str]) -> bool:
        """Whether the folder's certificate did not last, was of another authority, or lacked a name."""
        path, wanted = folder / "tls.crt", _alternative_names((part, *_LOCAL_NAMES, *names))
        authority = x509.load_pem_x509_certificate(self.certificate_path.read_bytes())
        if (folder / "tls.key").exists() and _lasts(path) and _is_of(path, authority, wanted):
            return False
        own = load_pem_private_key(self._key_path.read_bytes(), None)
        assert isinstance(own, EllipticCurvePrivateKey)  # noqa: S101 - `renew` made it
        key = generate_private_key(SECP256R1())
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
        made = (
            _builder(_name(part), authority.subject, key, CERTIFICATE_DAYS)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(wanted, critical=False)
            .add_extension(usage, critical=False)
            .sign(own, SHA256())
        )
        _put(folder / "tls.key", _pem(key), 0o600)
        _put(path, made.public_bytes(Encoding.PEM), 0o644)
        return True


def _make_policy(folder: Path, doors: Sequence[str]) -> None:
    token = folder / CLIENT / "token"
    if not token.exists():
        _put(token, secrets.token_hex(32).encode(), 0o600)
    if not (folder / "policy.toml").exists():
        digest = hashlib.sha256(token.read_bytes()).hexdigest()
        named = "".join(_DOOR.format(name=name) for name in doors)
        _put(folder / "policy.toml", _POLICY.format(token_sha256=digest, doors=named).encode(), 0o644)


def _make_assertion_key(private: Path, public: Path) -> None:
    if not private.exists():
        key = Ed25519PrivateKey.generate()
        _put(private, _pem(key), 0o600)
        _put(public, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), 0o644)


def _make_triton_key(folder: Path, parts: Sequence[str], owners: Owners) -> None:
    own = folder / "triton"
    own.mkdir(exist_ok=True, mode=0o700)
    path = own / "triton.key"
    if not path.exists():
        _put(path, secrets.token_hex(32).encode(), 0o600)
    for part in parts:
        _put(folder / part / "triton.key", path.read_bytes(), 0o600)
    _give(own, owners.parts)
    if owners.triton_group is not None:
        for given, mode in ((own, 0o750), (path, 0o640)):
            shutil.chown(given, group=owners.triton_group)
            given.chmod(mode)


def _lasts(path: Path, days: float = RENEWED_BEFORE_DAYS) -> bool:
    if not path.exists():
        return False
    ends = x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
    return ends > datetime.now(UTC) + timedelta(days=days)


def _is_of(path: Path, authority: x509.Certificate, names: x509.SubjectAlternativeName) -> bool:
    found = x509.load_pem_x509_certificate(path.read_bytes())
    try:
        found.verify_directly_issued_by(authority)
    except Exception:  # noqa: BLE001 - whatever is wrong with it, a new one is made
        return False
    return found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value == names


def _builder(
    subject: x509.Name, issuer: x509.Name, key: EllipticCurvePrivateKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCKS_DIFFER)
        .not_valid_after(now + timedelta(days=days))
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _alternative_names(names: Sequence[str]) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([_general_name(name) for name in dict.fromkeys(names)])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _make_key(path: Path) -> EllipticCurvePrivateKey:
    key = generate_private_key(SECP256R1())
    _put(path, _pem(key), 0o600)
    return key


def _pem(key: EllipticCurvePrivateKey | Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _put(path: Path, content: bytes, mode: int) -> None:
    """Whole or not at all, and never readable by more than `mode` says: parts read it while they run."""
    if path.exists() and path.read_bytes() == content:
        return
    made = path.with_name(f".{path.name}.new")
    made.unlink(missing_ok=True)
    made.touch(mode, exist_ok=False)
    made.write_bytes(content)
    made.replace(path)


def _give(folder: Path, owner: int | None) -> None:
    if owner is not None:
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, owner, owner)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m services.local.credentials", description=make.__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--name", action="append", default=[], help="a further host name of every part")
    parser.add_argument("--owner", type=int, help="user id that the parts' folders are given to")
    parser.add_argument("--client-owner", type=int, help="user id that the client's folder is given to")
    parser.add_argument("--triton-group", type=int, help="group id that may read Triton's key")
    given = parser.parse_args(arguments)
    owners = Owners(given.owner, given.client_owner, given.triton_group)
    for sentence in make(given.folder, given.name, owners):
        print(f"made {sentence}")  # noqa: T201 - what it is for


if __name__ == "__main__":
    main()
