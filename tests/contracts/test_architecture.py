"""Imports point one way (docs/architecture.md): each rule is checked on every import of the project."""

from __future__ import annotations

import ast
import graphlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from services.chassis.models.tasks import PREPROCESSING
from tests.contracts.source import FOLDERS, ROOT, import_graph, imports, modules

TOPOLOGY = tomllib.loads((ROOT / "topology.toml").read_text())
DOORS = tuple(TOPOLOGY.pop("doors"))
SERVICES = tuple(TOPOLOGY)
OWN = ("services", "tools", "clients", "medmesh", "training", "samples", "tests")
"""Packages of this project."""
PURE = ("services.chassis.errors", "services.chassis.notices")
"""What of the chassis has no other imports, and so may be used where nothing else of it may."""
CHASSIS_OF_CLI = (
    "services.chassis.settings",
    "services.chassis.environment",
    "services.chassis.certificates",
    "services.chassis.observability.audit",
    "services.chassis.observability.otlp",
)
"""The command line tells bad and unknown settings too, and counts from the audit log."""
ARROWS = {
    **{f"services.{name}": ("services.chassis", "services.clinical", "medmesh") for name in SERVICES},
    "services.chassis": ("medmesh",),
    "services.clinical": PURE,
    "services.queue": (),
    "services.local": ("services.chassis", "tools"),
    "tools.bootstrap": (),
    "tools.blocking_client": (),
    "tools.distribution": (),
    "tools.helm": (),
    "tools.sbom": (),
    "tools.bench": ("services", "clients", "tools", "medmesh", "samples"),
    "tools.capacity": ("tools",),
    "tools.terminology": ("services.clinical",),
    "tools.trace_picture": ("clients.cli", "medmesh", "tools.bootstrap"),
    "tools.reference": ("services", "tools", "medmesh"),
    "medmesh": (),
    "clients.jobs": ("services.chassis", "services.queue", "medmesh"),
    "clients.archive": ("services.queue", "medmesh"),
    "clients.cli": (
        "clients.archive",
        "clients.loadtest",
        "clients.gateway",
        "clients.dicom_node",
        "clients.hl7_node",
        "clients.console",
        "services.queue",
        "services.local",
        *CHASSIS_OF_CLI,
        "services.clinical",
        "tools",
        "medmesh",
    ),
    "clients.loadtest": ("clients.cli", "medmesh"),
    "clients.gateway": ("services.chassis", "medmesh"),
    "clients.dicom_node": ("services.chassis", "medmesh"),
    "clients.hl7_node": ("services.chassis", "services.queue", "medmesh"),
    # What medmesh is measured against does the same work by the same code.
    "clients.loadtest.peers": ("services", "tools.bootstrap", "medmesh"),
    "clients.console": ("clients.gateway", "services.chassis.settings", "tools.bootstrap"),
    "samples": (),
    "protos": (),
    "training": ("services", "tools", "medmesh", "samples"),
}
"""What of the project the modules of each package may import, beside their own package; of a package within
another its own rule alone counts."""
SPEAKS_GRPC = {"__main__", "servicer", "catalog"}
"""Modules that wire or that are servicers; the orchestrator's catalog is its second one."""
HEAVY = ("torch", "torchvision", "transformers", "sklearn", "pandas", "scipy", "matplotlib")
MAXIMUM_LINES = 400


def within(name, *packages):
    return any(name == package or name.startswith(package + ".") for package in packages)


def imported(*packages):
    """Each module below these packages with each name that it imports."""
    return [
        (module, name)
        for module, names in import_graph().items()
        if within(module, *packages)
        for name in sorted(names)
    ]


def test_each_module_is_under_a_rule():
    free = {module for module in import_graph() if not within(module, *ARROWS)}
    assert {module for module in free if not within(module, "tests")} == {"services", "tools"}


@pytest.mark.parametrize("package", ARROWS)
def test_imports_point_one_way(package):
    inner = [other for other in ARROWS if other != package and within(other, package)]
    found = [(module, name) for module, name in imported(package) if not within(module, *inner)]
    assert found
    assert not [
        (module, name)
        for module, name in found
        if within(name, *OWN) and not within(name, package, *ARROWS[package])
    ]


def test_no_modules_import_each_other_in_a_circle():
    graph = {
        module: [name for name in names if name in import_graph()] for module, names in import_graph().items()
    }
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


@pytest.mark.parametrize("name", ["errors", "notices"])
def test_the_pure_modules_of_the_chassis_need_the_standard_library_alone(name):
    found = import_graph()[f"services.chassis.{name}"]
    assert not [n for n in found if n.split(".")[0] not in sys.stdlib_module_names]


def test_clinical_knowledge_needs_numpy_alone():
    allowed = {*sys.stdlib_module_names, "services", "numpy"}
    assert not [
        (module, name) for module, name in imported("services.clinical") if name.split(".")[0] not in allowed
    ]


def test_clinical_knowledge_loads_neither_grpc_nor_protobuf_nor_triton():
    names = [name for name in import_graph() if within(name, "services.clinical")]
    script = f"import sys, {', '.join(names)}; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert "services.clinical.fhir.reader" in loaded
    assert not [name for name in loaded if within(name, "grpc", "google.protobuf", "tritonclient", "medmesh")]


def test_what_the_services_log_is_told_from_what_libraries_do():
    """The text of other loggers is withheld, since it may quote patient data."""
    named = {
        ast.unparse(node.args[0])
        for _, tree in modules("services")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("getLogger") and node.args
    }
    assert {name for name in named if not name.startswith("'medmesh.")} == {
        "'pydicom'",
        "ROOT",
        "log.ROOT",
        "f'{ROOT}.loop'",
    }


def test_only_the_seam_imports_tritonclient():
    found = imported("services", "clients", "tools", "medmesh")
    seam = "services.chassis.models.triton"
    assert {module for module, name in found if within(name, "tritonclient")} == {
        seam,
        f"{seam}_calls",
        f"{seam}_config",
        f"{seam}_streams",
        f"{seam}_errors",
        "tools.bench.peers",  # it asks another Triton than the mesh's
    }


@pytest.mark.parametrize("service", SERVICES)
def test_domain_modules_know_nothing_of_grpc(service):
    domain = [
        module
        for module in import_graph()
        if within(module, f"services.{service}") and module.rpartition(".")[2] not in SPEAKS_GRPC
    ]
    assert domain
    assert not [
        (module, name)
        for module in domain
        for name in import_graph()[module]
        if within(name, "grpc", "grpc_health", "grpc_status") or "_pb2_grpc" in name
    ]


def test_what_serves_needs_no_training_framework():
    found = imported("services", "clients", "tools", "medmesh")
    assert not [(module, name) for module, name in found if within(name, *HEAVY)]
    users = {module for module, name in found if within(name, "onnxruntime")}
    may = ("services.local.triton.backends", "clients.loadtest.peers")
    assert not [module for module in users if not within(module, *may)]


def test_environments_are_made_without_any_package():
    assert not [
        (module, name)
        for module, name in imported("tools.bootstrap")
        if name.split(".")[0] not in {*sys.stdlib_module_names, "tools"}
    ]


OPTIONAL = {("medmesh.receipt", "cryptography"), ("medmesh.tracing", "opentelemetry")}
"""What a module of the client library uses only where it is installed."""


def test_the_client_library_needs_grpc_and_protobuf_alone():
    needed = {*sys.stdlib_module_names, "grpc", "google", "medmesh"}
    others = {(module, name.split(".")[0]) for module, name in imported("medmesh")}
    assert {(module, name) for module, name in others if name not in needed} == OPTIONAL


def test_a_long_file_says_why():
    long = []
    for folder in FOLDERS:
        for path, _ in modules(folder):
            lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
            reason = any(line.startswith("# Long because: ") for line in lines[:3])
            if len(lines) > MAXIMUM_LINES and not reason:
                long.append(f"{path}: {len(lines)} lines")
    assert not long


def test_a_relative_import_is_seen_as_what_it_means():
    tree = ast.parse("from ..language import linking\nfrom . import models")
    found = imports(Path("services/imaging/analysis.py"), tree)
    assert {"services.language", "services.language.linking", "services.imaging.models"} <= found


def test_no_code_that_serves_names_a_model():
    """The code knows tasks; which models there are, the repository says."""
    models = {path.parent.name for path in ROOT.glob("triton_repo/*/metadata.json")} - set(PREPROCESSING)
    assert models
    named = re.compile(rf"\b({'|'.join(sorted(models))})\b")
    assert not [
        f"{path}:{number}: {line.strip()}"
        for path, _ in modules("services")
        for number, line in enumerate((ROOT / path).read_text(encoding="utf-8").splitlines(), 1)
        if named.search(line)
    ]
