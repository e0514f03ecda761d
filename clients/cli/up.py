"""`medmesh up`: Triton, the four services and the doors on this machine, until Ctrl-C."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from clients.cli.failures import ExitCode, explained, fail
from clients.cli.show import marks

if TYPE_CHECKING:
    from services.local.mesh import Mesh
    from services.local.mesh_settings import MeshSettings

CHECK_INTERVAL_S = 1.0
USUAL = {"orchestrator": "MEDMESH_URL", "imaging": "MEDMESH_IMAGING_URL"}
USUAL |= {"language": "MEDMESH_LANGUAGE_URL", "recommendation": "MEDMESH_RECOMMENDATION_URL"}


def up(
    models: Annotated[
        list[Path] | None,
        typer.Option(
            "--models",
            metavar="DIR",
            help="Serve the models in this folder too, before the built-in ones. Repeatable.",
        ),
    ] = None,
    doors: Annotated[
        bool, typer.Option("--doors", help="Open every door too: HTTP and what else topology.toml lists.")
    ] = False,
    door: Annotated[
        list[str] | None, typer.Option("--door", metavar="NAME", help="Open this door too. Repeatable.")
    ] = None,
) -> None:
    """Run the whole mesh on this machine: Triton and the four services. Ctrl-C stops all of it.

    The ports are those of `.env` and of the MEDMESH_*_PORT variables (0: a free one). MEDMESH_TRITON_URL
    names another Triton, which is then used instead of the embedded one. Logs are in `.medmesh/run`. A
    process that ends is named and restarted, after a growing pause; the others keep running meanwhile, and
    answers are PARTIAL. The embedded Triton is for one machine only: `medmesh doctor` says why.

    A model is a folder; of two with the same name, the one in the first folder is served. `medmesh models
    check DIR` says beforehand what would be refused; `medmesh models reload` takes up changes while it runs.

    Examples:
      medmesh up

      medmesh up --models ~/models

      medmesh up --door gateway
    """
    from services.local.mesh_settings import DOORS, MeshSettings

    for folder in models or ():
        if not folder.is_dir():
            fail(f"there is no folder {folder}.", ExitCode.INPUT)
    for name in door or ():
        if name not in DOORS:
            fail(f"there is no door {name}: {', '.join(DOORS)}.", ExitCode.INPUT)
    with explained():
        settings = MeshSettings.from_environment().with_models(models or ())
    settings = settings.with_doors(DOORS if doors else dict.fromkeys(door or ()))
    ended = threading.Event()
    with running(settings) as mesh, until_signalled(ended):
        _present(mesh.addresses)
        while not ended.wait(CHECK_INTERVAL_S):
            for line in mesh.tend():
                marks.console().print(Text(f"medmesh: {line}", style="bold yellow"))
        marks.console().print("stopping")


@contextmanager
def running(settings: MeshSettings) -> Iterator[Mesh]:
    """The mesh, healthy; stopped at the end of the block. Its failures end the command with their
    sentence.
    """
    from services.chassis.settings import SettingsError
    from services.local.mesh import Mesh, MeshError
    from services.local.triton import TritonError
    from tools.bootstrap import Missing

    console = marks.console()

    def say(line: object) -> None:
        console.print(Text(str(line), style="dim"))

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # also while it starts, everything is stopped
    try:
        mesh = Mesh.start(settings, say)
        try:
            yield mesh
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)  # the end has begun; it is bounded, and leaves nothing
            mesh.stop(say)
    except KeyboardInterrupt:
        fail("stopped by Ctrl-C.", ExitCode.FAILED)
    except (Missing, MeshError, TritonError, SettingsError) as error:
        fail(str(error), ExitCode.FAILED)


@contextmanager
def until_signalled(ended: threading.Event) -> Iterator[None]:
    """Sets `ended` on Ctrl-C and on SIGTERM, so that the block ends in order."""
    previous = {
        number: signal.signal(number, lambda *_: ended.set()) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _present(addresses: dict[str, str]) -> None:
    from medmesh.connection import resolve

    table = Table.grid(padding=(0, 2))
    for name, address in addresses.items():
        table.add_row(f"  {name}", Text(address, style="bold"))
    parts: list[RenderableType] = [marks.heading("medmesh is up", "Ctrl-C stops it", "dim"), table]
    expected = resolve(
        None, imaging=None, language=None, recommendation=None, token=None, tls=None, timeout_s=None
    ).targets
    for name, variable in USUAL.items():
        if addresses[name] != expected[name]:
            parts.append(Text(f"  export {variable}={addresses[name]}"))
    parts.append(
        Text("  Try: medmesh diagnose --image samples/chest_xray.dcm --note samples/note.txt", style="dim")
    )
    marks.present(parts)
