"""Texts written together are those written alone; bounds, stop rules and cancelling: without Triton."""

from __future__ import annotations

import numpy as np
import pytest

from services.local.triton.backends.causal_lm.generation.parameters import SamplingParameters
from services.local.triton.backends.causal_lm.generation.sampling import Sampler
from services.local.triton.backends.causal_lm.generation.scheduler import (
    Bounds,
    Ending,
    Refusal,
    Scheduler,
    goes_round,
)
from services.local.triton.backends.causal_lm.generation.text import TextOfTokens
from tests.language.writer_made import byte_tokenizer
from tests.local.triton import tiny_writer
from tests.local.triton.tiny_writer import LETTERS, VOCABULARY, written

GREEDY = {"temperature": 0.0}


class Cache:
    """Products of token and place, FP64 [rows, length]."""

    def __init__(self, products):
        self.products = products

    @property
    def length(self):
        return self.products.shape[1]

    def select(self, rows, first):
        return Cache(self.products[rows, first:])

    def beside(self, other):
        length = max(self.length, other.length)
        # What is padded in must not count: the mask has to hide it.
        padded = [
            np.pad(c.products, ((0, 0), (length - c.length, 0)), constant_values=9999) for c in (self, other)
        ]
        return Cache(np.concatenate(padded))


class TinyNetwork:
    """`tiny_writer`'s model, in numpy."""

    vocabulary_count = len(VOCABULARY)

    def __init__(self):
        self.shapes = []
        self.fails = False

    def run(self, ids, mask, positions, past):
        if self.fails:
            raise RuntimeError("it holds a patient's name")
        self.shapes.append(ids.shape)
        new = ids * (positions + 1.0) + 7
        products = np.concatenate([past.products, new], axis=1) if past else new
        assert mask.shape == products.shape
        following = np.where(mask == 1, products, 0).sum(axis=1) % len(LETTERS)
        return -np.abs(np.arange(self.vocabulary_count) - following[:, None]), Cache(products)


class Caller:
    def __init__(self):
        self.text, self.ending, self.refused, self.gone, self.asked_count = "", None, None, False, 0

    def is_cancelled(self):
        self.asked_count += 1
        return self.gone

    def send(self, text, ending):
        assert self.ending is None
        assert self.refused is None
        self.text += text
        self.ending = ending

    def refuse(self, why):
        assert self.ending is None
        assert self.refused is None
        self.refused = why


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def scheduler(*, stop_tokens=(VOCABULARY[tiny_writer.END],), clock=None, **bounds):
    bounds = Bounds(**{"max_token_count": 400} | bounds)
    return Scheduler(TinyNetwork(), bounds, stop_tokens, clock or Clock())


def ask(made, prompt, max_tokens, **parameters):
    caller = Caller()
    wanted = SamplingParameters(max_tokens=max_tokens, **GREEDY | parameters)
    text = TextOfTokens(tiny_writer.tokenizer(), [], wanted.stop)
    made.add(caller, [VOCABULARY[letter] for letter in prompt], wanted, text)
    return caller


def finish(made):
    for _ in range(10_000):
        if not made.count:
            return
        made.round()
    raise AssertionError("it does not end")


def test_a_text_is_what_the_model_writes():
    made = scheduler()
    caller = ask(made, "no effusion", 40)
    finish(made)
    assert caller.text == written("no effusion", 40)
    assert caller.ending is Ending.LENGTH


@pytest.mark.parametrize("together", [1, 2, 3])
def test_texts_of_all_lengths_that_come_and_go_are_those_written_alone(together):
    made = scheduler(max_active_count=3, max_batch_count=together, prefill_chunk=7)
    asked = [("abcdefghij" * (at % 5) + "no effusion"[: 1 + at], 1 + 13 * at % 60) for at in range(11)]
    callers = []
    for prompt, count in asked:
        callers.append(ask(made, prompt, count))
        made.round()
        made.round()
    finish(made)
    assert [caller.text for caller in callers] == [written(prompt, count) for prompt, count in asked]


def test_texts_are_written_together_and_a_prompt_is_read_in_chunks_between_them():
    made = scheduler(max_batch_count=8, prefill_chunk=10)
    ask(made, "ab", 100)
    made.round()
    ask(made, "c" * 25, 100)
    for _ in range(4):
        made.round()
    assert made._network.shapes == [(1, 2), (1, 1), (1, 10), (1, 1), (1, 10), (1, 1), (1, 5), (2, 1)]


def test_no_more_texts_at_a_time_than_allowed():
    made = scheduler(max_active_count=2, max_batch_count=2, max_waiting_count=3)
    for at in range(5):
        assert not made.is_full
        ask(made, "abc"[: 1 + at % 3], 20)
    assert made.is_full
    finish(made)
    assert max(rows for rows, _ in made._network.shapes) == 2


@pytest.mark.parametrize("together", [1, 8])
def test_whoever_has_gone_costs_no_further_token(together):
    made = scheduler(max_batch_count=together)
    gone, other = ask(made, "abc", 300), ask(made, "hello", 60)
    for _ in range(5):
        made.round()
    before = len(gone.text)
    gone.gone = True
    made.round()
    assert (gone.refused, len(gone.text)) == (Refusal.CANCELLED, before)
    assert made._network.shapes[-1] == (1, 1)
    finish(made)
    assert other.text == written("hello", 60)


def test_by_default_no_text_is_computed_with_another():
    made = scheduler()
    for prompt in ("abc", "hello"):
        ask(made, prompt, 10)
    finish(made)
    assert {rows for rows, _ in made._network.shapes} == {1}


@pytest.mark.parametrize("rounds", [0, 1])
def test_a_prompt_whose_caller_has_gone_is_not_read_on(rounds):
    made = scheduler(prefill_chunk=5)
    caller = ask(made, "a" * 50, 10)
    for _ in range(rounds):
        made.round()
    caller.gone = True
    made.round()
    assert caller.refused is Refusal.CANCELLED
    assert len(made._network.shapes) == rounds
    assert made.count == 0


def test_time_is_bounded_while_waiting_and_while_writing():
    clock = Clock()
    made = scheduler(clock=clock, max_active_count=1, max_seconds=5)
    writing, waiting = ask(made, "abc", 300), ask(made, "abc", 300)
    made.round()
    clock.now = 5.0
    made.round()
    assert (writing.refused, waiting.refused) == (Refusal.TIMED_OUT, Refusal.TIMED_OUT)
    assert made.count == 0


def test_prompt_and_answer_together_are_bounded():
    made = scheduler(max_token_count=30)
    caller = ask(made, "a" * 20, 500)
    finish(made)
    assert (caller.text, caller.ending) == (written("a" * 20, 10), Ending.LENGTH)
    for prompt in ("", "a" * 30):
        with pytest.raises(ValueError, match="1 to 29 tokens"):
            ask(made, prompt, 1)


def test_a_stop_token_ends_a_text_and_is_not_part_of_it():
    whole = written("hello", 200)
    letter = whole[30]
    made = scheduler(stop_tokens=[VOCABULARY[letter]])
    other, caller = ask(made, "ab", 3), ask(made, "hello", 200)
    finish(made)
    assert (caller.text, caller.ending) == (whole[: whole.index(letter)], Ending.STOP)
    assert other.ending in {Ending.LENGTH, Ending.STOP}


def test_a_stop_text_ends_a_text_and_nothing_of_it_is_sent():
    whole = written("hello", 200)
    stop = whole[50:55]
    made = scheduler()
    caller = ask(made, "hello", 200, stop=(stop, "not in it"))
    finish(made)
    assert (caller.text, caller.ending) == (whole[: whole.index(stop)], Ending.STOP)


def test_what_might_have_become_a_stop_text_is_sent_when_it_does_not():
    whole = written("hello", 30)
    made = scheduler()
    caller = ask(made, "hello", 30, stop=(whole[-3:] + "?",))
    finish(made)
    assert caller.text == whole


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        ([1] * 24, True),
        ([1] * 23, False),
        ([9, 9, *[1, 2, 3] * 8], True),
        (list(range(24)) * 4, True),
        (list(range(24)) * 3, False),
        (list(range(25)) * 4, False),
        ([*[1, 2] * 12, 3], False),
        ([], False),
    ],
)
def test_what_is_said_again_and_again_is_known(tokens, expected):
    assert goes_round(tokens) is expected


def test_a_text_that_goes_round_is_cut_off():
    made = scheduler()
    made._network.run = lambda ids, *_: (np.eye(len(VOCABULARY))[[3]], Cache(np.zeros(ids.shape)))
    caller = ask(made, "a", 300)
    finish(made)
    assert (caller.text, caller.ending) == ("d" * 24, Ending.LENGTH)


def test_a_failing_network_fails_everyone_and_the_next_one_is_served():
    made = scheduler()
    callers = [ask(made, "abc", 50), ask(made, "abcd", 50), ask(made, "abc", 50)]
    for _ in range(4):
        made.round()
    made._network.fails = True
    with pytest.raises(RuntimeError):
        made.round()
    assert {caller.refused for caller in callers} == {Refusal.FAILED}
    made._network.fails = False
    later = ask(made, "abc", 5)
    finish(made)
    assert later.text == written("abc", 5)


# Sampling


def sample(logits, count=2000, **parameters):
    sampler = Sampler(SamplingParameters(**{"seed": 1} | parameters), len(logits))
    return [sampler.choose(np.array(logits, dtype=np.float32)) for _ in range(count)]


def test_without_a_temperature_the_most_probable_token_is_taken():
    assert set(sample([0.1, 0.3, 0.2], temperature=0)) == {1}


def test_tokens_are_drawn_as_often_as_they_are_probable():
    found = np.bincount(sample(np.log([0.1, 0.6, 0.3]))) / 2000
    np.testing.assert_allclose(found, [0.1, 0.6, 0.3], atol=0.04)


def test_a_low_temperature_makes_the_probable_more_probable():
    found = np.bincount(sample(np.log([0.2, 0.8]), temperature=0.5)) / 2000
    assert found[0] == pytest.approx(0.04 / 0.68, abs=0.03)


def test_improbable_tokens_are_left_out():
    assert set(sample(np.log([0.05, 0.6, 0.35]), top_p=0.7)) == {1, 2}
    assert set(sample(np.log([0.05, 0.6, 0.35]), top_k=1)) == {1}


def test_the_same_seed_draws_the_same_tokens():
    logits = np.log([0.2, 0.3, 0.5])
    assert sample(logits, seed=3) == sample(logits, seed=3)
    assert sample(logits, seed=3) != sample(logits, seed=4)


def test_a_penalty_makes_what_was_there_less_probable():
    sampler = Sampler(SamplingParameters(temperature=0, repetition_penalty=2), 2)
    assert sampler.choose(np.array([1.0, 0.8], np.float32)) == 0
    sampler.see([0])
    assert sampler.choose(np.array([1.0, 0.8], np.float32)) == 1
    assert sampler.choose(np.array([-1.0, -1.5], np.float32)) == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "must be a JSON object"),
        ("[]", "must be a JSON object"),
        ('{"n": 2}', "a key that is not served here"),
        ('{"max_tokens": 0}', "max_tokens must be a number from 1"),
        ('{"max_tokens": 1.5}', "max_tokens must be a number"),
        ('{"max_tokens": true}', "max_tokens must be a number"),
        ('{"temperature": "hot"}', "temperature must be a number"),
        ('{"temperature": NaN}', "temperature must be a number"),
        ('{"stop": [""]}', "stop must be"),
        ('{"stop": 3}', "stop must be"),
    ],
)
def test_parameters_out_of_their_range_are_named_and_not_quoted(text, told):
    with pytest.raises(ValueError, match=told) as caught:
        SamplingParameters.read(text)
    assert "hot" not in str(caught.value)


def test_parameters_are_vllms_with_its_defaults():
    read = SamplingParameters.read('{"stop": "x", "seed": 3}')
    assert read == SamplingParameters(max_tokens=16, temperature=1.0, seed=3, stop=("x",))


# Text


def test_letters_of_several_tokens_come_whole():
    tokenizer = byte_tokenizer()
    text = TextOfTokens(tokenizer, [], ())
    pieces = [text.add(token) for token in tokenizer.encode("3 µm \u80ba").ids]
    assert pieces == ["3", " ", "", "µ", "m", " ", "", "", "\u80ba"]


def test_control_tokens_are_not_text():
    tokenizer = byte_tokenizer()
    text = TextOfTokens(tokenizer, [], ())
    assert "".join(text.add(token) for token in tokenizer.encode("a<|im_end|>b").ids) == "ab"
