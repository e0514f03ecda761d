"""TLS with devices and archives that nobody here wrote: dcmtk's storescu and storescp."""

from __future__ import annotations

import datetime as dt
import ipaddress
import shutil
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from clients.dicom_node import overview
from clients.dicom_node.configuration import ConfigurationError, Destination, TlsFiles
from tests.dicom_node import drill
from tests.dicom_node.stand_ins import SAMPLE, image, store, until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # as in test_node.py
    pytest.mark.usefixtures("collected"),
]
dcmtk = pytest.mark.skipif(
    shutil.which("storescp") is None, reason="storescu and storescp are not installed (Debian: dcmtk)"
)
DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Papers:
    """A certificate and its key, as files."""

    certificate: Path
    key: Path


class Authority:
    """Signs certificates; its own is `ca`."""

    def __init__(self, folder: Path, name: str):
        self._folder, self._name = folder, name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.ca = folder / f"{name}.pem"
        own = self._builder(name, self._key, DAY).add_extension(x509.BasicConstraints(True, None), True)
        self.ca.write_bytes(pem(own.sign(self._key, hashes.SHA256())))

    def papers(self, name: str, *, ends_in: dt.timedelta = DAY, host: str = "127.0.0.1") -> Papers:
        """For a device or a node at the address `host`."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))])
        made = self._builder(name, key, ends_in).add_extension(names, False)
        papers = Papers(self._folder / f"{name}.crt", self._folder / f"{name}.key")
        papers.certificate.write_bytes(pem(made.sign(self._key, hashes.SHA256())))
        papers.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return papers

    def _builder(self, name: str, key, ends_in: dt.timedelta) -> x509.CertificateBuilder:
        ends = dt.datetime.now(dt.UTC) + ends_in
        subject, issuer = (
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, one)]) for one in (name, self._name)
        )
        return (
            x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(ends - 2 * DAY)
            .not_valid_after(ends)
        )


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path, "hospital")


@pytest.fixture
def stranger(tmp_path):
    """Whom the node does not trust."""
    return Authority(tmp_path, "stranger")


@pytest.fixture
def files(authority):
    papers = authority.papers("node")
    return TlsFiles(certificate=papers.certificate, key=papers.key, ca=authority.ca)


def shows(papers: Papers) -> list[str | Path]:
    return ["+tls", papers.key, papers.certificate]


def storescu(node, *options) -> bool:
    """Whether the sample was taken."""
    command = ["storescu", "-to", "10", "-ta", "10", "-td", "20", *options]
    command += ["-aec", "MEDMESH", "127.0.0.1", str(node.port), SAMPLE]
    return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0


def taken(node) -> bool:
    return bool(overview.counts(node.database))


@dcmtk
def test_a_device_with_a_certificate_of_the_authority_is_taken_from(start_node, files, authority):
    node = start_node(tls=files)
    assert storescu(node, *shows(authority.papers("ct01")), "+cf", authority.ca)
    assert taken(node)


@dcmtk
@pytest.mark.parametrize(
    ("who", "because"),
    [
        ("nobody", "PEER_DID_NOT_RETURN_A_CERTIFICATE"),
        ("expired", "certificate has expired"),
        ("not yet valid", "certificate is not yet valid"),
        ("stranger", "unable to get local issuer certificate"),
        ("in clear", "WRONG_VERSION_NUMBER"),
    ],
)
def test_any_other_device_is_not_and_the_next_one_is(
    start_node, files, authority, stranger, who, because, caplog
):
    node = start_node(tls=files)
    trusts = ["+cf", authority.ca]
    options = {
        "nobody": ["+tla", *trusts],
        "expired": [*shows(authority.papers("late", ends_in=-DAY)), *trusts],
        "not yet valid": [*shows(authority.papers("early", ends_in=4 * DAY)), *trusts],
        "stranger": [*shows(stranger.papers("other")), *trusts],
        "in clear": [],
    }[who]
    assert not storescu(node, *options)
    assert not taken(node)
    (said,) = {tuple(one.facts.values()) for one in caplog.records if "TLS" in one.getMessage()}
    assert said == ("127.0.0.1", because)
    assert storescu(node, *shows(authority.papers("ct01")), *trusts)


@dcmtk
def test_without_an_authority_a_device_needs_no_certificate_and_still_sees_the_nodes(
    start_node, files, authority, stranger
):
    node = start_node(tls=TlsFiles(certificate=files.certificate, key=files.key))
    assert not storescu(node, "+tla", "+cf", stranger.ca)
    assert not taken(node)
    assert storescu(node, "+tla", "+cf", authority.ca)


@pytest.fixture
def storescp(tmp_path, authority):
    """Starts an archive that shows the given papers; returns its port and its folder."""
    running = []

    def begin(papers: Papers) -> tuple[int, Path]:
        (port,) = drill.free_ports(1)
        folder = tmp_path / f"archive{len(running)}"
        folder.mkdir()
        command = ["storescp", *shows(papers), "+cf", authority.ca, "-aet", "PACS", "-od", folder, str(port)]
        running.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        until(lambda: drill.listens(port))
        return port, folder

    yield begin
    for process in running:
        process.terminate()
        process.wait(10)


def destination(port: int) -> Destination:
    return Destination(
        name="pacs", ae_title="PACS", address=f"127.0.0.1:{port}", tls=True, results=("report",)
    )


@dcmtk
def test_results_go_to_an_archive_by_tls_that_asks_for_a_certificate(start_node, files, authority, storescp):
    port, folder = storescp(authority.papers("pacs"))
    node = start_node(tls=files, destinations=(destination(port),))
    assert storescu(node, *shows(authority.papers("ct01")), "+cf", authority.ca)
    until(lambda: any(folder.iterdir()))
    until(lambda: overview.counts(node.database).get("deliveries.done") == 1)


@dcmtk
@pytest.mark.parametrize("fault", ["expired", "stranger", "another host"])
def test_an_archive_that_is_not_who_it_should_be_gets_nothing(
    start_node, files, authority, stranger, storescp, fault, caplog
):
    papers = {
        "expired": lambda: authority.papers("pacs", ends_in=-DAY),
        "stranger": lambda: stranger.papers("pacs"),
        "another host": lambda: authority.papers("pacs", host="127.0.0.2"),
    }[fault]()
    port, folder = storescp(papers)
    node = start_node(tls=files, destinations=(destination(port),))
    assert storescu(node, *shows(authority.papers("ct01")), "+cf", authority.ca)
    until(lambda: "cannot be reached" in caplog.text)
    assert not any(folder.iterdir())
    assert overview.counts(node.database)["deliveries.pending"] == 1


def test_callers_who_say_nothing_hold_up_nobody(start_node, files, authority):
    node = start_node(tls=TlsFiles(certificate=files.certificate, key=files.key))
    silent = [socket.create_connection(("127.0.0.1", node.port), 5) for _ in range(3)]
    try:
        assert store(node.port, [image()], ca=authority.ca) == [0]
    finally:
        for one in silent:
            one.close()


def test_files_that_cannot_be_used_are_named_at_the_start(start_node, files, tmp_path):
    none = tmp_path / "none.pem"
    for broken in (
        TlsFiles(certificate=none, key=files.key),
        TlsFiles(certificate=files.certificate, key=files.certificate),
    ):
        with pytest.raises(ConfigurationError, match="give PEM files of a certificate and"):
            start_node(tls=broken)
    with pytest.raises(ConfigurationError, match="give a PEM file of certificates"):
        start_node(tls=TlsFiles(certificate=files.certificate, key=files.key, ca=none))
    with pytest.raises(ConfigurationError, match="give a PEM file of certificates"):
        start_node(tls=TlsFiles(ca=files.key), destinations=(destination(104),))
