"""What the contracts tell other languages' generators: package names, and which methods can be repeated."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import MethodOptions

from medmesh.common.v1.options_pb2 import phi

ROOT = Path(__file__).resolve().parents[2]
PROTOS = sorted(path.relative_to(ROOT / "protos") for path in (ROOT / "protos").rglob("*.proto"))
NOT_REPEATABLE = {
    "Diagnose",  # each call writes a receipt
    "DiagnoseStream",
    "StartUpload",  # each call starts another
    "WriteUpload",
}


def descriptor(proto):
    return import_module(".".join([*proto.parts[:-1], f"{proto.stem}_pb2"])).DESCRIPTOR


def methods():
    for proto in PROTOS:
        for service in descriptor(proto).services_by_name.values():
            yield from service.methods


def carries_patient_data(message, seen=frozenset()):
    if message.full_name in seen:
        return False
    return any(
        field.GetOptions().Extensions[phi]
        or (
            field.message_type is not None
            and carries_patient_data(field.message_type, seen | {message.full_name})
        )
        for field in message.fields
    )


@pytest.mark.parametrize("proto", PROTOS, ids=str)
def test_a_file_names_its_package_in_each_language(proto):
    """The names are those of buf's managed mode: generating with or without it gives the same code."""
    options = descriptor(proto).GetOptions()
    parts = proto.parts[:-1]
    assert options.go_package == f"{'/'.join(parts)};{parts[-2]}{parts[-1]}"
    assert options.java_package == f"com.{'.'.join(parts)}"
    assert options.java_multiple_files
    assert options.java_outer_classname == "".join(map(str.capitalize, proto.stem.split("_"))) + "Proto"
    assert options.csharp_namespace == ".".join(map(str.capitalize, parts))


def test_a_method_that_stores_nothing_says_that_it_can_be_repeated():
    """NO_SIDE_EFFECTS lets a gateway send the request as an HTTP GET, with the message in the URL and so in
    access logs: it stands only where no field of the request carries patient data. IDEMPOTENT allows
    retries alone.
    """
    known = list(methods())
    assert len(known) >= 12
    for method in known:
        level = method.GetOptions().idempotency_level
        if method.name in NOT_REPEATABLE:
            assert level == MethodOptions.IDEMPOTENCY_UNKNOWN
        elif carries_patient_data(method.input_type):
            assert level == MethodOptions.IDEMPOTENT, method.full_name
        else:
            assert level != MethodOptions.IDEMPOTENCY_UNKNOWN, method.full_name
