"""Telemetry in compose: who has metrics is scraped, and NVIDIA's Triton sends spans where it is told to."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from services.local import topology
from tools.bootstrap import ROOT

SERVICES = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]
PROMETHEUS = yaml.safe_load(
    (ROOT / "deploy" / "observability" / "prometheus.yml").read_text(encoding="utf-8")
)
TRACES = ["mode=opentelemetry", "level=TIMESTAMPS", "rate=0"]


def scraped(job: str) -> tuple[set[str], int]:
    """Names and port of the targets of a job."""
    [found] = [one for one in PROMETHEUS["scrape_configs"] if one["job_name"] == job]
    [asked] = found["dns_sd_configs"]
    return set(asked["names"]), asked["port"]


def test_prometheus_scrapes_every_part_that_has_metrics_and_can_reach_it():
    metrics = {
        name: part["environment"]["MEDMESH_METRICS_LISTEN"]
        for name, part in SERVICES.items()
        if "MEDMESH_METRICS_LISTEN" in part.get("environment", {})
    }
    names, port = scraped("medmesh")
    assert names == metrics.keys() >= topology.load().services.keys()
    assert set(metrics.values()) == {f"0.0.0.0:{port}"}
    for name in names:
        assert set(SERVICES[name]["networks"]) & set(SERVICES["prometheus"]["networks"])


def test_prometheus_scrapes_each_triton():
    names, port = scraped("triton")
    networks = [part.get("networks") for part in SERVICES.values()]
    assert names == {alias for one in networks if isinstance(one, dict) for alias in one["triton"]["aliases"]}
    assert SERVICES["triton-cpu"]["environment"]["MEDMESH_TRITON_METRICS_PORT"] == port


@pytest.mark.parametrize("url", ["", "http://collector:4318/v1/traces"])
def test_nvidias_triton_sends_spans_where_it_is_told_to(tmp_path: Path, url: str):
    """Its command, as its shell runs it, with a program in the server's place that says what it was given."""
    server, key = tmp_path / "tritonserver", tmp_path / "triton.key"
    server.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    server.chmod(0o755)
    key.write_text("secret")
    [*shell, script] = SERVICES["triton"]["command"]
    assert "MEDMESH_TRITON_TRACES_URL" in SERVICES["triton"]["environment"]
    script = script.replace("$$", "$").replace("/run/medmesh/triton.key", str(key))
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "MEDMESH_TRITON_TRACES_URL": url,
    }
    given = subprocess.run(
        [*shell, script], env=environment, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    told = [one.removeprefix("--trace-config=") for one in given if one.startswith("--trace-config=")]
    assert told == ([*TRACES, f"opentelemetry,url={url}"] if url else [])
    assert "--grpc-restricted-protocol" in given[-2]
    assert given[-1].endswith("medmesh-key=secret")


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="root gives rights up with it")
def test_identities_are_made_and_made_again_with_the_rights_that_the_container_has(tmp_path: Path):
    part = SERVICES["identity"]
    rights = ",".join(["-all", *(f"+{name.lower()}" for name in part["cap_add"])])
    given_to = [word for word in part["command"] if word.startswith(("--owner=", "--triton-group="))]
    program = [sys.executable, "-m", "services.local.credentials", str(tmp_path), *given_to]
    for _ in range(2):
        done = subprocess.run(
            ["setpriv", f"--inh-caps={rights}", f"--bounding-set={rights}", *program],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    for name, mode in (("triton", 0o750), ("triton/triton.key", 0o640)):
        told = (tmp_path / name).stat()
        assert (stat.S_IMODE(told.st_mode), told.st_uid, told.st_gid) == (mode, 10001, 1000)
