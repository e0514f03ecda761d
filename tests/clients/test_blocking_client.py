"""The blocking client is what the tool generates from the one for asyncio."""

from __future__ import annotations

import ast

from tools import blocking_client


def test_it_is_current():
    assert {path: path.read_text("utf-8") for path in blocking_client.TARGET.glob("*.py")} == (
        blocking_client.generated()
    )


def test_it_waits_nowhere_and_says_where_it_comes_from():
    for path in sorted(blocking_client.TARGET.glob("*.py")):
        text = path.read_text("utf-8")
        assert "tools/blocking_client.py" in text.splitlines()[0]
        waiting = (ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith, ast.Await)
        assert not [node for node in ast.walk(ast.parse(text)) if isinstance(node, waiting)]
        assert "asyncio" not in text.replace("medmesh/aio", "").replace("medmesh.aio", "")
