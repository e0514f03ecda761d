"""The project's own Python files, parsed, and what they import."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


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
