"""Sends publications to a corpus in batches, and counts what becomes of each."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator

from clients.cli.publications import Fault, Files, Withdrawn
from medmesh.blocking.literature import Literature
from medmesh.errors import DeadlineExceeded, InvalidInput, Overloaded
from medmesh.language.v1 import literature_pb2 as pb

_BATCH = {False: 32, True: 256}
"""Publications a call, with embeddings and of words alone: a call is over in seconds on a slow machine."""
_BATCH_CHARACTERS = {False: 60_000, True: 600_000}
_MOST_KEPT = 10_000
"""Faults that are kept to be listed; more are counted."""
_ATTEMPTS = 20
"""At a batch that the service has no room for, a second apart."""


class Loading:
    """A load of files into a corpus."""

    def __init__(self, literature: Literature, corpus: str, *, words_only: bool) -> None:
        self._literature, self._corpus, self._words_only = literature, corpus, words_only
        self._batch: list[tuple[str, pb.Publication]] = []
        self._characters = 0
        self.outcomes: Counter[int] = Counter()
        """Publications by outcome (`PublicationOutcome`)."""
        self.withdrawn_count = 0
        """Publications of the corpus that the files say are no more, and that were removed."""
        self.passage_count = 0
        self.truncated_count = 0
        """Passages of which the embedding covers the beginning alone."""
        self.faults: list[Fault] = []
        self.fault_count = 0

    def run(self, files: Files) -> Iterator[int]:
        """Loads them; yields, after each batch, how many publications have been sent.

        Raises the client's errors, but for a publication that is refused, which is a fault. What was sent
        stays.
        """
        withdrawn: list[str] = []
        for record in files:
            if isinstance(record, Fault):
                self._fault(record.where, record.why)
            elif isinstance(record, Withdrawn):
                withdrawn.append(record.id)
            else:
                self._batch.append((record.id, record))
                self._characters += len(record.text) + len(record.title)
                if self._is_full():
                    yield self._send()
        yield self._send()
        if withdrawn:
            self.withdrawn_count = self._literature.remove(self._corpus or "default", withdrawn)

    def _is_full(self) -> bool:
        return (
            len(self._batch) >= _BATCH[self._words_only]
            or self._characters >= _BATCH_CHARACTERS[self._words_only]
        )

    def _send(self) -> int:
        """Sends the batch; of two publications with one id the later one, which would replace the other."""
        batch, self._batch, self._characters = list(dict(self._batch).values()), [], 0
        if batch:
            try:
                self._add(batch)
            except InvalidInput as error:
                if "corpus" in error.field:
                    raise
                self._one_by_one(batch)
        return self.outcomes.total()

    def _one_by_one(self, batch: list[pb.Publication]) -> None:
        """So that one that breaks the contract's limits costs no other."""
        for publication in batch:
            try:
                self._add([publication])
            except InvalidInput as error:
                self.outcomes[pb.PUBLICATION_OUTCOME_REFUSED] += 1
                field = error.violations[0].field.rpartition(".")[2] if error.violations else "it"
                why = error.violations[0].description if error.violations else str(error)
                self._fault(publication.id, f"{field}: {why}")

    def _add(self, batch: list[pb.Publication]) -> None:
        try:
            answer = self._answer(batch)
        except DeadlineExceeded:
            if len(batch) == 1:
                raise
            for part in (batch[: len(batch) // 2], batch[len(batch) // 2 :]):
                self._add(part)
            return
        for publication, added in zip(batch, answer.publications, strict=True):
            self.outcomes[added.outcome] += 1
            self.passage_count += added.passage_count
            self.truncated_count += added.truncated_passage_count
            if added.outcome == pb.PUBLICATION_OUTCOME_REFUSED:
                self._fault(publication.id, added.problem)

    def _answer(self, batch: list[pb.Publication]) -> pb.AddLiteratureResponse:
        for _ in range(_ATTEMPTS - 1):
            try:
                return self._literature.add(batch, corpus=self._corpus, words_only=self._words_only)
            except Overloaded as error:
                time.sleep(error.retry_after_s or 1.0)
        return self._literature.add(batch, corpus=self._corpus, words_only=self._words_only)

    def _fault(self, where: str, why: str) -> None:
        self.fault_count += 1
        if len(self.faults) < _MOST_KEPT:
            self.faults.append(Fault(where, why))
