"""The client of medmesh: medical AI models behind one call.

    from medmesh import Client

    with Client() as client:
        diagnosis = client.diagnose(image="chest.dcm", note="Fever and cough.", patient="bundle.json")

`AsyncClient` has the same calls for asyncio. Answers are the messages of the contracts (`medmesh.*.v1`);
failures are the typed errors of `medmesh.errors`. Research software: every answer says what it may be used
for (`intended_use`). In a notebook answers show themselves; `medmesh.tables` has them as rows.
"""

from __future__ import annotations

from medmesh import notebook
from medmesh.aio.client import AsyncClient
from medmesh.blocking.client import Client
from medmesh.connection import Tls
from medmesh.corpus import Corpus
from medmesh.errors import (
    DeadlineExceeded,
    InternalError,
    InvalidInput,
    MedmeshError,
    NotFound,
    Overloaded,
    PermissionDenied,
    Unauthenticated,
    Unavailable,
    Violation,
)

__all__ = [
    "AsyncClient",
    "Client",
    "Corpus",
    "DeadlineExceeded",
    "InternalError",
    "InvalidInput",
    "MedmeshError",
    "NotFound",
    "Overloaded",
    "PermissionDenied",
    "Tls",
    "Unauthenticated",
    "Unavailable",
    "Violation",
]

notebook.attach()
