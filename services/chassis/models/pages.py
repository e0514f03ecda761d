"""Pages of a list of models."""

from __future__ import annotations

from medmesh.common.v1 import catalog_pb2 as pb
from services.chassis.errors import InvalidInput, Reason


def page(summaries: list[pb.ModelSummary], request: pb.ListModelsRequest) -> pb.ListModelsResponse:
    """The page that a request asks for; `summaries` are all models, in order. Raises InvalidInput."""
    rest = summaries
    if request.page_token:
        if "/" not in request.page_token:
            raise InvalidInput(Reason.INPUT_MALFORMED, "page_token", "was not returned by this method")
        # By name rather than by place: models come and go between two pages.
        rest = [summary for summary in summaries if _token(summary) >= request.page_token]
    count = request.page_size if request.HasField("page_size") else len(rest)
    following = _token(rest[count]) if count < len(rest) else ""
    return pb.ListModelsResponse(models=rest[:count], next_page_token=following)


def _token(summary: pb.ModelSummary) -> str:
    return f"{summary.service}/{summary.name}"
