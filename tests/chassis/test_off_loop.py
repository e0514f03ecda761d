"""What is short is done at once, the rest in a thread that sees the request's context."""

from __future__ import annotations

import asyncio
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar

import pytest

from services.chassis import off_loop as module
from services.chassis.off_loop import off_loop

REQUEST: ContextVar[str] = ContextVar("request", default="")


def seen(word):
    return word, REQUEST.get(), threading.current_thread()


async def test_what_is_short_is_done_at_once_without_another_task_in_between():
    other = asyncio.ensure_future(asyncio.sleep(0))
    word, _, thread = await off_loop(True, None, seen, "short")
    assert (word, thread, other.done()) == ("short", threading.current_thread(), False)
    await other


@pytest.mark.parametrize("pools", [0, 1])
async def test_what_is_long_leaves_the_loop_to_others_and_keeps_its_context(pools):
    REQUEST.set("of this request")
    with ThreadPoolExecutor(1, thread_name_prefix="own") as pool:
        word, request, thread = await off_loop(False, pool if pools else None, seen, "long")
    assert (word, request) == ("long", "of this request")
    assert thread is not threading.current_thread()
    assert thread.name.startswith("own") == bool(pools)


USUAL_S = sys.getswitchinterval()


async def test_what_goes_on_for_long_gives_way_more_often_until_it_ends(monkeypatch):
    monkeypatch.setattr(module, "LONG_S", 0.01)
    go = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        works = [asyncio.create_task(off_loop(False, pool, go.wait, 10)) for _ in range(2)]
        await asyncio.sleep(0.05)
        assert sys.getswitchinterval() < USUAL_S / 5
        works[1].cancel()  # it waits for the thread: it never begins
        go.set()
        await works[0]
        await asyncio.sleep(0.05)
    assert sys.getswitchinterval() == USUAL_S


async def test_what_goes_on_for_nobody_gives_way_too(monkeypatch):
    monkeypatch.setattr(module, "LONG_S", 0.05)
    go = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        work = asyncio.create_task(off_loop(False, pool, go.wait, 10))
        await asyncio.sleep(0.01)
        work.cancel()
        await asyncio.sleep(0.1)
        assert sys.getswitchinterval() < USUAL_S / 5
        go.set()
    assert sys.getswitchinterval() == USUAL_S


async def test_what_is_soon_done_changes_nothing():
    seen_s = await off_loop(False, None, sys.getswitchinterval)
    assert seen_s == sys.getswitchinterval() == USUAL_S
