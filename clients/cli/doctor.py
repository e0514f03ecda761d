"""`medmesh doctor`: what is installed, healthy and reachable, and the remedy for what is not."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import platform
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import grpc
import typer
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from clients.cli import inputs
from clients.cli.failures import ExitCode, explained
from clients.cli.show import marks
from medmesh import MedmeshError
from medmesh.connection import DOOR_PORTS, Connection, Tls

PACKAGES = ("medmesh-client", "grpcio", "protobuf", "typer", "rich")
WARNED_BEFORE_DAYS = 30
_RENEW = "Renew it: `medmesh certificates`, or the authority that signed it."
_SIGNED = {
    "verified": "its signature holds",
    "unverified": "signed, which nothing verifies without MEDMESH_MODEL_KEYS",
    "": "not signed",
}
SERVICE_PACKAGES = ("tritonclient", "pydicom", "pillow", "tokenizers", "numpy")
TRITON_NOTE = (
    "The embedded Triton (release 24.10) is for this machine only: it binds to loopback, because its release "
    "has known holes: CVE-2025-23319, an out-of-bounds write in the Python backend (fixed in 25.07), and "
    "CVE-2026-24207, an authentication bypass (fixed in 26.03). In production use NVIDIA's container, 26.07 "
    "or later, and expose it to nobody but the services."
)


class Verdict(Enum):
    """How a check ended: its mark and style."""

    GOOD = ("✓", "green")
    NOTED = ("·", "yellow")
    """Nothing is wrong, but it is worth knowing: the mesh is not running."""
    BAD = ("✗", "bold red")


@dataclass(frozen=True)
class Finding:
    """What one check found."""

    verdict: Verdict
    subject: str
    found: str
    remedy: str = ""


def doctor(url: inputs.Url = None, as_json: inputs.Json = False) -> None:
    """Check this machine, the installation, the models and the mesh, and say how to fix what is wrong.

    Exits 1 when something is wrong. A mesh that is not running counts only where --url or MEDMESH_URL names
    one.
    """
    sections: dict[str, Callable[[], Iterator[Finding]]] = {"Installation": installation}
    if importlib.util.find_spec("services") is not None:
        sections |= {"Embedded Triton": embedded_triton, "Models": models}
    sections["Mesh"] = lambda: mesh(url)
    with explained():
        findings = {title: list(section()) for title, section in sections.items()}
    if as_json:
        plain = [
            {
                "section": title,
                "verdict": f.verdict.name,
                "subject": f.subject,
                "found": f.found,
                "remedy": f.remedy,
            }
            for title, section in findings.items()
            for f in section
        ]
        sys.stdout.write(json.dumps(plain, indent=2, ensure_ascii=False) + "\n")
    else:
        for title, section in findings.items():
            _present(title, section)
        if "Embedded Triton" in findings:
            marks.present([Padding(Text(TRITON_NOTE, style="dim"), (1, 2, 0, 2))])
    if any(f.verdict is Verdict.BAD for section in findings.values() for f in section):
        raise typer.Exit(ExitCode.FAILED)


def installation() -> Iterator[Finding]:
    """Python and the packages of this environment."""
    yield Finding(
        Verdict.GOOD, "Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    )
    services = importlib.util.find_spec("services") is not None
    for package in (*PACKAGES, *(SERVICE_PACKAGES if services else ())):
        try:
            yield Finding(Verdict.GOOD, package, importlib.metadata.version(package))
        except importlib.metadata.PackageNotFoundError:
            yield Finding(Verdict.BAD, package, "not installed", "Run `make venv`.")
    if not services:
        found = "not installed: `up` and `demo` need them, the other commands do not"
        yield Finding(Verdict.NOTED, "services", found)


def embedded_triton() -> Iterator[Finding]:
    """Whether this machine and the environment `.venv-triton` can run the embedded Triton."""
    from services.local.triton.installation import Installation
    from tools import bootstrap

    try:
        bootstrap.check_triton_machine()
        yield Finding(Verdict.GOOD, "libpython", str(bootstrap.libpython_folder()))
    except bootstrap.Missing as missing:
        yield Finding(Verdict.BAD, "machine", str(missing))
        return
    environment = bootstrap.ENVIRONMENTS["triton"]
    if not environment.path.is_dir():
        yield Finding(Verdict.BAD, "environment", f"{environment.path} is missing", "Run `make venv`.")
        return
    try:
        found = Installation.at(environment.path)
    except bootstrap.Missing as missing:
        yield Finding(Verdict.BAD, "environment", str(missing))
        return
    yield Finding(Verdict.GOOD, "tritonserver", _short(found.server))
    for distribution in importlib.metadata.distributions(path=[str(found.site)]):
        if distribution.metadata["Name"].lower() in {"numpy", "onnxruntime", "nvidia-pytriton"}:
            yield Finding(Verdict.GOOD, distribution.metadata["Name"].lower(), distribution.version)


def models() -> Iterator[Finding]:
    """Whether each model's card holds, and its weights are those of the card."""
    from services.local.models import inspect_all
    from services.local.triton.launcher import TritonSettings
    from tools.bootstrap import Missing

    folders = TritonSettings.from_environment().repository
    try:
        found = inspect_all(folders)
    except Missing as missing:
        yield Finding(Verdict.BAD, "model repository", str(missing), "See MEDMESH_MODEL_REPOSITORY.")
        return
    for one in found:
        if one.problems:
            said = "; ".join(f"{problem.field} {problem.what}" for problem in one.problems)
            remedy = (
                f"It is not served: {one.problems[0].remedy}. `medmesh models check {one.folder}` tells all."
            )
            yield Finding(Verdict.BAD, one.name, said, remedy)
        else:
            yield Finding(Verdict.GOOD, one.name, f"{one.version}, as its card says; {_SIGNED[one.signed]}")


def mesh(url: str | None) -> Iterator[Finding]:
    """Whether each service of the mesh is reachable and healthy, and what the orchestrator says of the
    models.
    """
    import os

    named = bool(url or os.environ.get("MEDMESH_URL"))
    with inputs.client(url, 5.0) as client:
        targets = {
            name: target
            for name, target in client.connection.targets.items()
            if name not in DOOR_PORTS or _listens(target)  # a mesh may be without doors
        }
        reachable = {service: _listens(target) for service, target in targets.items()}
        if not reachable["orchestrator"] and not named:
            yield Finding(Verdict.NOTED, "mesh", "not running at the usual ports", "Start it: `medmesh up`.")
            for service in (name for name, there in reachable.items() if there):
                remedy = f"`up` needs the port: end it, or set MEDMESH_{service.upper()}_PORT."
                yield Finding(Verdict.BAD, service, f"something listens at {targets[service]}", remedy)
            return
        for service, target in targets.items():
            if not reachable[service]:
                found = f"nothing listens at {target}"
                yield Finding(Verdict.BAD, service, found, "Start it, or correct its address.")
        if client.connection.tls is not None:
            answering = {name: target for name, target in targets.items() if reachable[name]}
            yield from _certificates(client.connection.tls, answering)
        if not reachable["orchestrator"]:
            return
        try:
            listed = client.models()
        except MedmeshError as error:
            yield Finding(
                Verdict.BAD, "orchestrator", f"{targets['orchestrator']}: {error}", "Look into its log."
            )
            others = [name for name in targets if reachable[name] and name != "orchestrator"]
            yield from (_health(client.connection, name) for name in others)  # it may wait for one that hangs
            return
    for service in targets:
        if service in listed.unreachable_services:
            yield Finding(
                Verdict.BAD, service, "the orchestrator cannot reach it", "Start it, or see its log."
            )
        elif reachable[service]:
            yield _health(client.connection, service)
    yield from _parts(client.connection, [service for service in targets if reachable[service]])
    yield from _breakers(client.connection, targets)
    for model in listed.models:
        if not model.ready:
            yield Finding(Verdict.NOTED, model.name, f"not served: {model.reason}")
    ready = sum(model.ready for model in listed.models)
    yield Finding(Verdict.GOOD, "models", f"{ready} of {len(listed.models)} served")


def _health(connection: Connection, service: str) -> Finding:
    """A service is healthy while every model is ready that it cannot do without."""
    target = connection.targets[service]
    if importlib.util.find_spec("grpc_health") is None:
        return Finding(Verdict.GOOD, service, f"{target}, reachable")
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    with connection.channel(service) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            status = stub.Check(health_pb2.HealthCheckRequest(), timeout=5.0).status
        except grpc.RpcError as error:
            found = f"{target}, its health cannot be asked ({error.code().name})"
            return Finding(Verdict.BAD, service, found, "See its log.")
    if status == health_pb2.HealthCheckResponse.SERVING:
        return Finding(Verdict.GOOD, service, f"{target}, healthy")
    found = f"{target}, not serving: something that it needs is not ready"
    return Finding(
        Verdict.BAD, service, found, "`medmesh models` says which model; see its log and Triton's."
    )


def _parts(connection: Connection, services: Iterable[str]) -> Iterator[Finding]:
    """Which safeguards are missing of services that serve without them."""
    if importlib.util.find_spec("grpc_health") is None:
        return
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    request = health_pb2.HealthCheckRequest(service="safeguards")
    for service in services:
        with connection.channel(service) as channel:
            try:
                answer, call = health_pb2_grpc.HealthStub(channel).Check.with_call(request, timeout=5.0)
            except grpc.RpcError:
                continue  # it has none, or is an older one
        subject = f"{service}: safeguards"
        if answer.status == health_pb2.HealthCheckResponse.SERVING:
            yield Finding(Verdict.GOOD, subject, "each model that asks for a gate has one")
        else:
            told = dict(call.trailing_metadata() or ()).get("x-medmesh-problem", "missing")
            remedy = "Answers ask for review meanwhile: `medmesh models` and its log say why."
            yield Finding(Verdict.BAD, subject, told, remedy)


def _breakers(connection: Connection, services: Iterable[str]) -> Iterator[Finding]:
    """Whether the orchestrator calls each service, or has left it alone since it failed repeatedly."""
    if importlib.util.find_spec("grpc_health") is None:
        return
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    with connection.channel("orchestrator") as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        for service in services:
            request = health_pb2.HealthCheckRequest(service=f"upstream.{service}")
            try:
                answer, call = stub.Check.with_call(request, timeout=5.0)
            except grpc.RpcError:
                continue  # none of its upstreams, or an older orchestrator
            subject = f"orchestrator → {service}"
            if answer.status == health_pb2.HealthCheckResponse.SERVING:
                yield Finding(Verdict.GOOD, subject, "breaker closed")
            else:
                state = dict(call.trailing_metadata() or ()).get("x-medmesh-problem", "open")
                yield Finding(
                    Verdict.BAD,
                    subject,
                    f"it failed repeatedly and is not called (breaker {state})",
                    "It is tried every 5 s: see the service's log.",
                )


def _certificates(tls: Tls, targets: Mapping[str, str]) -> Iterator[Finding]:
    """How long the certificates last that the services show, and the client's own."""
    context = ssl.create_default_context(cafile=tls.ca)
    context.set_alpn_protocols(["h2"])
    if tls.certificate is not None and tls.key is not None:
        context.load_cert_chain(tls.certificate, tls.key)
    for service, target in targets.items():
        host, _, port = target.rpartition(":")
        name = host.strip("[]")
        try:
            with (
                socket.create_connection((name, int(port)), timeout=2.0) as connection,
                context.wrap_socket(connection, server_hostname=name) as encrypted,
            ):
                shown = encrypted.getpeercert()
        except OSError as error:  # which SSLError is too
            said = getattr(error, "verify_message", None) or getattr(error, "reason", None) or error.strerror
            yield Finding(Verdict.BAD, service, f"its certificate is not trusted: {said}", _RENEW)
            continue
        ends = ssl.cert_time_to_seconds(str((shown or {})["notAfter"]))
        yield _lasting(f"{service}'s certificate", ends - time.time())
    if importlib.util.find_spec("services") is not None:
        from services.chassis.certificates import Certificates

        for purpose, left_s in Certificates.of_client(tls).remaining_s():
            yield _lasting(f"own {purpose.replace('_', ' ')}", left_s)


def _lasting(subject: str, left_s: float) -> Finding:
    if left_s <= 0:
        return Finding(Verdict.BAD, subject, "has ended", _RENEW)
    days = int(left_s // 86_400)
    if days < WARNED_BEFORE_DAYS:
        return Finding(Verdict.NOTED, subject, f"ends in {days} days", _RENEW)
    return Finding(Verdict.GOOD, subject, f"lasts {days} days")


def _listens(target: str) -> bool:
    host, port = target.rsplit(":", 1)
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=2.0):
            return True
    except OSError:
        return False


def _short(path: Path) -> str:
    """The path from where the command runs, where that is shorter."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _present(title: str, findings: list[Finding]) -> None:
    bad = sum(f.verdict is Verdict.BAD for f in findings)
    table = Table.grid(padding=(0, 1))
    table.add_column()
    table.add_column(min_width=18)
    table.add_column(ratio=1, overflow="fold")
    for one in findings:
        mark, style = one.verdict.value
        text = Text.assemble(one.found, (f"  {one.remedy}" if one.remedy else "", "bold"))
        table.add_row(Text(f"  {mark}", style=style), Text(one.subject), text)
    marks.present([marks.heading(title, f"{bad} wrong" if bad else "", "bold red"), table])
