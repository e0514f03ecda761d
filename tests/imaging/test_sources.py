"""Images by address: only below what the operator allows, and never by a way round it."""

from __future__ import annotations

import http.server
import ssl
import subprocess
import threading

import pytest

from services.chassis.errors import InvalidInput, Reason
from services.chassis.settings import SettingsError
from services.imaging.settings import ImagingSettings
from services.imaging.sources import AddressReader

LIMIT = 1000


@pytest.fixture
def folder(tmp_path):
    allowed = tmp_path / "images"
    allowed.mkdir()
    (allowed / "one.dcm").write_bytes(b"pixels")
    (allowed / "large.dcm").write_bytes(bytes(LIMIT + 1))
    (tmp_path / "secret").write_bytes(b"secret")
    (allowed / "link").symlink_to(tmp_path / "secret")
    return allowed


def reason_of(reader: AddressReader, uri: str) -> Reason:
    with pytest.raises(InvalidInput) as caught:
        reader.read(uri)
    assert "secret" not in caught.value.description
    assert uri not in caught.value.description
    return caught.value.reason


def test_without_a_prefix_every_address_is_refused(folder):
    reader = AddressReader("", max_bytes=LIMIT)
    assert reason_of(reader, (folder / "one.dcm").as_uri()) is Reason.INPUT_UNSUPPORTED


def test_a_file_below_the_prefix_is_read(folder):
    reader = AddressReader(f"https://elsewhere.example/ {folder.as_uri()}/", max_bytes=LIMIT)
    assert reader.read((folder / "one.dcm").as_uri()) == b"pixels"
    assert reason_of(reader, (folder / "large.dcm").as_uri()) is Reason.INPUT_TOO_LARGE


@pytest.mark.parametrize(
    "end", ["../secret", "%2e%2e/secret", "..%2fsecret", "link", "absent", "", "one.dcm\\..\\..\\secret"]
)
def test_a_way_round_the_prefix_is_refused(folder, end):
    reader = AddressReader(f"{folder.as_uri()}/", max_bytes=LIMIT)
    assert reason_of(reader, f"{folder.as_uri()}/{end}") is Reason.INPUT_UNSUPPORTED


@pytest.mark.parametrize(
    "uri",
    [
        "https://pacs.example.attacker.example/one",
        "https://pacs.example/other/one",
        "https://pacs.example@attacker.example/wado/one",
        "http://pacs.example/wado/one",
        "file:///etc/passwd",
        "https://pacs.example/wado/../admin",
        "https://[",
    ],
)
def test_another_address_is_refused_before_anybody_is_asked(uri):
    reader = AddressReader("https://pacs.example/wado/", max_bytes=LIMIT)
    assert reason_of(reader, uri) is Reason.INPUT_UNSUPPORTED


class _Pacs(http.server.BaseHTTPRequestHandler):
    """Has one image, one that is too large, and a redirect to the first."""

    def do_GET(self):
        if self.path == "/wado/moved":
            self.send_response(302)
            self.send_header("Location", "/wado/one")
            self.end_headers()
            return
        body = {"/wado/one": b"pixels", "/wado/large": bytes(LIMIT + 1)}.get(self.path)
        self.send_response(404 if body is None else 200)
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_):
        """Says nothing."""


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = False

    def handle_error(self, *_):
        """A client that hangs up is what a test looks for."""


@pytest.fixture
def pacs(tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(key)]
    name = ["-subj", "/CN=pacs", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    try:
        subprocess.run(
            ["openssl", "req", "-x509", *made, *name, "-out", str(certificate)],
            check=True,
            capture_output=True,
        )
    except FileNotFoundError:
        pytest.skip("openssl is not installed: it makes this test's certificate")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = _Server(("127.0.0.1", 0), _Pacs)
    # The handshake waits for the handler's thread, which closes the connection when it fails.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}/wado/", ssl.create_default_context(cafile=certificate)
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_image_is_fetched_over_https_without_following_redirects(pacs):
    prefix, trusted = pacs
    reader = AddressReader(prefix, max_bytes=LIMIT, tls=trusted)
    assert reader.read(f"{prefix}one") == b"pixels"
    assert reason_of(reader, f"{prefix}large") is Reason.INPUT_TOO_LARGE
    for name in ("moved", "absent"):
        assert reason_of(reader, f"{prefix}{name}") is Reason.INPUT_UNSUPPORTED


def test_a_server_whose_certificate_is_not_trusted_is_not_read(pacs):
    prefix, _ = pacs
    assert reason_of(AddressReader(prefix, max_bytes=LIMIT), f"{prefix}one") is Reason.INPUT_UNSUPPORTED


@pytest.mark.parametrize("prefixes", ["http://pacs.example/", "https://pacs.example", "/srv/images/"])
def test_a_prefix_that_allows_too_much_stops_the_service_at_start(prefixes):
    with pytest.raises(SettingsError, match="MEDMESH_IMAGE_URI_PREFIXES: a prefix starts"):
        ImagingSettings(image_uri_prefixes=prefixes)
