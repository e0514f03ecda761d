"""The contracts: patient data is marked, everything is commented, and the generated code is fresh."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.timestamp_pb2 import Timestamp

from medmesh.common.v1 import model_card_pb2, serving_pb2
from services.chassis.observability.redaction import is_map, mark

ROOT = Path(__file__).resolve().parents[2]
STUBS = ROOT / "clients" / "python"
PROTOS = sorted(path.relative_to(ROOT / "protos") for path in (ROOT / "protos").rglob("*.proto"))
FREE_FORM = {FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES}
PATIENT_DATA = {
    "note",
    "text",
    "texts",
    "query",
    "passages",
    "image",
    "chunk",
    "fhir_bundle",
    "code",
    "display",
}


def fields():
    for proto in PROTOS:
        module = import_module(".".join([*proto.parts[:-1], f"{proto.stem}_pb2"]))
        pending = list(module.DESCRIPTOR.message_types_by_name.values())
        while pending:
            message = pending.pop()
            pending += [nested for nested in message.nested_types if not nested.GetOptions().map_entry]
            yield from message.fields


def must_be_marked(field):
    """Whether a field can hold what identifies or describes a patient in words.

    Text, bytes and times can, also in maps. A bare number, boolean or enumeration value says nothing of a
    patient without the text beside it, and may go unmarked; where it is a patient's own (age, gender, a
    probability) it is marked `true` all the same.
    """
    if field.message_type is not None and is_map(field):
        return any(must_be_marked(entry) for entry in field.message_type.fields)
    return field.type in FREE_FORM or field.message_type is Timestamp.DESCRIPTOR


def test_every_field_that_can_hold_patient_data_is_marked_or_declared_safe():
    known = list(fields())
    assert len(known) > 150
    assert [f.full_name for f in known if must_be_marked(f) and mark(f) is None] == []


def test_what_is_patient_data_by_its_nature_is_not_declared_safe():
    # What a card says it says of a model: its files lie in a repository, and no patient is in them.
    of_cards = {serving_pb2.DESCRIPTOR.name, model_card_pb2.DESCRIPTOR.name}
    suspects = [
        f for f in fields() if f.name in PATIENT_DATA and f.type in FREE_FORM and f.file.name not in of_cards
    ]
    assert len(suspects) > 8
    assert [f.full_name for f in suspects if mark(f) is not True] == []


def test_the_generated_code_is_what_the_contracts_say(tmp_path):
    generator = [sys.executable, str(ROOT / "protos" / "generate.py"), str(tmp_path)]
    subprocess.run(generator, check=True, capture_output=True, timeout=120)
    assert _contents(tmp_path) == _contents(STUBS), "the stubs are stale: run `make protos`"


def test_names_and_comments_follow_the_rules_that_buf_checks():
    buf = Path(sys.executable).with_name("buf")
    if not buf.exists():
        pytest.fail("buf is missing: install the dev requirements")
    checked = subprocess.run(
        [buf, "lint"], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("proto", PROTOS, ids=str)
def test_a_contracts_path_is_its_package(proto):
    text = (ROOT / "protos" / proto).read_text(encoding="utf-8")
    assert f"package {'.'.join(proto.parts[:-1])};" in text
    assert (STUBS / proto.parent / f"{proto.stem}_pb2.py").is_file()


def _contents(folder):
    files = [path for path in (folder / "medmesh").rglob("*_pb2*") if path.suffix in {".py", ".pyi"}]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}
