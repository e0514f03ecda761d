"""Who waits for whom: priorities, fair shares between callers, places by size, deadlines."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, ExitStack

import pytest

from services.chassis.errors import DeadlineExceeded, Overloaded
from services.chassis.rpc import admission
from services.chassis.rpc.admission import Admission
from services.chassis.rpc.request import Priority, Request

MIB = 1 << 20


def request(caller="a", priority=Priority.ROUTINE, left_s=60.0, method="/m"):
    return Request("id", method, time.monotonic() + left_s, sharer=caller, priority=priority)


class Place:
    """One place, and who has been given it."""

    def __init__(self, places=1, queue=64):
        self.admission = Admission(places, queue, 1 << 30, MIB)
        self.begun = []
        self._tasks = []
        self._ends = asyncio.Semaphore(0)

    async def ask(self, name, size_bytes=0, **how):
        async def work():
            async with self.admission.place(request(**how), size_bytes):
                self.begun.append(name)
                await self._ends.acquire()

        self._tasks.append(asyncio.create_task(work()))
        await asyncio.sleep(0)
        return self._tasks[-1]

    async def end(self, count):
        """Ends those at work, one after the other."""
        for _ in range(count):
            self._ends.release()
            await asyncio.sleep(0.01)

    async def end_all(self):
        for _ in self._tasks:
            self._ends.release()
        return await asyncio.gather(*self._tasks, return_exceptions=True)


async def test_urgent_goes_before_routine_and_routine_before_bulk():
    place = Place()
    await place.ask("first")
    for priority in (Priority.BULK, Priority.ROUTINE, Priority.URGENT):
        await place.ask(priority.name, priority=priority)
    await place.end_all()
    assert place.begun == ["first", "URGENT", "ROUTINE", "BULK"]


async def test_who_sends_much_waits_behind_himself():
    place = Place()
    for number in range(20):
        await place.ask(f"a{number}", caller="a")
    await place.ask("b0", caller="b")
    await place.ask("b1", caller="b")
    await place.end_all()
    assert place.begun.index("b0") == 1
    assert place.begun.index("b1") <= 3
    assert [name for name in place.begun if name[0] == "a"] == [f"a{n}" for n in range(20)]


async def test_work_counts_by_its_size():
    """Of two callers who wait, one with large requests and one with small ones, both get as many bytes."""
    place = Place(places=4)
    await place.ask("first", size_bytes=2 * MIB, caller="c")
    await place.ask("second", caller="d")
    for _ in range(3):
        await place.ask("large", size_bytes=2 * MIB, caller="a")
    for _ in range(9):
        await place.ask("small", caller="b")
    await place.end_all()
    waited = place.begun[2:]
    assert waited.index("large") == 0
    between = waited[1 : waited.index("large", 1)]
    assert between == ["small"] * 3


async def test_one_caller_never_takes_every_place():
    place = Place(places=8)
    for number in range(8):
        await place.ask(f"a{number}", caller="a")
    assert len(place.begun) == 6
    await place.ask("b", caller="b", size_bytes=MIB)
    assert place.begun[-1] == "b"
    await place.end_all()


async def test_a_request_that_is_larger_than_all_places_is_served_all_the_same():
    place = Place(places=4)
    await place.ask("huge", size_bytes=1000 * MIB)
    await place.end_all()
    assert place.begun == ["huge"]


async def test_in_a_full_queue_the_last_in_order_makes_room():
    place = Place(queue=2)
    await place.ask("first")
    kept, pushed_out = await place.ask("kept"), await place.ask("pushed out")
    with pytest.raises(Overloaded):
        await (await place.ask("one too many"))
    await place.ask("urgent", priority=Priority.URGENT, caller="b")
    with pytest.raises(Overloaded):
        await pushed_out
    await place.end_all()
    assert place.begun == ["first", "urgent", "kept"]
    await kept


async def test_what_was_refused_is_no_work_that_was_given():
    place = Place(queue=3)
    await place.ask("x", caller="x")
    for caller in "byz":
        await place.ask(f"{caller}0", caller=caller)
    refused = [await place.ask("refused", caller="b") for _ in range(10)]
    assert all(isinstance(one, Overloaded) for one in await asyncio.gather(*refused, return_exceptions=True))
    await place.end(2)
    await place.ask("b1", caller="b")
    await place.ask("y1", caller="y")
    await place.end_all()
    assert place.begun == ["x", "b0", "y0", "z0", "b1", "y1"]


async def test_who_would_be_late_is_refused_at_once():
    place = Place()
    place.admission._held_s = {"": 1.0, "/m": 1.0}
    await place.ask("first")
    await place.ask("second", left_s=3.0)
    with pytest.raises(Overloaded):
        await asyncio.wait_for(await place.ask("late", left_s=2.5), 1)
    with pytest.raises(Overloaded):
        place.admission.refuse_where_full(request(left_s=2.5))
    place.admission.refuse_where_full(request(left_s=3.5))
    with pytest.raises(DeadlineExceeded):
        await place.ask("never", left_s=0.01) and await place._tasks[-1]
    await place.end_all()
    assert place.begun == ["first", "second"]


async def test_a_callers_old_queue_takes_none_of_his_but_others(monkeypatch):
    monkeypatch.setattr(admission, "LONGEST_WAIT_S", 0.0)
    place = Place()
    for name in ("first", "second"):
        await place.ask(name, caller="a")
    with pytest.raises(Overloaded):
        await (await place.ask("third", caller="a"))
    await place.ask("other", caller="b")
    await place.end_all()
    assert place.begun == ["first", "other", "second"]


async def test_whoever_leaves_gives_everything_back():
    """In the queue, at work, and in the moment between the two."""
    place = Place(places=2)
    for round_ in range(50):
        async with AsyncExitStack() as held:
            for caller in "ab":
                await held.enter_async_context(place.admission.place(request(caller), 0))
            waiting = [await place.ask("w", caller="c", priority=p) for p in Priority]
            if round_ % 2:
                waiting[round_ % 3].cancel()
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    state = place.admission
    assert (state._free, state.in_flight_count, state.queued_count, +state._taken) == (2, 0, 0, {})


def test_one_caller_never_holds_all_of_the_bytes():
    admission_ = Admission(4, 4, 1000, MIB)
    with ExitStack() as held:
        held.enter_context(admission_.holding(700, "a"))
        with pytest.raises(Overloaded), admission_.holding(100, "a"):
            pass
        held.enter_context(admission_.holding(200, "b"))
        with pytest.raises(Overloaded), admission_.holding(200, "c"):
            pass
    assert admission_.held_bytes == 0
    with admission_.holding(1000, "a"):
        assert admission_.held_bytes == 1000, "a single request may be as large as all of it"


async def test_of_a_caller_whose_messages_are_read_in_vain_few_are_read():
    """Only its size tells that a message has to wait: 17 of 16 MB a second were read and then refused."""
    place = Place()
    flooding, other = request(), request(caller="b")
    place.admission.read_in_vain("a", 16 * MIB)
    with pytest.raises(Overloaded):
        place.admission.refuse_where_full(flooding)
    place.admission.refuse_where_full(other)
    place.admission.read_in_vain("a", 1)
    await asyncio.sleep(0.01)
    with place.admission.reading(flooding), pytest.raises(Overloaded):
        place.admission.refuse_where_full(flooding)
    place.admission.refuse_where_full(flooding)
    with place.admission.reading(other), place.admission.reading(other):
        place.admission.refuse_where_full(other)
