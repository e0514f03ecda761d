"""Answers for machines: ProtoJSON with the contracts' own field names, and every field, also at its
default.
"""

from __future__ import annotations

import sys

from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message


def text(message: Message) -> str:
    """The message as JSON, with a line end."""
    return (
        MessageToJson(
            message,
            preserving_proto_field_name=True,
            always_print_fields_with_no_presence=True,
            ensure_ascii=False,
        )
        + "\n"
    )


def write(message: Message) -> None:
    """Prints the message as JSON."""
    sys.stdout.write(text(message))
