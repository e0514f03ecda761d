"""What comes in is read, or refused by what is wrong in it, in the words of HL7 and without quoting it."""

from __future__ import annotations

import logging
from contextlib import suppress

import hl7
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.hl7_node.arrivals import Arrivals
from clients.hl7_node.cases import case
from clients.hl7_node.configuration import Node
from clients.hl7_node.faults import Fault
from clients.hl7_node.messages import header, message
from clients.hl7_node.text import Delimiters
from services.queue.database import open_database
from services.queue.queue import Queue
from tests.hl7_node.stand_ins import LAB, NOTE, PID, code, oru, sample


@pytest.fixture
def arrivals(tmp_path):
    queue = Queue(open_database(tmp_path / "q.sqlite"), "messages")
    queue.prepare()
    yield Arrivals(Node(folder=tmp_path, min_free_mb=1), queue)
    queue.close()


def read(block, character_set="UNICODE UTF-8"):
    return case(message(block, header(block), character_set))


def answer(block):
    return hl7.parse(block.decode("latin-1"))


BAD = {
    "no HL7": (b"GET / HTTP/1.1\r\n\r\n", "AE", "100", "MSH-1"),
    "nothing": (b"", "AE", "100", "MSH-1"),
    "zeros": (b"\0" * 100, "AE", "100", "MSH-1"),
    "a batch": (b"BHS|^~\\&|\r" + oru() + b"BTS|1\r", "AR", "200", ""),
    "delimiters that are letters": (oru().replace(b"MSH|^~\\&|", b"MSH|ABCD|"), "AE", "100", "MSH-1-2"),
    "delimiters that are the same": (oru().replace(b"MSH|^~\\&|", b"MSH|^^\\&|"), "AE", "100", "MSH-1"),
    "two messages in a block": (oru() + oru(), "AE", "100", "MSH-2"),
    "a line that is no segment": (oru(PID, "what is this", LAB), "AE", "100", ""),
    "no control id": (oru(f10=""), "AE", "101", "MSH-1-10"),
    "a control id without end": (oru(f10="1" * 200), "AE", "101", "MSH-1-10"),
    "version 3": (oru(f12="3.0"), "AR", "203", "MSH-1-12"),
    "no processing id": (oru(f11="X"), "AR", "202", "MSH-1-11"),
    "a type that is not taken": (oru(f9="ADT^A01^ADT_A01"), "AR", "200", "MSH-1-9"),
    "a character set that is not read": (oru(f18="ISO IR87"), "AE", "103", "MSH-1-18"),
    "bytes of another character set": (oru(f18="ASCII").replace(b"Given", b"G\xe9"), "AE", "102", "MSH-1-18"),
    "not UTF-8": (oru().replace(b"Given", b"G\xe9"), "AE", "102", "MSH-1-18"),
    "no patient": (oru(LAB), "AE", "100", "PID-1"),
    "two patients": (oru(PID, LAB, PID, LAB), "AE", "100", "PID-1"),
    "a patient without an identifier": (oru("PID|1||||Canaryname", LAB), "AE", "101", "PID-1-3"),
    "a date that is none": (oru(PID.replace("19580412", "Canaryname"), LAB), "AE", "102", "PID-1-7"),
    "hexadecimal that is no text": (oru(PID, NOTE.replace("Fever", "\\XFFFE\\")), "AE", "102", "OBX-1-5"),
    "a change of the character set": (oru(PID, NOTE.replace("Fever", "\\C2842\\")), "AE", "102", "OBX-1-5"),
    "an accept mode that is none": (oru(f15="YES"), None, "103", "MSH-1-15"),
    "an application acknowledgement": (oru(f15="AL", f16="AL"), "CE", "103", "MSH-1-16"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_by_what_is_wrong(arrivals, name, caplog):
    block, said, condition, place = BAD[name]
    with caplog.at_level(logging.DEBUG):
        found = arrivals.take(block)
    assert arrivals._queue.items() == []
    if said is None:
        said, found = "CE", found or b""
    refused = answer(found)
    assert code(refused) == said
    error = refused.segment("ERR")
    assert str(error[3]).split("^")[0] == condition
    assert str(error[2]).replace("^", "-") == place
    assert str(error[8])
    assert "Canary" not in found.decode("latin-1") + caplog.text


def test_until_2_5_an_error_stands_in_err_1(arrivals):
    refused = answer(arrivals.take(oru(f12="2.3", f18="ISO IR87")))
    assert str(refused.segment("ERR")[1]).startswith("MSH^1^18^103&")
    assert str(refused.segment("MSA")[3])


@pytest.mark.parametrize(
    ("accept", "good", "bad"),
    [("", "AA", "AE"), ("AL", "CA", "CE"), ("NE", None, None), ("ER", None, "CE"), ("SU", "CA", None)],
)
def test_the_acknowledgements_that_a_sender_asks_for(arrivals, accept, good, bad):
    for block, expected in ((oru(f15=accept), good), (oru(LAB, f15=accept), bad)):
        found = arrivals.take(block)
        assert (found if expected is None else code(answer(found))) == expected


def test_an_acknowledgement_is_in_the_senders_own_terms(arrivals):
    block = oru(f3="L\xe4b", f18="8859/1", control_id="7").decode().encode("latin-1")
    block = block.replace(b"|", b"#").replace(b"MSH#^~\\&", b"MSH#^~\\&", 1)
    found = arrivals.take(block)
    assert found.startswith(b"MSH#^~\\&#")
    msh = found.split(b"\r")[0].split(b"#")
    assert (msh[4], msh[17]) == (b"L\xe4b", b"8859/1")
    assert found.split(b"\r")[1] == b"MSA#AA#7"


def test_a_control_id_is_taken_once(arrivals):
    first = oru(control_id="1")
    again = oru(control_id="1", f7="20270101000000")
    assert [code(answer(arrivals.take(one))) for one in (first, first, again)] == ["AA"] * 3
    assert len(arrivals._queue.items()) == 1
    refused = answer(arrivals.take(oru(PID, NOTE, control_id="1")))
    assert (code(refused), str(refused.segment("ERR")[3]).split("^")[0]) == ("AE", "205")
    assert code(answer(arrivals.take(oru(control_id="1", f3="OTHER")))) == "AA"
    assert len(arrivals._queue.items()) == 2


@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_other_line_ends_are_read(end):
    assert read(oru().replace(b"\r", end.encode())).note == "Fever. No effusion."


@pytest.mark.parametrize(
    ("name", "encoding"),
    [("UNICODE UTF-8", "utf-8"), ("8859/1", "latin-1"), ("8859/15", "iso8859-15"), ("", "utf-8")],
)
def test_character_sets(name, encoding):
    block = oru(PID, NOTE.replace("Fever", "Fi\xe8vre"), f18=name).decode().encode(encoding)
    assert read(block).note == "Fi\xe8vre. No effusion."
    chinese = oru(PID, NOTE.replace("Fever", "\u53d1\u70ed"), f18="GB 18030-2000").decode().encode("gb18030")
    assert read(chinese).note == "\u53d1\u70ed. No effusion."


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("a\\F\\b\\S\\c\\T\\d\\R\\e\\E\\f", "a|b^c&d~e\\f"),
        ("\\H\\Fever\\N\\", "Fever"),
        ("one\\.br\\two", "one\ntwo"),
        ("one\\.sp999999999\\two", "one" + "\n" * 100 + "two"),
        ("\\XC3A8\\", "\xe8"),
        ("\\Zlocal\\x", "x"),
        ("5\\6 and 7\\8", "5\\6 and 7\\8"),
        ("one~two", "one\ntwo"),
        ("a^b", "a^b"),
        ('""', ""),
    ],
)
def test_escape_sequences(written, meant):
    assert read(oru(PID, f"OBX|1|FT|1^Note^L||{written}||||||F")).note == meant


@given(st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z"))))
def test_what_is_escaped_comes_back(text):
    delimiters = Delimiters()
    escaped = delimiters.escaped(text)
    assert not set("|^~&\r\n") & set(escaped)
    assert delimiters.unescaped(escaped, "utf-8") == text


@given(st.binary(max_size=300))
def test_no_bytes_end_it(junk):
    for block in (junk, b"MSH|^~\\&|" + junk, oru(control_id="1") + junk):
        with suppress(Fault):
            read(block)


def test_labs_become_a_record():
    found = read(sample("results.hl7"))
    kinds = [one["resourceType"] for one in found.record]
    assert kinds == ["AllergyIntolerance", "Condition", *["Observation"] * 3]
    creatinine, _, crp = found.record[2:]
    assert creatinine["valueQuantity"] == {"value": 1.9, "unit": "mg/dL"}
    assert creatinine["code"]["coding"] == [{"code": "2160-0", "display": "Creatinine", "system": "LN"}]
    assert creatinine["effectiveDateTime"] == "2026-11-28T07:30:00+00:00"
    assert crp["valueQuantity"] == {"comparator": ">", "value": 60.0, "unit": "mg/L"}
    assert found.note.startswith("Synthetic note")
    whose = found.bundle()["entry"][0]["resource"]
    assert whose == {"resourceType": "Patient", "gender": "female", "birthDate": "1958-04-12"}
    assert "Invented" not in str(found.bundle())


@pytest.mark.parametrize(
    ("obx", "value"),
    [
        ("ST|1^A^L||<0.2", {"valueQuantity": {"comparator": "<", "value": 0.2, "unit": "mg/L"}}),
        ("NM|1^A^L||hemolyzed", {"valueString": "hemolyzed"}),
        ("SN|1^A^L||^1^:^128", {"valueString": "1:128"}),
        ("CWE|1^A^L||260373001^Detected^SCT", {"valueCodeableConcept": {"coding": [
            {"code": "260373001", "display": "Detected", "system": "SCT"}], "text": "Detected"}}),
    ],
)  # fmt: skip
def test_values_of_a_laboratory(obx, value):
    assert read(oru(PID, f"OBX|1|{obx}|mg/L|||||F")).record[0].items() >= value.items()


def test_what_was_taken_back_does_not_count():
    found = read(oru(PID, LAB.replace("|F|", "|W|"), NOTE.replace("||F", "||D")))
    assert (found.note, found.record[0]["status"]) == ("", "entered-in-error")


def test_what_is_not_read_is_said():
    found = read(oru(PID, NOTE, "OBX|3|ED|1^PDF^L||^AP^^Base64^AAAA||||||F", "ZZ1|1", "ZZ1|2"))
    assert found.unread == {"OBX of type ED": 1, "segment ZZ1": 2}


def test_orders_become_drafts():
    found = read(sample("order.hl7"))
    [draft] = found.orders
    assert draft["medicationCodeableConcept"]["text"] == "Amoxicillin"
    assert draft["dosageInstruction"][0]["text"] == "500 mg TID"
    ended = sample("order.hl7").replace(b"ORC|NW", b"ORC|DC")
    assert read(ended).orders == []


def test_an_encoded_order_counts_once():
    segments = (PID, "ORC|NW|1", "RXO|1^Amoxicillin^L|500||mg", "RXE|^BID|723^Amoxicillin^RXNORM|250||mg")
    [draft] = read(oru(*segments, f9="RDE^O11^RDE_O11")).orders
    assert draft["dosageInstruction"][0]["text"] == "250 mg BID"


def test_a_study_is_about_its_reason():
    segments = (
        PID,
        "ORC|NW|1",
        "OBR|1|1||1^Chest^L" + "|" * 9 + "Cough for a week" + "|" * 18 + "R05^Cough^I10C",
    )
    assert read(oru(*segments, f9="ORM^O01^ORM_O01")).note == "Cough for a week\nCough"
    assert read(oru(PID, "ORC|CA|1", segments[2], f9="ORM^O01^ORM_O01")).is_empty
