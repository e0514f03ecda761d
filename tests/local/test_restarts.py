"""A part is restarted after a pause that grows, and given up when it ends too often."""

from __future__ import annotations

from services.local.restarts import FIRST_PAUSE_S, LIMIT, LONGEST_PAUSE_S, WINDOW_S, Restarts


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_pause_grows_up_to_its_longest_and_then_the_part_is_given_up():
    clock = Clock()
    restarts = Restarts(clock)
    pauses = []
    for _ in range(LIMIT):
        pauses.append(restarts.ended("triton"))
        clock.now += LONGEST_PAUSE_S
        assert restarts.take_due() == ["triton"]
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (FIRST_PAUSE_S, LONGEST_PAUSE_S)
    assert restarts.ended("triton") is None


def test_ends_long_ago_are_forgotten_and_parts_are_counted_apart():
    clock = Clock()
    restarts = Restarts(clock)
    for _ in range(10 * LIMIT):
        assert restarts.ended("imaging") == FIRST_PAUSE_S
        clock.now += WINDOW_S + 1
    assert restarts.ended("language") == FIRST_PAUSE_S


def test_a_part_waits_until_its_pause_is_over():
    clock = Clock()
    restarts = Restarts(clock)
    restarts.ended("imaging")
    assert restarts.waiting == {"imaging"}
    assert restarts.take_due() == []
    clock.now = FIRST_PAUSE_S
    assert restarts.take_due() == ["imaging"]
    assert restarts.waiting == frozenset()


def test_what_ends_as_it_was_asked_to_starts_again_at_once_and_is_never_given_up():
    clock = Clock()
    restarts = Restarts(clock)
    for _ in range(2 * LIMIT):
        assert restarts.ended("language", as_asked=True) == FIRST_PAUSE_S
        clock.now += FIRST_PAUSE_S
        assert restarts.take_due() == ["language"]
    assert restarts.ended("language") == FIRST_PAUSE_S
