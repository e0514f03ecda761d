"""Short texts go before the rest of long ones, and none waits for ever."""

from __future__ import annotations

import asyncio

import pytest

from services.chassis.models.catalog import Catalog
from services.chassis.observability.telemetry import Telemetry
from services.language.tasks import TASKS, TOKEN_CLASSIFICATION, scheduling
from services.language.tasks.scheduling import LEVELS, Pace, Turn
from tests.fakes import FakeInference
from tests.language.models_made import add_model, tags_words
from tests.language.test_tasks import TAGS
from tests.language.tokenizers_made import cased_wordpiece


def test_what_still_needs_less_goes_first():
    assert [Turn(tokens, 128, Pace()).next(0) for tokens in (8, 32, 64, 128, 256, 1024, 128_000)] == [
        *(1, 1, 2, 3, 4, 6),
        LEVELS,
    ]


def test_a_long_text_goes_earlier_the_less_is_left_of_it():
    turn = Turn(8 * 128, 128, Pace())
    assert [turn.next(128) for _ in range(8)] == [6, 6, 6, 6, 5, 5, 4, 3]
    assert turn.next(0) == 1


def test_a_text_that_has_waited_goes_before_a_shorter_one_that_has_not(monkeypatch):
    now = 100.0
    monkeypatch.setattr(scheduling.time, "monotonic", lambda: now)
    long = Turn(64 * 128, 128, _fast())
    assert long.next(0) == 9
    now += 6.0
    assert long.next(0) < Turn(128, 128, Pace()).next(0) + 1
    now += 60.0
    assert long.next(0) == 1


def test_a_text_that_takes_longer_to_run_is_more_patient(monkeypatch):
    """Else eight very long ones are all in front of the short ones after a while."""
    now = 100.0
    monkeypatch.setattr(scheduling.time, "monotonic", lambda: now)
    pace = Pace()
    very_long = Turn(50 * 128, 128, pace)
    before = very_long.next(0)
    now += 1.0
    assert very_long.next(0) == before
    now += pace.seconds(50 * 128)
    assert very_long.next(0) == before - 1


def _fast():
    pace = Pace()
    pace.took(1024, 0.03)
    return pace


def test_calls_grow_as_far_as_the_model_is_fast():
    pace = Pace()
    assert 128 <= pace.tokens_per_call < 256
    pace.took(128, 5.0)  # it waited
    assert 128 <= pace.tokens_per_call < 256
    pace.took(1024, 0.03)
    assert pace.tokens_per_call == pytest.approx(2048, abs=1)


async def test_nobody_passes_a_call_that_has_waited_long(tmp_path, monkeypatch):
    """A call stays where it was put: under steady load of shorter texts it would wait for ever."""
    monkeypatch.setattr(scheduling, "PATIENCE_S", 0.05)
    add_model(tmp_path, "tags", cased_wordpiece(), TAGS, (-1, 4))
    inference = FakeInference({"tags": tags_words(cased_wordpiece(), 4, {"aspirin": 0}, outside=1)})
    answer, stands, asked = inference.infer, asyncio.Event(), []

    async def infer(model, inputs, *, timeout_s=None, priority=0):
        asked.append(priority)
        if priority > 3:  # behind others in Triton's queue
            await stands.wait()
        return await answer(model, inputs, timeout_s=timeout_s)

    monkeypatch.setattr(inference, "infer", infer)
    catalog = Catalog("language", [tmp_path], TASKS, inference, Telemetry("language"))
    [tagger] = catalog.models(TOKEN_CLASSIFICATION)
    long = asyncio.create_task(tagger.tag("was given aspirin and water . " * 60))
    await asyncio.sleep(0.01)
    await tagger.tag("aspirin")  # passes
    waiting = len(asked)
    await asyncio.sleep(0.1)
    short = asyncio.create_task(tagger.tag("aspirin"))
    await asyncio.sleep(0.05)
    assert len(asked) == waiting  # the short one stands behind
    stands.set()
    assert len((await short).tagged.words) == 1
    assert len((await long).tagged.words) == 360


async def test_a_long_text_has_one_call_under_way_while_a_shorter_one_has_some(tmp_path, monkeypatch):
    """Else two of its windows run on a machine of two cores, and the short text waits for both."""
    monkeypatch.setattr(scheduling, "VERY_LONG_S", 60.0)
    add_model(tmp_path, "tags", cased_wordpiece(), TAGS, (-1, 4))
    inference = FakeInference({"tags": tags_words(cased_wordpiece(), 4, {"aspirin": 0}, outside=1)})
    answer, under_way, most = inference.infer, {"long": 0, "short": 0}, {False: 0, True: 0}
    short_ends, began = asyncio.Event(), asyncio.Event()

    async def infer(model, inputs, *, timeout_s=None, priority=0):
        whose = "long" if priority > 3 else "short"
        under_way[whose] += 1
        beside = under_way["short"] > 0
        most[beside] = max(most[beside], under_way["long"])
        if whose == "long":
            began.set()
        await (asyncio.sleep(0.005) if whose == "long" else short_ends.wait())
        under_way[whose] -= 1
        return await answer(model, inputs, timeout_s=timeout_s)

    monkeypatch.setattr(inference, "infer", infer)
    catalog = Catalog("language", [tmp_path], TASKS, inference, Telemetry("language"))
    [tagger] = catalog.models(TOKEN_CLASSIFICATION)
    short = asyncio.create_task(tagger.tag("aspirin"))
    await asyncio.sleep(0.05)
    long = asyncio.create_task(tagger.tag("was given aspirin and water . " * 400))
    await began.wait()
    await asyncio.sleep(0.05)
    assert most[True] == 1
    short_ends.set()
    assert len((await short).tagged.words) == 1
    assert len((await long).tagged.words) == 2400
    assert most[False] > 1


async def test_very_long_texts_share_one_call_while_others_were_asked_lately(tmp_path, monkeypatch):
    """Else each of them has one, and all instances of the model run theirs."""
    monkeypatch.setattr(scheduling, "LATELY_S", 0.3)
    add_model(tmp_path, "tags", cased_wordpiece(), TAGS, (-1, 4))
    inference = FakeInference({"tags": tags_words(cased_wordpiece(), 4, {"aspirin": 0}, outside=1)})
    answer, under_way, most = inference.infer, 0, 0

    async def infer(model, inputs, *, timeout_s=None, priority=0):
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.002)
        under_way -= 1
        return await answer(model, inputs, timeout_s=timeout_s)

    monkeypatch.setattr(inference, "infer", infer)
    catalog = Catalog("language", [tmp_path], TASKS, inference, Telemetry("language"))
    [tagger] = catalog.models(TOKEN_CLASSIFICATION)

    async def very_long():
        assert len((await tagger.tag("was given aspirin and water . " * 2000)).tagged.words) == 12_000

    await tagger.tag("aspirin")
    monkeypatch.setattr(scheduling, "VERY_LONG_S", 0.0)
    texts = [asyncio.create_task(very_long()) for _ in range(2)]
    await asyncio.sleep(0.2)
    assert most == 1
    await asyncio.gather(*texts)
    assert most > 1
