"""The bench's own parts: what it counts, keeps and calls worse, and how it holds what it measures against."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace

import pytest

from clients.loadtest.peers import worker
from tools.bench import http, page, record, sampling
from tools.bench.__main__ import ROWS
from tools.bench.rows import MESH, REFERENCE, Row, at_least, at_most, p50_ratio, throughput
from tools.bench.running import Figures, Outcome, measured
from tools.bench.sampling import Sample, closed_loop, open_loop
from tools.bootstrap import ROOT

FIGURES = Figures(10.0, 100.0, 200.0, {"imaging": 5.0}, {"imaging": 100.0})


def outcome(row: Row, figure: float) -> Outcome:
    return Outcome(row, figure, figure, figure, {MESH: FIGURES})


def row(target, **fields) -> Row:
    return Row("area.name", "what it is", {}, throughput, target, **fields)


class Steady:
    """A side that gives these samples in turn."""

    mesh = None

    def __init__(self, *latencies_ms: float) -> None:
        self._samples = iter([Sample(1.0, [ms] * 10, {"it": 50.0}, {"it": 7.0}) for ms in latencies_ms])

    def opened(self, _meshes):
        class Opened:
            async def __aenter__(opened):  # noqa: N805 - of the class within
                async def measure(_callers, _seconds):
                    return next(self._samples)

                return measure

            async def __aexit__(self, *_):
                pass

        return Opened()


async def test_a_closed_loop_has_so_many_callers_and_counts_each_answer_once():
    under_way, most, numbers = 0, 0, []

    async def ask(number):
        nonlocal under_way, most
        numbers.append(number)
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.01)
        under_way -= 1

    sample = await closed_loop(ask, 3, 0.2)
    assert most == 3
    assert numbers == list(range(len(sample.latencies_ms)))
    assert min(sample.latencies_ms) >= 9
    assert sample.per_second == pytest.approx(len(numbers) / sample.seconds)


async def test_in_an_open_loop_what_was_due_while_another_was_answered_counts_its_wait():
    turn = asyncio.Lock()

    async def ask(_number):
        async with turn:
            await asyncio.sleep(0.1)

    sample = await open_loop(ask, [0.0, 0.0, 0.0])
    assert len(sample.latencies_ms) == 3
    assert sorted(sample.latencies_ms)[2] >= 290


def test_processor_time_and_memory_are_those_of_the_process():
    script = """
import os, sys
held = bytearray(64 << 20)
while sum(os.times()[:2]) < 0.5: pass
print(flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        found = {"busy": [process.pid], "gone": [1 << 30]}
        assert sampling.cpu_ms(found)["busy"] >= 450
        assert sampling.rss_mb(found)["busy"] >= 64
        assert 64 <= sampling.pss_mb(found)["busy"] <= sampling.rss_mb(found)["busy"]
        assert sampling.cpu_ms(found)["gone"] == 0
        process.stdin.close()


async def test_a_rows_figure_is_the_median_of_its_rounds():
    one = replace(row(at_most(3.0)), sides={MESH: Steady(10, 30, 20), REFERENCE: Steady(10, 10, 10)})
    said: list[str] = []
    found = await measured(replace(one, figure=p50_ratio), None, 3, said.append)
    assert (found.figure, found.low, found.high) == (2.0, 1.0, 3.0)
    assert found.sides[MESH].cpu_ms_each == {"it": 5.0}
    assert found.sides[MESH].p50_ms == 20
    assert len(said) == 3


@pytest.mark.parametrize(
    ("target", "before", "now", "is_worse"),
    [
        (at_least(0.92), 0.9, 0.82, False),
        (at_least(0.92), 0.9, 0.80, True),
        (at_least(0.92), 0.9, 1.5, False),
        (at_most(6.0), 30.0, 32.9, False),
        (at_most(6.0), 30.0, 33.1, True),
        (at_most(6.0), 0.1, 0.6, False),  # what is near nothing may move by a tenth of the target
        (at_most(6.0), 0.1, 0.8, True),
        (None, 1.0, 0.1, False),
    ],
)
def test_worse_is_a_tenth_on_the_wrong_side(monkeypatch, tmp_path, target, before, now, is_worse):
    kept = tmp_path / "kept.json"
    monkeypatch.setattr(record, "KEPT", kept)
    record.keep([outcome(row(target), before)], {"cores": "2"}, kept)
    assert bool(record.worse([outcome(row(target), now)])) is is_worse


def test_what_is_kept_of_other_rows_stays_and_the_page_shows_both(monkeypatch, tmp_path):
    kept, path = tmp_path / "kept.json", tmp_path / "page.md"
    monkeypatch.setattr(record, "KEPT", kept)
    rows = [row(at_least(0.5)), replace(row(at_most(3.0), unit="ms"), name="area.other")]
    for one in rows:
        record.keep([outcome(one, 12.3456)], {"cores": "2", "load at start": "0.1"}, kept)
    assert {name: one["figure"] for name, one in record.kept().items()} == {
        "area.name": 12.35,
        "area.other": 12.35,
    }
    path.write_text(f"before\n{page.BEGIN}\nold\n{page.END}\nafter\n")
    page.write(rows, record.kept(), path)
    text = path.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old" not in text
    assert "≥ 0.5 | **12.3** (12.3 to 12.3) | yes |" in text
    assert "≤ 3 ms | **12.3** ms (12.3 to 12.3) | **no** |" in text


def test_the_committed_page_is_what_the_committed_figures_give(tmp_path):
    path = tmp_path / "page.md"
    path.write_text(page.PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    page.write(ROWS, record.kept(), path)
    assert path.read_text(encoding="utf-8") == page.PAGE.read_text(encoding="utf-8")
    assert set(record.kept()) <= {one.name for one in ROWS}


def test_rows_have_names_of_their_own_and_the_sides_that_their_figure_takes():
    assert len({one.name for one in ROWS}) == len(ROWS)
    for one in ROWS:
        sample = Sample(1.0, [1.0], {"orchestrator": 1.0}, {"imaging": 1.0})
        assert one.figure(dict.fromkeys(one.sides, sample)) >= 0


async def test_http_is_asked_over_kept_connections_and_what_is_no_answer_is_raised():
    connections, bodies, ended = 0, [], asyncio.Semaphore(0)

    async def serve(reader, writer):
        nonlocal connections
        connections += 1
        with suppress(asyncio.IncompleteReadError):  # it has been closed
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
                bodies.append(await reader.readexactly(length))
                status = b"200 OK" if bodies[-1] != b"bad" else b"500 Oh"
                writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\n\r\nhi")
        writer.close()
        await writer.wait_closed()
        ended.release()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, http.Pool("127.0.0.1", server.sockets[0].getsockname()[1], 2) as pool:
        for body in (b"one", b"two", b"three"):
            assert await pool.ask(http.Request("/", [("X", "y")], body)) == b"hi"
        with pytest.raises(RuntimeError, match="status 500"):
            await pool.ask(http.Request("/", [], b"bad"))
    for _ in range(connections):
        await ended.acquire()
    assert connections == 2
    assert bodies == [b"one", b"two", b"three", b"bad"]


def ended(script: str, told: str) -> str:
    """What a program says that is told something by its standard input, and ends with it."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=told,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_worker_repeats_its_work_in_threads_for_as_long_as_it_is_told():
    script = f"from {worker.__name__} import serve; serve(lambda: lambda number: number)"
    order = {"callers": 2, "warm_up_s": 0.01, "seconds": 0.1}
    ready, answer = ended(script, f"{json.dumps(order)}\n").splitlines()
    assert ready == "ready"
    found = json.loads(answer)
    assert found["seconds"] >= 0.1
    assert found["latencies_ms"]
    assert found["cpu_ms"] > 0


def test_a_server_that_waits_for_its_end_can_fork():
    """A forked process closes its standard input, whose lock nobody may hold meanwhile."""
    script = """
import multiprocessing, signal, time
from clients.loadtest.peers.stopping import end_with_input
signal.signal(signal.SIGTERM, lambda *_: None)  # its end is not what is tested
end_with_input()
time.sleep(0.5)  # the thread waits by now
child = multiprocessing.get_context("fork").Process(target=print, args=("forked",))
child.start()
child.join(20)
assert child.exitcode == 0, "it hangs"
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout.readline() == "forked\n"
        assert process.wait(30) == 0
        process.stdin.close()
