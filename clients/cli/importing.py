"""`medmesh models import`: hands over to `training.importing` in the training environment, where torch is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from clients.cli.failures import ExitCode, fail

HELP = ("-h", "--help")


class ModelsGroup(TyperGroup):
    """`medmesh models [NAME]` beside `medmesh models import`: what is not a subcommand is a model to show."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or args[0] not in (*self.commands, *HELP):
            args = ["show", *args]
        return super().parse_args(ctx, args)


def import_model(context: typer.Context) -> None:
    """Bring a model into the model repository: export it, compare it with its source, write folder and card.

    KIND is torchxrayvision, image-classifier, token-classifier, text-classifier, sentence-encoder,
    monai-bundle or onnx; `medmesh models import KIND --help` says what it takes. Runs in the training
    environment (`python3 tools/bootstrap.py training` makes it).
    """
    from tools.bootstrap import ENVIRONMENTS, ROOT

    if not (ROOT / "training" / "importing").is_dir():
        fail("importing models needs a clone of medmesh's repository, and this is none.", ExitCode.FAILED)
    python = ENVIRONMENTS["training"].python
    if not python.exists():
        if context.args and not set(HELP) & set(context.args):
            fail(
                f"the training environment is not made ({python} is missing), and torch lives there: "
                f"python3 {ROOT / 'tools' / 'bootstrap.py'} training (about 3 GB).",
                ExitCode.FAILED,
            )
        python = Path(sys.executable)  # enough to show the help
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "clients" / "python")]),
        "MEDMESH_IMPORT_PROGRAM": "medmesh models import",
    }
    # -P: a folder `training` where the user stands is not ours.
    command = [str(python), "-P", "-m", "training.importing", *(context.args or HELP[:1])]
    code = subprocess.run(command, env=environment, check=False).returncode
    if code:
        raise typer.Exit(code)
