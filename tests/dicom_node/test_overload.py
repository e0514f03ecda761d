"""More at once than the node is set to take: who is too many is told so, and the others are served."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
from collections import Counter

import pytest
import requests
from pynetdicom import AE
from pynetdicom.sop_class import Verification

from clients.dicom_node import overview
from tests.dicom_node.stand_ins import image, store, until
from tests.dicom_node.test_web import content, message

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # as in test_node.py
    pytest.mark.usefixtures("collected"),
]
FOR_NOW = b"\x03\x00" + struct.pack(">L", 4) + b"\x00\x02\x03\x02"
"""PS3.8 9.3.4: rejected, transient, by the presentation layer, local limit exceeded."""
ACCEPTED = b"\x02"


def association_request() -> bytes:
    """What a device says first, as its library writes it."""
    ae = AE(ae_title="DEVICE")
    ae.add_requested_context(Verification)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = listening.getsockname()
        device = threading.Thread(target=ae.associate, args=address, kwargs={"ae_title": "MEDMESH"})
        device.start()
        connection, _ = listening.accept()
        with connection:
            said = connection.recv(65536)
        device.join()
    return said


def test_two_hundred_devices_at_once_are_all_answered_and_the_next_one_is_served(start_node):
    node = start_node(node={"max_associations": 20})
    request = association_request()
    devices = [socket.create_connection(("127.0.0.1", node.port), 60) for _ in range(200)]
    try:
        for device in devices:
            device.sendall(request)
        answers = Counter(device.recv(len(FOR_NOW)) for device in devices)
    finally:
        for device in devices:
            device.close()
    rejected = answers.pop(FOR_NOW)
    assert all(answer.startswith(ACCEPTED) for answer in answers), answers
    assert answers.total() <= 20
    assert rejected + answers.total() == 200
    until(lambda: store(node.port, [image()]) == [0], timeout_s=60)


def test_a_sender_by_stow_too_many_is_told_to_come_again(start_node):
    node = start_node(node={"web_listen": "127.0.0.1:0", "max_associations": 1})
    url = f"http://127.0.0.1:{node.web_port}/studies"
    body, headers = message(content(image()))
    slow = http.client.HTTPConnection("127.0.0.1", node.web_port, timeout=30)
    slow.putrequest("POST", "/studies")
    for name, value in {**headers, "Content-Length": str(len(body))}.items():
        slow.putheader(name, value)
    slow.endheaders(body[:1000])
    until(lambda: requests.post(url, body, headers=headers, timeout=30).status_code == 503)
    slow.send(body[1000:])
    assert slow.getresponse().status == 200
    slow.close()
    until(lambda: requests.post(url, body, headers=headers, timeout=30).status_code == 200)


def test_senders_at_the_same_time_lose_nothing(node, mesh):
    sent = [[image() for _ in range(3)] for _ in range(5)]
    answers = []
    threads = [threading.Thread(target=lambda b=batch: answers.extend(store(node.port, b))) for batch in sent]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [0] * 15
    until(lambda: overview.counts(node.database).get("analyses.done") == 15)
    assert sum(mesh.computed.values()) == 15
