"""Requests are held to the limits beside their fields, and all violations are told at once."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from medmesh.common.v1 import options_pb2
from services.chassis.errors import InvalidInput, Reason
from services.chassis.rpc import validation

Field = descriptor_pb2.FieldDescriptorProto


def _field(number: int, name: str, kind: int, *, many: bool = False, of: str = "", **limits: Any) -> Field:
    made = Field(
        name=name, number=number, type=kind, label=Field.LABEL_REPEATED if many else Field.LABEL_OPTIONAL
    )
    if of:
        made.type_name = of
    if limits:
        made.options.Extensions[options_pb2.limits].MergeFrom(options_pb2.Limits(**limits))
    return made


@pytest.fixture(scope="module")
def request_type() -> Any:
    """A message type with every sort of limit, nested within itself."""
    file = descriptor_pb2.FileDescriptorProto(name="validation_test.proto", package="t", syntax="proto3")
    file.dependency.append("medmesh/common/v1/options.proto")
    kind = file.enum_type.add(name="Kind")
    kind.value.add(name="KIND_UNSPECIFIED", number=0)
    kind.value.add(name="KIND_ONE", number=1)
    free = file.message_type.add(name="Free")
    free.field.append(_field(1, "text", Field.TYPE_STRING))
    part = file.message_type.add(name="Part")
    part.field.append(_field(1, "content", Field.TYPE_BYTES, max_bytes=8))
    part.field.append(_field(2, "uri", Field.TYPE_STRING, max_length=5))
    part.oneof_decl.add(name="source").options.Extensions[options_pb2.one_required] = True
    for item in part.field:
        item.oneof_index = 0
    top = file.message_type.add(name="Request")
    top.field.extend(
        [
            _field(1, "name", Field.TYPE_STRING, required=True, max_length=4, pattern="[a-z]+"),
            _field(2, "share", Field.TYPE_DOUBLE, min=0, max=1),
            _field(3, "count", Field.TYPE_INT32, min=1),
            _field(4, "names", Field.TYPE_STRING, many=True, max_count=2, max_length=3),
            _field(5, "parts", Field.TYPE_MESSAGE, many=True, of=".t.Part"),
            _field(6, "kind", Field.TYPE_ENUM, of=".t.Kind"),
            _field(7, "free", Field.TYPE_MESSAGE, of=".t.Free"),
            _field(8, "below", Field.TYPE_MESSAGE, of=".t.Request"),
            _field(9, "loads", Field.TYPE_BYTES, many=True, max_bytes=4),
        ]
    )
    pool = descriptor_pool.Default()
    return message_factory.GetMessageClass(
        pool.AddSerializedFile(file.SerializeToString()).message_types_by_name["Request"]
    )


def _found(message: Any) -> list[tuple[str, Reason]]:
    try:
        validation.check(message)
    except InvalidInput as error:
        return [(v.field, v.reason) for v in error.violations]
    return []


def test_a_request_within_its_limits_passes(request_type: Any) -> None:
    message = request_type(name="abc", share=1.0, count=1, names=["a", "bcd"], kind=1)
    message.parts.add(content=b"12345678")
    message.parts.add(uri="12345")
    message.free.text = "x" * 10_000
    assert _found(message) == []


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, ("name", Reason.INPUT_MISSING)),
        ({"name": "abcde"}, ("name", Reason.INPUT_TOO_LARGE)),
        ({"name": "ab1"}, ("name", Reason.INPUT_MALFORMED)),
        ({"share": 1.5}, ("share", Reason.INPUT_OUT_OF_RANGE)),
        ({"share": float("nan")}, ("share", Reason.INPUT_OUT_OF_RANGE)),
        ({"share": float("-inf")}, ("share", Reason.INPUT_OUT_OF_RANGE)),
        ({"count": -1}, ("count", Reason.INPUT_OUT_OF_RANGE)),
        ({"names": ["a", "b", "c"]}, ("names", Reason.INPUT_TOO_LARGE)),
        ({"names": ["a", "toolong"]}, ("names[1]", Reason.INPUT_TOO_LARGE)),
        ({"kind": 7}, ("kind", Reason.INPUT_OUT_OF_RANGE)),
        ({"parts": [{}]}, ("parts[0].source", Reason.INPUT_MISSING)),
        ({"parts": [{"uri": "a"}, {"content": b"123456789"}]}, ("parts[1].content", Reason.INPUT_TOO_LARGE)),
        ({"parts": [{"uri": "123456"}]}, ("parts[0].uri", Reason.INPUT_TOO_LARGE)),
        ({"loads": [b"1234", b"12345"]}, ("loads[1]", Reason.INPUT_TOO_LARGE)),
        ({"below": {"name": "abcde"}}, ("below.name", Reason.INPUT_TOO_LARGE)),
    ],
)
def test_each_limit_is_held_and_its_field_named(
    request_type: Any, fields: dict[str, Any], expected: tuple[str, Reason]
) -> None:
    assert _found(request_type(**({"name": "a"} if fields else {}) | fields)) == [expected]


def test_all_violations_are_told_at_once(request_type: Any) -> None:
    message = request_type(share=2, names=["long enough"], below={"name": "TOO LONG"})
    assert [field for field, _ in _found(message)] == [
        "name",
        "share",
        "names[0]",
        "below.name",
        "below.name",
    ]


def test_no_value_gets_into_a_description(request_type: Any) -> None:
    message = request_type(name="Mr Canary", names=["Canary"], share=4711)
    with pytest.raises(InvalidInput) as error:
        validation.check(message)
    words = " ".join(v.description for v in error.value.violations)
    assert "Canary" not in words
    assert "4711" not in words


def test_a_flood_of_violations_is_bounded(request_type: Any) -> None:
    message = request_type(name="a")
    for _ in range(1000):
        message.parts.add()
    assert len(_found(message)) == validation.MAX_VIOLATIONS


def test_types_without_limits_cost_nothing(request_type: Any) -> None:
    plan = validation.plan_of(request_type.DESCRIPTOR)
    assert request_type.DESCRIPTOR.fields_by_name["free"].number not in plan.nested
