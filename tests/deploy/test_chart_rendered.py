"""The Helm chart, rendered by helm over a matrix of values and held to Kubernetes' schemas: `make helm`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from services.local import topology
from tools.bootstrap import ROOT

TOOLS = os.environ.get("TEST_HELM", "")
pytestmark = pytest.mark.skipif(not TOOLS, reason="`make helm` runs it: it installs helm and the schemas")

CHART = ROOT / "deploy" / "helm" / "medmesh"
TOPOLOGY = topology.load()
IDENTITY = "identity.secret=medmesh-identity"
MODELS = f"modelRepository.claim=models,{IDENTITY}"
DOORS = [f"doors.{name}.enabled=true" for name in TOPOLOGY.doors]
MATRIX: dict[str, list[str]] = {
    "as it comes": [MODELS],
    "models in an image": [IDENTITY, "modelRepository.image=registry.example/models:1"],
    "GPUs": [MODELS, "triton.kind=nvidia", "triton.nvidia.engineCache=engines", "triton.replicas=3"],
    "all doors": [
        MODELS,
        *DOORS,
        "doors.dicom_node.configuration=[node]",
        "doors.hl7_node.configuration=[node]",
    ],
    "metrics": [MODELS, "autoscaling.podMetrics.enabled=true", "metrics.serviceMonitor=true"],
    "scaled": [MODELS, *(f"services.{name}.autoscaling.enabled=true" for name in TOPOLOGY.services)],
    "small": [
        MODELS,
        *(f"services.{name}.replicas=1" for name in TOPOLOGY.services),
        *(f"services.{name}.autoscaling.enabled=false" for name in TOPOLOGY.services),
        "services.orchestrator.storage=null",
        "networkPolicy.enabled=false",
    ],
    "nobody outside": [MODELS, "networkPolicy.clients=null"],
    "collected": [MODELS, "telemetry.otlpEndpoint=http://collector.sight:4318", *DOORS],
    "collected, GPUs": [MODELS, "telemetry.otlpEndpoint=http://collector.sight:4318", "triton.kind=nvidia"],
    "monitored": [MODELS, "networkPolicy.monitoring[0].namespaceSelector.matchLabels.team=sight", *DOORS],
}
"""What is set beside the defaults."""

CHECK = """
import json, sys, yaml, kubernetes_validate
made = [one for one in yaml.safe_load_all(sys.stdin) if one]
for one in made:
    if one["kind"] != "ServiceMonitor":  # not of Kubernetes itself
        for version in ("1.32", "1.37"):
            kubernetes_validate.validate(one, version, strict=True)
json.dump(made, sys.stdout)
"""

Made = dict[tuple[str, str], Any]


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(TOOLS).resolve() / "helm"), *arguments], capture_output=True, text=True, check=False
    )


def rendered(settings: list[str]) -> Made:
    """What the chart makes of the settings, by kind and name; each has passed the schema of its kind."""
    shown = helm("template", "medmesh", str(CHART), *(part for one in settings for part in ("--set", one)))
    assert shown.returncode == 0, shown.stderr
    environment = {**os.environ, "PYTHONPATH": str(Path(TOOLS).resolve() / "packages")}
    checked = subprocess.run(
        [sys.executable, "-c", CHECK],
        input=shown.stdout,
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert checked.returncode == 0, checked.stderr[-3000:]
    return {(one["kind"], one["metadata"]["name"]): one for one in json.loads(checked.stdout)}


@pytest.fixture(scope="module", params=MATRIX)
def made(request: pytest.FixtureRequest) -> Made:
    return rendered(MATRIX[request.param])


def pods(made: Made) -> dict[str, Any]:
    return {
        name: one["spec"]["template"]["spec"]
        for (kind, name), one in made.items()
        if kind in {"Deployment", "StatefulSet"}
    }


def env(pod: Any) -> dict[str, str]:
    return {one["name"]: one["value"] for one in pod["containers"][0].get("env", [])}


def test_what_is_rendered_keeps_kubernetes_schemas_and_is_hardened(made: Made):
    for pod in pods(made).values():
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["enableServiceLinks"] is False
        volumes = [one["name"] for one in pod["volumes"]]
        for container in pod["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"]
            assert container["resources"]["limits"]["memory"]
            assert {"startupProbe", "readinessProbe", "livenessProbe"} <= container.keys()
            mounted = [one["name"] for one in container["volumeMounts"]]
            assert set(mounted) - {"state"} == set(volumes) - {"state"}


def test_addresses_lead_to_services_that_are_there(made: Made):
    ports = {
        name: {port["port"] for port in one["spec"]["ports"]}
        for (kind, name), one in made.items()
        if kind == "Service"
    }
    for name, pod in pods(made).items():
        urls = {key: text for key, text in env(pod).items() if key.endswith("_URL") and "TRACES" not in key}
        for text in urls.values():
            host, _, port = text.rpartition(":")
            assert int(port) in ports[host], (name, text)
    for name, service in TOPOLOGY.services.items():
        assert f"medmesh-{name}" in ports
        assert made["Service", f"medmesh-{name}"]["spec"]["clusterIP"] == "None"  # all replicas' addresses
        urls = env(pods(made)[f"medmesh-{name}"])
        called = {other for other in TOPOLOGY.services if f"MEDMESH_{other.upper()}_URL" in urls}
        assert called == set(service.calls)


def test_selectors_choose_exactly_the_pods_of_their_own(made: Made):
    for (kind, name), one in made.items():
        if kind in {"Deployment", "StatefulSet"}:
            labels = one["spec"]["template"]["metadata"]["labels"]
            assert one["spec"]["selector"]["matchLabels"].items() <= labels.items()
            assert made["Service", name]["spec"]["selector"].items() <= labels.items()
        if kind == "HorizontalPodAutoscaler":
            target = one["spec"]["scaleTargetRef"]
            assert "replicas" not in made[target["kind"], target["name"]]["spec"]  # they would fight over it


def admitted(made: Made, name: str, port: int) -> set[str]:
    """Components whose pods a policy lets in at a port; `*` stands for a peer without labels of ours."""
    found = set()
    for rule in made["NetworkPolicy", name]["spec"]["ingress"]:
        assert rule["from"], "a rule without `from` lets everybody in"
        if any(one["port"] == port for one in rule["ports"]):
            for peer in rule["from"]:
                labels = peer["podSelector"].get("matchLabels", {})
                found.add(labels.get("app.kubernetes.io/component", "*"))
    return found


def egress(made: Made, name: str) -> list[tuple[list[int], Any]]:
    """Ports of each rule of a policy, and the peers that it leads to; None: anybody."""
    rules = made["NetworkPolicy", name]["spec"].get("egress") or []
    return [([one["port"] for one in rule["ports"]], rule.get("to")) for rule in rules]


def test_triton_is_left_to_the_services_that_run_models(made: Made):
    policies = [name for kind, name in made if kind == "NetworkPolicy"]
    if not policies:
        return
    assert set(policies) == set(pods(made))
    with_models = {name for name, service in TOPOLOGY.services.items() if service.triton}
    for name in policies:
        if "triton" in name:
            assert admitted(made, name, 8001) == with_models
            # To a name server and the collector at most, where there is one.
            reached = [port for ports, _ in egress(made, name) for port in ports]
            assert reached in ([], [53, 53, 4318])
    for name, service in TOPOLOGY.services.items():
        callers = {other for other, theirs in TOPOLOGY.services.items() if name in theirs.calls}
        doors = {
            door
            for door in ("gateway", "console", "dicom-node", "hl7-node", "jobs")
            if f"medmesh-{door}" in policies
        }
        allowed = admitted(made, f"medmesh-{name}", service.port)
        assert callers <= allowed <= callers | doors | ({"*"} if name == "orchestrator" else set())


@pytest.mark.parametrize("name", ["collected", "collected, GPUs"])
def test_one_value_sends_telemetry_of_the_services_and_triton_and_lets_it_out(name: str):
    made = rendered(MATRIX[name])
    senders = {f"medmesh-{service}" for service in TOPOLOGY.services} | {"medmesh-jobs"}
    to_collector = ([4318], [{"namespaceSelector": {}}])
    for part, pod in pods(made).items():
        sends = part in senders or "triton" in part
        assert (to_collector in egress(made, part)) == sends, part
        endpoint = env(pod).get("OTEL_EXPORTER_OTLP_ENDPOINT")
        assert endpoint == ("http://collector.sight:4318" if part in senders else None)
        if "triton" in part:
            [container] = pod["containers"]
            told = [env(pod).get("MEDMESH_TRITON_TRACES_URL", ""), *container["command"]]
            assert "http://collector.sight:4318/v1/traces" in " ".join(told)
    if name == "collected, GPUs":
        script = pods(made)["medmesh-triton"]["containers"][0]["command"][-1]
        assert re.findall(r"--trace-config=(\S+)", script) == [
            "mode=opentelemetry",
            "level=TIMESTAMPS",
            "rate=0",
            "opentelemetry,url=http://collector.sight:4318/v1/traces",
        ]


def test_a_part_of_the_matrix_says_what_it_is_for():
    gpu = rendered(MATRIX["GPUs"])
    triton = pods(gpu)["medmesh-triton"]
    assert triton["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert triton["nodeSelector"]
    assert triton["tolerations"]
    assert env(pods(gpu)["medmesh-language"])["MEDMESH_WRITER_TRITON_URL"] == "medmesh-triton-writer:8001"
    parts = pods(rendered(MATRIX["all doors"]))
    for name, pod in parts.items():
        if "triton" in name:
            [key] = [one for one in pod["volumes"] if one["name"] == "key"]
            assert key["secret"]["secretName"] == "medmesh-identity-triton"
            continue
        assert "MEDMESH_INSECURE" not in env(pod), name
        assert env(pod)["MEDMESH_IDENTITY_FOLDER"] == "/etc/medmesh/identity", name
        secrets = {one["secret"]["secretName"] for one in pod["volumes"] if "secret" in one}
        assert secrets == {name.replace("medmesh-", "medmesh-identity-", 1)}
    assert "exec" in parts["medmesh-imaging"]["containers"][0]["readinessProbe"]
    metrics = rendered(MATRIX["metrics"])["HorizontalPodAutoscaler", "medmesh-imaging"]["spec"]["metrics"]
    assert [one["type"] for one in metrics] == ["Resource", "Pods", "Pods"]


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ("modelRepository.claim=", "modelRepository"),
        ("identity.secret=", "identity"),
        ("triton.kind=gpu", "kind"),
        ("telemetry.otlpEndpoint=collector:4318", "otlpEndpoint"),
        ("telemetry.collector=null", "collector"),
        ("services.imaging.port=0", "port"),
        ("services.imagin.port=1", "imagin"),
    ],
)
def test_values_that_cannot_be_meant_are_refused(setting: str, problem: str):
    shown = helm("template", "medmesh", str(CHART), "--set", MODELS, "--set", setting)
    assert shown.returncode != 0
    assert problem in shown.stderr
