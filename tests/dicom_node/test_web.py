"""STOW-RS in and out, QIDO-RS and WADO-RS from an archive; the messages' bytes."""

from __future__ import annotations

import io
import logging

import pytest
import requests

from clients.dicom_node import multipart, overview
from tests.dicom_node.stand_ins import image, until


def message(*parts: bytes, boundary: str = "b") -> tuple[bytes, dict[str, str]]:
    body = b"".join(
        f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode() + part + b"\r\n" for part in parts
    )
    kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
    return body + f"--{boundary}--\r\n".encode(), {"Content-Type": kind}


def content(one) -> bytes:
    written = io.BytesIO()
    one.save_as(written, enforce_file_format=True)
    return written.getvalue()


@pytest.fixture
def address(start_node):
    node = start_node(node={"web_listen": "127.0.0.1:0", "max_object_mb": 1})
    return node, f"http://127.0.0.1:{node.web_port}/studies"


def test_objects_are_taken_and_analysed(address, archive):
    node, url = address
    body, headers = message(content(image()), content(image()))
    answer = requests.post(url, body, headers=headers, timeout=10)
    assert answer.status_code == 200
    assert len(answer.json()["00081199"]["Value"]) == 2
    until(lambda: archive.kinds()["SR"] == 2)
    again = requests.post(url, body, headers=headers, timeout=10)
    assert again.status_code == 200
    assert overview.counts(node.database)["objects.assigned"] == 2


def test_what_cannot_be_taken_is_said_and_the_rest_is_taken(address):
    _, url = address
    body, headers = message(b"no object", content(image()))
    answer = requests.post(url, body, headers=headers, timeout=10)
    assert answer.status_code == 202
    assert answer.json()["00081198"]["Value"][0]["00081197"]["Value"] == [0xC000]
    body, headers = message(content(image()))
    assert requests.post(f"{url}/1.2.3", body, headers=headers, timeout=10).status_code == 409


@pytest.mark.parametrize(
    ("path", "kind", "body", "code"),
    [
        ("", "application/json", b"{}", 400),
        ("", 'multipart/related; type="application/dicom"', b"", 400),
        ("", "multipart/related; boundary=b", b"--b\r\n\r\ncut off", 400),
        ("", "multipart/related; boundary=b", b"--b\r\nX: " + b"y" * 20_000, 400),
        ("", "multipart/related; boundary=b", b"--b\r\n\r\n" + bytes(2_000_000) + b"\r\n--b--", 413),
        ("/1/2", "multipart/related; boundary=b", b"", 404),
    ],
)
def test_a_bad_message_is_refused_with_a_sentence(address, path, kind, body, code):
    _, url = address
    try:
        answer = requests.post(url + path, body, headers={"Content-Type": kind}, timeout=10)
    except requests.ConnectionError:  # it did not wait for the rest of what it refuses
        assert code == 413
        return
    assert answer.status_code == code
    assert answer.text.strip()


def test_only_the_token_opens_it(start_node, tmp_path):
    (tmp_path / "token").write_text("secret\n")
    node = start_node(node={"web_listen": "127.0.0.1:0", "web_token_file": tmp_path / "token"})
    url = f"http://127.0.0.1:{node.web_port}/studies"
    body, headers = message(content(image()))
    assert requests.post(url, body, headers=headers, timeout=10).status_code == 401
    right = headers | {"Authorization": "Bearer secret"}
    assert requests.post(url, body, headers=right, timeout=10).status_code == 200
    assert requests.get(url, timeout=10).status_code == 405


def test_nothing_of_what_is_sent_is_logged(address, caplog, capfd):
    node, url = address
    caplog.set_level(logging.DEBUG, "medmesh")
    marked = image("Quetzalcoatl-4711", PatientName="Zanzibar^Quetzalcoatl")
    broken = image("Quetzalcoatl-4712")
    del broken.StudyInstanceUID
    body, headers = message(content(marked), content(broken), b"Quetzalcoatl")
    requests.post(url, body, headers=headers | {"X-Patient": "Quetzalcoatl"}, timeout=10)
    requests.post(f"{url}/Quetzalcoatl", body, headers=headers, timeout=10)
    requests.post(url, b"Quetzalcoatl", headers=headers, timeout=10)
    until(lambda: overview.counts(node.database).get("analyses.done") == 1)
    written = caplog.text + "".join(capfd.readouterr())
    assert "an object was not taken" in written
    assert "Quetzalcoatl" not in written
    assert str(marked.SOPInstanceUID) not in written


@pytest.mark.parametrize("size", [1, 7, 64, 100_000])
def test_parts_come_out_as_they_went_in_whatever_the_pieces(tmp_path, size):
    parts = [b"one", b"", b"\r\n\r\n", bytes(range(256)) * 50, b"--b", b"\r\n--a\r"]
    body, headers = message(*parts)
    stream = io.BytesIO(b"preamble\r\n" + body)
    names = iter(tmp_path / str(number) for number in range(10))
    boundary = multipart.boundary_of(headers["Content-Type"])
    files = multipart.files(lambda n: stream.read(min(n, size)), boundary, lambda: next(names), 1_000_000)
    assert [file.read_bytes() for file in files] == parts
