"""Imports point one way (docs/architecture.md): each rule is checked on every import of the project."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from tests.contracts.source import imports, modules

SERVICES = ("imaging", "language", "recommendation", "orchestrator")
SPEAKS_GRPC = {"__main__.py", "servicer.py", "inventory.py"}
"""Modules that wire or that are servicers; the orchestrator's inventory is its second one."""
HEAVY = ("torch", "torchvision", "transformers", "sklearn", "pandas", "scipy", "matplotlib")


def all_imports(*folders):
    return [
        (path, name) for f in folders for path, tree in modules(f) for name in sorted(imports(path, tree))
    ]


def within(name, *packages):
    return any(name == package or name.startswith(package + ".") for package in packages)


def test_the_rules_see_the_whole_project():
    seen = {path.parts[:2] for path, _ in modules("services")} | {
        path.parts[:2] for path, _ in modules("clients")
    }
    assert {("services", name) for name in (*SERVICES, "chassis", "clinical", "local")} <= seen
    assert ("clients", "python") in seen


@pytest.mark.parametrize("service", SERVICES)
def test_no_service_imports_another_services_code(service):
    allowed = (f"services.{service}", "services.chassis", "services.clinical")
    found = all_imports(f"services/{service}")
    assert not [
        (str(p), n) for p, n in found if within(n, "services") and n != "services" and not within(n, *allowed)
    ]


def test_the_chassis_imports_no_service():
    found = all_imports("services/chassis")
    assert not [
        (str(p), n)
        for p, n in found
        if within(n, "services") and not within(n, "services.chassis", "services")
    ]
    assert not [(str(p), n) for p, n in found if within(n, *(f"services.{s}" for s in (*SERVICES, "local")))]


def test_shared_clinical_knowledge_is_pure():
    allowed = {*sys.stdlib_module_names, "services", "numpy"}
    pure = ("services.clinical", "services.chassis.errors", "services.chassis.notices")
    found = all_imports("services/clinical")
    assert found
    assert not [(str(p), n) for p, n in found if n.split(".")[0] not in allowed]
    assert not [(str(p), n) for p, n in found if within(n, "services.chassis") and not within(n, *pure)]


def test_only_the_seam_imports_tritonclient():
    found = all_imports("services", "clients")
    assert {str(path) for path, name in found if within(name, "tritonclient")} == {
        "services/chassis/models/triton.py"
    }


@pytest.mark.parametrize("service", SERVICES)
def test_domain_modules_know_nothing_of_grpc(service):
    found = [
        (path, name) for path, name in all_imports(f"services/{service}") if path.name not in SPEAKS_GRPC
    ]
    assert not [
        (str(p), n) for p, n in found if within(n, "grpc", "grpc_health", "grpc_status") or "_pb2_grpc" in n
    ]


def test_what_serves_needs_no_training_framework():
    found = all_imports("services", "clients")
    assert not [(str(path), name) for path, name in found if within(name, *HEAVY, "training", "tests")]
    runtimes = {str(path) for path, name in found if within(name, "onnxruntime")}
    assert runtimes <= {"services/local/triton/backends/onnxruntime/model.py"}


def test_the_client_library_needs_grpc_and_protobuf_alone():
    allowed = {*sys.stdlib_module_names, "grpc", "google", "medmesh"}
    found = all_imports("clients/python/medmesh")
    assert not [(str(path), name) for path, name in found if name.split(".")[0] not in allowed]


def test_nothing_imports_the_command_line_or_the_load_test_but_themselves():
    found = all_imports("services", "clients/python", "training")
    assert not [(str(path), name) for path, name in found if within(name, "clients")]


def test_a_relative_import_is_seen_as_what_it_means():
    tree = ast.parse("from ..language import linking\nfrom . import models")
    found = imports(Path("services/imaging/analysis.py"), tree)
    assert {"services.language", "services.language.linking", "services.imaging.models"} <= found
