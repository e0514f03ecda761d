"""One entry through the mesh, and what an error of it means for the entry and for the run."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from clients.archive.entries import Entry
from medmesh import (
    InvalidInput,
    MedmeshError,
    NotFound,
    Overloaded,
    PermissionDenied,
    Unauthenticated,
    Unavailable,
)
from medmesh.aio.client import AsyncClient
from medmesh.imaging.v1.imaging_pb2 import ImageAnalysis
from medmesh.orchestrator.v1.orchestrator_pb2 import Diagnosis
from services.queue.items import Claimed, State
from services.queue.worker import Ended, Failed, Outcome, Refused

FILE_UNREADABLE = "FILE_UNREADABLE"
"""Reason of an entry whose file is not there, or cannot be opened."""
PASSING = frozenset(
    {
        "OVERLOADED",
        "QUOTA_EXCEEDED",
        "UPSTREAM_UNAVAILABLE",
        "MODEL_UNAVAILABLE",
        "DEADLINE_EXCEEDED",
        "UNAVAILABLE",
    }
)
"""Reasons that say nothing of the entry: the same entry may get an answer another time."""
_SHORTEST_WAIT_S = 0.1
_LEVEL = 1


class Reader:
    """Reads entries with a client of the mesh."""

    def __init__(
        self,
        client: AsyncClient,
        *,
        models: Sequence[str] = (),
        body_part: str | None = None,
        timeout_s: float = 120.0,
    ) -> None:
        self._client = client
        self._models = models
        self._body_part = body_part
        self._timeout_s = timeout_s
        self.silent: set[str] = set()
        """The services that did not answer."""

    async def read(self, claim: Claimed) -> Outcome:
        """What came of it. Raises where no entry would fare better: no identity, no right, no such model."""
        entry = Entry.unpacked(claim.key, claim.payload)
        try:
            answer = await (self._diagnosis(entry) if entry.is_case else self._analysis(entry))
        except (Unauthenticated, PermissionDenied, NotFound):
            raise
        except Overloaded as error:
            return Refused(error.reason or "OVERLOADED", max(error.retry_after_s or 1.0, _SHORTEST_WAIT_S))
        except InvalidInput as error:
            return _set_aside(error.reason, str(error))
        except MedmeshError as error:
            reason = error.reason or error.status.name
            if isinstance(error, Unavailable):
                self.silent.add("orchestrator" if entry.is_case else "imaging")
            return Failed(
                reason, _set_aside(reason, str(error)), nobody_answers=isinstance(error, Unavailable)
            )
        except (OSError, ValueError, TypeError) as error:
            said = error.strerror or type(error).__name__ if isinstance(error, OSError) else str(error)
            return _set_aside(FILE_UNREADABLE, said)
        done = Ended(State.DONE, await asyncio.to_thread(pack, answer), keep_payload=True)
        return _of_partial(answer, done) if isinstance(answer, Diagnosis) else done

    async def _analysis(self, entry: Entry) -> ImageAnalysis:
        files = [Path(file) for file in entry.files]
        return await self._client.analyze_image(
            files[0] if len(files) == 1 else files,
            models=self._models,
            body_part=self._body_part,
            timeout_s=self._timeout_s,
        )

    async def _diagnosis(self, entry: Entry) -> Diagnosis:
        files = [Path(file) for file in entry.files]
        return await self._client.diagnose(
            image=[files] if files else None,
            note=Path(entry.note) if entry.note else None,
            patient=Path(entry.patient) if entry.patient else None,
            models=self._models,
            body_part=self._body_part,
            timeout_s=self._timeout_s,
        )


def _of_partial(answer: Diagnosis, done: Ended) -> Outcome:
    """A diagnosis that lacks a branch for what will pass is asked for again, and kept as it is in the end."""
    for branch in answer.branches:
        if branch.reason in PASSING:
            if branch.reason in {"OVERLOADED", "QUOTA_EXCEEDED"}:
                return Refused(branch.reason, 1.0)
            return Failed(branch.reason, replace(done, reason=branch.reason))
    return done


def pack(answer: ImageAnalysis | Diagnosis) -> bytes:
    """An answer as the queue keeps it."""
    return zlib.compress(answer.SerializeToString(), _LEVEL)


def unpack(entry: Entry, content: bytes) -> ImageAnalysis | Diagnosis:
    """The answer to an entry that is done."""
    kind = Diagnosis if entry.is_case else ImageAnalysis
    return kind.FromString(zlib.decompress(content))


def _set_aside(reason: str, detail: str) -> Ended:
    return Ended(State.FAILED, detail.encode(), reason=reason, keep_payload=True)
