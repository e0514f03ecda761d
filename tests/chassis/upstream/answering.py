"""A server that answers every unary call with nothing, after some milliseconds, in a process of its own."""

from __future__ import annotations

import asyncio
import sys

import grpc

DELAY_S = 0.005


class Answering(grpc.GenericRpcHandler):
    def service(self, details):
        return grpc.unary_unary_rpc_method_handler(self._answer)

    async def _answer(self, request, context):
        await asyncio.sleep(DELAY_S)
        return b""


async def main() -> None:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Answering(),))
    sys.stdout.write(f"{server.add_insecure_port('127.0.0.1:0')}\n")
    sys.stdout.flush()
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main())
