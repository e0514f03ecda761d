"""Draws `docs/trace.svg`: one diagnosis of the samples on the mesh that runs, from its real spans.

python -m tools.trace_picture      # beside `medmesh up`
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from rich.console import Console

from clients.cli import tracing
from clients.cli.show import marks
from clients.cli.show.waterfall import waterfall
from medmesh import Client
from medmesh.orchestrator.v1.orchestrator_pb2 import Diagnosis
from tools.bootstrap import ROOT

PICTURE = ROOT / "docs" / "trace.svg"
SAMPLES = ROOT / "samples"
ATTEMPTS = 20
# Without the fonts that rich would load from the network.
FORM = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: Menlo, "DejaVu Sans Mono", monospace; font-size: {char_height}px;
  line-height: {line_height}px; font-variant-east-asian: full-width; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: arial; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" /></clipPath>{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">{matrix}</g>
</g>
</svg>
"""


def main(picture: Path = PICTURE) -> None:
    """Draws the first trace that is whole; the first of all is not taken, so that what is loaded on first use
    is there. Ends with an error where none of ATTEMPTS is.
    """
    note = (SAMPLES / "note.txt").read_text(encoding="utf-8")
    with Client(timeout_s=60) as client:

        def ask() -> Diagnosis:
            return client.diagnose(
                image=SAMPLES / "chest_xray.dcm", note=note, patient=SAMPLES / "patient.json"
            )

        ask()
        for _ in range(ATTEMPTS):
            _, trace = tracing.traced(client, ask)
            if tracing.is_whole(trace):  # Triton leaves out the spans of some requests
                break
        else:
            sys.exit(f"no trace of {ATTEMPTS} has Triton's spans of each call: nothing was drawn")
    console = Console(record=True, width=marks.WIDTH + 8, file=io.StringIO(), force_terminal=True)
    for part in waterfall(trace):
        console.print(part)
    console.save_svg(str(picture), title="medmesh diagnose --trace", code_format=FORM, unique_id="trace")


if __name__ == "__main__":
    main()
