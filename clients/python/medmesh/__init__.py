"""The client of medmesh: medical AI models behind one call.

    from medmesh import Client

    with Client() as client:
        diagnosis = client.diagnose(image="chest.dcm", note="Fever and cough.", patient="bundle.json")

`AsyncClient` has the same calls for asyncio. Answers are the messages of the contracts (`medmesh.*.v1`);
failures are the typed errors of `medmesh.errors`. Research software: every answer says what it may be used
for (`intended_use`). In a notebook answers show themselves; `medmesh.tables` has them as rows.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_PLACES = {
    "AsyncClient": "medmesh.aio.client",
    "Client": "medmesh.blocking.client",
    "Corpus": "medmesh.corpus",
    "Tls": "medmesh.connection",
}


def __getattr__(name: str) -> Any:
    """Whoever wants the messages of the contracts alone, as the services do, does not load the clients."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in {"AsyncClient", "Client"}:  # whoever asks the mesh may look at the answers in a notebook
        import_module("medmesh.notebook").attach()
    return getattr(import_module(_PLACES.get(name, "medmesh.errors")), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
