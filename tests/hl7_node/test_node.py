"""A node between a sender and an engine: what it acknowledged is read once, whatever comes, goes or fails."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from clients.hl7_node.configuration import Configuration, check, load
from clients.hl7_node.configuration import Node as NodeSettings
from clients.hl7_node.node import queues
from clients.hl7_node.running import configured
from medmesh.recommendation.v1.medication_check_pb2 import CheckMedicationsResponse
from services.chassis.configuration_file import ConfigurationError
from services.queue.database import DatabaseError
from services.queue.items import State
from tests.clients.fake_mesh import error_info
from tests.hl7_node import drill
from tests.hl7_node.stand_ins import LAB, NOTE, PID, ROOT, Engine, code, oru, sample, send

PATIENCE_S = 30.0
SENDERS = ThreadPoolExecutor(50)
"""Not the event loop's own threads: the node works in those."""


async def until(holds):
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


async def sent(node, message):
    return await asyncio.get_running_loop().run_in_executor(SENDERS, send, node.port, message)


def counts(node):
    return node._queues["messages"].counts()


async def test_a_message_comes_back_as_a_result(start_node, mesh, engine):
    node = await start_node()
    assert code(await sent(node, oru(control_id="one"))) == "AA"
    await until(lambda: engine.taken)
    [result] = engine.taken
    assert str(result.segment("PID")[3]) == "4711^^^H&1.2.3&ISO^MR"
    said = {str(obx[3]).split("^")[0]: str(obx[5]) for obx in result.segments("OBX")}
    assert said["USE"].startswith("For research only")
    assert said["233604007"] == "87.2"
    assert len(said["RECEIPT"]) == 32
    assert "weights_sha256=3333" in said["MODEL"]
    asked = mesh.mesh.last.request.case
    assert asked.note == "Fever. No effusion."
    assert b"Canaryname" not in asked.patient.fhir_bundle
    assert b"2160-0" in asked.patient.fhir_bundle


async def test_an_order_is_checked(start_node, mesh, engine):
    answer = CheckMedicationsResponse()
    made = answer.check.orders.add(recognised_drugs=["amoxicillin"])
    made.alerts.add(kind=1, severity=3, explanation="An allergy.", remedy="Another drug.", source="Label")
    mesh.mesh.answers["CheckMedications"] = answer
    node = await start_node()
    assert code(await sent(node, sample("order.hl7"))) == "CA"
    await until(lambda: engine.taken)
    assert mesh.mesh.last.method == "CheckMedications"
    assert "CONTRAINDICATED (allergy): An allergy. Another drug. [Label]" in str(engine.taken[0])


async def test_a_repetition_is_acknowledged_and_read_once(start_node, mesh, engine):
    node = await start_node()
    message = oru(control_id="one")
    assert [code(await sent(node, message)) for _ in range(3)] == ["AA"] * 3
    await until(lambda: counts(node)[State.DONE] == 1)
    assert sum(mesh.computed.values()) == 1
    await until(lambda: len(engine.taken) == 1)


async def test_what_waits_is_done_by_the_next_node(start_node, mesh, engine):
    mesh.mesh.hold("Diagnose")
    node = await start_node({"at_once": 1})
    for number in range(3):
        assert code(await sent(node, oru(control_id=str(number)))) == "AA"
    for task in node._tasks:  # as abruptly as within a process it can end
        task.cancel()
    await asyncio.gather(*node._tasks, return_exceptions=True)
    node._queues["messages"].close()
    node._receiver._server.close()
    mesh.mesh.release("Diagnose")
    await start_node()
    await until(lambda: len(engine.taken) == 3)
    assert set(mesh.computed.values()) == {1}
    node._queues = queues(Configuration(node=NodeSettings(folder=node._configuration.node.folder / "other")))


async def test_results_wait_for_an_engine_that_is_away_or_refuses(start_node, engine):
    await engine.stop()
    node = await start_node()
    await sent(node, oru())
    waiting = node._queues["results for engine"]
    await until(lambda: any(item.reason == "UNREACHABLE" for item in waiting.items()))
    refusing = Engine("AE")
    await refusing.start(engine.port)
    await until(lambda: any(item.reason == "REFUSED: AE" for item in waiting.items()))
    refusing.answer = "AA"
    await until(lambda: refusing.taken)
    await until(lambda: waiting.counts()[State.DONE] == 1)
    await refusing.stop()
    await engine.start()


async def test_a_mesh_that_is_away_is_asked_again_and_one_that_refuses_is_not(start_node, mesh, engine):
    mesh.mesh.fail("Diagnose", "UNAVAILABLE", "away", error_info("UPSTREAM_UNAVAILABLE"))
    node = await start_node()
    await sent(node, oru(control_id="one"))
    messages = node._queues["messages"]
    await until(lambda: any("UPSTREAM_UNAVAILABLE" in item.reason for item in messages.items()))
    assert messages.items()[0].attempts == 0
    mesh.mesh.failures.clear()
    await until(lambda: len(engine.taken) == 1)
    mesh.mesh.fail("Diagnose", "INVALID_ARGUMENT", "bad", error_info("INPUT_UNSUPPORTED"))
    await sent(node, oru(control_id="two"))
    await until(lambda: counts(node)[State.FAILED] == 1)
    assert messages.reasons() == {"INPUT_UNSUPPORTED: bad": 1}
    assert messages.forget(time.time() + 1, failed=False) == 1
    mesh.mesh.failures.clear()
    assert messages.retry() == 1
    await until(lambda: len(engine.taken) == 2)


async def test_with_nothing_to_read_the_mesh_is_not_asked(start_node, mesh):
    node = await start_node()
    assert code(await sent(node, oru(PID))) == "AA"
    await until(lambda: counts(node)[State.DONE] == 1)
    assert mesh.mesh.seen == []


async def test_too_much_is_refused_and_the_node_goes_on(start_node, mesh, engine):
    mesh.mesh.hold("Diagnose")
    node = await start_node({"max_waiting": 5})
    node._receiver._arrivals._refuse_when_full()  # so that the count of what waits is old when it matters
    flood = [asyncio.create_task(sent(node, oru(control_id=str(number)))) for number in range(40)]
    answers = [code(one) for one in await asyncio.gather(*flood)]
    await asyncio.sleep(1.1)
    refused = await sent(node, oru(control_id="last"))
    assert (code(refused), str(refused.segment("ERR")[3]).split("^")[0]) == ("AR", "207")
    assert code(await sent(node, oru(control_id=str(answers.index("AA"))))) == "AA"  # it is known
    mesh.mesh.release("Diagnose")
    await until(lambda: len(engine.taken) == answers.count("AA"))
    assert code(await sent(node, oru(control_id="last"))) == "AA"


@pytest.mark.parametrize(
    ("node", "begun", "ends"),
    [
        ({"stall_s": 0.3}, b"\x0bMSH|^~\\&|", b""),
        ({"idle_s": 0.3}, b"", b""),
        ({}, b"GET / HTTP/1.1\r\n\r\n", b""),
        ({"max_message_kb": 1}, b"\x0b" + oru(PID, *[NOTE] * 200) + b"\x1c\r", b"\x0bMSH|"),
        ({"addresses": ("10.0.0.0/8",)}, b"\x0b" + oru() + b"\x1c\r", b""),
    ],
    ids=["a sender that stalls", "a sender that is silent", "no MLLP", "a message too long", "a stranger"],
)
async def test_a_connection_that_is_not_wanted_ends_alone(start_node, node, begun, ends):
    running = await start_node(node)
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
    writer.write(begun)
    writer.write_eof() if ends else None
    try:
        said = await asyncio.wait_for(reader.read(), PATIENCE_S)
    except ConnectionResetError:
        said = b""
    assert said.startswith(ends)
    assert bool(said) == bool(ends)
    writer.close()
    if "addresses" not in node:
        assert code(await sent(running, oru())) == "AA"


async def test_of_too_many_connections_the_next_is_closed(start_node):
    node = await start_node({"max_connections": 2})
    held = [await asyncio.open_connection("127.0.0.1", node.port) for _ in range(2)]
    await until(lambda: len(node._receiver._connections) == 2)
    reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
    assert await asyncio.wait_for(reader.read(), PATIENCE_S) == b""
    for one in (writer, *(w for _, w in held)):
        one.close()
    await until(lambda: not node._receiver._connections)
    assert code(await sent(node, oru())) == "AA"


async def test_several_messages_come_on_one_connection_without_waiting(start_node, engine):
    node = await start_node()
    reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
    writer.write(b"\r\n".join(b"\x0b" + oru(control_id=str(number)) + b"\x1c\r" for number in range(5)))
    acknowledged = [await reader.readuntil(b"\x1c\r") for _ in range(5)]
    assert [one.split(b"\r")[1] for one in acknowledged] == [b"MSA|AA|%d" % number for number in range(5)]
    writer.close()
    await until(lambda: len(engine.taken) == 5)


async def test_nothing_of_a_patient_is_logged(start_node, mesh, engine, caplog):
    with caplog.at_level(logging.DEBUG):
        node = await start_node()
        await sent(node, oru(PID, NOTE.replace("Fever", "Fever Canaryword"), control_id="Canaryid"))
        await until(lambda: engine.taken)
        mesh.mesh.fail("Diagnose", "INTERNAL", "Canary", error_info("INTERNAL"))
        await sent(node, oru(PID, LAB.replace("1.9", "Canaryvalue")))
        await sent(node, oru(PID.replace("19580412", "Canarydate")))
        engine.answer = "AE"
        mesh.mesh.failures.clear()
        await until(lambda: len(engine.taken) == 1)
    facts = json.dumps([getattr(record, "facts", None) for record in caplog.records])
    assert "Canary" not in caplog.text + facts
    kept = node._queues["messages"]
    assert "Canary" not in "".join(item.key + item.note for item in kept.items())


async def test_two_nodes_share_no_folder(start_node):
    node = await start_node()
    with pytest.raises(DatabaseError, match="another process works on"):
        queues(node._configuration)
    assert queues(node._configuration, read_only=True)["messages"].counts()


def test_the_example_can_be_used():
    found = check(load(ROOT / "clients" / "hl7_node" / "node.toml"))
    assert found.destinations[0].address == "127.0.0.1:6661"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[node]\nlisten = '0.0.0.0:2575'", "beyond loopback a node needs"),
        ("[node]\naddresses = ['10.0.0.1/8']", "node.addresses"),
        ("[node]\ncharacter_set = 'EBCDIC'", "node.character_set: give one of ASCII"),
        ("[node]\nat_once = 0", "node.at_once: must be more than 0"),
        ("[[destinations]]\nname = 'a'", "destinations[0].address: is missing"),
        ("[[destinations]]\nname = 'a'\naddress = 'b:1'\ntls = true", "destinations[0].tls: needs tls.ca"),
        ("[[destinations]]\nname = ''\naddress = 'b:1'", "destinations[0].name"),
    ],
)
def test_what_is_wrong_is_said_by_its_key(tmp_path, text, said):
    file = tmp_path / "node.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        check(load(file))
    assert said in str(caught.value)


def test_the_environment_says_where_to_listen_and_keep(tmp_path):
    environment = {
        "MEDMESH_LISTEN": "0.0.0.0:12575",
        "MEDMESH_INSECURE": "1",
        "MEDMESH_HL7_FOLDER": str(tmp_path),
    }
    node = configured(ROOT / "clients" / "hl7_node" / "node.toml", environment).node
    assert (node.listen, node.folder, node.application) == ("0.0.0.0:12575", tmp_path, "MEDMESH")


@pytest.mark.slow
def test_killed_again_and_again_it_reads_what_it_acknowledged_once(tmp_path):
    assert drill.run(tmp_path, messages=30, kills=3, seed=1).holds
