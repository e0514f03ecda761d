"""Each reason and each notice of the code has its line in docs/errors.md, which agrees with the code."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from google.rpc.code_pb2 import Code

from medmesh.common.v1 import reasons_pb2
from services.chassis.errors import PUBLIC, MedmeshError, Reason
from tests.contracts.source import modules

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
NOTICE_EXAMPLE = re.compile(r"e\.g\. `([A-Z_]+)`\.\n +repeated medmesh\.common\.v1\.Notice")
ERRORS, REST = DOCUMENT.split("## Notices")
NOTICES, _ = REST.split("## Why an image is not accepted")


def rows(text):
    for line in text.splitlines():
        if line.startswith("| `"):
            yield [cell.strip().strip("`") for cell in line.strip("|").split("|")]


def test_the_table_covers_every_reason_with_a_real_status():
    assert set(PUBLIC) == set(Reason)
    assert {public.status for public in PUBLIC.values()} <= set(Code.keys())
    assert all(public.sentence.endswith(".") for public in PUBLIC.values())


def test_every_reason_is_raised_by_some_class():
    raised = {kind.reason for kind in MedmeshError.__subclasses__()} | {MedmeshError.reason}
    inputs = {reason for reason in Reason if PUBLIC[reason].status == "INVALID_ARGUMENT"}
    assert raised | inputs == set(Reason)


def test_the_document_has_each_reason_once_with_its_status_and_whether_to_retry():
    documented = {reason: (status, retry) for reason, status, retry, *_ in rows(ERRORS)}
    expected = {str(r): (p.status, "yes" if p.retryable else "no") for r, p in PUBLIC.items()}
    assert documented == expected
    assert len(list(rows(ERRORS))) == len(expected)


def test_every_notice_of_the_services_and_contracts_is_documented():
    used = {reason: path for path, tree in modules("services") for reason in notice_reasons(tree)}
    for path in (ROOT / "protos").rglob("*.proto"):
        used |= dict.fromkeys(NOTICE_EXAMPLE.findall(path.read_text(encoding="utf-8")), path)
    documented = {reason for reason, *_ in rows(NOTICES)}
    assert used, "the services give notices; this test no longer finds them"
    assert not {reason: str(path) for reason, path in used.items() if reason not in documented}


def notice_reasons(tree):
    """Constant reasons in `Notice("REASON", …)` and `Notice(reason="REASON", …)`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and name_of(node.func).lower().endswith("notice"):
            arguments = [*node.args[:1], *(k.value for k in node.keywords if k.arg == "reason")]
            yield from (
                a.value for a in arguments if isinstance(a, ast.Constant) and isinstance(a.value, str)
            )


def name_of(function):
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def test_the_contract_lists_each_reason_that_the_documents_and_the_code_have():
    errors = {name.removeprefix("ERROR_REASON_") for name in reasons_pb2.ErrorReason.keys()[1:]}
    notices = {name.removeprefix("NOTICE_REASON_") for name in reasons_pb2.NoticeReason.keys()[1:]}
    assert errors == {str(reason) for reason in Reason}
    assert notices == {reason for reason, *_ in rows(NOTICES)}
