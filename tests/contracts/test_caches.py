"""What a request says is not kept without a bound: a cache of whatever callers send grows for as long as the
process lives, and keeps words of patients.
"""

from __future__ import annotations

import ast

import pytest

from tests.contracts.source import modules

NOT_SENT = {
    "services/imaging/dicom/attributes.py": {"_tag"},
    "services/language/languages.py": {"_foreign_words"},
    "services/language/vocabulary.py": {"term_words"},
}
"""Functions whose texts stand in the code that calls them, or in cards."""
SENT = {"str", "bytes", "Sequence", "tuple", "Mapping"}


def unbounded(tree):
    """Functions that are cached without a bound by a text or by several of them."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef) or not any(map(_is_cache, node.decorator_list)):
            continue
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        words = [ast.walk(one.annotation) for one in arguments if one.annotation is not None]
        if any(isinstance(part, ast.Name) and part.id in SENT for parts in words for part in parts):
            yield node.name


def _is_cache(decorator):
    if isinstance(decorator, ast.Call):
        return _name(decorator.func) == "lru_cache" and any(
            isinstance(value, ast.Constant) and value.value is None
            for value in [*decorator.args, *(one.value for one in decorator.keywords)]
        )
    return _name(decorator) == "cache"


def _name(node):
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


@pytest.mark.parametrize("folder", ["services", "clients/gateway", "clients/dicom_node", "clients/hl7_node"])
def test_no_cache_without_a_bound_takes_what_callers_send(folder):
    found = {(str(path), name) for path, tree in modules(folder) for name in unbounded(tree)}
    assert found <= {(path, name) for path, names in NOT_SENT.items() for name in names}


@pytest.mark.parametrize(
    "decorator", ["@cache", "@functools.cache", "@lru_cache(maxsize=None)", "@functools.lru_cache(None)"]
)
def test_a_cache_without_a_bound_is_seen(decorator):
    code = "def of(word: str, more: int) -> int: ..."
    assert list(unbounded(ast.parse(f"{decorator}\n{code}"))) == ["of"]
    assert not list(unbounded(ast.parse(f"@lru_cache(maxsize=9)\n{code}")))
