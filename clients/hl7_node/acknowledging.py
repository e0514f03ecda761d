"""The acknowledgement of a message: MSH, MSA and, where it is not taken, ERR. Pure."""

from __future__ import annotations

import uuid
from datetime import datetime

from clients.hl7_node.faults import Fault
from clients.hl7_node.messages import Header

_ERR_BY_FIELDS_SINCE = (2, 5)
"""Until then all of an error stood in ERR-1."""


def acknowledgement(of: Header, fault: Fault | None, now: datetime) -> bytes | None:
    """The block to answer with; None: the sender wants none. `fault` None: the message was taken.

    In enhanced mode (MSH-15 or MSH-16 say something) the codes are those of an accept acknowledgement.
    """
    wanted = of.first(15)
    if of.is_enhanced and wanted in {"", "NE", "SU" if fault else "ER"}:
        return None
    delimiters = of.delimiters
    letter = "A" if fault is None else "R" if fault.rejects else "E"
    code = ("C" if of.is_enhanced else "A") + letter
    msh = [
        "MSH" + delimiters.field + delimiters.encoding_characters,
        of.raw(5),
        of.raw(6),
        of.raw(3),
        of.raw(4),
        timestamp(now),
        "",
        delimiters.composed("ACK", of.kind[1], "ACK"),
        uuid.uuid4().hex[:20],
        of.raw(11) or "P",
        of.raw(12) or "2.5.1",
        *[""] * 5,
        of.raw(18),
    ]
    segments = [
        delimiters.joined(msh),
        delimiters.joined(["MSA", code, of.raw(10), delimiters.escaped(fault.sentence if fault else "")]),
    ]
    if fault is not None:
        segments.append(_error(of, fault))
    return "".join(f"{one}\r" for one in segments).encode("latin-1")


def _error(of: Header, fault: Fault) -> str:
    delimiters, condition = of.delimiters, fault.condition
    place = [str(part) for part in fault.location or () if part]
    names = [condition.code, condition.name_in_table, "HL70357"]
    version = tuple(int(part) for part in of.first(12).split(".")[:2] if part.isdecimal())
    if (2,) <= version < _ERR_BY_FIELDS_SINCE:
        coded = delimiters.subcomponent.join(names)
        return delimiters.joined(
            ["ERR", delimiters.component.join([*place, *[""] * (3 - len(place)), coded])]
        )
    sentence = delimiters.escaped(fault.sentence)
    return delimiters.joined(
        ["ERR", "", delimiters.composed(*place), delimiters.composed(*names), "E", "", "", "", sentence]
    )


def timestamp(of: datetime) -> str:
    """A point in time as HL7 writes it, to the second, with its offset."""
    return of.strftime("%Y%m%d%H%M%S%z")
