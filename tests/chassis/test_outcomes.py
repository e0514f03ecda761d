from __future__ import annotations

import asyncio

import pytest

from services.chassis.outcomes import outcomes


async def one(value):
    await asyncio.sleep(0)
    if isinstance(value, Exception):
        raise value
    return value


@pytest.mark.parametrize("values", [[], [1], [ValueError()], [1, ValueError(), 2]])
async def test_each_is_what_it_returned_or_raised_in_order(values):
    assert await outcomes([one(value) for value in values]) == values


@pytest.mark.parametrize("count", [1, 2])
async def test_whoever_leaves_takes_them_along(count):
    ended = []

    async def work():
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(True)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(outcomes([work() for _ in range(count)]), 0.01)
    await asyncio.sleep(0)
    assert len(ended) == count
