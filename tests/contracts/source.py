"""The project's own Python files, parsed, and what they import."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("services", "tools", "clients", "training", "samples", "protos", "tests")
"""What is written by hand."""


def modules(folder: str) -> Iterator[tuple[Path, ast.Module]]:
    """Path below the repository and syntax tree of each hand-written module below `folder`."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        below = path.relative_to(ROOT)
        if not {"build", "__pycache__"} & set(below.parts) and "_pb2" not in path.name:
            yield below, ast.parse(path.read_text(encoding="utf-8"), str(below))


def imports(path: Path, tree: ast.Module) -> set[str]:
    """Absolute names of what a module imports, anywhere in it; `from a import b` gives `a` and `a.b`."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = path.parts[: -node.level] if node.level else ()
            base = ".".join([*package, *([node.module] if node.module else [])])
            found |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return found


def module_name(path: Path) -> str:
    """What a file below the repository is imported as."""
    parts = path.with_suffix("").parts
    if parts[:2] == ("clients", "python"):
        parts = parts[2:]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.cache
def import_graph() -> Mapping[str, frozenset[str]]:
    """The names that each hand-written module imports, by its own name.

    A module of the project stands for itself and for what is taken from it; `from package import module`
    names the module alone. Of other packages every name is kept, with those above it.
    """
    found = {module_name(path): imports(path, tree) for folder in FOLDERS for path, tree in modules(folder)}
    names = found.keys()
    return {
        name: frozenset(
            n
            for n in imported - {name}
            if not any(other in names and other.startswith(f"{n}.") for other in imported)
            and (n in names or n.rpartition(".")[0] not in names)
        )
        for name, imported in found.items()
    }
