"""Protobuf <-> the dataclasses of de-identification."""

from __future__ import annotations

from medmesh.imaging.v1 import deidentification_pb2 as pb
from services.chassis.rpc.notices import notice_messages
from services.imaging.deidentification.deidentifier import Deidentified, Options
from services.imaging.deidentification.profile import Option


def deidentification_options(message: pb.ImageDeidentificationOptions) -> Options:
    """The options; what is not stated is masked and removed."""
    chosen = {pb.ProfileOption.Value(f"PROFILE_OPTION_{option.name}"): option for option in Option}
    return Options(
        message.key,
        message.patient,
        frozenset(chosen[one] for one in message.profile_options if one in chosen),
        look_for_text=message.burned_in_text != pb.BURNED_IN_TEXT_KEPT,
        keep_markers=message.burned_in_text == pb.BURNED_IN_TEXT_MARKERS_KEPT,
    )


def deidentification_message(done: Deidentified) -> pb.ImageDeidentification:
    """What was done, without the file."""
    change, region = pb.AttributeChange, pb.MaskedRegion
    return pb.ImageDeidentification(
        format=done.file_format,
        transfer_syntax_uid=done.transfer_syntax_uid,
        sop_instance_uid=done.sop_instance_uid,
        changes=[
            change(
                tag=one.tag,
                name=one.name,
                action=f"ACTION_{one.action.name}",
                reason=f"REASON_{one.cause.name}",
                count=one.count,
            )
            for one in done.changes
        ],
        masked_regions=[
            region(
                left_px=box.left,
                top_px=box.top,
                width_px=box.width,
                height_px=box.height,
                cause=f"CAUSE_{box.cause.name}",
            )
            for box in done.boxes
        ],
        examined_frame_count=done.examined_frame_count,
        frame_count=done.frame_count,
        provenance=done.provenance,
        notices=notice_messages(done.notices),
    )
