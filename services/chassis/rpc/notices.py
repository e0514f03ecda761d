"""Notices as an answer carries them."""

from __future__ import annotations

from collections.abc import Iterable

from medmesh.common.v1 import answer_pb2
from services.chassis.notices import MAX_PLACES, Notice


def notice_messages(notices: Iterable[Notice]) -> list[answer_pb2.Notice]:
    """Notices as they are sent."""
    return [
        answer_pb2.Notice(
            reason=item.reason,
            message=item.message,
            review_required=item.review_required,
            places=item.places[:MAX_PLACES],
            place_count=len(item.places) if len(item.places) > MAX_PLACES else None,
            model_name=item.model_name,
        )
        for item in notices
    ]
