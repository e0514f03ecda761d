"""`grpc.health.v1`: a server's states follow what its services depend on, which it asks time and again."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any

import grpc
from google.protobuf import text_format
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc

logger = logging.getLogger("medmesh.health")

PROBLEM_KEY = "x-medmesh-problem"
"""Trailing metadata of `Check`: how a name that is told beside the service's own stands, in a word or two."""

Check = Callable[[], Awaitable[str]]
"""Asks one dependency: an empty string when it is there, else one sentence that says what is missing."""

_SERVING = int(health_pb2.HealthCheckResponse.SERVING)
_NOT_SERVING = int(health_pb2.HealthCheckResponse.NOT_SERVING)
_UNKNOWN = int(health_pb2.HealthCheckResponse.SERVICE_UNKNOWN)
_SERVICE = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
_FIRST_INTERVAL_S = 0.05
_SLOWER = 1.2
"""Factor from one early interval to the next."""
_CHECK_TIMEOUT_S = 10.0


_LIST = """
message_type { name: "HealthListRequest" }
message_type {
  name: "HealthListResponse"
  field {
    name: "statuses" number: 1 label: LABEL_REPEATED type: TYPE_MESSAGE
    type_name: ".grpc.health.v1.HealthListResponse.StatusesEntry"
  }
  nested_type {
    name: "StatusesEntry"
    options { map_entry: true }
    field { name: "key" number: 1 label: LABEL_OPTIONAL type: TYPE_STRING }
    field {
      name: "value" number: 2 label: LABEL_OPTIONAL type: TYPE_MESSAGE
      type_name: ".grpc.health.v1.HealthCheckResponse"
    }
  }
}
"""


@functools.cache
def health_file() -> FileDescriptorProto:
    """The specification's `health.proto`, with `List`.

    grpcio-health-checking has it from 1.82 on, which needs protobuf 7; tritonclient still needs 6.
    """
    file = FileDescriptorProto()
    health_pb2.DESCRIPTOR.CopyToProto(file)
    text_format.Merge(_LIST, file)
    file.service[0].method.add(
        name="List",
        input_type=".grpc.health.v1.HealthListRequest",
        output_type=".grpc.health.v1.HealthListResponse",
    )
    return file


_POOL = DescriptorPool()
_POOL.Add(health_file())
_ListRequest: Any
_ListResponse: Any
_ListRequest, _ListResponse = (
    GetMessageClass(_POOL.FindMessageTypeByName(f"grpc.health.v1.HealthList{kind}"))
    for kind in ("Request", "Response")
)


class Health:
    """The state of each name, and the checks that it follows.

    `always` names are SERVING until the drain; `names` (and the empty one) only while every check passes.
    """

    def __init__(self, names: Iterable[str], always: Iterable[str], *, interval_s: float) -> None:
        self._following = ("", *names)
        self._interval_s = interval_s
        self._checks: dict[str, Check] = {}
        self._states = dict.fromkeys(self._following, _NOT_SERVING)
        self._states |= dict.fromkeys(always, _SERVING)
        self._changed = asyncio.Event()
        self._draining = False
        self.problems: dict[str, str] = {}
        """What is missing, by dependency."""
        self._told: dict[str, Callable[[], str]] = {}
        self._asked: dict[str, Check] = {}
        self._answers: dict[str, str] = {}
        self._troubles: dict[str, str] = {}

    def require(self, dependency: str, check: Check) -> None:
        """Makes the service's health follow `check` too."""
        self._checks[dependency] = check

    def tell(self, name: str, trouble: Callable[[], str]) -> None:
        """Adds a name that stands for itself: the service's health does not follow it. `trouble`: empty while
        it is well, else a word or two of a closed set or names of models, which everybody may read.
        """
        self._told[name] = trouble
        self._states[name] = _SERVING

    def tell_asked(self, name: str, check: Check) -> None:
        """As `tell`, of what has to be asked: it is as it was at the last look."""
        self._asked[name] = check
        self.tell(name, lambda: self._answers.get(name, ""))

    def trouble(self, name: str) -> str:
        """Of a name that is told: what is wrong with it now."""
        return self._told[name]() if name in self._told else ""

    async def follow(self) -> None:
        """Asks all dependencies at every interval, until cancelled; more often at first, while something is
        missing: what starts beside this service may be a moment late.
        """
        pause_s = min(_FIRST_INTERVAL_S, self._interval_s)
        while True:
            await self.refresh()
            pause_s = min(pause_s * _SLOWER, self._interval_s) if self.problems else self._interval_s
            await asyncio.sleep(pause_s)

    async def refresh(self) -> None:
        """Asks all dependencies now and tells the watchers what changed."""
        asked = {**self._checks, **self._asked}
        answers = dict(zip(asked, await asyncio.gather(*map(self._ask, asked.values())), strict=True))
        problems = {name: answers[name] for name in self._checks if answers[name]}
        self._answers = answers
        for name in problems.keys() - self.problems.keys():
            logger.warning("not serving", extra={"facts": {"dependency": name, "problem": problems[name]}})
        for name in self.problems.keys() - problems.keys():
            logger.info("serving again", extra={"facts": {"dependency": name}})
        self.problems = problems
        troubles = {name: found for name in self._told if (found := self.trouble(name))}
        for name in troubles.keys() ^ self._troubles.keys():
            logger.warning(
                "health of a part", extra={"facts": {"part": name, "state": troubles.get(name, "well")}}
            )
        self._troubles = troubles
        if not self._draining:
            state = _NOT_SERVING if problems else _SERVING
            told = {name: _NOT_SERVING if name in troubles else _SERVING for name in self._told}
            self._set(dict.fromkeys(self._following, state) | told)

    def drain(self) -> None:
        """Turns every name to NOT_SERVING for good, tells the watchers and ends their streams."""
        self._draining = True
        self._set(dict.fromkeys(self._states, _NOT_SERVING))

    def state(self, name: str) -> int | None:
        """The state of `name`; None when there is no such name."""
        return self._states.get(name)

    def states(self) -> dict[str, int]:
        """The state of each name, the empty one too."""
        return dict(self._states)

    async def watch(self, name: str) -> AsyncIterator[int]:
        """The state of `name` now and at each change; ends with the drain."""
        sent = None
        while True:
            # Taken before the state is read: a change while a message is written is not missed.
            changed, draining = self._changed, self._draining
            state = self._states.get(name, _UNKNOWN)
            if state != sent:
                sent = state
                yield state
            if draining:
                return
            await changed.wait()

    def _set(self, states: dict[str, int]) -> None:
        self._states |= states
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def _ask(self, check: Check) -> str:
        try:
            async with asyncio.timeout(_CHECK_TIMEOUT_S):
                return await check()
        except Exception as error:  # noqa: BLE001 - a check that breaks means: not there
            return f"the check failed with {type(error).__name__}"


class HealthServicer(health_pb2_grpc.HealthServicer):  # type: ignore[misc]  # grpcio has no types
    """The rpcs of `grpc.health.v1.Health`.

    grpcio's own servicer loses watchers: the first that leaves takes the condition of the others with it.
    """

    def __init__(self, health: Health) -> None:
        self._health = health

    async def Check(
        self, request: health_pb2.HealthCheckRequest, context: Any
    ) -> health_pb2.HealthCheckResponse:
        state = self._health.state(request.service)
        if state is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such service")
        if trouble := self._health.trouble(request.service):
            state = _NOT_SERVING  # as it is now; what watches hears of it at the next look
            told = trouble.encode("ascii", "replace")  # whatever a model's folder is called
            context.set_trailing_metadata(
                (*(context.trailing_metadata() or ()), (PROBLEM_KEY, told.decode()))
            )
        return health_pb2.HealthCheckResponse(status=state)

    async def Watch(
        self, request: health_pb2.HealthCheckRequest, context: Any
    ) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        async for state in self._health.watch(request.service):
            yield health_pb2.HealthCheckResponse(status=state)

    async def List(self, request: Any, context: Any) -> Any:
        answer = _ListResponse()
        for name, state in self._health.states().items():
            answer.statuses[name].status = state
        return answer


async def list_states(channel: grpc.aio.Channel, timeout_s: float) -> dict[str, int]:
    """The state of each name of a server, the empty one too. Raises grpc.aio.AioRpcError."""
    call = channel.unary_unary(
        f"/{_SERVICE}/List",
        request_serializer=_ListRequest.SerializeToString,
        response_deserializer=_ListResponse.FromString,
    )
    answer = await call(_ListRequest(), timeout=timeout_s)
    return {name: one.status for name, one in answer.statuses.items()}


def add_health(health: Health, server: grpc.aio.Server) -> None:
    """Adds `Check`, `Watch` and `List` to a server."""
    servicer = HealthServicer(health)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    handler = grpc.unary_unary_rpc_method_handler(
        servicer.List,
        request_deserializer=_ListRequest.FromString,
        response_serializer=_ListResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, {"List": handler}),))
