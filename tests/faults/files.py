"""Faults of what decides an answer or lets a process work: weights, vocabularies, the token, descriptors."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults.deployment import Deployment, until

_RESTART_S = 60.0


@dataclass(frozen=True)
class Change:
    """A change of a file of a model that a service reads when it starts."""

    path: str
    """Below the folder of models."""
    change: Callable[[bytes], bytes]
    service: str
    in_ci: bool = False


@contextlib.contextmanager
def without_token(mesh: Deployment) -> Iterator[None]:
    token = mesh.token_file.read_text()
    mesh.token_file.unlink()
    yield
    mesh.token_file.write_text(token)


@contextlib.contextmanager
def flipped_weights(mesh: Deployment, model: str, service: str) -> Iterator[None]:
    """One bit in the midst of the weights; Triton and the service start again on them."""
    (path,) = (mesh.models / model).glob("*/model.onnx")
    with _replaced(path, lambda content: _flip(content, len(content) // 2)):
        _restart(mesh, "triton")
        _restart(mesh, service)
        yield
    _restart(mesh, "triton")
    _restart(mesh, service)


@contextlib.contextmanager
def changed(mesh: Deployment, path: str, change: Callable[[bytes], bytes], service: str) -> Iterator[None]:
    """A file beside the weights is another one when the service starts again."""
    with _replaced(mesh.models / path, change):
        _restart(mesh, service)
        yield
    _restart(mesh, service)


@contextlib.contextmanager
def without_descriptors(mesh: Deployment, service: str) -> Iterator[None]:
    """The process may open no further file or connection."""
    pid = mesh.pid(service)
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    opened = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (opened, before[1]))
    yield
    resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


@contextlib.contextmanager
def _replaced(path: Path, change: Callable[[bytes], bytes]) -> Iterator[None]:
    content = path.read_bytes()
    new = change(content)
    assert new != content
    path.write_bytes(new)
    try:
        yield
    finally:
        path.write_bytes(content)


def _restart(mesh: Deployment, part: str) -> None:
    """Ends a part; returns when `medmesh up` has started it again."""
    pid = mesh.pid(part)
    os.kill(pid, signal.SIGKILL)
    assert until(lambda: mesh.runs(part) and mesh.pid(part) != pid, _RESTART_S)


def _flip(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def _in_json(change: Callable[[Any], None]) -> Callable[[bytes], bytes]:
    def changed(content: bytes) -> bytes:
        read = json.loads(content)
        change(read)
        return json.dumps(read).encode()

    return changed


def _swap_words(tokenizer: Any) -> None:
    words = tokenizer["model"]["vocab"]
    words["no"], words["on"] = words["on"], words["no"]


def _move_treatments(vocabulary: Any) -> None:
    vocabulary["treatments"] = vocabulary["treatments"][1:] + vocabulary["treatments"][:1]


CHANGES = {
    "the labels of a model are turned round": Change(
        "chest_xray/labels.txt", lambda content: b"".join(reversed(content.splitlines(True))), "imaging"
    ),
    "two words of a tokenizer are swapped": Change(
        "clinical_ner/tokenizer.json", _in_json(_swap_words), "language", in_ci=True
    ),
    "the treatments of a vocabulary are moved by one": Change(
        "treatment_ranker/vocabulary.json", _in_json(_move_treatments), "recommendation"
    ),
    "a card is cut off in the middle": Change(
        "clinical_ner/metadata.json", lambda content: content[: len(content) // 2], "language"
    ),
}
