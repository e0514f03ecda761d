"""Many texts at once: a loop that gives each one token a round, and takes up and lets go of texts between
rounds.

A prompt is read in chunks of its own, one a round, so that a long one does not stop the others for longer
than a chunk takes. Then its row joins a batch. Each round first asks every request whether its caller has
gone, so that a cancelled one costs at most the token under way.

How many rows a batch has is a choice. Rows that are computed together are as long as the longest, padded on
the left, and their sums are added up in another order than those of a row alone: where two tokens are equally
probable to the last digits, a text then depends on who else is being served. In a batch of one it does not.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

import numpy as np

from .network import Cache, Floats, Ints, Network
from .parameters import SamplingParameters
from .sampling import Sampler

_ROUNDS, _LONGEST_ROUND, _FEWEST_TOKENS = 4, 24, 24
"""A text goes round when it says up to 24 tokens four times in a row; fewer than 6, until they make 24."""


class Ending(Enum):
    """How a text ended; the values are vLLM's finish reasons."""

    STOP = "stop"
    LENGTH = "length"


class Refusal(Enum):
    """Why a request gets no text, or no more of it."""

    CANCELLED = "the caller has gone"
    TIMED_OUT = "Request timeout expired"
    FAILED = "the model could not be computed"
    ENDED = "the model is being unloaded"


class Caller(Protocol):
    """Who gets the text."""

    def is_cancelled(self) -> bool:
        """Whether nobody waits any more."""
        ...

    def send(self, text: str, ending: Ending | None) -> None:
        """A piece of the text; `ending` with the last one."""
        ...

    def refuse(self, why: Refusal) -> None:
        """No text, or no more of it."""
        ...


class Text(Protocol):
    """The text that tokens make."""

    is_stopped: bool

    def add(self, token: int) -> str:
        """What a further token makes certain."""
        ...

    def end(self) -> str:
        """What was held back."""
        ...


@dataclass(frozen=True)
class Bounds:
    """What a scheduler takes on."""

    max_token_count: int
    """Of prompt and answer together."""
    max_active_count: int = 8
    """Texts that are written at the same time."""
    max_batch_count: int = 1
    """Of those, the ones that are computed together."""
    max_waiting_count: int = 32
    """Requests that wait beyond those."""
    max_seconds: float = 60.0
    """Longest time of one request, waiting included."""
    prefill_chunk: int = 128
    """Most tokens of a prompt that are read in one round."""


@dataclass(eq=False)
class Job:
    """One request."""

    caller: Caller
    prompt: list[int]
    parameters: SamplingParameters
    text: Text
    until: float
    """When its answer is due, on the scheduler's clock."""
    sampler: Sampler
    read_count: int = 0
    """Tokens of the prompt that are in the cache."""
    written: list[int] = field(default_factory=list)

    @property
    def token_count(self) -> int:
        """Tokens whose keys and values are in the cache once the last one written is computed."""
        return len(self.prompt) + len(self.written)


class Batch:
    """Texts that are computed together, and their cache."""

    def __init__(self, job: Job, cache: Cache) -> None:
        self.jobs = [job]
        self._cache = cache

    def join(self, job: Job, cache: Cache) -> None:
        """Takes in a further text."""
        self.jobs.append(job)
        self._cache = self._cache.beside(cache)

    def write(self, network: Network) -> Floats:
        """Logits FP32 [texts, vocabulary] of what follows the last token of each."""
        ids = np.array([[job.written[-1]] for job in self.jobs], dtype=np.int64)
        positions = np.array([[job.token_count - 1] for job in self.jobs], dtype=np.int64)
        logits, self._cache = network.run(ids, self._mask(), positions, self._cache)
        return logits

    def keep(self, jobs: list[Job]) -> None:
        """Goes on with these of its texts."""
        if len(jobs) == len(self.jobs):
            return
        rows = [at for at, job in enumerate(self.jobs) if job in jobs]
        self.jobs = jobs
        if jobs:
            longest = max(job.token_count - 1 for job in jobs)
            self._cache = self._cache.select(rows, self._cache.length - longest)

    def _mask(self) -> Ints:
        longest = max(job.token_count for job in self.jobs)
        mask = np.zeros((len(self.jobs), longest), dtype=np.int64)
        for row, job in enumerate(self.jobs):
            mask[row, longest - job.token_count :] = 1
        return mask


class Scheduler:
    """Runs the texts of one network. Not thread-safe: one thread calls `round`, and hands jobs to `add`."""

    def __init__(
        self,
        network: Network,
        bounds: Bounds,
        stop_tokens: Sequence[int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._network = network
        self._bounds = bounds
        self._stop_tokens = frozenset(stop_tokens)
        self._clock = clock
        self._waiting: deque[Job] = deque()
        self._reading: Job | None = None
        self._read: Cache | None = None
        self._batches: list[Batch] = []

    @property
    def count(self) -> int:
        """Requests that it has."""
        return len(self._jobs())

    @property
    def is_full(self) -> bool:
        """Whether it takes no further request."""
        return self.count >= self._bounds.max_active_count + self._bounds.max_waiting_count

    def add(
        self,
        caller: Caller,
        prompt: list[int],
        parameters: SamplingParameters,
        text: Text,
        timeout_s: float = float("inf"),
    ) -> None:
        """Takes up a request. Raises ValueError where its prompt leaves no room for an answer."""
        if not 0 < len(prompt) < self._bounds.max_token_count:
            raise ValueError(f"the prompt must have 1 to {self._bounds.max_token_count - 1} tokens")
        sampler = Sampler(parameters, self._network.vocabulary_count)
        sampler.see(prompt)
        until = self._clock() + min(timeout_s, self._bounds.max_seconds)
        self._waiting.append(Job(caller, prompt, parameters, text, until, sampler))

    def round(self) -> None:
        """One step of everything: who has gone is let go, texts get a token each, a prompt is read on.

        Raises what the network raises, when everyone has been told.
        """
        self.let_go()
        writing = sum(len(batch.jobs) for batch in self._batches)
        if self._reading is None and self._waiting and writing < self._bounds.max_active_count:
            self._reading, self._read = self._waiting.popleft(), None
        try:
            for batch in self._batches:
                rows = zip(batch.jobs, batch.write(self._network), strict=True)
                batch.keep([job for job, logits in rows if self._give(job, logits)])
            self._batches = [batch for batch in self._batches if batch.jobs]
            if self._reading is not None:
                self._read_chunk(self._reading)
        except Exception:
            self.refuse_all(Refusal.FAILED)
            raise

    def refuse_all(self, why: Refusal) -> None:
        """Lets everyone go."""
        for job in self._jobs():
            job.caller.refuse(why)
        self._waiting.clear()
        self._reading = self._read = None
        self._batches = []

    def _jobs(self) -> list[Job]:
        writing = [job for batch in self._batches for job in batch.jobs]
        return [*writing, *([self._reading] if self._reading else []), *self._waiting]

    def let_go(self) -> None:
        """Refuses those who have gone, or whose time is over."""
        gone = set()
        now = self._clock()
        for job in self._jobs():
            if job.caller.is_cancelled():
                job.caller.refuse(Refusal.CANCELLED)
                gone.add(job)
            elif now >= job.until:
                job.caller.refuse(Refusal.TIMED_OUT)
                gone.add(job)
        if gone:
            self._waiting = deque(job for job in self._waiting if job not in gone)
            if self._reading in gone:
                self._reading = self._read = None
            for batch in self._batches:
                batch.keep([job for job in batch.jobs if job not in gone])
            self._batches = [batch for batch in self._batches if batch.jobs]

    def _read_chunk(self, job: Job) -> None:
        start = job.read_count
        stop = min(start + self._bounds.prefill_chunk, len(job.prompt))
        ids = np.array([job.prompt[start:stop]], dtype=np.int64)
        positions = np.arange(start, stop, dtype=np.int64)[np.newaxis]
        logits, self._read = self._network.run(ids, np.ones((1, stop), np.int64), positions, self._read)
        job.read_count = stop
        if stop < len(job.prompt):
            return
        cache, self._reading, self._read = self._read, None, None
        if not self._give(job, logits[0]):
            return
        for batch in self._batches:
            if len(batch.jobs) < self._bounds.max_batch_count:
                batch.join(job, cache)
                return
        self._batches.append(Batch(job, cache))

    def _give(self, job: Job, logits: Floats) -> bool:
        """Chooses and sends a token; whether the text goes on."""
        token = job.sampler.choose(logits)
        if token in self._stop_tokens:
            job.caller.send(job.text.end(), Ending.STOP)
            return False
        job.written.append(token)
        job.sampler.see([token])
        piece = job.text.add(token)
        if job.text.is_stopped:
            job.caller.send(piece, Ending.STOP)
            return False
        is_last = len(job.written) >= job.parameters.max_tokens or goes_round(job.written)
        if is_last or job.token_count >= self._bounds.max_token_count:
            job.caller.send(piece + job.text.end(), Ending.LENGTH)
            return False
        if piece:
            job.caller.send(piece, None)
        return True


def goes_round(tokens: Sequence[int]) -> bool:
    """Whether a text has begun to say the same again and again, as small models do until they are stopped."""
    for period in range(1, _LONGEST_ROUND + 1):
        length = max(_ROUNDS * period, _FEWEST_TOKENS)
        last = tokens[-length:]
        if len(last) == length and last[period:] == last[:-period]:
            return True
    return False
