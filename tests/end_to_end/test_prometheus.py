"""A real Prometheus on a real mesh under load: its configuration and alerts as they are committed, and an
answer to every query of the dashboards. `make test-prometheus` runs it (Debian's package `prometheus`).
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from medmesh import Client, MedmeshError
from services.local import ports
from services.local.mesh import Mesh
from services.local.mesh_settings import MeshSettings
from tests.end_to_end.conftest import SAMPLES, client_of
from tools.bootstrap import ROOT

pytestmark = [
    pytest.mark.live,
    pytest.mark.slow,
    pytest.mark.skipif("TEST_PROMETHEUS" not in os.environ, reason="`make test-prometheus` runs these"),
]
DEPLOYED = ROOT / "deploy" / "observability"
DISCOVERY = re.compile(r"    dns_sd_configs:\n      - \{ names: \[(.+?)\], .*\}\n")
WITHIN_S = 180.0


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    for program in ("prometheus", "promtool"):
        assert shutil.which(program), f"{program} is missing: install clients/debian-packages.txt"


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "config", "prometheus.yml"),
        ("check", "rules", "alerts.yml"),
        ("test", "rules", "alerts.test.yml"),
    ],
)
def test_promtool_takes_what_is_deployed(arguments):
    done = subprocess.run(["promtool", *arguments], cwd=DEPLOYED, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_unit_test_in_which_it_fires_and_a_line_in_the_runbook():
    runbook = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    alerts = re.findall(r"- alert: (\w+)", (DEPLOYED / "alerts.yml").read_text(encoding="utf-8"))
    tested = (DEPLOYED / "alerts.test.yml").read_text(encoding="utf-8")
    fired = re.findall(r"alertname: (\w+)\n +exp_alerts:\n", tested)
    assert len(alerts) > 10
    assert set(fired) == set(alerts)
    assert [alert for alert in alerts if f"| `{alert}` |" not in runbook] == []


@pytest.fixture(scope="module")
def own_mesh(tmp_path_factory) -> Iterator[Mesh]:
    folder = tmp_path_factory.mktemp("scraped")
    settings = MeshSettings.from_environment().on_free_ports(folder)
    settings = dataclasses.replace(
        settings, variables={"MEDMESH_RECEIPT_FOLDER": str(folder / "receipts")}, ready_timeout_s=300
    )
    with Mesh.start(settings, say=lambda _: None) as mesh:
        yield mesh


@pytest.fixture(scope="module")
def loaded(own_mesh: Mesh) -> Iterator[None]:
    """Diagnoses with a written report, calls that are refused, and diagnoses that lack a part."""
    ended = threading.Event()
    case = {
        "image": SAMPLES / "chest_xray.dcm",
        "note": (SAMPLES / "note.txt").read_text(encoding="utf-8"),
        "patient": SAMPLES / "patient.json",
    }

    def ask(client: Client) -> None:
        while not ended.is_set():
            for options in ({"draft_report": True}, {"timeout_s": 0.3}):
                with suppress(MedmeshError):
                    client.diagnose(**case, **options)
            with suppress(MedmeshError):
                client.diagnose(image=b"no image")
            ended.wait(0.2)

    with client_of(own_mesh) as client:
        asking = threading.Thread(target=ask, args=(client,))
        asking.start()
        yield
        ended.set()
        asking.join()


@pytest.fixture(scope="module")
def prometheus(own_mesh: Mesh, loaded, tmp_path_factory) -> Iterator[str]:
    """Its address. Of the committed configuration only the way to the targets differs."""
    folder: Path = tmp_path_factory.mktemp("prometheus")
    text = (DEPLOYED / "prometheus.yml").read_text(encoding="utf-8")

    def here(match: re.Match[str]) -> str:
        lines = ["    static_configs:\n"]
        for name in own_mesh.metrics_addresses.keys() & set(match[1].split(", ")):
            lines.append(f"      - targets: ['{own_mesh.metrics_addresses[name]}']\n")
            lines.append(f"        labels: {{__meta_dns_name: {name}}}\n")
        return "".join(lines)

    assert len(DISCOVERY.findall(text)) == 2
    text = DISCOVERY.sub(here, text).replace("_interval: 15s", "_interval: 1s")
    (folder / "prometheus.yml").write_text(text)
    shutil.copy(DEPLOYED / "alerts.yml", folder)
    address = f"127.0.0.1:{ports.claim('127.0.0.1', {'prometheus': 0}, '')['prometheus']}"
    command = ["prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=data"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, f"--web.listen-address={address}"], cwd=folder, stdout=log, stderr=log
        )
    try:
        yield address
    finally:
        process.terminate()
        process.wait(20)


def got(address: str, path: str, **query: str) -> dict:
    url = f"http://{address}/api/v1/{path}?{urllib.parse.urlencode(query)}"
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=10) as answer:
        return json.load(answer)["data"]


def queries() -> dict[str, str]:
    """Each query of the dashboards, as Grafana would send it."""
    found = {}
    for file in sorted((DEPLOYED / "grafana" / "dashboards").glob("*.json")):
        for panel in json.loads(file.read_text(encoding="utf-8"))["panels"]:
            for index, target in enumerate(panel.get("targets", [])):
                query = target["expr"].replace("$__rate_interval", "60s").replace("$instance", ".+")
                found[f"{file.stem}: {panel['title']} [{index}]"] = query
    return found


def answered(address: str, waiting: dict[str, str]) -> dict[str, str]:
    """What had no answer within WITHIN_S, and what was said last."""
    deadline, said = time.monotonic() + WITHIN_S, dict.fromkeys(waiting, "")
    while said and time.monotonic() < deadline:
        time.sleep(2)
        for panel in list(said):
            with suppress(urllib.error.URLError, ConnectionError, TimeoutError):
                results = got(address, "query", query=waiting[panel])["result"]
                said[panel] = str(results)[:200]
                if any(one["value"][1] != "NaN" for one in results):
                    del said[panel]
    return said


def test_every_target_is_scraped_every_panel_has_an_answer_and_what_dies_is_an_alert(prometheus, own_mesh):
    waiting = queries()
    assert len(waiting) > 20
    of_failures = {
        panel: waiting.pop(panel) for panel, query in queries().items() if 'failed="true"' in query
    }
    assert answered(prometheus, waiting) == {}
    targets = got(prometheus, "targets")["activeTargets"]
    assert {(one["labels"]["service"], one["health"]) for one in targets} == {
        (name, "up") for name in own_mesh.metrics_addresses
    }
    assert all(one["labels"]["instance"].startswith(f"{one['labels']['service']}@") for one in targets)
    rules = [rule for group in got(prometheus, "rules")["groups"] for rule in group["rules"]]
    assert {rule["health"] for rule in rules} <= {"ok", "unknown"}
    own_mesh.stop_service("language")
    assert len(of_failures) == 1
    assert answered(prometheus, of_failures) == {}
    pending = [one["labels"] for one in got(prometheus, "alerts")["alerts"]]
    assert ("ServiceDown", "language") in {(one["alertname"], one.get("service")) for one in pending}
