"""`medmesh demo`: the whole mesh from nothing to one combined answer on the samples, and everything stopped
again.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from clients.cli import diagnose
from clients.cli.failures import ExitCode, explained, fail
from clients.cli.show import marks
from clients.cli.up import running
from medmesh import Client
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb

SAMPLES = ("chest_xray.dcm", "note.txt", "patient.json")
TIMEOUT_S = 60.0
WRITES = "text_generation"
"""The task of a model that can draft a report."""
WHAT_IT_PROVES = (
    "The samples are synthetic: a drawn X-ray, an invented note and record. This run shows that the mesh "
    "works from end to end. It says nothing of how well the models read real patients: `medmesh models NAME` "
    "does."
)


def demo(
    output: Annotated[
        Path, typer.Option("--output", metavar="DIR", help="Where the answer and the heat map are saved.")
    ] = Path("demo-output"),
) -> None:
    """Start the mesh on free ports, diagnose the synthetic samples, print and save the answer, stop the mesh.

    Example:
      medmesh demo --output /tmp/demo
    """
    from services.local.mesh_settings import MeshSettings
    from tools.bootstrap import ROOT

    began = time.monotonic()
    image, note, patient = (ROOT / "samples" / name for name in SAMPLES)
    with explained():
        usual = MeshSettings.from_environment()
        settings = usual.on_free_ports(usual.run_folder / "demo")
    with running(settings) as mesh, explained():
        with Client(mesh.addresses["orchestrator"], timeout_s=TIMEOUT_S) as client:
            marks.present([marks.indented(Text(WHAT_IT_PROVES, style="bold yellow"))])
            marks.present([Text("asking for one combined diagnosis of the samples", style="dim")])
            text = note.read_text(encoding="utf-8")
            case = diagnose.case_of([image], text, patient, None, None, None)
            case["draft_report"] = any(m.ready and m.task == WRITES for m in client.models().models)
            answer = diagnose.ask(client, case, overlay=True)
        diagnose.present(answer, text)
        written = diagnose.save(answer, output)
    took = Text(f"{time.monotonic() - began:.1f} s from nothing to here; everything is stopped.", style="dim")
    marks.present([marks.heading("Saved"), *(Text(f"  {path}") for path in written), Text(), took])
    if answer.completeness != pb.COMPLETENESS_COMPLETE:
        fail("the answer is PARTIAL: a branch of the mesh failed; it is named above.", ExitCode.PARTIAL)
