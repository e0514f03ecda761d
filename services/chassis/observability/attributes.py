"""Every attribute that a span or a metric of the mesh may have, and what its values look like.

The names are OpenTelemetry's own where its semantic conventions have one (those of 2026, rpc and gen_ai),
else they begin with `medmesh.`. Code can only name what stands here: the functions that record take a `Name`,
and lint checks it. Values are numbers, codes or ids; a kind for text does not exist, so no attribute can
carry what a patient, a note or an image says.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum, StrEnum
from types import MappingProxyType

from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as gen_ai
from opentelemetry.semconv._incubating.attributes import rpc_attributes as rpc
from opentelemetry.semconv.attributes import error_attributes as error
from opentelemetry.semconv.attributes import server_attributes as server

Value = str | bool | int | float | tuple[str, ...]


class Name(StrEnum):
    """The registered names."""

    RPC_SYSTEM = rpc.RPC_SYSTEM_NAME
    RPC_METHOD = rpc.RPC_METHOD
    RPC_STATUS = rpc.RPC_RESPONSE_STATUS_CODE
    ERROR_TYPE = error.ERROR_TYPE
    SERVER_ADDRESS = server.SERVER_ADDRESS
    SERVER_PORT = server.SERVER_PORT

    GEN_AI_OPERATION = gen_ai.GEN_AI_OPERATION_NAME
    GEN_AI_PROVIDER = gen_ai.GEN_AI_PROVIDER_NAME
    GEN_AI_REQUEST_MODEL = gen_ai.GEN_AI_REQUEST_MODEL
    GEN_AI_MAX_TOKENS = gen_ai.GEN_AI_REQUEST_MAX_TOKENS
    GEN_AI_TEMPERATURE = gen_ai.GEN_AI_REQUEST_TEMPERATURE
    GEN_AI_FINISH_REASON = gen_ai.GEN_AI_RESPONSE_FINISH_REASONS
    GEN_AI_FIRST_CHUNK = gen_ai.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK
    GEN_AI_INPUT_TOKENS = gen_ai.GEN_AI_USAGE_INPUT_TOKENS
    GEN_AI_OUTPUT_TOKENS = gen_ai.GEN_AI_USAGE_OUTPUT_TOKENS
    GEN_AI_TOKEN_TYPE = gen_ai.GEN_AI_TOKEN_TYPE

    REQUEST_ID = "medmesh.request.id"
    """The id that stands in log lines, errors and answers too."""
    REQUEST_SIZE = "medmesh.request.size"
    """Bytes of the request."""
    RESPONSE_SIZE = "medmesh.response.size"
    """Bytes of the answer."""
    QUEUE_TIME = "medmesh.queue.duration"
    """Seconds that the request waited for its turn."""
    MODEL = "medmesh.model.name"
    MODEL_VERSION = "medmesh.model.version"
    """Number of the version's folder, as Triton knows it."""
    CARD_VERSION = "medmesh.model.card_version"
    TASK = "medmesh.model.task"
    BATCH_SIZE = "medmesh.model.batch_size"
    """Rows of one call."""
    UPSTREAM = "medmesh.upstream.name"
    """The service of the mesh that is called."""
    HEDGED = "medmesh.upstream.hedged"
    """Whether the call is the second one for the same answer, made while the first was late."""
    HEDGE_WON = "medmesh.upstream.hedge_won"
    """Whether the second call answered first."""
    BRANCH = "medmesh.branch.name"
    """What a part of a diagnosis works on: `image`, `note`, `record`, `treatments`, `report`."""
    BRANCH_FAILED = "medmesh.branch.failed"
    COMPLETENESS = "medmesh.completeness"
    """`COMPLETENESS_COMPLETE` or `COMPLETENESS_PARTIAL`."""
    CERTIFICATE = "medmesh.tls.certificate"
    """What a file of certificates is for: `certificate`, `client_authority`, `upstream_authority`."""
    AGREED = "medmesh.candidate.agreed"
    """Whether a candidate model found what the one that answers did."""


Attributes = Mapping[Name, Value]


class Kind(Enum):
    """What a value looks like, as an expression that matches the whole of it."""

    NUMBER = r"-?[0-9][0-9.e+-]*|True|False"
    CODE = r"[A-Za-z0-9_.:/\-]{1,128}"
    """From a closed set of the code or a contract, or from the deployment's own configuration: names of
    models and rpcs, versions."""
    ADDRESS = r"[A-Za-z0-9_.:,/\[\]\-]{1,512}"
    """From the deployment's own configuration: a host, the path of a socket, a list of addresses."""
    ID = r"[0-9A-Fa-f-]{8,64}"
    """Hexadecimal digits and hyphens."""


_NUMBERS = frozenset(
    {
        Name.SERVER_PORT,
        Name.GEN_AI_MAX_TOKENS,
        Name.GEN_AI_TEMPERATURE,
        Name.GEN_AI_FIRST_CHUNK,
        Name.GEN_AI_INPUT_TOKENS,
        Name.GEN_AI_OUTPUT_TOKENS,
        Name.REQUEST_SIZE,
        Name.RESPONSE_SIZE,
        Name.QUEUE_TIME,
        Name.BATCH_SIZE,
        Name.HEDGED,
        Name.HEDGE_WON,
        Name.BRANCH_FAILED,
        Name.AGREED,
    }
)

_OTHERS = {Name.REQUEST_ID: Kind.ID, Name.SERVER_ADDRESS: Kind.ADDRESS}

KINDS: Mapping[Name, Kind] = MappingProxyType(
    {name: Kind.NUMBER if name in _NUMBERS else _OTHERS.get(name, Kind.CODE) for name in Name}
)
"""Of each name."""


def problem(name: str, value: object) -> str:
    """Why an attribute must not leave the mesh; empty: it may."""
    if name not in KINDS:
        return f"{name} is not a registered attribute"
    kind = KINDS[Name(name)]
    if isinstance(value, list | tuple):
        return next(filter(None, (problem(name, one) for one in value)), "")
    if kind is Kind.NUMBER and not isinstance(value, bool | int | float):
        return f"{name} is no number"
    return "" if re.fullmatch(kind.value, str(value), re.ASCII) else f"{name} is no {kind.name.lower()}"
