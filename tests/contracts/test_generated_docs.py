"""What `docs/` says of contracts and settings is generated, and is what the code says now."""

from __future__ import annotations

import dataclasses
import re

from services.chassis import environment
from services.local.mesh_settings import MeshSettings
from services.local.triton import TritonSettings
from tests.contracts.source import ROOT
from tools.reference import api, configuration, openapi

READ_WHERE = ("services", "clients", "training", "tools", "compose.yaml", ".env", "Dockerfile", "Makefile")
VARIABLE = re.compile(r"\bMEDMESH_[A-Z0-9]+(?:_[A-Z0-9]+)*\b(?!_)")
CODE = {".py", ".yaml", ".env", ""}


def test_the_reference_of_the_contracts_is_current():
    written = {path.name: path.read_text(encoding="utf-8") for path in api.DEFAULT_OUT.glob("*.md")}
    assert written == api.pages(), "run `make docs`"


def test_the_page_of_the_configuration_is_current():
    assert configuration.PAGE.read_text(encoding="utf-8") == configuration.page(), "run `make docs`"
    assert environment.KNOWN.read_text(encoding="utf-8").split() == configuration.variables(), (
        "run `make docs`"
    )


def test_the_description_of_the_http_door_is_current():
    assert openapi.PATH.read_text(encoding="utf-8") == openapi.text(), "run `make docs`"


def test_every_variable_that_is_named_anywhere_is_documented():
    named = {}
    for place in READ_WHERE:
        top = ROOT / place
        for path in [top] if top.is_file() else top.rglob("*"):
            if path.is_file() and path.suffix in CODE and not {"__pycache__", "node_modules"} & {*path.parts}:
                named |= dict.fromkeys(VARIABLE.findall(path.read_text(encoding="utf-8")), str(path))
    assert len(named) > 30
    assert not {name: path for name, path in named.items() if name not in configuration.variables()}


def test_every_setting_says_what_it_is():
    for kind in (
        *configuration.settings_classes().values(),
        *configuration.door_settings_classes().values(),
        MeshSettings,
        TritonSettings,
    ):
        names = [field.name for field in dataclasses.fields(kind)]
        meanings = dict(configuration.docstrings(kind))
        missing = [name for name in names if not meanings.get(name, "").endswith(".")]
        assert not missing, f"{kind.__name__}: {missing}"
